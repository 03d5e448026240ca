"""ScanNet++, ARKitScenes, MultiScan, S3DIS and Structured3D from their own files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.data.datasets.class_names import class_of_name
from rescene4d_ros.data.datasets.multiscan import read_multiscan
from rescene4d_ros.data.datasets.single_scans.arkitscenes import read_arkit
from rescene4d_ros.data.datasets.single_scans.s3dis import read_s3dis
from rescene4d_ros.data.datasets.single_scans.scannetpp import read_scannetpp
from rescene4d_ros.data.datasets.single_scans.structured3d import read_structured3d
from rescene4d_ros.data.sequences.sequence_file import read_extras, read_sequence, room_of
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.geometry.se3 import upright
from rescene4d_ros.structures import FLOOR, ObjectState, SEMANTIC_CLASSES, WALL

from .public_formats import (
    colors_of,
    squares,
    write_arkit,
    write_multiscan,
    write_s3dis,
    write_scannetpp,
    write_structured3d,
)

CHAIR, TABLE, BED, SOFA, CURTAIN, SHELF = (
    SEMANTIC_CLASSES.index(n) for n in ('chair', 'table', 'bed', 'sofa', 'curtain', 'bookshelf')
)


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('office chair', 'chair'),
        ('wall_cabinet.12', 'cabinet'),
        ('bookcase', 'bookshelf'),
        ('Shower_Curtain.1', 'shower curtain'),
        ('trash can', 'otherfurniture'),
        ('pillow.3', None),
        ('ceiling', None),
        ('no such thing', None),
    ],
)
def test_free_names_become_classes(name, expected):
    assert class_of_name(name) == (-1 if expected is None else SEMANTIC_CLASSES.index(expected))


def test_scannetpp_gives_a_shared_segment_to_the_smallest_object(tmp_path):
    square = write_scannetpp(tmp_path)
    scan = read_scannetpp(tmp_path / 'data' / '0a7cc12c0e')
    assert scan.instance[:2].tolist() == [0, 0]  # in the mask file
    expected = np.array([1, 3, 2, 5, 0])[square]
    assert np.array_equal(scan.instance[2:], expected[2:])
    classes = np.array([CHAIR, TABLE, SHELF, WALL, -1])[square]
    assert np.array_equal(scan.semantic[2:], classes[2:])
    assert np.array_equal(scan.superpoint, square)
    assert np.array_equal(scan.rgb, colors_of(square))


def test_arkitscenes_gives_points_to_the_smallest_box_around_them(tmp_path):
    square = write_arkit(tmp_path)
    scan = read_arkit(tmp_path / 'Training' / '41048190')
    xyz = scan.xyz - (0.25, 0.25, 0.0)
    along = xyz @ (np.cos(0.4), np.sin(0.4), 0)
    across = xyz @ (-np.sin(0.4), np.cos(0.4), 0)
    bed = (square == 0) & (np.abs(along) <= 0.5) & (np.abs(across) <= 0.25)
    chair = (np.abs(scan.xyz[:, :2] - 0.2) <= 0.125).all(axis=1)
    assert 0 < chair.sum() < bed.sum() < (square == 0).sum()
    assert np.array_equal(scan.instance == 1, chair)
    assert np.array_equal(scan.instance == 2, bed & ~chair)
    assert np.array_equal(scan.instance == 3, square == 1)
    assert np.array_equal(scan.instance == 4, square == 2)
    assert not scan.instance[square == 3].any()
    assert [scan.semantic[scan.instance == i][0] for i in (1, 2, 3, 4)] == [CHAIR, BED, -1, SOFA]


def test_multiscan_labels_of_triangles_become_those_of_vertices(tmp_path):
    square = write_multiscan(tmp_path, 'scene_00000_00', ['chair.1', 'floor.1', 'remove.1'])
    scan = read_multiscan(tmp_path / 'scene_00000_00')
    assert np.array_equal(scan.instance, np.array([1, 2, 0])[square])
    assert np.array_equal(scan.semantic, np.array([CHAIR, FLOOR, -1])[square])
    np.testing.assert_allclose(scan.xyz, squares(3)[0], atol=1e-6)


def test_multiscan_joins_the_scans_of_a_room_by_label(tmp_path):
    root, out = tmp_path / 'in', tmp_path / 'out'
    first, second = upright(0.3, (1, 2, 0)), upright(-1.0, (0, -2, 0.1))
    write_multiscan(root, 'scene_00003_00', ['chair.1', 'table.1'])
    write_multiscan(
        root, 'scene_00003_01', ['table.1', 'bed.1'], 'train', ('scene_00003_00', first)
    )
    write_multiscan(root, 'scene_00003_02', ['chair.1'], 'train', ('scene_00003_01', second))
    arguments = ['prepare', 'multiscan', '--root', str(root), '--out', str(out)]
    assert main([*arguments, '--identity', 'labels', '--splits', 'train']) == 0
    path = out / 'train' / 'scene_00003.npz'
    sequence, truth = read_sequence(path)
    assert room_of(path) == 'scene_00003'
    ids = [set(np.unique(v.instance)) - {0} for v in truth.visits]
    assert ids == [{1, 2}, {2, 3}, {1}]
    np.testing.assert_allclose(sequence.scans[1].xyz, squares(2)[0], atol=2e-3)
    chained = squares(1)[0] @ first[:3, :3].T + first[:3, 3]
    np.testing.assert_allclose(sequence.scans[2].xyz, chained, atol=2e-3)
    assert truth.visits[1].objects[0].state == ObjectState.NOT_OBSERVED


def test_s3dis_reads_a_room_with_a_damaged_row(tmp_path):
    names = write_s3dis(tmp_path, damaged=True)
    scan = read_s3dis(tmp_path / 'Area_1' / 'office_3')
    order = sorted(names, key=lambda n: (n.split('_')[0], int(n.split('_')[1])))
    sizes = [np.sum(scan.instance == i) for i in range(1, len(order) + 1)]
    assert sizes == [39 if name == 'chair_2' else 40 for name in order]
    assert scan.semantic[scan.instance == order.index('chair_10') + 1].tolist() == [CHAIR] * 40
    assert (scan.semantic[scan.instance == order.index('stairs_1') + 1] == -1).all()
    red = scan.rgb[scan.instance == order.index('chair_2') + 1]
    assert np.array_equal(np.unique(red, axis=0), [[20, 20, 30]])
    assert len(scan.remarks) == 1
    assert '1 unreadable rows of chair_2.txt' in scan.remarks[0]


def test_structured3d_puts_the_panorama_into_the_frame_of_the_scene(tmp_path):
    count = write_structured3d(tmp_path)
    scan = read_structured3d(tmp_path / 'scene_00000' / '2D_rendering' / '485142')
    assert len(scan.xyz) == count
    np.testing.assert_allclose(scan.sensor_path, [[1.0, -2.0, 1.5]])
    curtain = scan.instance == 8
    assert set(np.unique(scan.instance)) == {0, 8}
    np.testing.assert_allclose(scan.xyz[curtain, 1], 1.0, atol=2e-3)
    assert (scan.semantic[curtain] == CURTAIN).all()
    np.testing.assert_allclose(scan.xyz[scan.semantic == FLOOR, 2], 0.25, atol=2e-3)
    assert np.array_equal(scan.rgb[curtain], np.tile([80, 0, 0], (curtain.sum(), 1)))


WRITERS = {
    'scannetpp': (write_scannetpp, read_scannetpp, 'data/0a7cc12c0e'),
    'arkitscenes': (write_arkit, read_arkit, 'Training/41048190'),
    'multiscan': (
        lambda root: write_multiscan(root, 'scene_00000_00', ['chair.1']),
        read_multiscan,
        'scene_00000_00',
    ),
    's3dis': (write_s3dis, read_s3dis, 'Area_1/office_3'),
    'structured3d': (write_structured3d, read_structured3d, 'scene_00000/2D_rendering/485142'),
}
HUGE = {'objectId': 2**40, 'label': 'bed', 'segments': [0]}
ENDLESS = {'objectId': float('inf'), 'label': 'bed'}
BREAKABLE = [
    ('scannetpp', 'scans/mesh_aligned_0.05.ply'),
    ('scannetpp', 'scans/segments.json'),
    ('scannetpp', 'scans/segments_anno.json'),
    ('arkitscenes', '41048190_3dod_mesh.ply'),
    ('arkitscenes', '41048190_3dod_annotation.json'),
    ('multiscan', 'scene_00000_00.ply'),
    ('multiscan', 'scene_00000_00.annotations.json'),
    ('structured3d', 'panorama/full/depth.png'),
    ('structured3d', 'panorama/full/rgb_rawlight.png'),
    ('structured3d', 'panorama/full/instance.png'),
    ('structured3d', 'panorama/camera_xyz.txt'),
]


@pytest.mark.parametrize(('source', 'file'), BREAKABLE)
def test_missing_and_truncated_files_name_scan_and_file(tmp_path, source, file):
    write, read, folder = WRITERS[source]
    write(tmp_path)
    path = tmp_path / folder / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(FileFormatError, match=f'scan .*{path.name}'):
        read(tmp_path / folder)
    path.unlink()
    with pytest.raises(FileFormatError, match=f'scan .*{path.name}'):
        read(tmp_path / folder)


@pytest.mark.parametrize(
    ('source', 'file', 'change', 'text'),
    [
        ('scannetpp', 'scans/segments.json', {'segIndices': [1]}, 'expected 180 segment ids'),
        ('scannetpp', 'scans/segments_anno.json', {'segGroups': [{'id': 1}]}, 'objectId'),
        ('arkitscenes', '41048190_3dod_annotation.json', {'data': [{'label': 'bed'}]}, 'obbAl'),
        ('multiscan', 'scene_00000_00.annotations.json', {'objects': [{'label': 1}]}, 'objectId'),
        ('scannetpp', 'scans/segments.json', {'segIndices': [2**64] * 180}, 'whole numbers'),
        ('scannetpp', 'scans/segments_anno.json', {'segGroups': [HUGE]}, 'segGroups'),
        ('multiscan', 'scene_00000_00.annotations.json', {'objects': [HUGE]}, 'objectId'),
        ('multiscan', 'scene_00000_00.annotations.json', {'objects': [ENDLESS]}, 'objectId'),
    ],
)
def test_documents_of_another_form_are_refused(tmp_path, source, file, change, text):
    write, read, folder = WRITERS[source]
    write(tmp_path)
    (tmp_path / folder / file).write_text(json.dumps(change))
    with pytest.raises(FileFormatError, match=text):
        read(tmp_path / folder)


def test_s3dis_refuses_a_file_with_many_damaged_rows(tmp_path):
    write_s3dis(tmp_path)
    path = tmp_path / 'Area_1' / 'office_3' / 'Annotations' / 'chair_4.txt'
    path.write_text('1 2 3 4 5\n' * 50)
    with pytest.raises(FileFormatError, match=r'Area_1_office_3.*chair_4.txt'):
        read_s3dis(tmp_path / 'Area_1' / 'office_3')


@pytest.mark.parametrize('source', WRITERS)
def test_the_command_goes_on_after_a_bad_scan_and_continues(tmp_path, capsys, source):
    root, out = tmp_path / 'in', tmp_path / 'out'
    others = {
        'scannetpp': lambda: write_scannetpp(root, 'ffffffffff'),
        'arkitscenes': lambda: write_arkit(root, '99999999'),
        'multiscan': lambda: write_multiscan(root, 'scene_00001_00', ['bed.1']),
        's3dis': lambda: write_s3dis(root, 'Area_2/office_3', damaged=True),
        'structured3d': lambda: write_structured3d(root, 'scene_00001'),
    }
    root.mkdir()
    WRITERS[source][0](root)
    others[source]()
    of_scan = sorted((root / WRITERS[source][2]).rglob('*'))
    broken = next(p for p in of_scan if p.suffix in ('.ply', '.txt'))
    whole = broken.read_bytes()
    broken.write_bytes(b'')
    arguments = ['prepare', source, '--root', str(root), '--out', str(out), '--splits', 'train']
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert 'not prepared: scan' in told.err
    assert '1 of 2 prepared' in told.out
    report = json.loads((out / 'report.json').read_text())
    assert report['prepared'] == 1
    assert len(report['not_prepared']) == 1
    assert len(report['remarks']) == (source == 's3dis')
    before = {p: p.stat().st_mtime_ns for p in out.rglob('*.npz')}
    assert len(before) == 1
    broken.write_bytes(whole)
    assert main(arguments) == 0
    assert {p: p.stat().st_mtime_ns for p in before} == before  # finished ones are not touched
    assert len(list(out.rglob('*.npz'))) == 2
    for path in out.rglob('*.npz'):
        sequence, truth = read_sequence(path)
        extras = read_extras(path)
        assert len(sequence.scans[0].rgb) == len(extras.superpoint[0])
        assert truth.visits[0].objects
        assert room_of(path) == extras.notes['room']


@pytest.mark.parametrize('source', WRITERS)
def test_an_empty_folder_says_what_is_expected(tmp_path, capsys, source):
    arguments = ['prepare', source, '--root', str(tmp_path), '--out', str(tmp_path / 'out')]
    assert main(arguments) != 0
    assert 'expected' in capsys.readouterr().err
