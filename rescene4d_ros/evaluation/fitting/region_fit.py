"""Candidates of change regions with what is true of them: what their quality is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.metrics.changes.observable_changes import observable_changes
from rescene4d_ros.metrics.changes.place_events import CAME, LEFT, PLACE_IOU
from rescene4d_ros.metrics.sequences import states_of, TrueSequence
from rescene4d_ros.structures import ScanSequence
from rescene4d_ros.tracking.regions.candidates import Compared, find_candidates
from rescene4d_ros.tracking.regions.change_regions import both_ways
from rescene4d_ros.tracking.regions.region_evidence import RegionEvidence
from rescene4d_ros.tracking.regions.surfaces import prepare_surfaces, SPACING


@dataclass(frozen=True)
class JudgedCandidates:
    """
    Hold the candidates of one direction of one pair of visits that follow each other.

    Attributes
    ----------
    evidence : ndarray (C, F), float64
        In the order of `evidence.TERMS`.
    iou : ndarray (C,), float64
        Best intersection over union with a true place, in points of the surfaces.
    event : ndarray (C,), int64
        Which true place that is; -1 = none.
    candidates : list of ndarray of int
        Points of the surfaces.
    n_points, n_events : int
        Of the surfaces; true places.

    """

    evidence: np.ndarray
    iou: np.ndarray
    event: np.ndarray
    candidates: list[np.ndarray]
    n_points: int
    n_events: int


def judge_candidates(sequence: ScanSequence, truth: TrueSequence) -> list[JudgedCandidates]:
    """Propose candidates in every pair of visits in a row, and compare them with the truth."""
    per_visit = [truth.instance[truth.visit == t] for t in range(truth.n_visits)]
    visible = np.array([np.isin(truth.instance_ids, labels) for labels in per_visit])
    if truth.changes is None:
        return []
    changes = observable_changes(truth.changes, states_of(truth, visible), truth.poses)
    visits = [prepare_surfaces(s.xyz, s.normals, s.rgb) for s in sequence.scans]
    labels = [
        own[thin(scan.xyz, SPACING)] for own, scan in zip(per_visit, sequence.scans)
    ]  # of the points that the surfaces keep
    judged = []
    for t in range(1, len(visits)):
        now, then = both_ways(visits[t - 1], visits[t])
        for pair, other, kinds, shown in ((now, then, CAME, t), (then, now, LEFT, t - 1)):
            places = [
                labels[shown] == truth.instance_ids[g]
                for (u, g), kind in changes.items()
                if u == t and kind in kinds and visible[shown, g]
            ]
            judged.append(_judge(pair, other.distance, places))
    return judged


def _judge(
    pair: Compared, other_distance: np.ndarray, places: list[np.ndarray]
) -> JudgedCandidates:
    """Compare the candidates of one direction with the true places (M,), bool."""
    candidates = find_candidates(pair)
    iou = np.zeros((len(candidates), len(places) + 1))
    for n, place in enumerate(places):
        total = int(place.sum())
        for k, points in enumerate(candidates):
            shared = int(place[points].sum())
            iou[k, n] = shared / max(len(points) + total - shared, 1)
    best = iou.argmax(1)
    return JudgedCandidates(
        RegionEvidence(pair, other_distance, candidates).measure(),
        iou.max(1),
        np.where(iou.max(1) >= PLACE_IOU, best, -1),
        candidates,
        len(pair.surfaces),
        len(places),
    )
