"""The score card on hand-made sequences whose scores are known."""

from dataclasses import replace
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rescene4d_ros.metrics import match_visit, score_visits
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState, SceneObject
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject, VisitTruth

BOX = Box((0.0, 0.0, 0.5), (1.0, 1.0, 1.0))
PRESENT, ABSENT, UNKNOWN = ObjectState.PRESENT, ObjectState.ABSENT, ObjectState.UNKNOWN


def true_object(instance_id, state, change=ChangeKind.UNKNOWN):
    """Return the truth of one chair."""
    return TrueObject(instance_id, 2, state, state == PRESENT, np.eye(4), BOX, change)


def remembered(object_id, states, class_id=2):
    """Return what the memory says of one object."""
    return SceneObject(
        object_id,
        class_id,
        'chair',
        0.9,
        states[-1],
        BOX,
        0,
        0,
        states=tuple(enumerate(states, start=1)),
    )


def change(kind, object_id, visit_id):
    """Return one change."""
    return Change(kind, object_id, 'chair', 1.0, visit_id, BOX, BOX, np.eye(4), 0, 1)


TRUTH = SequenceTruth(
    (
        VisitTruth(
            np.repeat([1, 2, 0], 10).astype(np.int32),
            np.zeros(30, np.int32),
            (true_object(1, PRESENT), true_object(2, PRESENT)),
        ),
        VisitTruth(
            np.repeat([1, 0, 0], 10).astype(np.int32),
            np.zeros(30, np.int32),
            (
                true_object(1, PRESENT, ChangeKind.MOVED),
                true_object(2, ABSENT, ChangeKind.REMOVED),
            ),
        ),
    )
)
LABELS = [np.repeat([7, 9, 0], 10), np.repeat([7, 0, 0], 10)]
OBJECTS = [remembered(7, (PRESENT, PRESENT)), remembered(9, (PRESENT, ABSENT))]
CHANGES = [change(ChangeKind.MOVED, 7, 2), change(ChangeKind.REMOVED, 9, 2)]


def test_perfect():
    """Everything right: every share is 1."""
    card = score_visits(TRUTH, LABELS, [1, 2], OBJECTS, CHANGES)
    assert card.share_right == 1.0
    assert card.right_changes == len(card.true_changes) == len(card.found_changes) == 2


def test_new_id_at_the_second_visit_is_an_identity_error():
    """Object 1 becomes id 8: one of two objects is wrong, and so is its change."""
    labels = [LABELS[0], np.repeat([8, 0, 0], 10)]
    objects = [*OBJECTS, remembered(8, (UNKNOWN, PRESENT))]
    card = score_visits(TRUTH, labels, [1, 2], objects, [*CHANGES[1:]])
    assert [o.is_identity_right for o in card.objects] == [False, True]
    assert card.share_right == 0.5
    assert card.right_changes == 1


@pytest.mark.parametrize(
    ('objects', 'field'),
    [
        ([replace(OBJECTS[0], class_id=3), OBJECTS[1]], 'is_class_right'),
        ([OBJECTS[0], remembered(9, (PRESENT, ObjectState.NOT_OBSERVED))], 'are_states_right'),
    ],
)
def test_one_wrong_field(objects, field):
    """A wrong class, or gone confused with not seen, makes exactly one object wrong."""
    card = score_visits(TRUTH, LABELS, [1, 2], objects, CHANGES)
    assert card.share_right == 0.5
    assert sum(not getattr(o, field) for o in card.objects) == 1


def test_change_of_an_unknown_object_is_not_right():
    """A change of an id that covers no true object counts as found, not as right."""
    card = score_visits(
        TRUTH, LABELS, [1, 2], OBJECTS, [*CHANGES, change(ChangeKind.ADDED, 55, 2)]
    )
    assert (card.right_changes, len(card.found_changes)) == (2, 3)


def test_nothing_found():
    """An empty result scores 0, without an error."""
    card = score_visits(TRUTH, [np.zeros(30, np.int64)] * 2, [1, 2], [], [])
    assert card.share_right == 0.0
    assert card.right_changes == 0


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40),
    st.sampled_from([0.1, 0.25, 0.5]),
)
def test_matching_equals_brute_force(pairs, min_iou):
    """Most legal pairs first, then the largest total overlap, over all permutations."""
    truth, predicted = np.array(pairs).T
    t_ids, p_ids = [i for i in set(truth) if i], [i for i in set(predicted) if i]

    def iou(a, b):
        return ((truth == a) & (predicted == b)).sum() / ((truth == a) | (predicted == b)).sum()

    best = (0, 0.0)
    padded = p_ids + [None] * len(t_ids)
    for order in permutations(padded, len(t_ids)):
        legal = [iou(a, b) for a, b in zip(t_ids, order) if b is not None and iou(a, b) >= min_iou]
        best = max(best, (len(legal), sum(legal)))
    found = match_visit(truth, predicted, min_iou)
    assert len(found) == best[0]
    assert sum(iou(a, b) for a, b in found.items()) == pytest.approx(best[1])
