"""Settings of tracking that a person can reason about; what is fitted is in `fitted.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field

from rescene4d_ros.config import param
from rescene4d_ros.tracking.changes.change_confidence import Confidence
from rescene4d_ros.tracking.fitted import AssociationWeights, shipped_weights


@dataclass(frozen=True)
class TrackerConfig:
    """Say which visits are interpreted together, and what counts as a new object."""

    window: int = param(
        2, 'Number of visits that are segmented together, the new one included.', ge=1, le=12
    )
    birth_score: float = param(
        0.4,
        'Instances with lower scores do not become new objects, but may be linked to known ones.',
        ge=0,
        le=1,
    )
    use_regions: bool = param(
        False,
        'Also observe what came, left or moved between visits by geometry alone, and separate '
        'it from larger instances.',
    )


@dataclass(frozen=True)
class AssociationConfig:
    """Say when an observation may be a remembered object, beside the fitted weights."""

    same_place: float = param(
        0.5, 'Overlap of surfaces from which two places are the same.', ge=0, le=1
    )
    nearness_m: float = param(
        2.0,
        'Distance at which the evidence of being near has faded to 1/e.',
        unit='m',
        ge=0.1,
        le=100,
    )
    min_size: float = param(
        0.35,
        'Likeness of the boxes below which a move is impossible, '
        'unless one box fits into the other.',
        ge=0,
        le=1,
    )
    min_fragment: float = param(
        0.6,
        'Share of an unlinked observation on a linked object from which it is a part of it.',
        ge=0,
        le=1,
    )
    ambiguous: float = param(
        2.0,
        'Loss in the log likelihood of all links up to which another assignment of look- '
        'alikes counts as equally good.',
        ge=0,
        le=20,
    )


@dataclass(frozen=True)
class MotionConfig:
    """Say from when on an object counts as moved or deformed."""

    move_m: float = param(0.15, 'Shift from which an object has moved.', unit='m', ge=0.02, le=5)
    turn_deg: float = param(15.0, 'Turn from which an object has moved.', unit='deg', ge=2, le=180)
    still_share: float = param(
        0.95,
        'Share of points on the old ones from which an object counts as not moved.',
        ge=0.5,
        le=1,
    )
    move_evidence: float = param(
        0.7,
        'Gain in fit over no motion, plus share of points with observed free space, from '
        'which a motion is accepted.',
        ge=0,
        le=2,
    )
    turn_evidence: float = param(
        0.15,
        'Gain in fit over no motion from which a motion is accepted if it explains all '
        'surface that appeared or disappeared.',
        ge=0,
        le=1,
    )
    deformed_m2: float = param(
        0.05,
        'Area of surface that appeared or disappeared in view of the sensor, from which an '
        'object has another shape.',
        unit='m2',
        ge=0.005,
        le=5,
    )
    deformed_overlap: float = param(
        0.45,
        'Without sensor path: overlap after the best motion below which the shape is another.',
        ge=0,
        le=1,
    )
    deformed_evidence: float = param(
        0.3,
        'Without sensor path: share of points with observed free space from which another '
        'shape is accepted.',
        ge=0,
        le=1,
    )


@dataclass(frozen=True)
class ChangeConfig:
    """Say how sure a change must be to be reported."""

    min_confidence: float = param(
        0.4,
        'Changes with lower confidence are not reported; states and ids do not depend on it.',
        ge=0,
        le=1,
    )


@dataclass(frozen=True)
class TrackingSettings:
    """
    Hold everything that the interpretation of a visit depends on, beside the visit.

    Attributes
    ----------
    birth_score : float
        Score of the segmenter below which an unlinked observation is no new object, 0..1.
    association, motion, changes
        Thresholds.
    weights : AssociationWeights
        Fitted; default are those of the package.
    confidence : callable(ChangeEvidence) -> float
        Probability of a change; default is the fitted model of the package.
    use_regions : bool
        Whether change regions are fused with the instances.

    """

    birth_score: float = 0.4
    association: AssociationConfig = AssociationConfig()
    motion: MotionConfig = MotionConfig()
    changes: ChangeConfig = ChangeConfig()
    weights: AssociationWeights = field(default_factory=lambda: shipped_weights().association)
    confidence: Confidence = field(default_factory=lambda: shipped_weights().changes)
    use_regions: bool = False
