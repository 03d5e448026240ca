"""The memory alone, on procedural rooms: true masks, identity and changes to be found."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.metrics.scorecard import score_visits
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import ChangeKind, INSTANCE_CLASSES, ObjectState, Segmentation
from rescene4d_ros.structures.truth import SequenceTruth
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from rescene4d_ros.synthetic_rooms.sequence import make_sequence

SEEDS = (31, 33)


class OracleSegmenter:
    """Give the true masks and classes of a sequence; features say no more than the class."""

    def __init__(self, stamps, truth: SequenceTruth):
        self._truth = dict(zip(stamps, truth.visits))

    def segment(self, scans, keys) -> Segmentation:
        """Return the truth of the scans' stamps as a segmentation with shared queries."""
        visits = [self._truth[scan.stamp_ns] for scan in scans]
        kinds = {
            o.instance_id: o.class_id
            for v in visits
            for o in v.objects
            if o.class_id < len(INSTANCE_CLASSES)
        }
        names = sorted({int(i) for v in visits for i in np.unique(v.instance)} & set(kinds))
        table = np.full(max([*kinds, 0, *(int(v.instance.max()) for v in visits)]) + 1, -1)
        table[names] = np.arange(len(names))
        labels = tuple(table[v.instance].astype(np.int32) for v in visits)
        probs = np.full((len(names), len(INSTANCE_CLASSES)), 0.01, dtype=np.float32)
        probs[np.arange(len(names)), [kinds[i] for i in names]] = 1
        probs /= probs.sum(1, keepdims=True)
        return Segmentation(
            labels,
            probs,
            np.full(len(names), 0.9, dtype=np.float32),
            probs.copy(),
            tuple((x >= 0).astype(np.float32) for x in labels),
        )


@pytest.fixture(scope='module', params=SEEDS)
def told(request, tmp_path_factory):
    """Return truth, updates and memory of one room that was visited three times."""
    sequence, truth = make_sequence(
        request.param,
        RoomsConfig(
            visits=3,
            min_objects=8,
            max_objects=10,
            p_move=0.3,
            p_remove=0.15,
            p_arrive=0.1,
            p_return=0.8,
            p_hidden_zone=0.5,
            views=14,
        ),
    )
    memory = SceneMemory.open(tmp_path_factory.mktemp('memory'), 'room', 'map', INSTANCE_CLASSES)
    tracker = SceneTracker(memory, OracleSegmenter([s.stamp_ns for s in sequence.scans], truth))
    return truth, [tracker.add_visit(scan) for scan in sequence.scans], memory


def test_objects_that_have_no_twin_keep_one_id(told):
    truth, updates, memory = told
    card = score_visits(
        truth,
        [u.object_ids for u in updates],
        [u.visit.visit_id for u in updates],
        memory.snapshot().objects,
        memory.changes(),
    )
    twins = {o.instance_id for v in truth.visits for o in v.objects if o.ambiguity_group}
    alone = [
        o
        for o in card.objects
        if o.instance_id not in twins and o.class_id < len(INSTANCE_CLASSES)
    ]
    assert len(alone) >= 5
    switches = sum(len(set(o.object_ids) - {0}) > 1 for o in alone)
    assert switches <= 0.1 * len(alone)
    assert len({o.object_id for o in alone}) >= len(alone) - 1


def test_hidden_things_are_not_reported_as_removed(told):
    truth, updates, _ = told
    owner = {}
    removed = wrong = 0
    for visit, update in zip(truth.visits, updates):
        in_room = {
            o.instance_id: o.in_room and o.change == ChangeKind.UNKNOWN for o in visit.objects
        }
        for change in update.changes:
            if change.kind == ChangeKind.REMOVED and change.object_id in owner:
                removed += 1
                wrong += in_room.get(owner[change.object_id], False)
        for i in np.unique(visit.instance[visit.instance > 0]):
            ids = update.object_ids[visit.instance == i]
            if (ids > 0).any():
                owner.setdefault(int(np.bincount(ids[ids > 0]).argmax()), int(i))
    assert wrong <= 0.1 * removed


def test_most_moves_are_found_and_few_are_made_up(told):
    truth, updates, _ = told
    true = {
        (t, o.instance_id)
        for t, v in enumerate(truth.visits)
        for o in v.objects
        if o.change == ChangeKind.MOVED
        and o.state == ObjectState.PRESENT
        and not o.ambiguity_group
    }
    still = sum(
        o.state == ObjectState.PRESENT and o.change == ChangeKind.UNKNOWN
        for v in truth.visits[1:]
        for o in v.objects
    )
    found = set()
    for t, (visit, update) in enumerate(zip(truth.visits, updates)):
        for change in update.changes:
            if change.kind in (ChangeKind.MOVED, ChangeKind.REAPPEARED):
                there = visit.instance[update.object_ids == change.object_id]
                found.add((t, int(np.bincount(there).argmax())))
    same_room = {
        (t, i)
        for t, i in found
        if any(
            o.instance_id == i and o.change == ChangeKind.UNKNOWN for o in truth.visits[t].objects
        )
    }
    assert len(same_room) <= 0.1 * still
    assert len(found & true) >= 0.5 * len(true)
