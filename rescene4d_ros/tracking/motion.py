"""Whether an object that was recognized stands still, has moved, or has another shape."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from rescene4d_ros.geometry.boxes import corners
from rescene4d_ros.geometry.place_evidence import is_flat, looked_past
from rescene4d_ros.geometry.point_sets import largest_patch, mutual_shares, near
from rescene4d_ros.geometry.registration import register, Registration, standing_still
from rescene4d_ros.geometry.se3 import invert, size_of, transform
from rescene4d_ros.structures import Box
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from rescene4d_ros.tracking.settings import MotionConfig
from rescene4d_ros.tracking.thresholds import OTHER_SURFACE, POINT_SPACING, SAME_SURFACE
from rescene4d_ros.tracking.visit_view import VisitView

SHARE_POINTS = 1500  # points per view by which standing still is decided
PATCH_STEP = 0.07  # m; points this near belong to one patch of changed surface
HINGE_REACH = 0.25  # share of a leaf's width by which its edge may miss the axis of its turn
LEAF_SLIM = 0.35  # most thickness of a leaf, with its handle, in shares of its width
HINGE_DET = 0.06  # of (identity - turn): leaves turn by more than 14 degrees

# A turn in place that changed too little surface to be seen by patches.
LOOSE_FIT = 0.7  # without a motion; what fits better has not turned
SHARED_SIDES = 0.5  # share of each view on the other in place: both show the same sides
WHOLLY_LAID = 0.8  # overlap after the turn
ONE_SIDED = 0.6  # mean direction of the changed points from which they are one side, 0..1


class MotionKind(Enum):
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
    motion : MotionKind
    after_T_before : ndarray (4, 4), float64
        In map; the identity where it stands still.
    confidence : float
        0..1, from the overlap after the motion and its advantage over standing still.

    """

    motion: MotionKind
    after_T_before: np.ndarray
    confidence: float


def estimate_motion(
    record: ObjectRecord,
    seen: Observation,
    now: VisitView,
    before: VisitView | None,
    config: MotionConfig,
) -> MotionEstimate:
    """
    Compare an object's remembered points with its newest ones.

    Boxes jump when another side is scanned, so points are compared: first in place, then after
    the best motion. Two views of different sides may fit better after a motion, too. So what
    counts beside the fit is whether old points are missing, or new ones were missing before,
    where the sensor looked. What stands still as a whole has another shape where a patch of its
    surface came or went in view of the sensor.

    Parameters
    ----------
    record : ObjectRecord
        Before the visit.
    seen : Observation
        Of the visit.
    now, before : VisitView
        The visit, and an earlier one if there is any.
    config : MotionConfig

    Returns
    -------
    MotionEstimate

    """
    shares = mutual_shares(
        seen.xyz, seen.surface.tree, record.xyz, record.surface.tree, SAME_SURFACE, SHARE_POINTS
    )
    if min(shares) >= config.still_share:
        return MotionEstimate(MotionKind.STILL, np.eye(4), max(shares))
    still = standing_still(record.xyz, seen.xyz)
    estimate, best = _rigid_motion(record, seen, now, before, max(shares), still, config)
    if estimate.motion is MotionKind.STILL:
        estimate = (
            _reshaped(record, seen, now, before, still, best, config)
            or _turned(record, seen, now, before, shares, still, best, config)
            or estimate
        )
    if estimate.motion is MotionKind.MOVED and _swings(
        record.box, seen.box, estimate.after_T_before
    ):
        return MotionEstimate(MotionKind.DEFORMED, np.eye(4), estimate.confidence)
    return estimate


def _reshaped(
    record: ObjectRecord,
    seen: Observation,
    now: VisitView,
    before: VisitView | None,
    still: Registration,
    best: Registration | None,
    config: MotionConfig,
) -> MotionEstimate | None:
    """
    Return what became of an object of which surface came or went in view; None if none did.

    A chair that turned where it stands looks much as before and has patches of new surface, but
    one motion explains them all.

    """
    area = _changed_area(record, seen, now, before, np.eye(4))
    if area < config.deformed_m2:
        return None
    best = best or _registered(record, seen, now, before)
    area_left = _changed_area(record, seen, now, before, best.after_T_before)
    if not _is_move(best, record, config):
        area = area_left  # nudged: compared where it now stands
    elif area_left < config.deformed_m2 and best.fit - still.fit >= config.turn_evidence:
        return MotionEstimate(MotionKind.MOVED, best.after_T_before, best.overlap)
    if area < config.deformed_m2:
        return None
    return MotionEstimate(
        MotionKind.DEFORMED, np.eye(4), float(1 - config.deformed_m2 / (2 * area))
    )


def _turned(
    record: ObjectRecord,
    seen: Observation,
    now: VisitView,
    before: VisitView | None,
    shares: tuple[float, float],
    still: Registration,
    best: Registration | None,
    config: MotionConfig,
) -> MotionEstimate | None:
    """
    Return the turn of an object where it stands, by how both views fit; None if it is not clear.

    A bin or a plant that turned has no new surface large enough to be a patch. Front and back of
    a box fit each other as well: so both views have to show the same sides, and what changed has
    to lie all around.

    """
    if (
        still.fit > LOOSE_FIT
        or not SHARED_SIDES <= min(shares) <= max(shares) < config.still_share
    ):
        return None
    middle = (record.xyz.mean(0) + seen.xyz.mean(0)) / 2
    came = seen.xyz[~near(record.surface.tree, seen.xyz, SAME_SURFACE)]
    left = record.xyz[~near(seen.surface.tree, record.xyz, SAME_SURFACE)]
    if max(_one_sided(came - middle), _one_sided(left - middle)) > ONE_SIDED:
        return None
    best = best or _registered(record, seen, now, before)
    if best.overlap < WHOLLY_LAID or best.fit - still.fit < config.turn_evidence:
        return None
    distance, angle = size_of(best.after_T_before, record.box.center)
    if distance >= config.move_m or np.degrees(angle) < config.turn_deg:
        return None
    return MotionEstimate(MotionKind.MOVED, best.after_T_before, best.overlap)


def _one_sided(offsets: np.ndarray) -> float:
    """Return how far points (N, 3) about a middle lie on one side of it, seen from above, 0..1."""
    way = offsets[:, 0] + 1j * offsets[:, 1]
    way = way[way != 0]
    return float(np.abs((way / np.abs(way)).mean())) if len(way) else 0.0


def _rigid_motion(
    record: ObjectRecord,
    seen: Observation,
    now: VisitView,
    before: VisitView | None,
    same: float,
    still: Registration,
    config: MotionConfig,
) -> tuple[MotionEstimate, Registration | None]:
    """Return what became of an object as a whole, and its best motion where one was sought."""
    if same >= config.still_share:
        return MotionEstimate(MotionKind.STILL, np.eye(4), same), None
    missing = 0.0
    if not is_flat(record.box):  # below a picture is wall, wherever the picture is
        missing = max(
            looked_past(now.cloud, record.xyz),
            looked_past(before.cloud, seen.xyz) if before is not None else 0.0,
        )
    if 1 - still.fit + missing < config.move_evidence:  # no motion could fit well enough
        return MotionEstimate(MotionKind.STILL, np.eye(4), still.overlap), None
    best = _registered(record, seen, now, before)
    evidence = best.fit - still.fit + missing
    if _is_move(best, record, config) and evidence >= config.move_evidence:
        estimate = MotionEstimate(
            MotionKind.MOVED,
            best.after_T_before,
            float(np.clip(best.overlap * min(evidence, 1.0), 0, 1)),
        )
    elif best.overlap < config.deformed_overlap and missing >= config.deformed_evidence:
        estimate = MotionEstimate(MotionKind.DEFORMED, np.eye(4), float(1 - best.overlap))
    else:
        estimate = MotionEstimate(MotionKind.STILL, np.eye(4), best.overlap)
    return estimate, best


def _registered(
    record: ObjectRecord, seen: Observation, now: VisitView, before: VisitView | None
) -> Registration:
    """Return the best motion, by shape, and by texture where the earlier visit shows it."""
    textures = (
        None
        if before is None
        else (
            before.texture_of(record.object_id, record.xyz),
            now.texture_of(record.object_id, seen.xyz),
        )
    )
    return register(record.xyz, seen.xyz, textures)


def _is_move(best: Registration, record: ObjectRecord, config: MotionConfig) -> bool:
    """Return whether a motion is large enough to be reported."""
    distance, angle = size_of(best.after_T_before, record.box.center)
    return distance >= config.move_m or np.degrees(angle) >= config.turn_deg


def _swings(old: Box, new: Box, after_T_before: np.ndarray) -> bool:
    """Return whether a motion is that of a door leaf: slim, tall, turning about an edge."""
    leaf = min((old, new), key=lambda box: box.size[1] / box.size[0])
    turn = np.eye(2) - after_T_before[:2, :2]
    if (
        leaf.size[1] > LEAF_SLIM * leaf.size[0]
        or leaf.size[2] < leaf.size[0]
        or np.linalg.det(turn) < HINGE_DET
    ):
        return False
    hinge = np.linalg.solve(turn, after_T_before[:2, 3])
    around = corners(leaf)
    edges = (around[[0, 1]] + around[[3, 2]]) / 2  # of the long side, which comes first
    far = np.linalg.norm(edges - hinge, axis=1).min()
    return bool(far <= HINGE_REACH * leaf.size[0])


def _changed_area(
    record: ObjectRecord,
    seen: Observation,
    now: VisitView,
    before: VisitView | None,
    after_T_before: np.ndarray,
) -> float:
    """
    Return the largest patch of surface, in m2, that came or went where the sensor looked.

    What shows for the first time may only have been out of sight. A door leaf that opened is
    where the earlier visit looked through, and the newest looks through where it was.

    """
    gone = transform(after_T_before, record.xyz)
    gone = gone[~near(now.cloud.tree, gone, OTHER_SURFACE)]
    patches = [gone[now.cloud.seen_through(gone)]]
    if before is not None:
        came = transform(invert(after_T_before), seen.xyz)
        shown = near(record.surface.tree, came, OTHER_SURFACE)
        came = came[~(shown | near(before.cloud.tree, came, OTHER_SURFACE))]
        patches.append(came[before.cloud.seen_through(came)])
    return max(largest_patch(patch, PATCH_STEP) for patch in patches) * POINT_SPACING**2
