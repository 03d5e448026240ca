"""Sequences of two visits made of one annotated scan."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.data.datasets.annotated_truth import sequence_truth
from rescene4d_ros.data.datasets.annotations import AnnotatedScan
from rescene4d_ros.data.datasets.single_scans import changed_scannet
from rescene4d_ros.data.datasets.single_scans.changed_scannet import (
    changed_scannet_jobs,
    changed_visits,
    ChangedScanNetConfig,
)
from rescene4d_ros.data.sequences.sequence_file import read_sequence
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures import ChangeKind, ObjectState, SEMANTIC_CLASSES, WALL

N_OBJECTS, POINTS = 40, 60
CHAIR = SEMANTIC_CLASSES.index('chair')


@pytest.fixture
def scan():
    """Return forty chairs in a row, two pieces each, and a wall that has an id as well."""
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(N_OBJECTS + 1), POINTS)
    xyz = rng.random((len(owner), 3)) + np.column_stack([3.0 * owner, 0 * owner, 0 * owner])
    return AnnotatedScan(
        'scene0000_00',
        xyz.astype(np.float32),
        rng.integers(0, 256, (len(owner), 3), dtype=np.uint8),
        np.tile(np.float32([0, 1, 0]), (len(owner), 1)),
        (np.arange(len(owner)) // (POINTS // 2)).astype(np.int32),
        np.where(owner == N_OBJECTS, WALL, CHAIR).astype(np.int32),
        (owner + 1).astype(np.int32),
    )


@pytest.mark.parametrize('seed', range(4))
def test_truth_and_points_agree(scan, seed):
    (first, second), notes, groups = changed_visits(scan, np.random.default_rng(seed))
    before, after = sequence_truth([first, second], notes, groups).visits
    told = {o.instance_id: o for o in after.objects}
    by_kind = {kind: {i for i, o in told.items() if o.change == kind} for kind in ChangeKind}
    new = {n for _, *copies in groups for n in copies}
    assert len(by_kind[ChangeKind.MOVED]) <= changed_scannet.MOVED * N_OBJECTS
    assert len(by_kind[ChangeKind.REMOVED]) <= changed_scannet.REMOVED * N_OBJECTS
    assert len(by_kind[ChangeKind.ADDED] - new) <= changed_scannet.ADDED * N_OBJECTS
    assert new <= by_kind[ChangeKind.ADDED]
    assert min(new, default=N_OBJECTS + 2) > N_OBJECTS + 1  # no id is given twice
    assert {i for i, o in told.items() if o.state == ObjectState.ABSENT} == by_kind[
        ChangeKind.REMOVED
    ]
    assert set(np.unique(before.instance)) - {0} == told.keys() - by_kind[ChangeKind.ADDED]
    assert set(np.unique(after.instance)) - {0} == told.keys() - by_kind[ChangeKind.REMOVED]
    assert {told[i].ambiguity_group for g in groups for i in g} == set(range(1, len(groups) + 1))
    was = {o.instance_id: o for o in before.objects}
    for i, o in told.items():
        if i in was and o.state == ObjectState.PRESENT:  # the pose takes the points along
            motion = o.map_T_object @ np.linalg.inv(was[i].map_T_object)
            middle = first.xyz[before.instance == i].mean(axis=0)
            expected = motion[:3, :3] @ middle + motion[:3, 3]
            found = second.xyz[after.instance == i].mean(axis=0)
            assert np.linalg.norm(found - expected) < 0.1  # other points of a chair of a meter


def test_the_copy_is_another_recording(scan):
    (_, second), _, _ = changed_visits(scan, np.random.default_rng(2))
    assert len(second.xyz) != len(scan.xyz)
    np.testing.assert_allclose(np.linalg.norm(second.normals, axis=1), 1, atol=1e-5)
    assert np.ptp(second.normals[second.instance == N_OBJECTS + 1], axis=0).max() > 0.1
    pieces = np.unique(np.column_stack([second.superpoint, second.instance]), axis=0)
    assert np.array_equal(pieces[:, 0], np.arange(second.superpoint.max() + 1))


def test_every_kind_of_change_occurs(scan):
    notes = [changed_visits(scan, np.random.default_rng(seed))[1][1] for seed in range(8)]
    assert {kind for note in notes for kind in note.changes.values()} == {
        ChangeKind.MOVED,
        ChangeKind.REMOVED,
        ChangeKind.ADDED,
    }
    assert any(changed_visits(scan, np.random.default_rng(seed))[2] for seed in range(8))


def test_the_command_repeats_itself_and_copies_differ(tmp_path):
    spec = importlib.util.spec_from_file_location(
        'scannet_files', Path(__file__).with_name('test_scannet.py')
    )
    files = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(files)
    files.write_scan(tmp_path / 'scans' / 'scene0000_00', 'scene0000_00')
    (tmp_path / 'scannetv2_train.txt').write_text('scene0000_00')
    made = []
    for out in (tmp_path / 'a', tmp_path / 'b'):
        places = ['--root', str(tmp_path), '--out', str(out), '--splits', 'train', 'test']
        assert main(['prepare', 'scannet-changes', *places, '--copies', '2']) == 0
        made.append({f.name: f.read_bytes() for f in (out / 'train').glob('*.npz')})
    assert made[0] == made[1]
    first, second = (f'scene0000_00_changed_0{k}.npz' for k in (0, 1))
    assert set(made[0]) == {first, second}
    assert made[0][first] != made[0][second]
    sequence, truth = read_sequence(tmp_path / 'a' / 'train' / first)
    assert len(sequence) == len(truth.visits) == 2


def test_a_test_split_has_no_labels_to_change(tmp_path):
    assert changed_scannet_jobs(tmp_path, ChangedScanNetConfig(), ['test']) == []
    with pytest.raises(FileFormatError, match='scannetv2_train.txt'):
        changed_scannet_jobs(tmp_path, ChangedScanNetConfig())
