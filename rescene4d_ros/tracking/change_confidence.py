"""
How likely it is that a change happened: a small model per kind, fitted to validation rooms.

What is measured of a change (how well a motion fits, how much of a place was seen empty) is no
probability: masks flicker, and then an old object looks new. So the evidence for a change and
against it goes through a logistic model; its weights are in `tracking/fitted.yaml`, written by
`scripts/fit_confidence.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import math

import numpy as np
from rescene4d_ros.geometry.place_evidence import is_flat, PlaceEvidence
from rescene4d_ros.geometry.point_sets import mutual_shares
from rescene4d_ros.structures import ChangeKind
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from rescene4d_ros.tracking.thresholds import SAME_SURFACE

BIAS = 'bias'
MOST_ODDS = 700.0  # logarithm; beyond it exp() overflows
OVERLAP_POINTS = 300  # points per view by which the overlap of two is measured

# What the model of each kind looks at, names of ChangeEvidence. More terms fitted the rooms
# better and others worse.
TERMS: Mapping[ChangeKind, tuple[str, ...]] = {
    ChangeKind.ADDED: ('score', 'occupied', 'flat', 'unseen'),
    ChangeKind.REMOVED: ('shown', 'score', 'flat'),
    ChangeKind.MOVED: ('shown', 'link', 'occupied', 'agreement'),
    ChangeKind.DEFORMED: ('overlap', 'agreement', 'points', 'score', 'flat'),
    ChangeKind.REAPPEARED: ('unlike',),
}


@dataclass(frozen=True)
class ChangeEvidence:
    """
    Hold the evidence for one change and against it.

    Attributes
    ----------
    kind : ChangeKind
    shown : float
        REMOVED: share of the place that was seen empty; MOVED, DEFORMED: `MotionEstimate`'s
        strength; 0..1.
    link : float
        Confidence that it is this object at all, 0..1.
    score : float
        The segmenter's, of what is seen now; REMOVED: of its last sight; 0..1.
    occupied : float
        ADDED: share of its surface that an earlier visit showed already, as another object's;
        else share of the old surface that still shows; 0..1.
    overlap : float
        Share of one of the two views that lies on the other without any motion, 0..1.
    agreement : float
        Of the class posteriors then and now, 0..1.
    points : float
        Decimal logarithm of the points of the lesser view.
    unlike : float
        Difference of the natural logarithms of the points of both views.
    flat : float
        1 = a picture, a window, a door: the wall lies where it hung, and masks of it flicker.
    unseen : float
        1 = no earlier visit looked at the place of what seems new.

    """

    kind: ChangeKind
    shown: float = 0.0
    link: float = 1.0
    score: float = 0.0
    occupied: float = 0.0
    overlap: float = 0.0
    agreement: float = 0.0
    points: float = 0.0
    unlike: float = 0.0
    flat: float = 0.0
    unseen: float = 0.0


Confidence = Callable[[ChangeEvidence], float]


@dataclass(frozen=True)
class ConfidenceModel:
    """
    Say how likely a change is, from its evidence.

    Attributes
    ----------
    weights : mapping of ChangeKind to mapping of str to float
        Per kind `bias` and one weight per name in `TERMS`, in logarithms of odds.

    """

    weights: Mapping[ChangeKind, Mapping[str, float]]

    def __call__(self, evidence: ChangeEvidence) -> float:
        """Return the probability that the change happened, 0..1."""
        weights = self.weights[evidence.kind]
        odds = weights[BIAS] + sum(
            weights[name] * getattr(evidence, name) for name in TERMS[evidence.kind]
        )
        return 1 / (1 + math.exp(-max(odds, -MOST_ODDS)))


def evidence_of_arrival(now: Observation, before: PlaceEvidence | None) -> ChangeEvidence:
    """
    Collect the evidence of ADDED.

    Parameters
    ----------
    now : Observation
    before : PlaceEvidence or None
        What the latest visit that looked there showed; None = no visit did.

    """
    flat = is_flat(now.box)
    # At the place of a picture there was a wall.
    occupied = before.occupied if before is not None and not flat else 0.0
    return ChangeEvidence(
        ChangeKind.ADDED,
        score=now.score,
        occupied=occupied,
        flat=float(flat),
        unseen=float(before is None),
    )


def evidence_of_removal(record: ObjectRecord, at: PlaceEvidence) -> ChangeEvidence:
    """Collect the evidence of REMOVED."""
    return ChangeEvidence(
        ChangeKind.REMOVED,
        shown=at.observed * (1 - at.occupied),
        score=record.score,
        occupied=at.occupied,
        flat=float(is_flat(record.box)),
    )


def evidence_of_difference(
    kind: ChangeKind,
    record: ObjectRecord,
    now: Observation,
    at: PlaceEvidence,
    shown: float,
    link: float,
) -> ChangeEvidence:
    """Collect the evidence of MOVED, DEFORMED or REAPPEARED."""
    shares = mutual_shares(
        now.xyz, now.surface.tree, record.xyz, record.surface.tree, SAME_SURFACE, OVERLAP_POINTS
    )
    n_new, n_old = max(len(now.xyz), 1), max(len(record.xyz), 1)
    return ChangeEvidence(
        kind,
        shown=shown,
        link=link,
        score=now.score,
        occupied=at.occupied,
        overlap=max(shares),
        agreement=float(np.sqrt(now.class_probs * record.class_probs).sum()),
        points=math.log10(min(n_new, n_old)),
        unlike=abs(math.log(n_new / n_old)),
        flat=float(is_flat(record.box)),
    )
