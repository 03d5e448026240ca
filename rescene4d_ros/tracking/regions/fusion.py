"""Masks and change regions as one segmentation: what agrees is one instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from rescene4d_ros.structures import MaskSource, OTHER_OBJECT, Segmentation
from rescene4d_ros.tracking.regions.changed_things import ChangedThing
from rescene4d_ros.tracking.thresholds import MIN_POINTS

AGREE = 0.5  # intersection over union from which a region and a mask are one thing
COVERED = 0.5  # share of a region in masks, from which they already say what is there
INSIDE = 0.8  # share of a region in one mask, from which it may be a part that is split off
LESS = 0.5  # share of the mask, up to which it is
TOUCHED = 0.1  # share of what left in the same instance, from which the whole instance changed
OUTLINE = 0.5  # score of a region's outline over its quality, as it is coarser than a mask
UNCLAIMED = 0.7  # share of a region that belonged to no object, from which it is a new one


@dataclass(frozen=True)
class Discovery:
    """
    Hold what an earlier visit shows of a thing that only its change made known.

    Attributes
    ----------
    visit : int
        Position of the earlier visit in the window.
    points : ndarray (K,), int64
        Positions in its scan, of points that belonged to no object.
    quality : float
        0..1.
    instance : int or None
        The instance that shows the same thing in the newest visit; None = it left.

    """

    visit: int
    points: np.ndarray
    quality: float
    instance: int | None


@dataclass(frozen=True)
class Fused:
    """
    Hold the instances of a window with what came, left or moved.

    Attributes
    ----------
    segmentation : Segmentation
    discoveries : tuple of Discovery
        What earlier visits show of things that were no object yet.
    came : dict of instance to float
        How likely an instance of the newest visit came there, 0..1.

    """

    segmentation: Segmentation
    discoveries: tuple[Discovery, ...] = ()
    came: Mapping[int, float] = field(default_factory=dict)


def fuse(
    found: Segmentation, things: Sequence[ChangedThing], old_ids: Sequence[np.ndarray]
) -> Fused:
    """
    Add to the instances of a window what came, left or moved.

    In the newest visit a region that agrees with a mask is one instance with it, with the
    better outline; one inside a larger mask, which did not change itself and is less
    sure, is split off; one without mask is an instance of class otherfurniture. Masks without
    evidence of change stay.

    Parameters
    ----------
    found : Segmentation
        Of T visits, the newest last.
    things : sequence of ChangedThing
        Of the same visits.
    old_ids : sequence of T - 1 ndarrays (N_t,), int64
        Persistent ids of the points of the earlier visits.

    Returns
    -------
    Fused

    """
    if not things:
        return Fused(found)
    fusion = _Fusion(found, things)
    discoveries, came = [], {}
    for thing in things:
        instance = fusion.add(thing)
        if instance is not None:
            came[instance] = thing.quality
        visit = thing.earlier
        if visit is None:
            continue
        part = thing.parts[visit]
        free = part[old_ids[visit][part] == 0]
        if len(free) >= max(UNCLAIMED * len(part), MIN_POINTS):
            discoveries.append(Discovery(visit, free, thing.quality, instance))
        if instance is not None:
            fusion.bind(instance, visit, part)
    return Fused(fusion.result(), tuple(discoveries), came)


class _Fusion:
    """Labels of the visits while regions are added to them; the given ones are not altered."""

    def __init__(self, found: Segmentation, things: Sequence[ChangedThing]):
        self._found = found
        self._labels = [label.copy() for label in found.labels]
        self._points = [scores.copy() for scores in found.point_scores]
        self._new: list[float] = []
        self._left = [np.zeros(len(label), dtype=bool) for label in self._labels[:-1]]
        for thing in things:
            if (visit := thing.earlier) is not None:
                self._left[visit][thing.parts[visit]] = True

    def add(self, thing: ChangedThing) -> int | None:
        """Return the instance that shows a thing in the newest visit; None where none does."""
        part, label = thing.parts[-1], self._labels[-1]
        if len(part) < MIN_POINTS:
            return None
        inside = label[part]
        shared = np.bincount(inside[inside >= 0], minlength=1)
        mask = int(shared.argmax())
        size = int((label == mask).sum())
        overlap = shared[mask] / (len(part) + size - shared[mask])
        if overlap >= AGREE:
            if OUTLINE * thing.quality > self._score(mask):
                label[label == mask] = -1
                self._mark(part, mask, OUTLINE * thing.quality)
            return mask
        larger = shared[mask] >= INSIDE * len(part) and shared[mask] <= LESS * size
        if larger and thing.quality > self._score(mask) and not self._has_changed(mask):
            return self._born(part, thing.quality)
        free = part[inside < 0]
        if len(free) >= max((1 - COVERED) * len(part), MIN_POINTS):
            return self._born(free, thing.quality)
        return mask if shared[mask] >= COVERED * len(part) else None

    def bind(self, instance: int, visit: int, part: np.ndarray) -> None:
        """Let an instance have the points that its thing left, where no other instance is."""
        free = part[self._labels[visit][part] < 0]
        self._labels[visit][free] = instance
        self._points[visit][free] = self._score(instance)

    def result(self) -> Segmentation:
        """Return the segmentation with the regions."""
        n, found = len(self._new), self._found
        probs = np.zeros((n, found.class_probs.shape[1]), np.float32)
        probs[:, min(OTHER_OBJECT, probs.shape[1] - 1)] = 1.0
        queries = found.queries
        if queries is not None:
            queries = np.r_[queries, queries.max(initial=-1) + 1 + np.arange(n)]
        sources = (
            *(found.source_of(k) for k in range(len(found))),
            *(MaskSource.CHANGE for _ in range(n)),
        )
        return replace(
            found,
            labels=tuple(self._labels),
            class_probs=np.concatenate([found.class_probs, probs]),
            scores=np.r_[found.scores, np.array(self._new, np.float32)].astype(np.float32),
            features=np.r_[found.features, np.zeros((n, found.features.shape[1]), np.float32)],
            point_scores=tuple(self._points),
            queries=queries,
            sources=sources,
        )

    def _score(self, instance: int) -> float:
        known = len(self._found)
        return self._new[instance - known] if instance >= known else self._found.scores[instance]

    def _has_changed(self, mask: int) -> bool:
        """Return whether part of what an instance was before has left: it moved as a whole."""
        before = sum(int((label == mask).sum()) for label in self._labels[:-1])
        gone = sum(
            int(((label == mask) & left).sum())
            for label, left in zip(self._labels[:-1], self._left)
        )
        return before == 0 or gone >= TOUCHED * before

    def _born(self, points: np.ndarray, quality: float) -> int:
        instance = len(self._found) + len(self._new)
        self._new.append(OUTLINE * quality)
        self._mark(points, instance, OUTLINE * quality)
        return instance

    def _mark(self, points: np.ndarray, instance: int, quality: float) -> None:
        self._labels[-1][points] = instance
        self._points[-1][points] = quality
