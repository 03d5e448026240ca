"""Detection in each visit, whatever a thing is called: recall, precision, walls as things."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.rates import ratio
from rescene4d_ros.metrics.segmentation.point_overlaps import Overlaps, Trajectories
from rescene4d_ros.metrics.sequences import TrueSequence
from rescene4d_ros.structures import OTHER_OBJECT

THRESHOLD = 0.5
SMALL_POINTS = 400  # of a true instance in a visit, below which it is small
DETECTION_RATES = (
    'recall50_any',
    'recall50_small',
    'precision50_any',
    'wall_share',
    'class_right_share',
)


def detection_scores(
    truths: Sequence[TrueSequence], found: Sequence[Trajectories], rules: ScoreRules
) -> dict[str, float]:
    """
    Compute the detection rates of many sequences.

    Parameters
    ----------
    truths : sequence of TrueSequence
    found : sequence of Trajectories
        Of the same sequences.
    rules : ScoreRules
        True instances with fewer than `min_region` points in a visit are not asked for there;
        masks mostly on these or on points of no known class are neither right nor wrong. Where
        the truth does not name walls and floors these are points of no known class.

    Returns
    -------
    dict of str to float
        By `DETECTION_RATES`, in 0..1; NaN where undefined.

    """
    counts = np.zeros((len(DETECTION_RATES), 2), dtype=np.int64)
    for truth, trajectories in zip(truths, found, strict=True):
        overlaps = trajectories.overlaps
        is_class_right = trajectories.classes[:, None] == truth.classes
        is_named = truth.classes != OTHER_OBJECT
        counts += detection_counts(overlaps, is_class_right, is_named, rules)
    return dict(zip(DETECTION_RATES, ratio(counts).tolist()))


def detection_counts(
    overlaps: Overlaps, is_class_right: np.ndarray, is_named: np.ndarray, rules: ScoreRules
) -> np.ndarray:
    """
    Count events and opportunities of one sequence.

    Parameters
    ----------
    overlaps : Overlaps
        Of P masks and G true instances.
    is_class_right : ndarray (P, G), bool
    is_named : ndarray (G,), bool
        True instances that have a class of their own.
    rules : ScoreRules

    Returns
    -------
    ndarray (5, 2), int64
        In the order of `DETECTION_RATES`.

    """
    is_shown = overlaps.predicted > 0
    covers = (overlaps.visit_iou() > THRESHOLD) & is_shown[:, :, None]
    is_asked = overlaps.true >= rules.min_region
    small = (overlaps.shared * ~is_asked).sum(axis=2)
    structure = overlaps.structure
    unknown = overlaps.void if structure is None else overlaps.void - structure
    is_right = (covers & is_asked).any(axis=2)
    is_judged = is_shown & (is_right | (small + unknown <= overlaps.predicted / 2))
    is_found = covers.any(axis=0) & is_asked
    is_small = is_asked & (overlaps.true < SMALL_POINTS)
    named = is_found & is_named
    counts = {
        'recall50_any': (is_found, is_asked),
        'recall50_small': (is_found & is_small, is_small),
        'precision50_any': (is_right, is_judged),
        'wall_share': (np.zeros(0), np.zeros(0)),
        'class_right_share': ((covers & is_class_right[:, None]).any(axis=0) & named, named),
    }
    if structure is not None:
        counts['wall_share'] = (is_shown & (structure > overlaps.predicted / 2), is_shown)
    return np.array([[int(e.sum()) for e in counts[name]] for name in DETECTION_RATES])
