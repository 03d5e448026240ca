"""ScanNet from its own files to sequence files."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys

import numpy as np
from numpy.lib import recfunctions as structured
import pytest
from rescene4d_ros.data.datasets.single_scans.scannet import (
    prepare_scan,
    read_scan,
    scannet_jobs,
    ScanNetConfig,
)
from rescene4d_ros.data.sequences.sequence_file import read_extras, read_sequence
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures import FLOOR, ObjectState, SEMANTIC_CLASSES

# Group id of the annotation: (NYU40 id, color); vertices come in blocks of one square each.
SQUARES = {
    0: (5, (200, 10, 10)),
    1: (2, (90, 90, 90)),
    2: (33, (250, 250, 250)),
    3: (38, (10, 200, 10)),
    50: (7, (10, 10, 200)),
}
SIDE = 5
CHAIR, TOILET = (SEMANTIC_CLASSES.index(n) for n in ('chair', 'toilet'))


def write_ply(path, dtype, vertices, faces):
    """Write a binary PLY as ScanNet does."""
    names = {'<f4': 'float', '|u1': 'uchar', '<u2': 'ushort'}
    rows = np.zeros(len(faces), [('n', 'u1'), ('v', '<i4', 3)])
    rows['n'], rows['v'] = 3, faces
    header = [
        'ply',
        'format binary_little_endian 1.0',
        f'element vertex {len(vertices)}',
        *(f'property {names[dtype[n].str]} {n}' for n in dtype.names),
        f'element face {len(faces)}',
        'property list uchar int vertex_indices',
        'end_header',
    ]
    path.write_bytes('\n'.join([*header, '']).encode() + vertices.tobytes() + rows.tobytes())


def write_scan(folder, name, labels=True):
    """Write one scan in the formats of ScanNet v2; return the group id of each vertex."""
    folder.mkdir(parents=True)
    xyz, faces, groups = [], [], []
    for k, group in enumerate(SQUARES):
        y, x = np.mgrid[:SIDE, :SIDE] * 0.1
        corner = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
        faces += [
            corner[:, None] + [0, 1, SIDE + 1] + k * SIDE * SIDE,
            corner[:, None] + [0, SIDE + 1, SIDE] + k * SIDE * SIDE,
        ]
        xyz.append(np.column_stack([x.ravel() + k, y.ravel(), np.zeros(SIDE * SIDE)]))
        groups += [group] * SIDE * SIDE
    xyz, faces, groups = np.concatenate(xyz), np.concatenate(faces), np.array(groups)
    position = np.dtype(
        [
            ('x', '<f4'),
            ('y', '<f4'),
            ('z', '<f4'),
            ('red', 'u1'),
            ('green', 'u1'),
            ('blue', 'u1'),
            ('alpha', 'u1'),
        ]
    )
    vertices = np.zeros(len(xyz), position)
    for axis, column in zip('xyz', xyz.T):
        vertices[axis] = column
    color = np.array([SQUARES[g][1] for g in groups])
    for channel, column in zip(('red', 'green', 'blue'), color.T):
        vertices[channel] = column
    write_ply(folder / f'{name}_vh_clean_2.ply', position, vertices, faces)
    (folder / f'{name}.txt').write_text(
        'axisAlignment = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\nsceneType = Living room / Lounge\n'
    )
    if not labels:
        return groups
    labeled = np.dtype([*position.descr, ('label', '<u2')])
    vertices = structured.require_fields(vertices, labeled)
    vertices['label'] = [SQUARES[g][0] for g in groups]
    write_ply(folder / f'{name}_vh_clean_2.labels.ply', labeled, vertices, faces)
    (folder / f'{name}_vh_clean_2.0.010000.segs.json').write_text(
        json.dumps({'sceneId': name, 'segIndices': (groups * 7 + 3).tolist()})
    )
    (folder / f'{name}_vh_clean.segs.json').write_text('{"segIndices": []}')
    annotated = [{'id': g, 'objectId': g, 'segments': [g * 7 + 3], 'label': 'x'} for g in SQUARES]
    (folder / f'{name}.aggregation.json').write_text(json.dumps({'segGroups': annotated}))
    (folder / f'{name}_vh_clean.aggregation.json').write_text('{"segGroups": []}')
    return groups


def test_a_scan_has_labels_ids_segments_and_colors(tmp_path):
    groups = write_scan(tmp_path / 'scene0000_00', 'scene0000_00')
    scan = read_scan(tmp_path / 'scene0000_00')
    assert np.array_equal(scan.instance, groups + 1)
    for group, (_, color) in SQUARES.items():
        assert np.array_equal(np.unique(scan.rgb[groups == group], axis=0), [color])
    expected = {0: CHAIR, 1: FLOOR, 2: TOILET, 3: -1, 50: SEMANTIC_CLASSES.index('table')}
    assert scan.semantic.tolist() == [expected[g] for g in groups]
    assert np.array_equal(scan.superpoint, np.unique(groups, return_inverse=True)[1])
    np.testing.assert_allclose(scan.normals, np.tile([0, 0, 1], (len(groups), 1)), atol=1e-6)


@pytest.mark.parametrize(
    ('name', 'dropped'),
    [
        ('scene0000_00', False),
        ('scene0270_00', True),
        ('scene0270_02', True),
        ('scene0270_01', False),
    ],
)
def test_wrong_groups_are_left_out(tmp_path, name, dropped):
    groups = write_scan(tmp_path / name, name)
    scan = read_scan(tmp_path / name)
    assert (scan.instance[groups == 50] == (0 if dropped else 51)).all()


@pytest.mark.parametrize('official', [False, True])
def test_sequences_of_one_visit(tmp_path, official):
    groups = write_scan(tmp_path / 'scene0000_00', 'scene0000_00')
    record = prepare_scan(tmp_path / 'scene0000_00', 'train', official, tmp_path)
    path = tmp_path / record['sequences'][0]['file']
    (sequence, truth), extras = read_sequence(path), read_extras(path)
    assert len(sequence) == 1
    kept = {1, 3, 51, 4} if official else {1, 3, 51}  # 4 is of a class outside the list
    assert set(np.unique(truth.visits[0].instance)) == kept | {0}
    assert {o.instance_id for o in truth.visits[0].objects} == kept
    assert {o.state for o in truth.visits[0].objects} == {ObjectState.PRESENT}
    chair = truth.visits[0].objects[0]
    assert chair.class_id == CHAIR
    np.testing.assert_allclose(chair.box.center, (0.2, 0.2, 0), atol=2e-3)
    np.testing.assert_allclose(chair.box.size[:2], (0.4, 0.4), atol=2e-3)
    assert np.array_equal(sequence.scans[0].rgb, [SQUARES[g][1] for g in groups])
    assert len(extras.superpoint[0]) == len(groups)
    assert extras.notes['scene_type'] == 'Living room / Lounge'
    assert extras.notes['color_scale'] == 1
    assert 'synthetic' in extras.notes['stamps']


def test_test_scans_are_cut_here(tmp_path):
    groups = write_scan(tmp_path / 'scene0707_00', 'scene0707_00', labels=False)
    scan = read_scan(tmp_path / 'scene0707_00', labels=False)
    assert not scan.has_labels
    assert not scan.instance.any()
    assert np.array_equal(scan.superpoint, np.unique(groups, return_inverse=True)[1])


@pytest.mark.parametrize(
    ('file', 'text'),
    [
        ('scene0000_00_vh_clean_2.ply', 'truncated'),
        ('scene0000_00_vh_clean_2.labels.ply', 'truncated'),
        ('scene0000_00_vh_clean_2.0.010000.segs.json', 'truncated'),
        ('scene0000_00.aggregation.json', 'truncated'),
    ],
)
def test_missing_and_truncated_files_name_scan_and_file(tmp_path, file, text):
    folder = tmp_path / 'scene0000_00'
    write_scan(folder, 'scene0000_00')
    data = (folder / file).read_bytes()
    (folder / file).write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(FileFormatError, match=f'scan scene0000_00.*{file}.*{text}'):
        read_scan(folder)
    (folder / file).unlink()
    with pytest.raises(FileFormatError, match='scan scene0000_00: expected .*found none'):
        read_scan(folder)


def test_lists_of_the_benchmark_say_what_is_there(tmp_path):
    with pytest.raises(FileFormatError, match='scannetv2_train.txt'):
        scannet_jobs(tmp_path, ScanNetConfig())
    lists = tmp_path / 'Tasks' / 'Benchmark'
    lists.mkdir(parents=True)
    for split, names in (('train', ['a', 'b']), ('val', ['c']), ('test', ['d'])):
        (lists / f'scannetv2_{split}.txt').write_text('\n'.join(names) + '\n')
    jobs = scannet_jobs(tmp_path, ScanNetConfig())
    assert [(j.name, j.split) for j in jobs] == [
        ('a', 'train'),
        ('b', 'train'),
        ('c', 'validation'),
        ('d', 'test'),
    ]


def test_the_command_prepares_both_kinds_of_scans(tmp_path):
    write_scan(tmp_path / 'scans' / 'scene0000_00', 'scene0000_00')
    write_scan(tmp_path / 'scans_test' / 'scene0707_00', 'scene0707_00', labels=False)
    for split, names in (('train', 'scene0000_00 scene0000_01'), ('test', 'scene0707_00')):
        (tmp_path / f'scannetv2_{split}.txt').write_text('\n'.join(names.split()))
    out = tmp_path / 'out'
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'rescene4d_ros.cli.main',
            'prepare',
            'scannet',
            '--root',
            str(tmp_path),
            '--out',
            str(out),
            '--splits',
            'train',
            'test',
        ],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 1
    assert 'scan scene0000_01: expected scene0000_01_vh_clean_2.ply' in done.stderr
    assert '2 of 3 prepared' in done.stdout
    assert {p.relative_to(out) for p in out.glob('*/*.npz')} == {
        Path('train/scene0000_00.npz'),
        Path('test/scene0707_00.npz'),
    }
    index = json.loads((out / 'train' / 'index.json').read_text())
    assert index['sequences'][0]['objects'] == 3
