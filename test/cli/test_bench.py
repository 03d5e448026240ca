"""`rescene4d bench` on small rooms: the tables and the file hold what they say."""

from importlib import import_module
from io import StringIO
import json
import time

import pytest
from rescene4d_ros.cli.bench.bench_libraries import library_table, measure_libraries
from rescene4d_ros.cli.bench.sparse_libraries import LIBRARIES
from rescene4d_ros.cli.bench.throughput import convolutions
from rescene4d_ros.cli.main import main
from rescene4d_ros.data.readers.bags.writing import write_snapshots
from rescene4d_ros.data.sequences.sequence_file import write_sequence
from rescene4d_ros.inference.segmenter import STAGES
from rescene4d_ros.inference.weights_file import save_weights, WeightsInfo
from rescene4d_ros.models.backbones.unet import PRESETS, SparseUNet
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.sparse.voxels import Voxels
from rescene4d_ros.synthetic_rooms import make_sequence, RoomsConfig
from rich.console import Console
import torch


@pytest.mark.slow
def test_bench_of_the_segmenter(boxes_room, tmp_path, capsys):
    torch.manual_seed(0)
    save_weights(
        tmp_path / 'toy.safetensors',
        ReScene4D(
            ModelConfig(
                backbone='tiny',
                voxel_size=0.1,
                n_classes=3,
                hidden_dim=32,
                n_heads=4,
                ffn_dim=64,
                n_queries=12,
            )
        ),
        WeightsInfo(('chair', 'table', 'box')),
    )
    scans = [
        boxes_room(
            [((x, 0.5, 0.0), (0.4, 0.4, 0.5), (200, 40, 40))],
            seed=k,
            density=300,
            stamp_ns=k * 10**9,
        )[0]
        for k, x in enumerate((0.4, 2.1))
    ]
    write_snapshots(tmp_path / 'bag', scans)
    out = tmp_path / 'new' / 'bench.json'
    assert (
        main(
            [
                'bench',
                'segmenter',
                '--bag',
                str(tmp_path / 'bag'),
                '--weights',
                str(tmp_path / 'toy.safetensors'),
                '--device',
                'cpu',
                '--threads',
                '1',
                '--repeats',
                '1',
                '--unet',
                'tiny',
                '--voxel-size',
                '0.1',
                '--clock',
                'cpu',
                '--against',
                *LIBRARIES,
                '--json',
                str(out),
            ]
        )
        == 0
    )
    told = capsys.readouterr().out
    for name in (*STAGES, 'one cached', 'share of the', 'beside a cached one', *LIBRARIES):
        assert name in told
    measured = json.loads(out.read_text())
    assert measured['points'] == [len(s) for s in scans]
    anew, cached = measured['stages_s']['anew'], measured['stages_s']['cached']
    assert sum(anew[s] for s in STAGES) <= anew['total']
    assert cached['encode'] == 0 < anew['encode']
    rate = measured['convolution']['forward']
    assert rate['share'] == rate['products_s'] / rate['convolutions_s']
    assert measured['convolution']['forward_backward']['flop'] > 2 * rate['flop']
    assert measured['ratios']['peak_of_4_over_2'] > 0
    for name, found in measured['against'].items():  # whatever of them is here
        assert name in LIBRARIES
        assert name in found['missing'] if 'missing' in found else found['equal']
    assert len(measured['against']) == len(LIBRARIES)


# A module that other processes find too.
STRANGE_LIBRARIES = """
from dataclasses import replace
import os
import signal

from rescene4d_ros.cli.bench.library_interface import Native

class Broken(Native):
    def convolution(self, module, level):
        made = super().convolution(module, level)
        return replace(made, run=lambda feats: made.run(feats) / 0)

class Absent(Native):
    def __init__(self, voxels, n_levels):
        raise ImportError('expected the module absent')

class Killed(Native):
    def __init__(self, voxels, n_levels):
        os.kill(os.getpid(), signal.SIGILL)     # as one built for another machine
"""


@pytest.mark.slow
def test_libraries_that_are_missing_or_wrong_have_a_row(monkeypatch, tmp_path):
    """None ends the command; what goes into the file knows no infinity."""
    (tmp_path / 'strange_libraries.py').write_text(STRANGE_LIBRARIES)
    monkeypatch.syspath_prepend(tmp_path)
    strange = import_module('strange_libraries')
    voxels = Voxels.build(torch.cartesian_prod(*map(torch.arange, (1, 40, 5, 1))))
    layers = convolutions(SparseUNet(11, PRESETS['tiny']), torch.ones(len(voxels), 11), voxels)
    for kind in (strange.Broken, strange.Absent, strange.Killed):
        monkeypatch.setitem(LIBRARIES, kind.__name__, kind)
    found = dict(
        measure_libraries(('Broken', 'Absent', 'Killed'), layers, 1, time.process_time, 1)
    )
    json.dumps(found, allow_nan=False)
    assert not found['Broken']['equal']
    assert found['Absent'] == {'missing': 'expected the module absent'}
    assert 'terminated abruptly' in found['Killed']['missing']
    told = StringIO()
    Console(width=200, file=told).print(library_table(found, 'a table'))
    rows = {
        line.split()[1]: line for line in told.getvalue().splitlines() if len(line.split()) > 1
    }
    assert 'WRONG' in rows['Broken']
    assert 'missing: expected the module absent' in rows['Absent']


def test_bench_of_a_backbone_without_weights(boxes_room, tmp_path, capsys):
    """A decoder that looks at all visits works on cached ones too; nothing else needs weights."""
    scans = [
        boxes_room(
            [((x, 0.5, 0.0), (0.4, 0.4, 0.5), (200, 40, 40))],
            seed=k,
            density=100,
            stamp_ns=k * 10**9,
        )[0]
        for k, x in enumerate((0.4, 2.1))
    ]
    write_snapshots(tmp_path / 'bag', scans)
    out = tmp_path / 'bench.json'
    command = [
        'bench',
        'segmenter',
        '--bag',
        str(tmp_path / 'bag'),
        '--device',
        'cpu',
        '--threads',
        '1',
        '--repeats',
        '1',
        '--clock',
        'cpu',
        '--backbone',
        'ptv3-tiny',
    ]
    assert (
        main(
            [
                *command,
                '--set',
                'voxel_size=0.1',
                '--set',
                'temporal_serialization=late',
                '--queries',
                '0',
                '--json',
                str(out),
            ]
        )
        == 0
    )
    told = capsys.readouterr().out
    for name in (*STAGES, 'the network alone'):
        assert name in told
    measured = json.loads(out.read_text())
    stages = measured['stages_s']
    assert stages['cached']['encode'] == 0 < stages['cached']['share_time']
    assert stages['one_cached']['encode'] > 0
    assert 0 < measured['ratios']['network_one_cached_over_anew']
    assert 'convolution' not in measured
    assert measured['queries'] == 0
    for wrong, told in (
        ([*command, '--weights', 'some.safetensors'], 'no --weights'),
        ([*command, '--against', 'spconv'], 'no --backbone'),
        ([*command[:-2], '--set', 'voxel_size=0.1'], 'expected --backbone'),
        ([*command, '--queries', '2000'], 'queries'),
        ([*command, '--set', 'voxel_size=9'], 'voxel_size'),
    ):
        assert main(wrong) == 2
        assert told in capsys.readouterr().err


@pytest.mark.slow
def test_bench_of_the_memory(tmp_path, capsys):
    out = tmp_path / 'bench.json'
    rooms = [
        make_sequence(seed, RoomsConfig(visits=visits, min_objects=5, max_objects=6, views=6))
        for seed, visits in ((1, 3), (2, 2))
    ]
    for number, (sequence, truth) in enumerate(rooms):
        write_sequence(tmp_path / f'{number}.npz', sequence, truth)
    command = [
        'bench',
        'memory',
        '--data',
        str(tmp_path),
        '--objects',
        '5',
        '--repeats',
        '1',
        '--clock',
        'cpu',
        '--json',
        str(out),
    ]
    assert main([*command, '--visits', '3']) == 0
    told = capsys.readouterr().out
    for name in ('as visit 2', 'kB on disk', 'middles', 'over one with 1 stored'):
        assert name in told
    measured = json.loads(out.read_text())
    (visit,), (room,) = measured['visits'], measured['association']  # one room has 3 visits
    assert visit['many_bytes'] >= visit['few_bytes'] > 0
    assert visit['many_objects'] >= visit['few_objects'] > 0
    assert visit['points_bytes'] >= 27 * min(len(s) for s in rooms[0][0].scans)
    assert 0 < room['associate_s'] < room['visit_s']
    assert measured['ratios']['as it is'] == visit['many_s'] / visit['few_s']
    assert measured['unchanged'][0]['few_objects'] == measured['unchanged'][0]['many_objects']
    assert main([*command, '--visits', '4']) == 2
    assert 'found none' in capsys.readouterr().err
