"""Whether an object that was recognized stands still, has moved, or has another shape."""
from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.geometry.neighbors import evenly, share_near
from rescene4d_ros.geometry.registration import register, standing_still
from rescene4d_ros.geometry.se3 import size_of
from rescene4d_ros.geometry.visibility import Cloud, is_flat, looked_past, SAME_SURFACE
from rescene4d_ros.memory.records import ObjectRecord, Observation


@dataclass(frozen=True)
class MotionConfig:
    """Say from when on an object counts as moved or deformed."""

    move_m: float = param(0.15, 'Shift from which an object has moved.', unit='m', ge=0.02, le=5)
    turn_deg: float = param(15.0, 'Turn from which an object has moved.', unit='deg', ge=2,
                            le=180)
    still_share: float = param(0.95, 'Share of points on the old ones at which an object stands '
                               'still without further question.', ge=0.5, le=1)
    move_evidence: float = param(0.7, 'Gain in fit over standing still plus share of points that '
                                 'were looked past, from which a motion is believed.', ge=0,
                                 le=2)
    deformed_overlap: float = param(0.45, 'Overlap after the best motion below which the shape '
                                    'is another.', ge=0, le=1)
    deformed_evidence: float = param(0.3, 'Share of points that were looked past, from which '
                                     'another shape is believed.', ge=0, le=1)


class Motion(Enum):
    """Say what became of an object between two visits."""

    STILL = 'still'
    MOVED = 'moved'
    DEFORMED = 'deformed'


@dataclass(frozen=True)
class MotionEstimate:
    """
    Hold what became of one object.

    Attributes
    ----------
    motion : Motion
    after_T_before : ndarray (4, 4), float64
        In map; the identity where it stands still.
    confidence : float
        0..1, from the overlap after the motion and its advantage over standing still.

    """

    motion: Motion
    after_T_before: np.ndarray
    confidence: float


def estimate_motion(record: ObjectRecord, seen: Observation, now: Cloud, before: Cloud | None,
                    config: MotionConfig) -> MotionEstimate:
    """
    Compare an object's remembered points with its newest ones.

    Boxes jump when another side is scanned, so points are compared: first in place, then after
    the best motion. Two views of different sides may fit better after a motion, too. So what
    counts beside the fit is whether old points are missing, or new ones were missing before,
    where the sensor looked.

    Parameters
    ----------
    record : ObjectRecord
        Before the visit.
    seen : Observation
        Of the visit.
    now, before : Cloud
        The visit, and an earlier one if there is any.
    config : MotionConfig

    Returns
    -------
    MotionEstimate

    """
    new, old = seen.xyz[evenly(len(seen.xyz), 1500)], record.xyz[evenly(len(record.xyz), 1500)]
    same = max(share_near(record.tree, new, SAME_SURFACE),
               share_near(seen.tree, old, SAME_SURFACE))
    if same >= config.still_share:
        return MotionEstimate(Motion.STILL, np.eye(4), same)
    still = standing_still(record.xyz, seen.xyz)
    missing = 0.0
    if not is_flat(record.box):           # below a picture is wall, wherever the picture is
        missing = max(looked_past(now, record.xyz),
                      looked_past(before, seen.xyz) if before is not None else 0.0)
    if 1 - still.fit + missing < config.move_evidence:      # no motion could fit well enough
        return MotionEstimate(Motion.STILL, np.eye(4), still.overlap)
    best = register(record.xyz, seen.xyz)
    distance, angle = size_of(best.after_T_before, record.box.center)
    evidence = best.fit - still.fit + missing
    if (distance >= config.move_m or np.degrees(angle) >= config.turn_deg) \
            and evidence >= config.move_evidence:
        return MotionEstimate(Motion.MOVED, best.after_T_before,
                              float(np.clip(best.overlap * min(evidence, 1.0), 0, 1)))
    if best.overlap < config.deformed_overlap and missing >= config.deformed_evidence:
        return MotionEstimate(Motion.DEFORMED, np.eye(4), float(1 - best.overlap))
    return MotionEstimate(Motion.STILL, np.eye(4), best.overlap)
