"""
Linking of masks over visits, shared by the baselines.

Masks of the new visit are matched one to one with the active tracks for the largest total
similarity, and unmatched masks get new ids. Baselines differ in the similarity, in the lifetime of
tracks, and in the update of a track.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.geometry.point_sets import voxelize
from rescene4d_ros.metrics.sequences import PredictedChange, PredictedSequence
from rescene4d_ros.structures import Segmentation
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class VisitMasks:
    """
    Masks of one visit.

    Attributes
    ----------
    points : tuple of P ndarrays (M_p,), int
        Points of each mask within the visit, ascending.
    class_probs : ndarray (P, K), float
        Over the object classes, summing to 1.
    scores : ndarray (P,), float
    features : ndarray (P, C), float
        Appearance.
    cells : tuple of P ndarrays (V_p, 3), int64
        Cells of an absolute grid that the mask occupies; the visits are registered.
    centers : ndarray (P, 3), float64, m
        Mean of the points, in map.

    """

    points: tuple[np.ndarray, ...]
    class_probs: np.ndarray
    scores: np.ndarray
    features: np.ndarray
    cells: tuple[np.ndarray, ...]
    centers: np.ndarray

    def __len__(self) -> int:
        """Return the number of masks P."""
        return len(self.scores)

    @property
    def classes(self) -> np.ndarray:
        """Return (P,) the most probable class of each mask."""
        return self.class_probs.argmax(axis=1) if len(self) else np.empty(0, np.int64)


@dataclass(frozen=True)
class Track:
    """
    Track of one object.

    Attributes
    ----------
    object_id : int
    last_visit : int
        Last visit with a matched mask.
    class_probs : ndarray (K,)
    feature : ndarray (C,), of length 1
    cells : ndarray (V, 3), int64
    center : ndarray (3,), m, in map

    """

    object_id: int
    last_visit: int
    class_probs: np.ndarray
    feature: np.ndarray
    cells: np.ndarray
    center: np.ndarray


Similarity = Callable[[VisitMasks, Sequence[Track]], np.ndarray]


def visit_masks(
    segmentation: Segmentation, xyz: np.ndarray, cell_m: float, visit: int = 0
) -> VisitMasks:
    """
    Return the instances of a segmentation in one visit.

    Parameters
    ----------
    segmentation : Segmentation
        Of this visit alone, or of several.
    xyz : ndarray (N, 3), m
        Points of the visit, in map.
    cell_m : float, m
        Edge of a cell of `cells`.
    visit : int
        Index of the visit in the segmentation.

    """
    label = segmentation.labels[visit]
    shown = np.unique(label[label >= 0])
    points = tuple(np.flatnonzero(label == i) for i in shown)
    centers = [xyz[p].mean(axis=0, dtype=np.float64) for p in points]
    return VisitMasks(
        points,
        segmentation.class_probs[shown],
        segmentation.scores[shown],
        segmentation.features[shown],
        tuple(voxelize(xyz[p], cell_m)[0] for p in points),
        np.array(centers).reshape(-1, 3),
    )


def link(
    visits: Sequence[VisitMasks],
    similarity: Similarity,
    min_similarity: float,
    *,
    look_back: int | None = None,
    update_rate: float = 1.0,
) -> list[np.ndarray]:
    """
    Assign an id to every mask.

    Parameters
    ----------
    visits : sequence of T VisitMasks
        In the order of time.
    similarity : callable
        (masks, tracks) to ndarray (P, number of tracks), float; not negative.
    min_similarity : float
        Pairs below never match; more than 0.
    look_back : int, optional
        A track ends after more visits without a mask; None = never.
    update_rate : float
        Weight of the new mask in the feature and class of its track, times its score if below 1; 1
        = the track equals its last mask.

    Returns
    -------
    list of T ndarrays (P_t,), int64
        From 1, in the order of creation.

    """
    tracks: list[Track] = []
    out, n_ids = [], 0
    for t, masks in enumerate(visits):
        tracks = [k for k in tracks if look_back is None or t - k.last_visit <= look_back]
        rows, columns = _best_pairs(
            similarity(masks, tracks)
            if tracks and len(masks)
            else np.zeros((len(masks), len(tracks))),
            min_similarity,
        )
        ids = np.zeros(len(masks), dtype=np.int64)
        for p, k in zip(rows.tolist(), columns.tolist()):
            ids[p] = tracks[k].object_id
            tracks[k] = _updated(tracks[k], masks, p, t, update_rate)
        for p in np.flatnonzero(ids == 0):
            n_ids += 1
            ids[p] = n_ids
            tracks.append(
                Track(
                    n_ids,
                    t,
                    masks.class_probs[p],
                    _unit(masks.features[p]),
                    masks.cells[p],
                    masks.centers[p],
                )
            )
        out.append(ids)
    return out


def linked_sequence(
    visits: Sequence[VisitMasks],
    ids: Sequence[np.ndarray],
    n_points: Sequence[int],
    changes: tuple[PredictedChange, ...] | None = None,
) -> PredictedSequence:
    """
    Make a scored prediction of linked masks.

    Parameters
    ----------
    visits : sequence of T VisitMasks
    ids : sequence of T ndarrays (P_t,), int
    n_points : sequence of T int
        Points N_t of each visit.
    changes : tuple of PredictedChange, optional
        None = the method reports none.

    """
    starts = np.concatenate([[0], np.cumsum(n_points)])
    points = [p + start for masks, start in zip(visits, starts) for p in masks.points]
    none = np.empty(0, dtype=np.int64)
    return PredictedSequence(
        np.concatenate([none, *points]),
        np.cumsum([0, *map(len, points)]),
        np.concatenate([none, *(m.classes for m in visits)]),
        np.concatenate([np.empty(0), *(m.scores for m in visits)]).astype(np.float64),
        np.concatenate([none, *ids]),
        changes,
    )


def _best_pairs(similarity: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the one-to-one pairs of the largest total similarity, none below `least`."""
    legal = similarity >= least
    rows, columns = linear_sum_assignment(np.where(legal, similarity, 0.0), maximize=True)
    kept = legal[rows, columns]
    return rows[kept], columns[kept]


def _updated(track: Track, masks: VisitMasks, p: int, visit: int, rate: float) -> Track:
    """Return the track after one more mask."""
    weight = 1.0 if rate == 1.0 else rate * float(masks.scores[p])
    feature = (1 - weight) * track.feature + weight * _unit(masks.features[p])
    return replace(
        track,
        last_visit=visit,
        feature=_unit(feature),
        cells=masks.cells[p],
        center=masks.centers[p],
        class_probs=(1 - weight) * track.class_probs + weight * masks.class_probs[p],
    )


def _unit(feature: np.ndarray) -> np.ndarray:
    return feature / max(float(np.linalg.norm(feature)), 1e-12)
