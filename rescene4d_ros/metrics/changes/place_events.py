"""Whether a method finds the places where something came or went, whatever it calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.metrics.segmentation.point_overlaps import Trajectories
from rescene4d_ros.metrics.sequences import PredictedChange
from rescene4d_ros.structures import ChangeKind

PLACE_IOU = 0.25  # least intersection over union of a stated and a true place
CAME = (ChangeKind.ADDED, ChangeKind.REAPPEARED, ChangeKind.MOVED)
LEFT = (ChangeKind.REMOVED, ChangeKind.MOVED)


@dataclass(frozen=True)
class PlaceEvents:
    """
    Hold how many places of one sequence, or of several, were found.

    A move is two events: the thing left one place and came to another. A change of shape is
    none.

    Attributes
    ----------
    right, stated, true : int

    """

    right: int = 0
    stated: int = 0
    true: int = 0

    def __add__(self, other: PlaceEvents) -> PlaceEvents:
        """Return the counts of both."""
        return PlaceEvents(
            self.right + other.right, self.stated + other.stated, self.true + other.true
        )


def count_place_events(
    changes: Mapping[tuple[int, int], ChangeKind],
    stated: Sequence[PredictedChange],
    found: Trajectories,
) -> PlaceEvents:
    """
    Match stated places with true ones, one to one, best overlap first.

    A stated place that lies on a thing that only changed its shape counts neither way.

    Parameters
    ----------
    changes : mapping of (visit, instance index) to ChangeKind
        What a viewer of the visits can know, see `observable_changes`.
    stated : sequence of PredictedChange
    found : Trajectories
        Masks of the objects that the stated changes speak of.

    """
    iou = found.overlaps.visit_iou()  # (P, T, G)
    row = {int(object_id): k for k, object_id in enumerate(found.object_ids)}
    is_shown = found.overlaps.predicted > 0  # (P, T)
    places: list[tuple[bool, int, int, int]] = []  # came, visit of the change, row, visit of mask
    for change in stated:
        k = row.get(change.object_id)
        if k is None:
            continue
        if change.kind in CAME and is_shown[k, change.visit]:
            places.append((True, change.visit, k, change.visit))
        before = np.flatnonzero(is_shown[k, : change.visit])
        if change.kind in LEFT and len(before):
            places.append((False, change.visit, k, int(before[-1])))
    was_seen = found.overlaps.true > 0  # (T, G)
    true = {(True, t, g) for (t, g), kind in changes.items() if kind in CAME}
    true |= {
        (False, t, g) for (t, g), kind in changes.items() if kind in LEFT and was_seen[:t, g].any()
    }
    pairs = [
        (iou[k, mask_visit, g], n, (came, t, g))
        for n, (came, t, k, mask_visit) in enumerate(places)
        for g in range(iou.shape[2])
        if (came, t, g) in true and iou[k, mask_visit, g] >= PLACE_IOU
    ]
    matched_places: set[int] = set()
    matched_true: set[tuple[bool, int, int]] = set()
    for _, n, event in sorted(pairs, reverse=True):
        if n not in matched_places and event not in matched_true:
            matched_places.add(n)
            matched_true.add(event)
    deformed = {(t, g) for (t, g), kind in changes.items() if kind == ChangeKind.DEFORMED}
    ignored = sum(
        n not in matched_places
        and _lies_on(found, k, mask_visit, {g for u, g in deformed if u == t})
        for n, (_, t, k, mask_visit) in enumerate(places)
    )
    return PlaceEvents(len(matched_true), len(places) - ignored, len(true))


def _lies_on(found: Trajectories, k: int, visit: int, instances: set[int]) -> bool:
    """Return whether more than half of a mask lies on one of some instances."""
    half = found.overlaps.predicted[k, visit] / 2
    return any(found.overlaps.shared[k, visit, g] > half for g in instances)
