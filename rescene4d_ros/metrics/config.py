"""Rules of scoring that publications leave open or that users may vary."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param


@dataclass(frozen=True)
class ScoreRules:
    """Rules of comparing predictions with the truth; the defaults are the published protocol."""

    min_region: int = param(
        100,
        'Masks and true instances with fewer points (of all visits '
        'together; of the visit where one visit is scored) are left out of '
        'average precision',
        unit='points',
        ge=1,
    )
    min_visit_points: int = param(
        1, 'A true instance with fewer points in a visit is ignored there', unit='points', ge=1
    )
    one_sided: str = param(
        'zero',
        'Overlap in a visit that shows the mask but not the true '
        'instance: zero, or skip = the visit is left out',
        one_of=('zero', 'skip'),
    )
    exchange: bool = param(True, 'Look-alikes may be exchanged between visits')
    ambiguous_wins: bool = param(
        False,
        'A look-alike counts as ambiguous in the recall by change '
        'kind even where it changed; false = as published',
    )
    object_score: str = param(
        'mean',
        'Score of an object made of linked masks: mean or max of their scores, or that of the '
        'last visit',
        one_of=('mean', 'max', 'last'),
    )
    min_iou: float = param(
        0.5,
        'Smallest overlap in a visit with which an id covers a true instance, for identity '
        'and changes',
        ge=0.0,
        le=1.0,
    )
    class_tolerant: bool = param(False, 'An id may cover a true instance of another class')
    min_score: float = param(
        0.0, 'Predictions with lower scores are ignored in identity and changes', ge=0.0
    )
