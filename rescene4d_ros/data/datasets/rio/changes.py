"""
Changes between two scans of a scene, and groups of look-alikes.

The metadata compare each rescan with the reference; a change between two rescans follows from
both comparisons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from rescene4d_ros.data.datasets.rio.metadata import Motion, RioScan
from rescene4d_ros.geometry.se3 import invert, upright

# Two manual placements of one object differ by less.
MOVED_M = 0.1
MOVED_RAD = np.deg2rad(15)
OFFICIAL_SHARE = 0.5
TURNS = {0: 1, 1: 2, 2: 4}  # symmetry code -> turns about z that look the same
ANY_TURN = 3


class ChangeCode(IntEnum):
    """Change of an object between two scans, numbered as in the published labels."""

    STATIC = 0
    RIGID = 1
    NONRIGID = 2
    AMBIGUOUS = 3
    ADDED = 4
    REMOVED = 5


@dataclass(frozen=True)
class Transition:
    """Instance ids that changed from one scan to the next, by kind of change."""

    rigid: frozenset[int] = frozenset()
    nonrigid: frozenset[int] = frozenset()
    added: frozenset[int] = frozenset()
    removed: frozenset[int] = frozenset()


def transition(
    before: RioScan, after: RioScan, centers: Mapping[int, np.ndarray], *, official: bool = False
) -> Transition:
    """
    Return what changed from one scan of a scene to another.

    Parameters
    ----------
    before, after : RioScan
    centers : mapping of int to ndarray (3,), m, in the reference frame
        Center of each object in the reference scan; default: the origin.
    official : bool
        Treat objects that moved in both rescans as published, see `moved_between`.

    """
    rigid = before.rigid.keys() | after.rigid.keys()
    for instance in before.rigid.keys() & after.rigid.keys():
        first, second = before.rigid[instance], after.rigid[instance]
        if first is None or second is None:
            continue
        center = centers.get(instance, np.zeros(3))
        if not moved_between(first, second, center, official=official):
            rigid -= {instance}
    return Transition(
        frozenset(rigid),
        before.nonrigid | after.nonrigid,
        before.removed - after.removed,
        after.removed - before.removed,
    )


def moved_between(
    before: Motion, after: Motion, center: np.ndarray, *, official: bool = False
) -> bool:
    """
    Return whether an object that moved in two rescans is at different places in them.

    A rotation by which the object is symmetric is no motion.

    Parameters
    ----------
    before, after : Motion
        From the reference to each rescan.
    center : ndarray (3,), m
        Center of the object in the reference scan, about which it rotates.
    official : bool
        Published rule: the relative motion, written in a frame at the center, differs from the
        identity by more than half the Frobenius norm of the earlier motion in that frame. As that
        norm is at least 2, this misses motions below a meter; by default the object must be
        `MOVED_M` or `MOVED_RAD` away.

    """
    center_T_reference = upright(0.0, -np.asarray(center))
    earlier, later = (
        center_T_reference @ m.moved @ invert(center_T_reference) for m in (before, after)
    )
    relative = invert(earlier) @ later
    options = _looks_the_same(relative, after.symmetry)
    if official:
        distance = min(np.linalg.norm(option - np.eye(4)) for option in options)
        return bool(distance > OFFICIAL_SHARE * np.linalg.norm(earlier))
    shift = np.linalg.norm(relative[:3, 3])
    turn = min(_angle(option[:3, :3]) for option in options)
    return bool(shift > MOVED_M or turn > MOVED_RAD)


def _looks_the_same(motion: np.ndarray, symmetry: int) -> list[np.ndarray]:
    """Return the motions under which an object of this symmetry is unchanged."""
    if symmetry == ANY_TURN:
        return [upright(0.0, motion[:3, 3])]
    turns = TURNS.get(symmetry, 1)
    return [motion @ upright(2 * np.pi * k / turns, (0, 0, 0)) for k in range(turns)]


def _angle(rotation: np.ndarray) -> float:
    """Return the angle of a rotation matrix, rad in [0, pi]."""
    return float(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))


def ambiguity_groups(
    look_alikes: tuple[tuple[tuple[int, int], ...], ...], *, official: bool = False
) -> tuple[tuple[int, ...], ...]:
    """
    Join pairs of look-alikes to groups.

    Parameters
    ----------
    look_alikes : tuple of tuples of (int, int)
        As in `RioScene`.
    official : bool
        As published: only the first list, and of each source only its last pair.

    Returns
    -------
    tuple of tuples of int
        Sorted ids; groups in the order of their smallest id.

    """
    if official:
        pairs: Iterable = dict(look_alikes[0]).items() if look_alikes else ()
    else:
        pairs = [pair for part in look_alikes for pair in part]
    group_of: dict[int, set[int]] = {}
    for source, target in pairs:
        joined = group_of.get(source, {source}) | group_of.get(target, {target})
        for member in joined:
            group_of[member] = joined
    return tuple(sorted({tuple(sorted(g)) for g in group_of.values() if len(g) > 1}))


def change_codes(
    change: Transition, groups: Iterable[Iterable[int]], *, official: bool = False
) -> dict[int, ChangeCode]:
    """
    Return the one published label of every instance that is not static.

    Parameters
    ----------
    change : Transition
    groups : iterable of iterables of int
        Look-alikes.
    official : bool
        As published: any other change takes precedence over look-alikes. By default look-alikes
        take precedence, as the published comment states.

    """
    codes = {}
    ambiguous = {i: ChangeCode.AMBIGUOUS for group in groups for i in group}
    if official:
        codes.update(ambiguous)
    for code, ids in (
        (ChangeCode.RIGID, change.rigid),
        (ChangeCode.NONRIGID, change.nonrigid),
        (ChangeCode.ADDED, change.added),
        (ChangeCode.REMOVED, change.removed),
    ):
        codes.update(dict.fromkeys(ids, code))
    if not official:
        codes.update(ambiguous)
    return codes
