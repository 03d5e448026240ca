"""Recorded rooms under other settings of one machine: instructions, threads, locale."""

import os
import subprocess
import sys

import numpy as np
import pytest
from rescene4d_ros.data.sequences.sequence_file import read_extras, read_sequence
from rescene4d_ros.synthetic_rooms.sets import digest_of, read_record, SETS

SEED, _ = next(SETS['rooms-test'].sequences())
# Settings of libraries; other processors are emulated, see docs/experiments/procedural_rooms.md.
ENVIRONMENTS = {
    'old instructions': {
        'NPY_DISABLE_CPU_FEATURES': 'X86_V3 X86_V4 AVX512_ICL AVX512_SPR',
        'OPENBLAS_CORETYPE': 'Nehalem',
        'NUMBA_CPU_NAME': 'nehalem',
    },
    'other threads': {
        'OMP_NUM_THREADS': '3',
        'OPENBLAS_NUM_THREADS': '2',
        'NUMBA_NUM_THREADS': '2',
    },
    'other locale': {
        'LC_ALL': 'C',
        'LANG': 'C',
        'TZ': 'Asia/Kathmandu',
        'PYTHONHASHSEED': '7',
        'PYTHONUTF8': '0',
    },
}


def made(folder, environment):
    """Return the file of the first sequence of the test set, made by another process."""
    command = [
        sys.executable,
        '-m',
        'rescene4d_ros.cli.main',
        'rooms',
        'set',
        'rooms-test',
        '--limit',
        '1',
        '--out',
        str(folder / 'out'),
        '--allow-rounding',
    ]
    subprocess.run(
        command,
        check=True,
        timeout=1800,
        env={**os.environ, 'NUMBA_CACHE_DIR': str(folder / 'numba'), **environment},
    )
    return folder / 'out' / f'room_{SEED:08d}.npz'


@pytest.fixture(scope='module')
def here(tmp_path_factory):
    """Return the file as this environment makes it."""
    return made(tmp_path_factory.mktemp('here'), {})


@pytest.mark.slow
@pytest.mark.parametrize('name', ENVIRONMENTS)
def test_room_is_the_same_in_another_environment(name, here, tmp_path):
    """Points and truth are as recorded on any machine; superpoints are those made here."""
    there = made(tmp_path, ENVIRONMENTS[name])
    digest = digest_of(*read_sequence(there))
    assert digest == read_record('rooms-test')[SEED]
    for one, other in zip(
        read_extras(here).superpoint, read_extras(there).superpoint, strict=True
    ):
        np.testing.assert_array_equal(one, other)
