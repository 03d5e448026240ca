"""From a stored visit to what it shows, which object is which, and what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from rescene4d_ros.geometry.cloud import Cloud
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.config import TrackerConfig
from rescene4d_ros.structures import Scan, Segmentation, VisitInfo
from rescene4d_ros.tracking.association.appearance import mean_color
from rescene4d_ros.tracking.association.association import (
    associate,
    Association,
    AssociationConfig,
)
from rescene4d_ros.tracking.changes.change_confidence import Confidence
from rescene4d_ros.tracking.changes.change_detection import ChangeConfig, judge
from rescene4d_ros.tracking.changes.motion import MotionConfig
from rescene4d_ros.tracking.duplicate_objects import find_merges, merge_events
from rescene4d_ros.tracking.missed_detections import find_overlooked, REASON
from rescene4d_ros.tracking.observations import make_observation, observe
from rescene4d_ros.tracking.record_update import join_merged, remember
from rescene4d_ros.tracking.records import ObjectRecord, Observation, VisitFacts
from rescene4d_ros.tracking.visit_view import VisitView, was_looked_at


class Segmenter(Protocol):
    """Anything that finds the instances of T visits together."""

    def segment(self, scans: Sequence[Scan], keys: Sequence[str]) -> Segmentation:
        """Return instances that span the visits; `keys` name the scans for its cache."""


class VisitInterpreter:
    """
    Find out what a visit brings; changes nothing.

    Parameters
    ----------
    memory : SceneMemory
        Holds the visits.
    segmenter : Segmenter
    config, association, motion, changes
        Settings.
    confidence : callable
        Says how likely a change is, from its evidence.

    """

    def __init__(
        self,
        memory: SceneMemory,
        segmenter: Segmenter,
        config: TrackerConfig,
        association: AssociationConfig,
        motion: MotionConfig,
        changes: ChangeConfig,
        confidence: Confidence,
    ):
        self._memory, self._segmenter, self._config = memory, segmenter, config
        self._association, self._motion, self._changes = association, motion, changes
        self._confidence = confidence
        self._clouds: dict[str, Cloud] = {}  # of the latest window, by key
        self._segmented: tuple[list[str], Segmentation] | None = None  # of a visit at hand

    def interpret(
        self,
        visit: VisitInfo,
        window: Sequence[VisitInfo],
        labels: Mapping[int, np.ndarray],
        records: Mapping[int, ObjectRecord],
        next_id: int,
    ) -> VisitFacts:
        """
        Find out everything one visit brings.

        Parameters
        ----------
        visit : VisitInfo
            Stored.
        window : sequence of VisitInfo
            Earlier visits that are segmented with it, oldest first.
        labels : mapping of int to ndarray (N_v,), int64
            The object of each point of these visits, 0 for none; by visit.
        records : mapping of int to ObjectRecord
            All objects remembered before the visit.
        next_id : int
            The first id that was never given.

        Raises
        ------
        Exception
            Whatever the segmenter raised.

        """
        earlier = [self._memory.scan(v.visit_id) for v in window]
        scan = self._memory.scan(visit.visit_id)
        keys = [self._memory.key(v.visit_id) for v in (*window, visit)]
        segmentation = self._segmentation([*earlier, scan], keys)
        observations = observe(
            scan,
            segmentation,
            [labels[v.visit_id] for v in window],
            min_points=self._config.min_points,
            min_score=self._config.min_score,
        )
        *before, cloud = self._prepared([*earlier, scan], keys)
        view = VisitView(scan, cloud=cloud)
        places = view.places_of(records)
        past = [VisitView(s, labels[v.visit_id], c) for v, s, c in zip(window, earlier, before)][
            ::-1
        ]
        association = associate(
            observations,
            records,
            places,
            self._association,
            lambda seen: was_looked_at(seen, past),
        )
        seen, reasons, confidence = _named(
            scan, observations, association, next_id, self._config.birth_score
        )
        missed = find_overlooked(scan, records, places, seen, self._config.min_points)
        seen, reasons = seen | missed, reasons | dict.fromkeys(missed, REASON)
        merges = find_merges(records, seen, past, self._memory.locked())
        merged = merge_events(visit, records, merges, self._memory.header.class_names)
        seen, reasons, confidence = (
            {merges.get(i, i): value for i, value in named.items()}
            for named in (seen, reasons, confidence)
        )
        verdict = judge(
            visit,
            join_merged(records, merged),
            seen,
            confidence,
            places,
            view,
            past,
            self._memory.header.class_names,
            self._motion,
            self._changes,
            self._confidence,
        )
        changes = (*merged, *verdict.changes)
        after = remember(
            records,
            visit.stamp_ns,
            view.cloud,
            seen,
            reasons,
            verdict.states,
            changes,
            association.alternatives,
        )
        object_ids = np.zeros(len(scan), dtype=np.int64)
        for object_id, observation in seen.items():
            object_ids[observation.points] = object_id
        return VisitFacts(
            visit,
            seen,
            reasons,
            verdict.states,
            changes,
            object_ids,
            after,
            association.alternatives,
        )

    def forget_segmentation(self) -> None:
        """Let go of what the segmenter said: the visit at hand is through."""
        self._segmented = None

    def _segmentation(self, scans: Sequence[Scan], keys: list[str]) -> Segmentation:
        """Return what the segmenter says of some scans; no correction changes it, so once."""
        if self._segmented is None or self._segmented[0] != keys:
            self._segmented = keys, self._segmenter.segment(scans, keys)
        return self._segmented[1]

    def _prepared(self, scans: Sequence[Scan], keys: Sequence[str]) -> list[Cloud]:
        """Return the clouds of some scans, those of the visit before made only once."""
        clouds = [
            self._clouds.get(key) or Cloud(scan.xyz, scan.sensor_path)
            for scan, key in zip(scans, keys)
        ]
        self._clouds = dict(zip(keys, clouds))
        return clouds


def _named(
    scan: Scan,
    observations: Sequence[Observation],
    association: Association,
    next_id: int,
    birth_score: float,
) -> tuple[dict[int, Observation], dict[int, str], dict[int, float]]:
    """
    Give linked and new observations their ids, and join the pieces of split masks.

    A new object has only its score to speak for it; one that is known also has its past.
    """
    sure = [k for k in association.births if observations[k].score >= birth_score]
    numbers = dict(association.links) | {k: next_id + n for n, k in enumerate(sure)}
    pieces: dict[int, list[np.ndarray]] = {}
    for piece, whole in association.parts.items():
        pieces.setdefault(whole, []).append(observations[piece].points)
    seen = {}
    for number, object_id in sorted(numbers.items(), key=lambda item: item[1]):
        found = observations[number]
        if number in pieces:
            points = np.sort(np.concatenate([found.points, *pieces[number]]))
            found = make_observation(
                scan,
                points,
                found.class_probs,
                found.score,
                found.feature,
                dict(found.votes),
                mean_color(scan),
            )
        seen[object_id] = found
    reasons = {i: association.reasons.get(i, 'new: nothing remembered explains it') for i in seen}
    return seen, reasons, {i: association.confidence.get(i, 1.0) for i in seen}
