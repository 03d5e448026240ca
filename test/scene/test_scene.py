"""The algorithm box on worlds of boxes whose truth is known: who is who, what changed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import numpy as np
import pytest
from rescene4d_ros.errors import (
    DuplicateVisitError,
    MemoryFormatError,
    StorageError,
    VisitOrderError,
)
from rescene4d_ros.memory.editing.corrections import (
    exclude_visit,
    include_visit,
    lock,
    merge,
    rename,
    split,
)
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import (
    ChangeKind,
    INSTANCE_CLASSES,
    ObjectState,
    Scan,
    Segmentation,
    VisitStatus,
)
from rescene4d_ros.structures.free_space import FreeSpace
from rescene4d_ros.tracking.settings import TrackerConfig

DAY = 86_400 * 10**9
STEP = 0.035
CHAIR, TABLE, CABINET = (INSTANCE_CLASSES.index(c) for c in ('chair', 'table', 'cabinet'))


@dataclass(frozen=True)
class Thing:
    """A box-shaped piece of furniture of the test world; lengths in m, yaw in rad."""

    name: int
    class_id: int
    x: float
    y: float
    size: tuple[float, float, float]
    color: tuple[int, int, int]
    yaw: float = 0.0


def surface(size) -> np.ndarray:
    """Return points on the top and the four sides of a box that stands on z = 0."""
    sx, sy, sz = size
    x, y = (np.arange(-s / 2, s / 2 + 1e-6, STEP) for s in (sx, sy))
    z = np.arange(STEP, sz + 1e-6, STEP)
    top = [(a, b, sz) for a in x for b in y]
    sides = [(a, b, c) for a in x for b in (-sy / 2, sy / 2) for c in z]
    sides += [(a, b, c) for a in (-sx / 2, sx / 2) for b in y for c in z]
    return np.array(top + sides)


class BoxRoom:
    """A floor with boxes on it, seen from everywhere but from below and in hidden circles."""

    def __init__(self, extent: float = 5.0):
        axis = np.arange(0, extent, STEP)
        self._floor = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
        self.truth: dict[int, tuple[np.ndarray, dict[int, Thing]]] = {}

    def scan(self, day: int, things, hidden=(), seed: int = 0, free=None) -> Scan:
        """Scan the room; `hidden` holds circles (x, y, radius) that the sensor misses."""
        rng = np.random.default_rng([seed, day])
        floor = self._floor
        parts, names, colors = [], [], []
        for thing in things:
            c, s = np.cos(thing.yaw), np.sin(thing.yaw)
            rel = floor - (thing.x, thing.y)
            inside = (np.abs(rel @ (c, s)) < thing.size[0] / 2) & (
                np.abs(rel @ (-s, c)) < thing.size[1] / 2
            )
            floor = floor[~inside]
            points = surface(thing.size)
            turned = points[:, :2] @ np.array([[c, s], [-s, c]]) + (thing.x, thing.y)
            parts.append(np.c_[turned, points[:, 2]])
            names.append(np.full(len(points), thing.name))
            colors.append(np.tile(thing.color, (len(points), 1)))
        parts.append(np.c_[floor, np.zeros(len(floor))])
        names.append(np.zeros(len(floor), dtype=int))
        colors.append(np.full((len(floor), 3), 128))
        xyz, name = np.concatenate(parts), np.concatenate(names)
        rgb = np.concatenate(colors)
        seen = np.ones(len(xyz), dtype=bool)
        for x, y, radius in hidden:
            seen &= np.linalg.norm(xyz[:, :2] - (x, y), axis=1) > radius
        xyz = xyz + rng.normal(0, 0.003, xyz.shape)
        rgb = np.clip(rgb + rng.normal(0, 4, rgb.shape), 0, 255)
        scan = Scan(
            xyz[seen].astype(np.float32),
            day * DAY,
            rgb[seen].astype(np.uint8),
            name=f'day {day}',
            free=free,
        )
        self.truth[scan.stamp_ns] = name[seen], {thing.name: thing for thing in things}
        return scan


class OracleSegmenter:
    """
    Give the true masks and classes; features say no more than the class.

    With `share` one instance spans all visits, as the network's queries should; without, every
    visit has instances of its own and identity is left to the memory. Things in `unsure` get a
    low score.
    """

    def __init__(self, room: BoxRoom, share: bool = True):
        self._room = room
        self._share = share
        self.unsure: set[int] = set()

    def segment(self, scans, keys) -> Segmentation:
        """Return the truth of the scans' stamps as a segmentation."""
        assert len(set(keys)) == len(scans)
        truths = [self._room.truth[scan.stamp_ns] for scan in scans]
        tracks: dict[tuple[int, int], int] = {}
        labels, class_ids = [], []
        for stage, (names, things) in enumerate(truths):
            label = np.full(len(names), -1, dtype=np.int32)
            for name in np.unique(names[names > 0]):
                track = (0 if self._share else stage, int(name))
                if track not in tracks:
                    tracks[track] = len(tracks)
                    class_ids.append(things[int(name)].class_id)
                label[names == name] = tracks[track]
            labels.append(label)
        kinds = np.full((len(tracks), len(INSTANCE_CLASSES)), 0.01, dtype=np.float32)
        kinds[np.arange(len(tracks)), class_ids] = 1.0
        kinds /= kinds.sum(1, keepdims=True)
        scores = np.float32([0.2 if name in self.unsure else 0.9 for _, name in tracks])
        return Segmentation(
            tuple(labels),
            kinds,
            scores,
            kinds.copy(),
            tuple((x >= 0).astype(np.float32) for x in labels),
        )


def furniture() -> list[Thing]:
    """Return a table, two chairs of different color and a cabinet."""
    return [
        Thing(1, TABLE, 2.5, 2.5, (1.4, 0.8, 0.75), (150, 100, 60)),
        Thing(2, CHAIR, 1.0, 1.0, (0.45, 0.5, 0.9), (200, 40, 40)),
        Thing(3, CHAIR, 4.0, 1.0, (0.45, 0.5, 0.9), (40, 60, 200)),
        Thing(4, CABINET, 1.5, 4.6, (1.6, 0.45, 1.2), (230, 230, 220)),
    ]


def moved(things, name, **place):
    """Return the things with one of them somewhere else."""
    return [Thing(**{**vars(t), **place}) if t.name == name else t for t in things]


def without(things, *names):
    """Return the things but some."""
    return [t for t in things if t.name not in names]


class Diary:
    """A tracker on a room, with the id that each true thing was given at each visit."""

    def __init__(self, path, share=True, **settings):
        self.room = BoxRoom()
        self.path = path
        self.memory = SceneMemory.open(path, 'test', 'map', INSTANCE_CLASSES)
        self.segmenter = OracleSegmenter(self.room, share)
        self.tracker = SceneTracker(self.memory, self.segmenter, TrackerConfig(**settings))
        self.updates = []

    def visit(self, day, things, **how):
        """Add a visit; return the id of each visible thing and the changes by true name."""
        update = self.tracker.add_visit(self.room.scan(day, things, **how))
        self.updates.append(update)
        names = self.room.truth[day * DAY][0]
        ids = {}
        for name in np.unique(names[names > 0]):
            given = np.unique(update.object_ids[names == name])
            assert len(given) == 1, 'one thing got several ids'
            ids[int(name)] = int(given[0])
        assert len(set(ids.values())) == len(ids), 'two things got one id'
        return ids, {c.object_id: c for c in update.changes}

    def state(self, object_id) -> ObjectState:
        """Return the newest state of an object."""
        return {o.object_id: o.state for o in self.updates[-1].objects}[object_id]


@pytest.mark.parametrize('is_told', [True, False])
def test_what_left_a_place_that_was_only_looked_through(tmp_path, is_told):
    """No surface at or behind the old place was measured: only free cells tell that it left."""
    diary, missed = Diary(tmp_path), ((4.0, 1.0, 0.6),)
    ids, _ = diary.visit(1, furniture())
    air = np.zeros((50, 50, 20), bool)
    air[:, :, 1:] = True  # above the floor,
    air[:32] = air[:, 18:] = False  # where no other thing stands
    free = FreeSpace.at_corner(np.zeros(3), air, 0.1) if is_told else None
    _, changes = diary.visit(2, without(furniture(), 3), hidden=missed, free=free)
    expected = ObjectState.ABSENT if is_told else ObjectState.NOT_OBSERVED
    assert diary.state(ids[3]) == expected
    kinds = [change.kind for change in changes.values()]
    assert kinds == ([ChangeKind.REMOVED] if is_told else [])
    diary.tracker.reprocess()  # of what is stored
    states = {o.object_id: o.state for o in diary.memory.snapshot().objects}
    assert states[ids[3]] == expected


@pytest.mark.parametrize('share', [True, False])
def test_still_room_keeps_ids_and_reports_nothing(tmp_path, share):
    diary = Diary(tmp_path, share)
    first, changes = diary.visit(1, furniture())
    assert changes == {}
    for day in (2, 3):
        again, changes = diary.visit(day, furniture())
        assert again == first
        assert changes == {}


@pytest.mark.parametrize('share', [True, False])
def test_moved_chair_keeps_its_id_and_its_motion_is_measured(tmp_path, share):
    diary = Diary(tmp_path, share)
    first, _ = diary.visit(1, furniture())
    second, changes = diary.visit(2, moved(furniture(), 2, x=1.8, y=1.6, yaw=0.6))
    assert second == first
    assert set(changes) == {first[2]}
    change = changes[first[2]]
    assert change.kind == ChangeKind.MOVED
    where = change.after_T_before @ (1.0, 1.0, 0.45, 1)
    assert where[:3] == pytest.approx((1.8, 1.6, 0.45), abs=0.03)
    turn = np.degrees(np.arctan2(change.after_T_before[1, 0], change.after_T_before[0, 0]))
    assert (turn - np.degrees(0.6) + 90) % 180 - 90 == pytest.approx(0, abs=3)  # a box: mod 180
    assert change.evidence_before_ns == DAY
    assert change.evidence_after_ns == 2 * DAY


@pytest.mark.parametrize('share', [True, False])
def test_removed_chair_is_absent_and_comes_back_elsewhere_under_its_id(tmp_path, share):
    diary = Diary(tmp_path, share)
    first, _ = diary.visit(1, furniture())
    _, changes = diary.visit(2, without(furniture(), 2))
    assert {i: c.kind for i, c in changes.items()} == {first[2]: ChangeKind.REMOVED}
    assert diary.state(first[2]) == ObjectState.ABSENT
    _, changes = diary.visit(3, without(furniture(), 2))
    assert changes == {}
    back, changes = diary.visit(4, moved(furniture(), 2, x=3.2, y=3.9))
    assert back == first
    assert {i: c.kind for i, c in changes.items()} == {first[2]: ChangeKind.REAPPEARED}
    assert changes[first[2]].evidence_before_ns == 3 * DAY


@pytest.mark.parametrize('share', [True, False])
def test_hidden_chair_is_not_observed_not_removed(tmp_path, share):
    diary = Diary(tmp_path, share)
    first, _ = diary.visit(1, furniture())
    _, changes = diary.visit(2, furniture(), hidden=[(1.0, 1.0, 0.7)])
    assert changes == {}
    assert diary.state(first[2]) == ObjectState.NOT_OBSERVED
    again, changes = diary.visit(3, furniture())
    assert again == first
    assert changes == {}


@pytest.mark.parametrize('share', [True, False])
def test_half_seen_cabinet_has_neither_moved_nor_changed(tmp_path, share):
    diary = Diary(tmp_path, share)
    first, _ = diary.visit(1, furniture(), hidden=[(2.2, 4.6, 0.7)])
    for day, hidden in ((2, []), (3, [(0.8, 4.6, 0.7)]), (4, [])):
        again, changes = diary.visit(day, furniture(), hidden=hidden)
        assert again == first
        assert changes == {}


def test_unsure_thing_is_no_new_object_but_a_known_one_stays_known(tmp_path):
    diary = Diary(tmp_path)
    diary.segmenter.unsure = {3}
    first, _ = diary.visit(1, without(furniture(), 3))
    update = diary.tracker.add_visit(diary.room.scan(2, furniture()))
    names = diary.room.truth[2 * DAY][0]
    assert set(update.object_ids[names == 3]) == {0}
    assert update.changes == ()
    diary.segmenter.unsure = {1, 2}
    again, _ = diary.visit(3, furniture())
    assert {name: again[name] for name in first} == first
    assert again[3] > max(first.values())


@pytest.mark.parametrize('share', [True, False])
def test_new_thing_is_added_with_a_new_id(tmp_path, share):
    diary = Diary(tmp_path, share)
    first, _ = diary.visit(1, furniture())
    lamp = Thing(9, CHAIR, 3.9, 3.4, (0.3, 0.3, 1.6), (250, 240, 90))
    second, changes = diary.visit(2, [*furniture(), lamp])
    assert second == {**first, 9: second[9]}
    assert second[9] not in first.values()
    assert {i: c.kind for i, c in changes.items()} == {second[9]: ChangeKind.ADDED}


def test_thing_at_a_place_never_seen_before_is_an_object_but_hardly_a_change(tmp_path):
    """It may have stood there all the time: known from now on, by default not told as ADDED."""
    lamp = Thing(9, CHAIR, 3.9, 3.4, (0.3, 0.3, 1.6), (250, 240, 90))
    sure = Diary(tmp_path / 'sure')
    sure.visit(1, furniture())
    unsure = Diary(tmp_path / 'unsure')
    unsure.visit(1, furniture(), hidden=[(3.9, 3.4, 0.6)])
    (seen, told), (seen_too, nothing) = (
        diary.visit(2, [*furniture(), lamp]) for diary in (sure, unsure)
    )
    assert 9 in seen
    assert 9 in seen_too
    assert told[seen[9]].kind == ChangeKind.ADDED
    assert told[seen[9]].confidence > 0.5
    assert nothing == {}


class Stumbling(OracleSegmenter):
    """An oracle that fails on command."""

    fails = False
    fails_at = None  # stamp of a visit, ns

    def segment(self, scans, keys) -> Segmentation:
        """Fail, or tell the truth."""
        if self.fails or scans[-1].stamp_ns == self.fails_at:
            raise RuntimeError('no memory left on the device')
        return super().segment(scans, keys)


def test_visit_that_cannot_be_processed_fails_and_the_next_one_works(tmp_path):
    room, memory = BoxRoom(), SceneMemory.open(tmp_path, 'test', 'map', INSTANCE_CLASSES)
    segmenter = Stumbling(room)
    tracker = SceneTracker(memory, segmenter)
    first = tracker.add_visit(room.scan(1, furniture()))
    segmenter.fails = True
    with pytest.raises(RuntimeError, match='no memory left'):
        tracker.add_visit(room.scan(2, furniture()))
    segmenter.fails = False
    assert [v.status for v in memory.visits()] == [VisitStatus.DONE, VisitStatus.FAILED]
    assert 'no memory left' in memory.failure(2)
    third = tracker.add_visit(room.scan(3, furniture()))
    assert {o.object_id for o in third.objects} == {o.object_id for o in first.objects}
    again = tracker.reprocess()
    assert [u.visit.status for u in again.visits] == [VisitStatus.DONE] * 3
    assert {v.status for v in memory.visits()} == {VisitStatus.DONE}


def told(update):
    """Return what an update says, comparable to the last bit."""
    return (
        update.object_ids.tobytes(),
        update.class_ids.tobytes(),
        update.scores.tobytes(),
        [
            (o.object_id, o.state, o.box, o.link_reason, o.states, o.class_probs.tobytes())
            for o in update.objects
        ],
        [
            (
                c.kind,
                c.object_id,
                c.confidence,
                c.before,
                c.after,
                None if c.after_T_before is None else c.after_T_before.tobytes(),
            )
            for c in update.changes
        ],
    )


STORY = (
    (1, furniture()),
    (2, moved(without(furniture(), 3), 2, x=1.8, y=1.6)),
    (
        3,
        [
            *moved(furniture(), 3, x=3.4, y=3.6),
            Thing(9, CHAIR, 0.6, 2.6, (0.3, 0.3, 1.6), (250, 240, 90)),
        ],
    ),
)


def test_same_visits_give_the_same_ids_and_changes_bit_for_bit(tmp_path):
    runs = []
    for run in ('a', 'b'):
        diary = Diary(tmp_path / run)
        for day, things in STORY:
            diary.visit(day, things)
        runs.append([told(update) for update in diary.updates])
    assert runs[0] == runs[1]


def test_visits_left_by_a_stop_are_resumed_as_if_nothing_had_happened(tmp_path):
    straight = Diary(tmp_path / 'straight')
    for day, things in STORY:
        straight.visit(day, things)
    room = BoxRoom()
    scans = [room.scan(day, things) for day, things in STORY]
    with SceneMemory.open(tmp_path / 'stopped', 'test', 'map', INSTANCE_CLASSES) as memory:
        SceneTracker(memory, OracleSegmenter(room)).add_visit(scans[0])
        memory.add_visit(scans[1])
        memory.add_visit(scans[2])
    with SceneMemory.open(tmp_path / 'stopped', 'test', 'map', INSTANCE_CLASSES) as memory:
        tracker = SceneTracker(memory, OracleSegmenter(room))
        resumed = [tracker.process_next(), tracker.process_next()]
        assert tracker.process_next() is None
        assert memory.pending() == ()
    assert [told(u) for u in resumed] == [told(u) for u in straight.updates[1:]]


def test_waiting_visits_go_before_a_new_one(tmp_path):
    room = BoxRoom()
    scans = [room.scan(day, things) for day, things in STORY]
    memory = SceneMemory.open(tmp_path, 'test', 'map', INSTANCE_CLASSES)
    memory.add_visit(scans[0])
    memory.add_visit(scans[1])
    update = SceneTracker(memory, OracleSegmenter(room)).add_visit(scans[2])
    assert update.revision == 3
    assert {v.status for v in memory.visits()} == {VisitStatus.DONE}


def test_duplicate_is_refused_and_changes_nothing(tmp_path):
    diary = Diary(tmp_path)
    diary.visit(1, furniture())
    with pytest.raises(DuplicateVisitError):
        diary.tracker.add_visit(diary.room.scan(1, furniture()))
    assert diary.memory.metadata.revision == 1


def test_late_visit_is_taken_in_by_reprocess_and_ids_stay(tmp_path):
    diary = Diary(tmp_path)
    first, _ = diary.visit(1, furniture())
    third, _ = diary.visit(5, moved(furniture(), 2, x=1.8, y=1.6))
    with pytest.raises(VisitOrderError):
        diary.tracker.add_visit(diary.room.scan(3, without(furniture(), 2)))
    assert diary.memory.changes()[0].kind == ChangeKind.MOVED
    progress = []
    result = diary.tracker.reprocess(progress=lambda *at: progress.append(at))
    assert progress == [(1, 3), (2, 3), (3, 3)]
    assert [v.visit.stamp_ns // DAY for v in result.visits] == [1, 3, 5]
    assert [(c.visit_id, c.kind) for v in result.visits for c in v.changes] == [
        (c.visit_id, c.kind) for c in diary.memory.changes()
    ]
    assert {v.revision for v in result.visits} == {diary.memory.metadata.revision}
    assert [(c.visit_id, c.kind, c.object_id) for c in diary.memory.changes()] == [
        (3, ChangeKind.REMOVED, first[2]),
        (2, ChangeKind.REAPPEARED, first[2]),
    ]
    assert set(diary.memory.records) == set(first.values()) == set(third.values())


def test_reprocess_of_a_range_equals_reprocess_of_all(tmp_path):
    snapshots = []
    for start in (None, 2):
        diary = Diary(tmp_path / str(start))
        for day, things in STORY:
            diary.visit(day, things)
        diary.tracker.reprocess(start)
        snapshots.append(
            [
                (o.object_id, o.box, o.states, o.moved_m, o.class_probs.tobytes())
                for o in diary.memory.snapshot().objects
            ]
        )
    assert snapshots[0] == snapshots[1]


@pytest.mark.parametrize(
    'start', [3, *(pytest.param(k, marks=pytest.mark.slow) for k in (None, 2, 4))]
)
def test_reprocess_keeps_what_people_split(tmp_path, start):
    diary = Diary(tmp_path)
    ids, _ = diary.visit(1, furniture())
    for day in (2, 3, 4):
        diary.visit(day, moved(furniture(), 4, x=1.6) if day > 2 else furniture())
    new = split(diary.memory, ids[2], 3)
    labels = [diary.memory.labels(visit) for visit in (1, 2, 3, 4)]
    assert dict(diary.memory.past[ids[2]]) == {
        1: ObjectState.PRESENT,
        2: ObjectState.PRESENT,
        3: ObjectState.ABSENT,
        4: ObjectState.NOT_OBSERVED,
    }  # the other one stands at its place
    known = {
        i: (r.state, r.first_seen_ns, r.n_observations, r.box)
        for i, r in diary.memory.records.items()
    }
    result = diary.tracker.reprocess(start)
    assert [(diary.memory.labels(v) == labels[v - 1]).all() for v in (1, 2, 3, 4)] == [True] * 4
    assert {
        i: (r.state, r.first_seen_ns, r.n_observations, r.box)
        for i, r in diary.memory.records.items()
    } == known
    assert set(np.unique(result.scene.object_ids)) == {0, *ids.values(), new} - {ids[2]}
    assert find_faults(diary.memory) == ()
    again, changes = diary.visit(5, moved(furniture(), 4, x=1.6))
    assert again[2] == new  # the memory does not make them one again
    assert changes == {}
    undone = merge(diary.memory, ids[2], new)
    diary.tracker.reprocess()
    assert undone == (new, ids[2])
    assert new not in diary.memory.records


def test_failed_reprocess_leaves_everything_as_it_was(tmp_path):
    room, memory = BoxRoom(), SceneMemory.open(tmp_path, 'test', 'map', INSTANCE_CLASSES)
    segmenter = Stumbling(room)
    tracker = SceneTracker(memory, segmenter)
    for day, things in STORY:
        tracker.add_visit(room.scan(day, things))
    before = repr(memory.snapshot()), repr(memory.changes()), len(memory.journal())
    segmenter.fails = True
    with pytest.raises(RuntimeError):
        tracker.reprocess()
    assert (repr(memory.snapshot()), repr(memory.changes()), len(memory.journal())) == before


def test_ids_of_objects_lost_in_reprocess_are_not_given_again(tmp_path):
    room, memory = BoxRoom(), SceneMemory.open(tmp_path, 'test', 'map', INSTANCE_CLASSES)
    tracker = SceneTracker(memory, OracleSegmenter(room))
    tracker.add_visit(room.scan(1, furniture()))
    names, things = room.truth[DAY]
    room.truth[DAY] = np.where(names == 3, 0, names), things  # other weights miss a chair
    tracker.reprocess()
    assert len(memory.records) == 3
    room.truth[DAY] = names, things
    update = tracker.reprocess().scene
    assert len(memory.records) == 4
    assert max(o.object_id for o in update.objects) == 5


def test_three_visits_together_keep_ids_as_well(tmp_path):
    diary = Diary(tmp_path, window=3)
    ids = [diary.visit(day, things)[0] for day, things in STORY]
    assert ids[1].items() <= ids[0].items()
    assert ids[0].items() <= ids[2].items()


def test_thing_that_the_segmenter_misses_once_stays_present_under_its_id(tmp_path):
    diary = Diary(tmp_path)
    first, _ = diary.visit(1, furniture())
    scan = diary.room.scan(2, furniture())
    names, things = diary.room.truth[2 * DAY]
    diary.room.truth[2 * DAY] = np.where(names == 3, 0, names), things
    update = diary.tracker.add_visit(scan)
    diary.updates.append(update)
    assert update.changes == ()
    assert diary.state(first[3]) == ObjectState.PRESENT
    given = update.object_ids[names == 3]
    assert (given == first[3]).mean() > 0.8
    assert (given[given != first[3]] == 0).all()
    again, changes = diary.visit(3, furniture())
    assert again == first
    assert changes == {}


def test_rearranged_twins_are_reported_as_ambiguous_also_after_reopening(tmp_path):
    diary = Diary(tmp_path, share=False)
    twin = {'size': (0.45, 0.5, 0.9), 'color': (200, 40, 40)}
    things = [*without(furniture(), 3), Thing(3, CHAIR, 4.0, 1.0, **twin)]
    first, _ = diary.visit(1, things)
    both = moved(moved(things, 2, x=3.9, y=4.2), 3, x=0.8, y=3.2)
    second, changes = diary.visit(2, both)
    twins = {first[2], first[3]}
    assert {second[2], second[3]} == twins
    assert (second[1], second[4]) == (first[1], first[4])
    assert set(changes) == twins
    told = {o.object_id: set(o.alternatives) for o in diary.updates[-1].objects}
    assert {i: others for i, others in told.items() if others} == {i: twins - {i} for i in twins}
    diary.memory.close()
    with SceneMemory.inspect(tmp_path) as memory:
        stored = {o.object_id: o for o in memory.snapshot().objects}
        assert {i for i, o in stored.items() if o.is_ambiguous} == twins
        assert {s.object_id for s in memory.observations(2) if s.alternatives} == twins
    memory = SceneMemory.open(tmp_path, 'test', 'map', INSTANCE_CLASSES)
    tracker = SceneTracker(memory, OracleSegmenter(diary.room, share=False))
    update = tracker.add_visit(diary.room.scan(3, both))  # they stand still: now it is clear
    assert not any(o.is_ambiguous for o in update.objects)
    tracker.reprocess(2)
    assert {s.object_id for s in memory.observations(2) if s.alternatives} == twins


def split_cabinet(diary, day, left=9):
    """Add a visit in which the segmenter takes the cabinet for two things."""
    scan = diary.room.scan(day, furniture())
    names, things = diary.room.truth[day * DAY]
    half = (names == 4) & (scan.xyz[:, 0] < 1.3)
    diary.room.truth[day * DAY] = np.where(half, left, names), {**things, left: things[4]}
    update = diary.tracker.add_visit(scan)
    diary.updates.append(update)
    return {
        name: int(np.bincount(update.object_ids[part]).argmax())
        for name, part in ((left, half), (4, (names == 4) & ~half))
    }


def test_id_of_a_half_becomes_an_alias_once_two_visits_show_one_thing(tmp_path):
    diary = Diary(tmp_path, share=False)
    halves = split_cabinet(diary, 1)
    assert halves[4] != halves[9]
    old, young = sorted(halves.values())
    _, changes = diary.visit(2, furniture())
    assert ChangeKind.MERGED not in {c.kind for c in changes.values()}  # once is no proof
    third, changes = diary.visit(3, furniture())
    assert third[4] == old
    assert (changes[young].kind, changes[young].other_id) == (ChangeKind.MERGED, old)
    assert young not in diary.memory.records
    assert diary.memory.aliases() == {young: old}
    assert find_faults(diary.memory) == ()
    before = repr(diary.memory.snapshot().objects)
    diary.memory.close()
    memory = SceneMemory.open(tmp_path, 'test', 'map', INSTANCE_CLASSES)
    assert repr(memory.snapshot().objects) == before
    tracker = SceneTracker(memory, OracleSegmenter(diary.room, share=False))
    tracker.reprocess(3)  # the past is replayed: the alias is known there, too
    assert young not in memory.records
    tracker.reprocess()
    assert old in memory.records
    assert memory.aliases()[young] == old
    update = tracker.add_visit(
        diary.room.scan(
            5, [*furniture(), Thing(7, CHAIR, 4.0, 3.5, (0.45, 0.5, 0.9), (20, 200, 40))]
        )
    )
    assert max(o.object_id for o in update.objects) > young
    assert find_faults(memory) == ()


def test_halves_that_are_seen_as_two_every_time_stay_two(tmp_path):
    diary = Diary(tmp_path, share=False)
    ids = [split_cabinet(diary, day) for day in (1, 2, 3)]
    assert ids[0] == ids[1] == ids[2]
    assert diary.memory.aliases() == {}


def test_locked_id_is_not_merged_by_the_memory(tmp_path):
    diary = Diary(tmp_path, share=False)
    halves = split_cabinet(diary, 1)
    for object_id in halves.values():
        lock(diary.memory, object_id)
    for day in (2, 3, 4):
        diary.visit(day, furniture())
    assert diary.memory.aliases() == {}
    assert set(halves.values()) <= set(diary.memory.records)


def test_visit_that_fails_again_does_not_stop_a_reprocess(tmp_path):
    room, memory = BoxRoom(), SceneMemory.open(tmp_path, 'test', 'map', INSTANCE_CLASSES)
    segmenter = Stumbling(room)
    tracker = SceneTracker(memory, segmenter)
    segmenter.fails_at = 2 * DAY
    for day, things in STORY:
        with contextlib.suppress(RuntimeError):
            tracker.add_visit(room.scan(day, things))
    assert [v.status for v in memory.visits()][1] == VisitStatus.FAILED
    result = tracker.reprocess()
    assert [v.visit.visit_id for v in result.visits] == [
        k for k in range(1, len(STORY) + 1) if k != 2
    ]
    assert memory.failure(2)
    segmenter.fails_at = None
    assert len(tracker.reprocess().visits) == len(STORY)
    assert memory.visits(VisitStatus.FAILED) == ()


def test_lost_points_of_the_visit_before_do_not_stop_the_next_one(tmp_path):
    diary = Diary(tmp_path)
    first, _ = diary.visit(1, furniture())
    for path in (tmp_path / 'visits').glob('*.npz'):
        path.unlink()
    diary.memory.close()
    again = Diary(tmp_path)
    ids, _ = again.visit(2, furniture())
    assert set(ids.values()) == set(first.values())
    assert [v.status for v in again.memory.visits()] == [VisitStatus.DONE] * 2


def test_folder_that_is_away_fails_no_visit(tmp_path):
    diary = Diary(tmp_path)
    diary.visit(1, furniture())
    diary.memory.add_visit(diary.room.scan(2, furniture()))
    (tmp_path / 'visits').rename(tmp_path / 'away')
    with pytest.raises(StorageError, match='mount'):
        diary.tracker.process_next()
    (tmp_path / 'away').rename(tmp_path / 'visits')
    assert diary.tracker.process_next().visit.visit_id == 2


def test_excluded_visit_is_as_if_it_had_not_been_and_comes_back(tmp_path):
    diary = Diary(tmp_path)
    ids, _ = diary.visit(1, furniture())
    diary.visit(2, without(furniture(), 2))
    memory = diary.memory
    chair = ids[2]
    assert memory.records[chair].state == ObjectState.ABSENT
    revision = memory.metadata.revision
    assert exclude_visit(memory, 2) is None
    assert memory.metadata.revision == revision + 1
    assert memory.records[chair].state == ObjectState.PRESENT
    assert [c.kind for c in memory.changes() if c.visit_id == 2] == []
    with pytest.raises(MemoryFormatError, match='excluded already'):
        exclude_visit(memory, 2)
    assert [v.visit.visit_id for v in diary.tracker.reprocess().visits] == [1]
    include_visit(memory, 2)
    assert diary.tracker.process_next().visit.visit_id == 2
    assert memory.records[chair].state == ObjectState.ABSENT
    with pytest.raises(MemoryFormatError, match='expected an excluded visit'):
        include_visit(memory, 2)


def test_visit_of_a_wrong_time_no_longer_makes_others_late(tmp_path):
    diary = Diary(tmp_path)
    diary.visit(1, furniture())
    diary.visit(100, furniture())
    memory = diary.memory
    with pytest.raises(VisitOrderError):
        memory.add_visit(diary.room.scan(2, furniture()))
    exclude_visit(memory, 2)
    diary.visit(3, furniture())
    assert [v.visit_id for v in memory.visits(VisitStatus.DONE)] == [1, 4]


def test_update_tells_the_names_that_people_gave(tmp_path):
    diary = Diary(tmp_path)
    ids, _ = diary.visit(1, furniture())
    rename(diary.memory, ids[2], 'reading chair')
    diary.visit(2, furniture())
    update = diary.updates[-1]
    named = {item.object_id: item.name for item in update.objects}
    assert {i: name for i, name in named.items() if name} == {ids[2]: 'reading chair'}
    snapshot = diary.memory.snapshot()
    assert {item.object_id: item.name for item in snapshot.objects} == named
