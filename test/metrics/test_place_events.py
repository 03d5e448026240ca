"""Places where something came or went: counts by hand, and what counts neither way."""

import numpy as np
import pytest
from rescene4d_ros.metrics.changes.place_events import count_place_events, PlaceEvents
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.sequences import PredictedChange
from rescene4d_ros.metrics.summary import reduce_sequence, summarize
from rescene4d_ros.structures import ChangeKind

ADDED, REMOVED, MOVED, DEFORMED = (
    ChangeKind.ADDED,
    ChangeKind.REMOVED,
    ChangeKind.MOVED,
    ChangeKind.DEFORMED,
)
LABELS = [[1] * 8 + [0] * 12, [0] * 8 + [1] * 8 + [2] * 4]  # 1 moves, 2 comes
TRUE = {(1, 0): MOVED, (1, 1): ADDED}


def counted(scored, masks, changes, true=None):
    """Count the places that some masks and changes state, against LABELS."""
    truth = scored.truth(LABELS, {1: 0, 2: 0})
    prediction = scored.prediction(masks, changes)
    return count_place_events(
        TRUE if true is None else true, changes, scored.found(truth, prediction)
    )


@pytest.fixture
def found():
    """Return masks of the moved thing at both places, and of the one that came."""
    return [([*range(8), *range(28, 36)], 0, 0.9, 5), (range(36, 40), 0, 0.9, 6)]


def test_a_move_is_two_places_and_an_arrival_one(scored, found):
    changes = (PredictedChange(1, MOVED, 5), PredictedChange(1, ADDED, 6))
    assert counted(scored, found, changes) == PlaceEvents(3, 3, 3)


def test_the_name_of_the_change_does_not_matter(scored, found):
    """Moved, told as removed and another one added: the places are right."""
    masks = [(range(8), 0, 0.9, 5), (range(28, 36), 0, 0.9, 7), found[1]]
    changes = (
        PredictedChange(1, REMOVED, 5),
        PredictedChange(1, ADDED, 7),
        PredictedChange(1, ADDED, 6),
    )
    assert counted(scored, masks, changes) == PlaceEvents(3, 3, 3)


def test_a_quarter_of_the_union_is_enough_and_less_is_not(scored):
    """Two of eight points: 0.25; one of eight: 0.125."""
    changes = (PredictedChange(1, ADDED, 5),)
    true = {(1, 0): ADDED}
    assert counted(scored, [(range(28, 30), 0, 0.9, 5)], changes, true).right == 1
    assert counted(scored, [(range(28, 29), 0, 0.9, 5)], changes, true).right == 0


def test_each_place_is_found_once(scored):
    masks = [(range(28, 36), 0, 0.9, 5), (range(28, 34), 0, 0.9, 6)]
    changes = (PredictedChange(1, ADDED, 5), PredictedChange(1, ADDED, 6))
    assert counted(scored, masks, changes, {(1, 0): ADDED}) == PlaceEvents(1, 2, 1)


def test_what_changed_its_shape_counts_neither_way(scored):
    changes = (PredictedChange(1, ADDED, 5),)
    masks = [(range(28, 36), 0, 0.9, 5)]
    assert counted(scored, masks, changes, {(1, 0): DEFORMED}) == PlaceEvents(0, 0, 0)


def test_scores_of_a_sequence_name_the_rates(scored, found):
    truth = scored.truth(
        LABELS,
        {1: 0, 2: 0},
        changes=np.array([[0, MOVED], [0, ADDED]]),
        states=np.array([[1, 1], [0, 1]]),
    )
    changes = (PredictedChange(1, MOVED, 5), PredictedChange(1, REMOVED, 6))
    prediction = scored.prediction(found, changes)
    rules = ScoreRules(min_region=1, min_visit_points=1)
    scores = summarize([reduce_sequence(truth, prediction, rules)], rules)
    assert scores['place_event_recall'] == pytest.approx(2 / 3)
    assert scores['place_event_precision'] == 1.0
    assert scores['place_event_f1'] == pytest.approx(0.8)
    assert scores['change_f1_any'] == pytest.approx(0.5)  # of two, the move's object is right
