"""
Overlap of a mask with an object in *every* visit, with exchange of look-alikes.

The overlap of a mask with a true instance is the smallest of its overlaps in the visits. A visit
where both are absent is ignored; one where only one is present makes the overlap 0.

Look-alikes are indistinguishable, so a mask that follows one of two equal chairs in the first
visit and the other in the second is correct if another mask covers the rest. In each visit the
masks of the members that are present there may be exchanged among these members; presence over the
visits is not exchanged. Predictions choose by falling score, and each member is assigned once per
visit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.segmentation.point_overlaps import Overlaps


@dataclass(frozen=True)
class VisitOverlaps:
    """
    Overlaps and presence per visit.

    Attributes
    ----------
    iou : ndarray (P, T, G), float64
    is_present : ndarray (T, G), bool
        The instance is scored in the visit.
    is_silent : ndarray (T, G), bool
        It has too few points in the visit and is ignored there.
    is_shown : ndarray (P, T), bool
        The mask has points in the visit.
    one_sided : float
        Overlap in a visit with a mask and no instance: 0, or 1 = ignored.

    """

    iou: np.ndarray
    is_present: np.ndarray
    is_silent: np.ndarray
    is_shown: np.ndarray
    one_sided: float

    def smallest(self) -> np.ndarray:
        """Return (P, G) overlap over all visits, each mask against one instance throughout."""
        absent = np.where(self.is_shown, self.one_sided, 1.0)[:, :, None]
        value = np.where(self.is_present[None], self.iou, absent)
        value = np.where(self.is_silent[None], 1.0, value)
        found = value.min(axis=1, initial=1.0)
        return np.where(np.any(self.is_present, axis=0)[None], found, 0.0)

    def select(self, predictions: np.ndarray, members: np.ndarray) -> VisitOverlaps:
        """Return a selection of rows and columns."""
        return VisitOverlaps(
            self.iou[predictions][:, :, members],
            self.is_present[:, members],
            self.is_silent[:, members],
            self.is_shown[predictions],
            self.one_sided,
        )


def visit_overlaps(overlaps: Overlaps, rules: ScoreRules) -> VisitOverlaps:
    """Return the overlaps of masks and instances per visit."""
    present = overlaps.true >= rules.min_visit_points
    return VisitOverlaps(
        overlaps.visit_iou(),
        present,
        (overlaps.true > 0) & ~present,
        overlaps.predicted > 0,
        1.0 if rules.one_sided == 'skip' else 0.0,
    )


def reach(group: VisitOverlaps) -> np.ndarray:
    """
    Return (P,) overlap with the best look-alike of a group if all were free.

    Parameters
    ----------
    group : VisitOverlaps
        Its columns are the look-alikes.

    """
    return np.array(
        [
            _member_overlap(group, p, group.is_present)[0].max(initial=0.0)
            for p in range(len(group.iou))
        ]
    )


def exchange(group: VisitOverlaps, threshold: float) -> dict[int, int]:
    """
    Assign the look-alikes of one group to predictions.

    Parameters
    ----------
    group : VisitOverlaps
        Rows by falling score; columns are the look-alikes.
    threshold : float
        An overlap above this is a match.

    Returns
    -------
    dict of int to int
        Row of the prediction to column of the member with the same presence.

    """
    free, open_member = group.is_present.copy(), np.any(group.is_present, axis=0)
    taken: dict[int, int] = {}
    for p in range(len(group.iou)):
        overlap, chosen = _member_overlap(group, p, free)
        overlap = np.where(open_member, overlap, -1.0)
        member = int(overlap.argmax())
        if overlap[member] > threshold:
            taken[p] = member
            open_member[member] = False
            visits = np.flatnonzero(group.is_present[:, member])
            free[visits, chosen[visits]] = False
        if not open_member.any():
            break
    return taken


def _member_overlap(
    group: VisitOverlaps, p: int, free: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """
    Return (G,) overlap of a prediction with each member, and (T,) its look-alike per visit.

    Visits are independent, so the best free look-alike of each is optimal.
    """
    iou = np.where(free, group.iou[p], -1.0)  # (T, G)
    chosen = iou.argmax(axis=1)
    best = iou.max(axis=1)
    absent = np.where(group.is_shown[p], group.one_sided, 1.0)[:, None]
    value = np.where(group.is_present, np.maximum(best, 0.0)[:, None], absent)
    value = np.where(group.is_silent, 1.0, value)
    found = value.min(axis=0, initial=1.0)
    return np.where(group.is_present.any(axis=0), found, 0.0), chosen
