"""Whether an object that was recognized stands still, has moved, or has another shape."""
from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.geometry.neighbors import evenly, share_near
from rescene4d_ros.geometry.registration import register, standing_still
from rescene4d_ros.geometry.se3 import size_of
from rescene4d_ros.memory.records import ObjectRecord, Observation
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class MotionConfig:
    """Say from when on an object counts as moved or deformed."""

    move_m: float = param(0.15, 'Shift from which an object has moved.', unit='m', ge=0.02, le=5)
    turn_deg: float = param(15.0, 'Turn from which an object has moved.', unit='deg', ge=2,
                            le=180)
    still_share: float = param(0.95, 'Share of points on the old ones at which an object stands '
                               'still without further question.', ge=0.5, le=1)
    better_fit: float = param(0.10, 'How much better than standing still a motion must fit.',
                              ge=0, le=1)
    elsewhere_overlap: float = param(0.1, 'Overlap in place below which it stands elsewhere, '
                                     'however badly a motion fits.', ge=0, le=1)
    deformed_overlap: float = param(0.45, 'Overlap after the best motion below which the shape '
                                    'is another.', ge=0, le=1)


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


def estimate_motion(record: ObjectRecord, seen: Observation, covered: np.ndarray,
                    config: MotionConfig) -> MotionEstimate:
    """
    Compare an object's remembered points with its newest ones.

    Boxes jump when another side is scanned, so points are compared: first in place, then after
    the best motion, which must explain them clearly better than standing still.

    Parameters
    ----------
    record : ObjectRecord
        Before the visit.
    seen : Observation
        Of the visit.
    covered : ndarray (M,), bool
        Which remembered points the new cloud shows again.
    config : MotionConfig

    Returns
    -------
    MotionEstimate

    """
    new, old = seen.xyz[evenly(len(seen.xyz), 1500)], record.xyz[evenly(len(record.xyz), 1500)]
    radius = 0.05
    new_on_old = share_near(cKDTree(record.xyz), new, radius)
    old_on_new = share_near(cKDTree(seen.xyz), old, radius)
    if max(new_on_old, old_on_new) >= config.still_share:
        return MotionEstimate(Motion.STILL, np.eye(4), max(new_on_old, old_on_new))
    still = standing_still(record.xyz, seen.xyz)
    best = register(record.xyz, seen.xyz)
    distance, angle = size_of(best.after_T_before, record.box.center)
    moved = distance >= config.move_m or np.degrees(angle) >= config.turn_deg
    gain = best.fit - still.fit
    elsewhere = still.overlap < config.elsewhere_overlap
    if moved and (gain >= config.better_fit or elsewhere):
        confidence = best.overlap * (0.5 + 0.5 * min(gain / 0.3, 1.0))
        return MotionEstimate(Motion.MOVED, best.after_T_before, float(np.clip(confidence, 0, 1)))
    if best.overlap < config.deformed_overlap and covered.mean() < config.deformed_overlap:
        return MotionEstimate(Motion.DEFORMED, np.eye(4), float(1 - best.overlap))
    return MotionEstimate(Motion.STILL, np.eye(4), best.overlap)
