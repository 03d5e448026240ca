"""Memories without a network: by change alone, and by instances that come with the clouds."""

import json
import subprocess
import sys

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.config import make
from rescene4d_ros.data.readers.cloud_files import read_cloud
from rescene4d_ros.errors import ScanError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.memory.editing.rebuild import rebuild_records
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.mask_source import load_masks, tracker_for
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import (
    ChangeKind,
    GivenInstances,
    INSTANCE_CLASSES,
    ObjectState,
    OTHER_OBJECT,
    Scan,
    VisitStatus,
)
from rescene4d_ros.tracking.settings import TrackerConfig

DAY = 86_400 * 10**9
CHAIR = ((0.6, 0.6, 0.0), (0.45, 0.45, 0.8), (150, 60, 40))
MOVED = ((2.3, 0.3, 0.0), *CHAIR[1:])
TABLE = ((1.8, 1.6, 0.0), (0.8, 0.6, 0.7), (40, 80, 150))
BIN = ((0.4, 2.2, 0.0), (0.3, 0.3, 0.5), (90, 160, 60))

WITHOUT_TORCH = (  # the command line, in a process that has no torch to import
    'import sys\n'
    'class WithoutTorch:\n'
    '    @staticmethod\n'
    '    def find_spec(name, path=None, target=None):\n'
    '        if name.partition(".")[0] == "torch":\n'
    '            raise ModuleNotFoundError(f"No module named {name!r}", name=name)\n'
    'sys.meta_path.insert(0, WithoutTorch)\n'  # as where it is not installed
    'from rescene4d_ros.cli.main import main\n'
    'sys.exit(main(sys.argv[1:]))\n'
)


@pytest.fixture
def visit(boxes_room):
    """Return a function that makes the scan of a day, with the box of each point."""

    def make_visit(day, boxes):
        scan, box = boxes_room(boxes, seed=day, density=2000, stamp_ns=day * DAY)
        keep = np.ones(len(scan), dtype=bool)
        for low, size, _ in boxes:  # nobody sees the floor under things, nor their lower faces
            low, high = np.array(low)[:2], np.add(low, size)[:2]
            inside = ((scan.xyz[:, :2] > low) & (scan.xyz[:, :2] < high)).all(1)
            keep &= ~(inside & (scan.xyz[:, 2] < 0.03))
        return scan.take(keep), box[keep]

    return make_visit


@pytest.fixture
def tracker_of(tmp_path):
    """Return a function that opens a memory for one source of instances."""
    opened = []

    def open_memory(source):
        masks = load_masks(make(InferenceConfig, {'source': source}))
        memory = SceneMemory.open(
            tmp_path / source, 'map', 'map', masks.class_names, masks.weights_hash
        )
        opened.append(memory)
        return SceneTracker(memory, masks, tracker_for(TrackerConfig(), source))

    yield open_memory
    for memory in opened:
        memory.close()


def stated(update):
    """Return kind and id of the changes of a visit."""
    return [(change.kind, change.object_id) for change in update.changes]


def test_changes_alone_make_objects(visit, tracker_of):
    """What moves, leaves and comes is found, and known in the visit before."""
    tracker = tracker_of('none')
    (first, in_first), (second, in_second) = (
        visit(1, [CHAIR, TABLE, BIN]),
        visit(2, [MOVED, TABLE]),
    )
    assert tracker.add_visit(first).objects == ()
    update = tracker.add_visit(second)
    kinds = {change.kind: change for change in update.changes}
    assert set(kinds) == {ChangeKind.MOVED, ChangeKind.REMOVED}
    moved, removed = kinds[ChangeKind.MOVED].object_id, kinds[ChangeKind.REMOVED].object_id
    np.testing.assert_allclose(
        kinds[ChangeKind.MOVED].after_T_before[:2, 3],
        np.subtract(MOVED[0], CHAIR[0])[:2],
        atol=0.1,
    )
    before = tracker.memory.labels(1)
    assert (before[(in_first == 1) & (first.xyz[:, 2] > 0.1)] == moved).mean() > 0.9
    assert (before[(in_first == 3) & (first.xyz[:, 2] > 0.1)] == removed).mean() > 0.9
    assert not before[in_first == 2].any()
    chair = update.object_ids[(in_second == 1) & (second.xyz[:, 2] > 0.1)]
    assert (chair == moved).mean() > 0.9
    by_id = {o.object_id: o for o in update.objects}
    assert {o.class_id for o in update.objects} == {OTHER_OBJECT}
    assert by_id[moved].first_seen_ns == by_id[removed].first_seen_ns == first.stamp_ns
    assert by_id[moved].link_reason.endswith('found by: change')
    assert by_id[removed].states == ((1, ObjectState.PRESENT), (2, ObjectState.ABSENT))


def test_an_object_found_by_change_keeps_its_id(visit, tracker_of):
    """At later visits it stands, leaves and comes back under one id."""
    tracker = tracker_of('none')
    for day, boxes in enumerate(([TABLE], [TABLE, CHAIR], [TABLE, CHAIR], [TABLE]), 1):
        update = tracker.add_visit(visit(day, boxes)[0])
    back = tracker.add_visit(visit(5, [TABLE, CHAIR])[0])
    assert stated(update) == [(ChangeKind.REMOVED, 1)]
    assert stated(back) == [(ChangeKind.REAPPEARED, 1)]
    assert [o.object_id for o in back.objects] == [1]


def test_what_was_discovered_is_stored_and_found_again(visit, tracker_of):
    """The facts give the same records again, and a reprocess the same ids."""
    tracker = tracker_of('none')
    for day, boxes in enumerate(([CHAIR, TABLE], [TABLE], [TABLE, MOVED]), 1):
        tracker.add_visit(visit(day, boxes)[0])
    memory = tracker.memory
    rebuilt = rebuild_records(memory, memory.visits(VisitStatus.DONE))
    assert {i: (r.state, r.first_seen_ns, r.n_observations) for i, r in rebuilt.items()} == {
        i: (r.state, r.first_seen_ns, r.n_observations) for i, r in memory.records.items()
    }
    ids = [memory.labels(v.visit_id) for v in memory.visits()]
    assert set(np.unique(ids[0])) == {0, 1}
    tracker.reprocess()
    for before, visit_info in zip(ids, memory.visits()):
        np.testing.assert_array_equal(memory.labels(visit_info.visit_id), before)
    tracker.reprocess(3)
    assert set(np.unique(memory.labels(1))) == {0, 1}


def given(scan, box, numbers, classes=()):
    """Return a scan with instances: number and class of each box."""
    label = np.array([0, *numbers])[box]
    class_id = np.array([-1, *classes], np.int32)[box] if classes else None
    return Scan(
        scan.xyz, scan.stamp_ns, scan.rgb, scan.normals, given=GivenInstances(label, class_id)
    )


def test_given_instances_become_objects(visit, tracker_of):
    """Numbers differ from visit to visit, classes are optional; ids stay."""
    tracker = tracker_of('given')
    chair, table = INSTANCE_CLASSES.index('chair'), INSTANCE_CLASSES.index('table')
    first = given(*visit(1, [CHAIR, TABLE]), (7, 3), (chair, table))
    second = given(*visit(2, [MOVED, TABLE]), (1, 9))
    update = tracker.add_visit(first)
    assert sorted(o.class_name for o in update.objects) == ['chair', 'table']
    ids = {o.class_name: o.object_id for o in update.objects}
    assert all(o.link_reason.endswith('found by: given') for o in update.objects)
    assert stated(tracker.add_visit(second)) == [(ChangeKind.MOVED, ids['chair'])]
    stored = tracker.memory.scan(2).given
    np.testing.assert_array_equal(stored.instance, second.given.instance)
    assert (stored.class_id, stored.score) == (None, None)


def test_a_cloud_without_instances_says_what_to_do(visit, tracker_of):
    tracker = tracker_of('given')
    with pytest.raises(ScanError, match='expected a field `instance`.*or set inference.source'):
        tracker.add_visit(visit(1, [CHAIR])[0])
    assert tracker.memory.visits()[0].status == VisitStatus.FAILED


def test_instances_of_files(tmp_path):
    """Npz arrays and 3RScan's properties of PLY; refused where they cannot be meant."""
    xyz = np.random.default_rng(0).random((4, 3)).astype(np.float32)
    xyz[1] = np.nan
    np.savez(tmp_path / 'a.npz', xyz=xyz, instance_id=[1, 1, 0, 2], score=[0.5, 1, 0, 0.25])
    read = read_cloud(tmp_path / 'a.npz', 0)[0].given
    assert read.instance.tolist() == [1, 0, 2]
    assert read.score.tolist() == [0.5, 0, 0.25]
    assert read.class_id is None
    header = 'ply\nformat ascii 1.0\nelement vertex 2\n'
    columns = ('float x', 'float y', 'float z', 'ushort objectId', 'uchar NYU40')
    header += ''.join(f'property {column}\n' for column in columns) + 'end_header\n'
    (tmp_path / 'b.ply').write_text(header + '0 0 0 4 5\n1 0 0 0 1\n')
    read = read_cloud(tmp_path / 'b.ply', 0)[0].given
    assert read.instance.tolist() == [4, 0]
    assert read.class_id[0] == INSTANCE_CLASSES.index('chair')
    np.savez(tmp_path / 'c.npz', xyz=xyz, instance=[0.5, 1, 0, 2])
    with pytest.raises(ScanError, match='expected instance as one whole number'):
        read_cloud(tmp_path / 'c.npz', 0)
    np.savez(tmp_path / 'd.npz', xyz=xyz, instance=[1, 2])
    with pytest.raises(ScanError, match=r'expected instance of shape \(4,\)'):
        read_cloud(tmp_path / 'd.npz', 0)


def test_boxes_of_files_become_objects(visit, tmp_path, capsys):
    """`replay --boxes` from two clouds and two files to a move of the right length."""
    chair, table = (
        {
            'center': [*np.add(low, np.array(size) / 2)],
            'size': [s + 0.04 for s in size],
            'class': n,
        }
        for (low, size, _), n in ((CHAIR, 'armchair'), (TABLE, 'table'))
    )
    for day, boxes in ((1, [CHAIR, TABLE]), (2, [MOVED, TABLE])):
        scan, _ = visit(day, boxes)
        np.savez(tmp_path / f'{day}.npz', xyz=scan.xyz, rgb=scan.rgb, normals=scan.normals)
        shift = np.subtract(boxes[0][0], CHAIR[0])
        there = chair | {'center': [*np.add(chair['center'], shift)]}
        (tmp_path / f'{day}.json').write_text(json.dumps([table, there][:: 1 if day == 1 else -1]))
    clouds, files = ([str(tmp_path / f'{k}.{s}') for k in (1, 2)] for s in ('npz', 'json'))
    command = ['replay', *clouds, '--memory', str(tmp_path / 'memory'), '--boxes', *files]
    out = ['--out', str(tmp_path / 'out')]
    assert main([*command, *out, '--source', 'given']) == 0
    (change,) = json.loads((tmp_path / 'out' / 'changes.json').read_text())['changes']
    assert (change['kind'].lower(), change['class']) == ('moved', 'chair')
    np.testing.assert_allclose(
        np.array(change['after_T_before'])[:2, 3], np.subtract(MOVED[0], CHAIR[0])[:2], atol=0.05
    )
    assert main([*command, *out]) == 2
    assert '--boxes: expected --source given' in capsys.readouterr().err


def test_without_network_nothing_loads_torch(visit, tmp_path):
    """`replay --source none` from files to changes, in a process that has no torch to import."""
    for day, boxes in ((1, [CHAIR, TABLE]), (2, [MOVED, TABLE])):
        scan, _ = visit(day, boxes)
        np.savez(tmp_path / f'{day}.npz', xyz=scan.xyz, rgb=scan.rgb, normals=scan.normals)
    files = [str(tmp_path / f'{day}.npz') for day in (1, 2)]
    command = ['replay', *files, '--source', 'none', '--memory', str(tmp_path / 'memory')]
    found = subprocess.run(
        [sys.executable, '-c', WITHOUT_TORCH, *command, '--out', str(tmp_path / 'out')],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert 'MOVED otherfurniture #1' in found.stdout + found.stderr


def test_the_network_without_torch_says_what_to_install(tmp_path):
    found = subprocess.run(
        [sys.executable, '-c', WITHOUT_TORCH, 'evaluate', '--data', str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2
    assert "pip install 'rescene4d_ros[network]'" in found.stderr
    assert 'Traceback' not in found.stderr
