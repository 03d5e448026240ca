"""3RScan from its own files to sequence files: alignment, labels, look-alikes, changes."""

from __future__ import annotations

from functools import partial
import json
from pathlib import Path
import shutil
import subprocess
import sys
import zipfile

import numpy as np
from PIL import Image
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.data.datasets.prepare import Job, left_out, prepare
from rescene4d_ros.data.datasets.rio.config import RioConfig
from rescene4d_ros.data.datasets.rio.folder import aligned, read_folder
from rescene4d_ros.data.datasets.rio.metadata import read_metadata
from rescene4d_ros.data.datasets.rio.sequences import rio_jobs
from rescene4d_ros.data.sequences.sequence_file import read_extras, read_sequence
from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.geometry.se3 import invert, transform, upright
from rescene4d_ros.structures import ChangeKind, ObjectState, SEMANTIC_CLASSES
import trimesh

# instance id: (NYU40 id, middle of a square patch in the reference frame)
OBJECTS = {
    1: (2, (0.0, 0.0, 0.0)),
    2: (5, (-1.0, 1.0, 0.5)),
    3: (5, (1.0, 1.0, 0.5)),
    4: (7, (-1.0, -1.0, 0.7)),
    5: (40, (1.1, -1.1, 0.3)),
    6: (16, (2.0, 0.0, 1.0)),
}
CHAIR, OTHER_CHAIR, TABLE, CURTAIN = 2, 3, 4, 6
SIDE = 6
ALIGNMENTS = [np.eye(4), upright(0.9, (2.0, -1.0, 0.05)), upright(-2.0, (-3.0, 0.5, 0.0))]
LEFT = upright(0.0, (-0.8, 0.0, 0.0))
RIGHT = upright(0.0, (0.9, 0.0, 0.0))


def patch(center, tilt=0.0):
    """Return vertices (36, 3) and triangles of a square of 1 m, tilted about y."""
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) - 0.5
    vertices = np.column_stack([x.ravel(), y.ravel(), tilt * x.ravel()]) + center
    corner = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
    faces = np.concatenate(
        [
            np.column_stack([corner, corner + 1, corner + SIDE + 1]),
            np.column_stack([corner, corner + SIDE + 1, corner + SIDE]),
        ]
    )
    return vertices, faces


def color_of(instance):
    """Return the color that the texture has for an instance."""
    return np.array([20 * instance, 255 - 20 * instance, 7 * instance], np.uint8)


def write_scan(folder, reference_T_scan, motions, removed=(), labels=True, seed=0):
    """
    Write one scan in the formats of 3RScan.

    The mesh has a seam: half of the triangles of each patch use other texture coordinates. The
    annotated file has the same vertices in another order.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    lines, faces, xyz, owner = ['mtllib mesh.refined.mtl', 'usemtl material0'], [], [], []
    scan_T_reference = invert(reference_T_scan)
    count = 0
    for instance, (_, center) in OBJECTS.items():
        if instance in removed:
            continue
        vertices, triangles = patch(center, tilt=0.3)
        motion = scan_T_reference @ motions.get(instance, np.eye(4))
        xyz.append(transform(motion, vertices))
        owner += [instance] * len(vertices)
        for row, triangle in enumerate(triangles):
            seam = 2 * instance - (row < len(triangles) // 2)
            faces.append('f ' + ' '.join(f'{count + v + 1}/{seam}' for v in triangle))
        count += len(vertices)
    xyz, owner = np.concatenate(xyz), np.array(owner)
    lines += [f'v {x:.6f} {y:.6f} {z:.6f}' for x, y, z in xyz]
    for instance in range(1, 7):
        for row in (0, 1):
            lines.append(f'vt {instance / 7:.6f} {1 - row / 7:.6f}')
    (folder / 'mesh.refined.v2.obj').write_text('\n'.join(lines + faces) + '\n')
    (folder / 'mesh.refined.mtl').write_text(
        'newmtl material0\nKd 1 1 1\nmap_Kd mesh.refined_0.png\n'
    )
    texture = np.zeros((8, 8, 3), np.uint8)
    for instance in range(1, 7):
        texture[:2, instance] = color_of(instance)
    Image.fromarray(texture).save(folder / 'mesh.refined_0.png')
    if not labels:
        return
    order = rng.permutation(len(xyz))
    header = [
        'ply',
        'format ascii 1.0',
        f'element vertex {len(xyz)}',
        'property float x',
        'property float y',
        'property float z',
        'property uchar red',
        'property uchar green',
        'property uchar blue',
        'property ushort objectId',
        'property ushort globalId',
        'property uchar NYU40',
        'element face 1',
        'property list uchar int vertex_indices',
        'end_header',
    ]
    rows = [
        ' '.join(f'{v:.6f}' for v in xyz[i]) + f' 1 2 3 {owner[i]} 500 {OBJECTS[owner[i]][0]}'
        for i in order
    ]
    (folder / 'labels.instances.annotated.v2.ply').write_text(
        '\n'.join([*header, *rows, '3 0 1 2']) + '\n'
    )
    half = np.tile(np.arange(SIDE * SIDE) < SIDE * SIDE // 2, len(np.unique(owner)))
    segments = 1000 - 10 * owner + half  # two per object, not dense, in falling order
    (folder / 'mesh.refined.0.010000.segs.v2.json').write_text(
        json.dumps({'segIndices': segments[order].tolist()})
    )
    groups = [
        {
            'id': int(i),
            'objectId': int(i),
            'segments': [int(1000 - 10 * i), int(1001 - 10 * i)],
            'obb': {'centroid': list(OBJECTS[i][1])},
        }
        for i in np.unique(owner)
    ]
    (folder / 'semseg.v2.json').write_text(json.dumps({'segGroups': groups}))


def column_major(matrix):
    """Return 16 numbers as 3RScan writes a matrix."""
    return matrix.T.ravel().tolist()


def rigid(alignment, **motions):
    """Return the entries of objects that moved, given in the reference frame."""
    return [
        {
            'instance_reference': int(k[1:]),
            'instance_rescan': int(k[1:]),
            'symmetry': 0,
            'transform': column_major(invert(alignment) @ m),
        }
        for k, m in motions.items()
    ]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Write a scene with three scans, and a test scene with two."""
    folder = tmp_path_factory.mktemp('3rscan')
    write_scan(folder / 'ref', ALIGNMENTS[0], {}, seed=1)
    write_scan(folder / 're1', ALIGNMENTS[1], {CHAIR: LEFT}, removed=[TABLE], seed=2)
    write_scan(folder / 're2', ALIGNMENTS[2], {CHAIR: RIGHT}, seed=3)
    write_scan(folder / 'test1', np.eye(4), {}, labels=False)
    write_scan(folder / 'test2', ALIGNMENTS[1], {}, labels=False)
    (folder / '3RScan.json').write_text(
        json.dumps(
            [
                {
                    'reference': 'ref',
                    'type': 'train',
                    'ambiguity': [
                        [{'instance_source': 5, 'instance_target': 6}],
                        [{'instance_source': CHAIR, 'instance_target': OTHER_CHAIR}],
                    ],
                    'scans': [
                        {
                            'reference': 're1',
                            'transform': column_major(ALIGNMENTS[1]),
                            'rigid': rigid(ALIGNMENTS[1], i2=LEFT),
                            'nonrigid': [CURTAIN],
                            'removed': [TABLE],
                        },
                        {
                            'reference': 're2',
                            'transform': column_major(ALIGNMENTS[2]),
                            'rigid': rigid(ALIGNMENTS[2], i2=RIGHT),
                            'nonrigid': [],
                            'removed': [],
                        },
                    ],
                },
                {
                    'reference': 'test1',
                    'type': 'test',
                    'ambiguity': [],
                    'scans': [
                        {
                            'reference': 'test2',
                            'transform': column_major(ALIGNMENTS[1]),
                            'rigid': [3],
                            'nonrigid': [],
                            'removed': [],
                        }
                    ],
                },
            ]
        )
    )
    return folder


def make(root, out, config=None, **options):
    """Prepare as the command does; return the sequences by name."""
    config = config or RioConfig(visits=0, windows='single')
    jobs = rio_jobs(root, config, options.pop('splits', ('train', 'validation', 'test')))
    failures = prepare(jobs, out, {'source': '3rscan', 'compat': config.compat}, **options)
    assert failures == {}
    return {p.stem: p for p in out.glob('*/*.npz')}


def test_a_scan_has_the_mesh_in_its_order_with_texture_and_labels(root):
    info = read_metadata(root)[0].scans[0]
    read = read_folder(root, info)
    mesh = trimesh.load(root / 'ref' / 'mesh.refined.v2.obj', process=False, force='mesh')
    scan = read.scan
    np.testing.assert_allclose(scan.xyz, mesh.vertices, atol=1e-6)
    assert len(scan.xyz) > len(OBJECTS) * SIDE * SIDE  # vertices on the seams come twice
    for instance, (nyu40, center) in OBJECTS.items():
        own = scan.instance == instance
        near = (np.abs(scan.xyz - center) <= (0.51, 0.51, 0.16)).all(axis=1)
        assert np.array_equal(own, near)
        assert np.array_equal(np.unique(scan.rgb[own], axis=0), [color_of(instance)])
        assert len(np.unique(scan.superpoint[own])) == 2
        name = {2: 'floor', 5: 'chair', 7: 'table', 16: 'curtain'}.get(nyu40)
        expected = SEMANTIC_CLASSES.index(name) if name else -1
        assert set(scan.semantic[own]) == {expected}
        np.testing.assert_array_equal(read.centers[instance], center)
    assert np.array_equal(np.unique(scan.superpoint), np.arange(12))


def test_alignment_brings_static_things_together_and_turns_normals(root):
    scene = read_metadata(root)[0]
    first = read_folder(root, scene.scans[0]).scan
    for info in scene.scans[1:]:
        own_frame = read_folder(root, info).scan
        scan = aligned(own_frame, info)
        for instance in (1, OTHER_CHAIR, 5, 6):
            here, there = (s.xyz[s.instance == instance] for s in (first, scan))
            np.testing.assert_allclose(here, there, atol=2e-5)
        # Every patch is tilted alike, so every normal is the same in the map.
        np.testing.assert_allclose(scan.normals, first.normals[0] + 0 * scan.normals, atol=1e-4)
        np.testing.assert_allclose(np.linalg.norm(scan.normals, axis=1), 1, atol=1e-5)
        published = aligned(own_frame, info, official=True)
        assert np.array_equal(published.normals, own_frame.normals)
        assert np.array_equal(published.xyz, scan.xyz)
        assert np.abs(published.normals - scan.normals).max() > 0.1


def write_frames(folder, places, broken=''):
    """Write poses of frames as in `sequence.zip`, one of them lost by the tracking."""
    with zipfile.ZipFile(folder / 'sequence.zip', 'w') as archive:
        for number, place in reversed(list(enumerate([*places, (np.inf,) * 3]))):
            pose = np.eye(4)
            pose[:3, 3] = place
            rows = '\n'.join(' '.join(map(str, row)) for row in pose)
            archive.writestr(f'frame-{number:06d}.pose.txt', broken or rows)
        archive.writestr('_info.txt', 'm_versionNumber = 4')


@pytest.mark.parametrize('unpacked', [False, True])
def test_the_places_of_the_camera_become_the_sensor_path(root, tmp_path, unpacked):
    root = shutil.copytree(root, tmp_path / 'in')
    for scan, reference_T_scan in zip(('ref', 're1'), ALIGNMENTS):
        places = transform(
            invert(reference_T_scan), np.array([(0.1 * k, 1, 1.5) for k in range(12)])
        )
        write_frames(root / scan, places)
        if unpacked:
            with zipfile.ZipFile(root / scan / 'sequence.zip') as archive:
                archive.extractall(root / scan / 'sequence')
            (root / scan / 'sequence.zip').unlink()
    sequence, _ = read_sequence(
        next(iter(make(root, tmp_path / 'out', splits=['train']).values()))
    )
    for scan in sequence.scans[:2]:
        expected = [(0.1 * k, 1, 1.5) for k in range(12)]
        np.testing.assert_allclose(scan.sensor_path, expected, atol=1e-5)
    assert sequence.scans[2].sensor_path is None


def test_damaged_poses_name_scan_and_file(root, tmp_path):
    root = shutil.copytree(root, tmp_path / 'in')
    info = read_metadata(root)[0].scans[0]
    write_frames(root / 'ref', [(0, 0, 0)], broken='1 0 0')
    with pytest.raises(FileFormatError, match=r'scan .*ref.*4 x 4 matrix in frame-000000'):
        read_folder(root, info)
    path = root / 'ref' / 'sequence.zip'
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FileFormatError, match=r'scan .*ref.*sequence.zip is damaged'):
        read_folder(root, info)


def test_a_sequence_tells_identity_state_change_and_place(root, tmp_path):
    made = make(root, tmp_path, splits=['train'])
    assert list(made) == ['scene0000_00-scene0000_01-scene0000_02']
    sequence, truth = read_sequence(next(iter(made.values())))
    assert [s.name for s in sequence.scans] == ['scene0000_00', 'scene0000_01', 'scene0000_02']
    assert np.diff([s.stamp_ns for s in sequence.scans]).tolist() == [86400 * 10**9] * 2
    for scan, visit in zip(sequence.scans, truth.visits):
        # Floor and what is not among the classes are no instances.
        assert set(np.unique(visit.instance)) <= {0, 2, 3, 4, 6}
        for instance in np.unique(visit.instance[visit.instance > 0]):
            own = visit.instance == instance
            assert np.array_equal(np.unique(scan.rgb[own], axis=0), [color_of(instance)])
    objects = [{o.instance_id: o for o in v.objects} for v in truth.visits]
    assert all(set(o) == {2, 3, 4, 6} for o in objects)
    assert [o[TABLE].state for o in objects] == [
        ObjectState.PRESENT,
        ObjectState.ABSENT,
        ObjectState.PRESENT,
    ]
    assert [o[TABLE].in_room for o in objects] == [True, False, True]
    kind = ChangeKind
    assert [o[TABLE].change for o in objects] == [kind.UNKNOWN, kind.REMOVED, kind.REAPPEARED]
    assert [o[CHAIR].change for o in objects] == [kind.UNKNOWN, kind.MOVED, kind.MOVED]
    assert [o[CURTAIN].change for o in objects] == [kind.UNKNOWN, kind.DEFORMED, kind.DEFORMED]
    assert {o[OTHER_CHAIR].change for o in objects} == {kind.UNKNOWN}
    assert [objects[0][i].ambiguity_group for i in (2, 3, 4, 6)] == [1, 1, 0, 2]
    assert {SEMANTIC_CLASSES[objects[0][i].class_id] for i in (2, 3)} == {'chair'}
    for visit, (own, motion) in enumerate(zip(objects, (np.eye(4), LEFT, RIGHT))):
        pose = motion @ objects[0][CHAIR].map_T_object
        np.testing.assert_allclose(own[CHAIR].map_T_object, pose, atol=1e-6)
        expected = np.array(OBJECTS[CHAIR][1]) + motion[:3, 3]
        assert np.linalg.norm(own[CHAIR].box.center - expected) < 0.02
        points = sequence.scans[visit].xyz[truth.visits[visit].instance == CHAIR]
        assert np.linalg.norm(points.mean(0) - expected) < 0.05


def test_extras_carry_superpoints_scan_ids_and_published_labels(root, tmp_path):
    corrected = make(root, tmp_path / 'corrected', splits=['train'])
    config = RioConfig(visits=0, windows='single', compat='official')
    official = make(root, tmp_path / 'official', config, splits=['train'])
    notes = []
    for made in (corrected, official):
        path = next(iter(made.values()))
        extras, (sequence, truth) = read_extras(path), read_sequence(path)
        notes.append(extras.notes)
        assert [len(s) for s in extras.superpoint] == [len(s) for s in sequence.scans]
        for pieces, visit in zip(extras.superpoint, truth.visits):
            for piece in np.unique(pieces):
                assert len(np.unique(visit.instance[pieces == piece])) == 1
        assert extras.notes['scans'] == ['ref', 're1', 're2']
        assert 'synthetic' in extras.notes['stamps']
    assert notes[0]['ambiguities'] == [[2, 3], [5, 6]]
    assert notes[0]['changes'] == [
        {'ambiguous': [2, 3, 5, 6], 'removed': [4]},
        {'ambiguous': [2, 3, 5, 6], 'added': [4]},
    ]
    assert notes[0]['color_scale'] == 1
    assert notes[1]['ambiguities'] == [[5, 6]]
    # 1.7 m against half of the norm of the earlier motion (2.15 / 2): moved in both readings.
    assert notes[1]['changes'] == [
        {'rigid': [2], 'nonrigid': [6], 'ambiguous': [5], 'removed': [4]},
        {'rigid': [2], 'nonrigid': [6], 'ambiguous': [5], 'added': [4]},
    ]
    assert notes[1]['color_scale'] == pytest.approx(1 / 255)


def test_as_published_unknown_classes_stay_and_normals_are_not_turned(root, tmp_path):
    config = RioConfig(visits=2, compat='official')
    made = make(root, tmp_path, config, splits=['train'])
    assert len(made) == 3
    name = next(n for n in made if n.endswith('scene0000_01'))
    sequence, truth = read_sequence(made[name])
    assert 5 in truth.visits[0].instance
    assert 1 not in truth.visits[0].instance
    assert {o.class_id for o in truth.visits[0].objects if o.instance_id == 5} == {-1}
    first, second = (s.normals.mean(0) for s in sequence.scans)
    turn = {s.name: a[:3, :3] for s, a in zip(read_metadata(root)[0].scans, ALIGNMENTS)}
    first, second = (turn[s.name] @ n for s, n in zip(sequence.scans, (first, second)))
    np.testing.assert_allclose(first, second, atol=0.02)


def test_windows_share_their_scans_and_time_runs_forward(root, tmp_path):
    made = make(root, tmp_path, RioConfig(visits=2, windows='exhaustive'), splits=['train'])
    assert len(made) == 6
    for name, path in made.items():
        sequence, truth = read_sequence(path)
        assert sequence.name == name == '-'.join(s.name for s in sequence.scans)
        assert sequence.scans[0].stamp_ns < sequence.scans[1].stamp_ns
        assert {o.change for o in truth.visits[0].objects} == {ChangeKind.UNKNOWN}
        table = {o.instance_id: o for o in truth.visits[1].objects}.get(TABLE)
        states = {s.name: s for s in sequence.scans}
        if list(states) == ['scene0000_01', 'scene0000_02']:
            assert table.change == ChangeKind.ADDED


def test_test_scenes_have_superpoints_and_no_labels(root, tmp_path):
    made = make(root, tmp_path, splits=['test'])
    path = made['scene0001_00-scene0001_01']
    sequence, truth = read_sequence(path)
    for scan, visit, pieces in zip(sequence.scans, truth.visits, read_extras(path).superpoint):
        assert not visit.instance.any()
        assert set(visit.semantic) == {-1}
        assert visit.objects == ()
        # Six flat patches that do not touch; seams are healed.
        assert pieces.max() == 5
        assert len(pieces) == len(scan)
    index = json.loads((tmp_path / 'test' / 'index.json').read_text())
    assert [s['has_labels'] for s in index['sequences']] == [False]


def test_index_lists_sequences_and_color_statistics(root, tmp_path):
    make(root, tmp_path, RioConfig(visits=1))
    index = json.loads((tmp_path / 'train' / 'index.json').read_text())
    assert sorted(s['name'] for s in index['sequences']) == [f'scene0000_0{i}' for i in range(3)]
    assert 'synthetic' in index['stamps']
    rgb = [
        read_sequence(tmp_path / 'train' / s['file'])[0].scans[0].rgb / 255
        for s in index['sequences']
    ]
    mean = np.mean([c.mean(0) for c in rgb], axis=0)
    square = np.mean([(c**2).mean(0) for c in rgb], axis=0)
    np.testing.assert_allclose(index['color_mean'], mean)
    np.testing.assert_allclose(index['color_std'], np.sqrt(square - mean**2))


def cut(path: Path, share: float):
    """Leave the first share of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ('file', 'share', 'text'),
    [
        ('mesh.refined.v2.obj', None, 'found none'),
        ('mesh.refined.v2.obj', 0.6, 'truncated'),
        ('mesh.refined.v2.obj', 0.0, 'truncated'),
        ('mesh.refined.mtl', None, 'found none'),
        ('mesh.refined_0.png', None, 'texture'),
        ('mesh.refined_0.png', 0.1, 'texture'),
        ('mesh.refined_0.png', 0.6, 'texture'),
        ('labels.instances.annotated.v2.ply', None, 'found none'),
        ('labels.instances.annotated.v2.ply', 0.5, 'truncated'),
        ('labels.instances.annotated.v2.ply', 0.01, 'truncated'),
        ('mesh.refined.0.010000.segs.v2.json', 0.5, 'truncated'),
        ('semseg.v2.json', 0.9, 'truncated'),
        ('semseg.v2.json', None, 'found none'),
    ],
)
def test_missing_and_truncated_files_name_scan_and_file(tmp_path, file, share, text):
    write_scan(tmp_path / 'ref', np.eye(4), {})
    (tmp_path / '3RScan.json').write_text(
        json.dumps([{'reference': 'ref', 'type': 'train', 'scans': []}])
    )
    path = tmp_path / 'ref' / file
    path.unlink() if share is None else cut(path, share)
    info = read_metadata(tmp_path)[0].scans[0]
    with pytest.raises(FileFormatError, match=text) as told:
        read_folder(tmp_path, info)
    assert 'scene0000_00 (ref)' in str(told.value)


def test_files_that_do_not_fit_each_other_are_refused(tmp_path):
    write_scan(tmp_path / 'ref', np.eye(4), {})
    (tmp_path / '3RScan.json').write_text(
        json.dumps([{'reference': 'ref', 'type': 'train', 'scans': [{'reference': 're1'}]}])
    )
    info, rescan = read_metadata(tmp_path)[0].scans
    scan = read_folder(tmp_path, info).scan
    with pytest.raises(FileFormatError, match='cannot be aligned'):
        aligned(scan, rescan)
    segments = tmp_path / 'ref' / 'mesh.refined.0.010000.segs.v2.json'
    segments.write_text('{"segIndices": [1, 2, 3]}')
    with pytest.raises(FileFormatError, match='216 segment ids'):
        read_folder(tmp_path, info)


def test_a_damaged_rescan_is_left_out(root, tmp_path):
    """The sequence of the others is made; without a reference there is none."""
    data = tmp_path / 'data'
    data.mkdir()
    for path in root.iterdir():
        (data / path.name).symlink_to(path)
    (data / 're2').unlink()
    config = RioConfig(visits=0, windows='single')
    jobs = rio_jobs(data, config, ('train',))
    assert prepare(jobs, tmp_path / 'out', {'source': '3rscan'}) == {}
    (file,) = (tmp_path / 'out' / 'train').glob('*.npz')
    assert file.stem == 'scene0000_00-scene0000_01'
    lost = left_out(jobs, tmp_path / 'out')
    assert list(lost) == ['scene0000_02']
    assert 're2' in lost['scene0000_02']
    (data / 'ref').unlink()
    failures = prepare(jobs, tmp_path / 'other', {'source': '3rscan'})
    assert 'scene0000_00 (ref)' in failures['scene0000']


def fails(error, folder):
    """Stand for a conversion that meets what nobody foresaw."""
    raise error


def writes_nothing(folder):
    return {'scene': 'good', 'sequences': [], 'colors': []}


def test_no_scan_ends_a_run(tmp_path, caplog):
    """Whatever a scan raises is its cause; a damaged record is made again; ^C ends the run."""
    errors = (ZeroDivisionError('by zero'), MemoryError('40 GB'), FileFormatError('cut off'))
    jobs = [Job(f'bad{k}', 'train', partial(fails, error)) for k, error in enumerate(errors)]
    jobs.append(Job('good', 'train', writes_nothing))
    records = tmp_path / 'train' / 'records'
    records.mkdir(parents=True)
    for k, text in enumerate(('', '[]', '{"sequences": [{}], "colors": []}')):
        (records / f'bad{k}.json').write_text(text)
    failures = prepare(jobs, tmp_path, {})
    assert sorted(failures) == ['bad0', 'bad1', 'bad2']
    assert 'bad0: expected a scan' in failures['bad0']
    assert 'by zero' in failures['bad0']
    assert failures['bad2'] == 'cut off'
    assert left_out(jobs, tmp_path) == {}
    assert (records / 'good.json').exists()
    assert [r.exc_info[0] for r in caplog.records] == [ZeroDivisionError, MemoryError]
    with pytest.raises(KeyboardInterrupt):
        prepare([Job('stop', 'train', partial(fails, KeyboardInterrupt()))], tmp_path, {})


def test_the_command_resumes_and_names_what_it_could_not_read(root, tmp_path):
    data = tmp_path / 'data'
    data.mkdir()
    for path in root.iterdir():
        (data / path.name).symlink_to(path)
    (data / 're2').unlink()
    out = tmp_path / 'out'
    command = ['prepare', '3rscan', '--root', str(data), '--out', str(out), '--jobs', '2']
    first = subprocess.run(
        [sys.executable, '-m', 'rescene4d_ros.cli.main', *command],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert first.returncode == 1, first.stderr
    assert 'scene0000_02 (re2)' in first.stderr
    assert 'mesh.refined.v2.obj' in first.stderr
    assert 'the data set has no times' in first.stdout
    assert len(list((out / 'test').glob('*.npz'))) == 2
    assert len(list((out / 'train').glob('*.npz'))) == 1  # of the two scans that are whole
    times = {p: p.stat().st_mtime_ns for p in (out / 'test').glob('*.npz')}
    (data / 're2').symlink_to(root / 're2')
    assert main(command) == 0
    assert len(list((out / 'train').glob('*.npz'))) == 3
    assert {p: p.stat().st_mtime_ns for p in times} == times
    with pytest.raises(ConfigError, match='another --out'):
        prepare([], out, {'source': '3rscan', 'visits': 3})
    for path in (out / 'train').glob('*.npz'):
        read_sequence(path)
    assert not list(out.rglob('*.part'))
