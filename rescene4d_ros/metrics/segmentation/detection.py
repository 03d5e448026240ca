"""Detection in each visit, whatever a thing is called: recall, precision, walls as things."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.rates import ratio
from rescene4d_ros.metrics.segmentation.point_overlaps import Overlaps, Trajectories

THRESHOLD = 0.5
DETECTION_RATES = ('recall50_any', 'precision50_any', 'wall_share')


def detection_scores(found: Sequence[Trajectories], rules: ScoreRules) -> dict[str, float]:
    """
    Compute the detection rates of many sequences.

    Parameters
    ----------
    found : sequence of Trajectories
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
    for trajectories in found:
        counts += detection_counts(trajectories.overlaps, rules)
    return dict(zip(DETECTION_RATES, ratio(counts).tolist()))


def detection_counts(overlaps: Overlaps, rules: ScoreRules) -> np.ndarray:
    """Return (3, 2) events and opportunities, in the order of `DETECTION_RATES`."""
    counts = np.zeros((len(DETECTION_RATES), 2), dtype=np.int64)
    is_shown = overlaps.predicted > 0
    covers = (overlaps.visit_iou() > THRESHOLD) & is_shown[:, :, None]
    is_asked = overlaps.true >= rules.min_region
    small = (overlaps.shared * ~is_asked).sum(axis=2)
    structure = overlaps.structure
    unknown = overlaps.void if structure is None else overlaps.void - structure
    is_right = (covers & is_asked).any(axis=2)
    is_judged = is_shown & (is_right | (small + unknown <= overlaps.predicted / 2))
    counts[0] = (covers.any(axis=0) & is_asked).sum(), is_asked.sum()
    counts[1] = is_right.sum(), is_judged.sum()
    if structure is not None:
        counts[2] = (is_shown & (structure > overlaps.predicted / 2)).sum(), is_shown.sum()
    return counts
