"""Memories that somebody else made: opening one alters and reads nothing outside of it."""

from contextlib import suppress
import hashlib
import io
import os
import resource
import sqlite3
import zipfile

import numpy as np
import pytest
from rescene4d_ros.errors import FileFormatError, MemoryFormatError, RescenError, ScanError
from rescene4d_ros.memory.maintenance.integrity import check
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.zones import read_zones
from rescene4d_ros.structures import Scan

CLASSES = ('chair', 'table')


@pytest.fixture
def memory(tmp_path):
    """Return the folder of a memory with one visit."""
    folder = tmp_path / 'memory'
    with SceneMemory.open(folder, 'home', 'map', CLASSES) as memory:
        memory.add_visit(scan_at(1))
    return folder


@pytest.fixture
def precious(tmp_path):
    """Return a folder of files that must stay as they are."""
    folder = tmp_path / 'precious'
    folder.mkdir()
    for name in ('letter.txt', 'half.tmp', 'half.part', 'memory.lock', f'{"a" * 40}.npz'):
        (folder / name).write_text(name)
    return folder


def scan_at(second):
    """Return a visit of 20 points."""
    xyz = np.random.default_rng(second).random((20, 3)).astype('f4')
    return Scan(xyz, second * 10**9, name=f'visit {second}')


def content(folder):
    """Return names and content of a folder."""
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.mark.parametrize('part', ['visits', 'visits/derived'])
def test_links_in_the_place_of_folders(memory, precious, part):
    """What is there would be removed as left over."""
    path, before = memory / part, content(precious)
    if path.exists():
        path.rename(memory / 'moved')
    path.symlink_to(precious)
    with pytest.raises(MemoryFormatError, match='got a link to'):
        SceneMemory.edit(memory)
    check(memory)
    assert content(precious) == before


def test_links_in_the_place_of_files(memory, precious):
    """The lock file is written to, and the database gets tables."""
    before, letter = content(precious), precious / 'letter.txt'
    for path in sorted(p for p in memory.iterdir() if p.is_file()):
        kept = path.read_bytes()
        path.unlink()
        path.symlink_to(letter)
        with suppress(RescenError):
            SceneMemory.edit(memory).close()
        assert content(precious) == before, path.name
        path.unlink(missing_ok=True)
        path.write_bytes(kept)
    SceneMemory.edit(memory).close()
    for name in ('memory.sqlite3', 'memory.lock', 'stored.json', 'database.url'):
        fresh = memory.with_name(f'fresh {name}')
        fresh.mkdir()
        (fresh / name).symlink_to(letter)
        with suppress(RescenError):
            SceneMemory.open(fresh, 'home', 'map', CLASSES).close()
        assert content(precious) == before, name


@pytest.mark.parametrize('make', [os.mkfifo, lambda path: path.symlink_to('/dev/zero')])
def test_points_that_have_no_end(memory, make):
    """A pipe or a device in the place of a file of points."""
    (points,) = (memory / 'visits').glob('*.npz')
    points.unlink()
    make(points)
    with SceneMemory.inspect(memory) as opened, pytest.raises(FileFormatError, match='no.* file'):
        opened.scan(1)
    assert any('visit 1' in fault for fault in check(memory)[0])


@pytest.mark.parametrize('make', [os.mkfifo, lambda path: path.symlink_to('/dev/zero')])
def test_files_beside_the_database_that_have_no_end(memory, make):
    """What they say can be worked out again; zones are a person's, so theirs is told."""
    (memory / 'stored.json').unlink()
    make(memory / 'stored.json')
    with SceneMemory.edit(memory) as opened:
        assert len(opened.visits()) == 1
        opened.files.derived.write('a', 'cells', b'kept')
        (kept,) = (memory / 'visits' / 'derived').glob('a*')
        kept.unlink()
        make(kept)
        assert opened.files.derived.read('a', 'cells') is None
    make(memory / 'zones.yaml')
    with pytest.raises(FileFormatError, match='got a folder, pipe or device'):
        read_zones(memory)


def replace_points(memory, data):
    """Give the first visit other bytes under a name that fits them."""
    points = next((memory / 'visits').glob('*.npz'))
    name = hashlib.blake2b(data, digest_size=20).hexdigest() + '.npz'
    points.with_name(name).write_bytes(data)
    with SceneMemory.inspect(memory) as opened:
        return opened.files, name


def changed(**arrays):
    """Return the bytes of a file of points with other arrays."""
    buffer, xyz = io.BytesIO(), np.zeros((20, 3), 'f4')
    whole = {'format': 1, 'stamp_ns': 1, 'frame_id': 'map', 'name': 'x', 'xyz': xyz}
    np.savez(buffer, **(whole | arrays))
    return buffer.getvalue()


@pytest.mark.parametrize(
    'arrays',
    [
        {'xyz': np.zeros((20, 2), 'f4')},
        {'xyz': np.zeros(3, 'f4')},
        {'xyz': np.zeros((20, 3))},
        {'xyz': np.full((20, 3), np.nan, 'f4')},
        {'rgb': np.zeros((7, 3), 'u1')},
        {'rgb': np.zeros((20, 3), 'f4')},
        {'stamp_ns': 'now'},
        {'stamp_ns': [1, 2]},
        {'findings': '[1]'},
        {'findings': '{"code"'},
        {'origin': 'far'},
        {'format': np.array([])},
    ],
)
def test_points_that_are_none(memory, arrays):
    """The hash fits, the content does not."""
    files, name = replace_points(memory, changed(**arrays))
    with pytest.raises(FileFormatError, match='expected a visit written by this package'):
        files.read(name)


def test_points_that_unpack_to_gigabytes(memory):
    """And such as no library unpacks."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as file,
        file.open('xyz.npy', 'w', force_zip64=True) as entry,
    ):
        shape = (100_000_000, 3)
        np.lib.format.write_array_header_1_0(
            entry, {'descr': '<f4', 'fortran_order': False, 'shape': shape}
        )
        for _ in range(300):
            entry.write(bytes(1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    damaged = bytearray(changed())
    damaged[damaged.index(b'PK\x01\x02') + 10] = 99  # way of compression
    for data in (buffer.getvalue(), bytes(damaged)):
        files, name = replace_points(memory, data)
        with pytest.raises(FileFormatError, match='expected a visit written by this package'):
            files.read(name)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize(
    'statement',
    [
        "CREATE TRIGGER t AFTER INSERT ON visits BEGIN UPDATE visits SET status = 'DONE'; END",
        'CREATE VIEW v AS WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k FROM n) SELECT k '
        'FROM n',
    ],
)
def test_databases_that_do_things_by_themselves(memory, statement):
    """Triggers and views are refused before anything is asked."""
    database = sqlite3.connect(memory / 'memory.sqlite3')
    database.execute(statement)
    database.commit()
    database.close()
    for open_ in (SceneMemory.edit, SceneMemory.inspect):
        with pytest.raises(MemoryFormatError, match='altered by another program'):
            open_(memory)
    assert 'altered by another program' in check(memory)[0][0]


@pytest.mark.parametrize('stamp_ns', [-1, 2**31 * 10**9, 2**63, 10**400])
def test_stamps_that_ros_does_not_have(memory, stamp_ns):
    """Nothing of such a visit is stored."""
    with SceneMemory.edit(memory) as opened:
        with pytest.raises(ScanError, match='from 1970 to 2038'):
            opened.add_visit(Scan(scan_at(2).xyz, stamp_ns))
        assert len(opened.visits()) == 1
        assert len(opened.files.names()) == 1


def test_folder_whose_name_is_no_text(tmp_path):
    """SQLite takes UTF-8 only."""
    folder = tmp_path / os.fsdecode(b'm\xfe')
    with pytest.raises(RescenError, match='rename it'):
        SceneMemory.open(folder, 'home', 'map', CLASSES)
    with pytest.raises(RescenError, match='rename it'):
        SceneMemory.inspect(folder)
