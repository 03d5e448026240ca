"""Detection rates on cases that are counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.segmentation.detection import DETECTION_RATES, detection_scores
from rescene4d_ros.metrics.sequences import true_sequence
from rescene4d_ros.structures import FLOOR, OTHER_OBJECT, UNLABELED, WALL
from rescene4d_ros.structures.truth import SequenceTruth, VisitTruth

RULES = ScoreRules(min_region=5)
# Per visit: a thing of 10 points, one of 10, one of 4, wall of 10, points without a label.
LABELS = [[1] * 10 + [2] * 10 + [3] * 4 + [0] * 16] * 2
CHAIRS = {1: 2, 2: 2, 3: 5}
IS_STRUCTURE = np.array(([False] * 24 + [True] * 10 + [False] * 6) * 2)


def rates(scored, masks, is_structure=IS_STRUCTURE):
    """Return the rates of masks, given as sets of points of any class."""
    truth = replace(scored.truth(LABELS, CHAIRS), is_structure=is_structure)
    found = scored.found(truth, scored.prediction([(m, 7, 0.5) for m in masks]))
    scores = detection_scores([truth], [found], RULES)
    assert set(scores) == set(DETECTION_RATES)
    return tuple(scores[name] for name in ('recall50_any', 'precision50_any', 'wall_share'))


def test_each_visit_counts_and_classes_do_not(scored):
    # Object 1 in both visits, object 2 in the first, half of it in the second; a wall.
    masks = [[*range(0, 10), *range(40, 50)], range(10, 20), range(50, 55), range(24, 34)]
    assert rates(scored, masks) == pytest.approx((3 / 4, 3 / 5, 1 / 5))


def test_small_things_and_unlabeled_points_are_not_judged(scored):
    assert rates(scored, [range(0, 10), range(20, 24), range(34, 40)]) == pytest.approx(
        (1 / 4, 1.0, 0.0)
    )


def test_without_names_of_walls_masks_on_nothing_are_not_judged(scored):
    recall, precision, wall = rates(scored, [range(0, 10), range(24, 34)], None)
    assert (recall, precision) == (1 / 4, 1.0)
    assert np.isnan(wall)


def test_no_masks_and_no_sequences(scored):
    recall, precision, wall = rates(scored, [])
    assert recall == 0
    assert np.isnan([precision, wall]).all()
    assert np.isnan(list(detection_scores([], [], RULES).values())).all()


def test_small_things_and_classes_are_counted_among_what_is_found(scored):
    # Two large things, of which one is `otherfurniture`, and two small ones; one visit.
    labels = [[1] * 500 + [2] * 500 + [3] * 50 + [4] * 50]
    truth = scored.truth(labels, {1: 2, 2: OTHER_OBJECT, 3: 5, 4: 5})
    masks = [(range(500), 2), (range(500, 1000), 7), (range(1000, 1050), 6)]
    found = scored.found(truth, scored.prediction([(m, c, 0.5) for m, c in masks]))
    scores = detection_scores([truth], [found], RULES)
    assert scores['recall50_any'] == 3 / 4
    assert scores['recall50_small'] == 1 / 2
    assert scores['class_right_share'] == 1 / 2


def test_structure_is_wall_and_floor_without_instance():
    semantic = np.array([WALL, FLOOR, UNLABELED, 3, WALL], np.int32)
    truth = SequenceTruth((VisitTruth(np.array([0, 0, 0, 4, 6], np.int32), semantic),))
    assert true_sequence(truth, 's').is_structure.tolist() == [True, True, False, False, False]
