"""All candidate changes of a memory, to which confidences are fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from rescene4d_ros.evaluation.methods import NamedSegmenter, remember
from rescene4d_ros.evaluation.observations import Observations
from rescene4d_ros.metrics.changes.change_scores import (
    ChangeCounts,
    count_changes,
    pool,
    SCORED_KINDS,
)
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.identity.identity_scores import issued_ids, IssuedIds
from rescene4d_ros.metrics.segmentation.point_overlaps import count_overlaps
from rescene4d_ros.metrics.sequences import (
    PredictedChange,
    PredictedSequence,
    states_of,
    TrueSequence,
)
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.scene.visit_window import Segmenter
from rescene4d_ros.tracking.change_confidence import ChangeEvidence, Confidence
from rescene4d_ros.tracking.settings import ChangeConfig, shipped_weights


@dataclass(frozen=True)
class StatedChanges:
    """
    Candidate changes of one sequence and the truth, without points.

    Attributes
    ----------
    changes : tuple of PredictedChange
        Including those of low confidence.
    evidence : tuple of ChangeEvidence
        Of each.
    truth : TrueSequence
        Without points.
    ids : IssuedIds
        Matched independently of the class.
    states : ndarray (G, T), int
        ObjectState.

    """

    changes: tuple[PredictedChange, ...]
    evidence: tuple[ChangeEvidence, ...]
    truth: TrueSequence
    ids: IssuedIds
    states: np.ndarray

    def count(self, confidences: Sequence[float], threshold: float = 0.0) -> ChangeCounts:
        """Compare the changes with at least a confidence with the truth."""
        stated = tuple(
            replace(change, confidence=c)
            for change, c in zip(self.changes, confidences)
            if c >= threshold
        )
        return count_changes(self.truth, _without_masks(stated), self.ids, self.states)

    def right(self) -> np.ndarray:
        """Return whether each change is correct, (C,) bool; matched by falling confidence."""
        confidences = [change.confidence for change in self.changes]
        return self.count(confidences).confidences[:, 1].astype(bool)


def collect(observations: Observations, segmenter: NamedSegmenter) -> StatedChanges:
    """
    Process a sequence with a new memory that reports every candidate change.

    Parameters
    ----------
    observations : Observations
    segmenter : Segmenter
        The observations, or a replacement such as `TrueMasks`.

    """
    evidence: list[ChangeEvidence] = []
    found = remember(observations, segmenter, partial(_reporting_all, evidence))
    truth, rules = observations.case.scored, ScoreRules(class_tolerant=True)
    overlaps = count_overlaps(truth, found)
    ids = issued_ids(truth, found, overlaps, rules)
    changes = tuple(c for c in found.changes or () if c.kind in SCORED_KINDS)
    return StatedChanges(
        changes, tuple(evidence), truth.without_points(), ids, states_of(truth, ids.is_visible)
    )


def count_crosswise(
    sequences: Sequence[StatedChanges], models: Sequence[Confidence], threshold: float
) -> ChangeCounts:
    """Count the reported changes if model k is used for the sequences k, k + len(models), ..."""
    return pool(
        [
            s.count([models[k % len(models)](e) for e in s.evidence], threshold)
            for k, s in enumerate(sequences)
        ]
    )


def judged(sequences: Sequence[StatedChanges]) -> Iterator[tuple[ChangeEvidence, bool]]:
    """Yield the evidence of every change, and whether it is correct."""
    for sequence in sequences:
        yield from zip(sequence.evidence, sequence.right().tolist())


def _reporting_all(evidence: list[ChangeEvidence], memory, segmenter: Segmenter) -> SceneTracker:
    """Return a tracker that reports every change and records its evidence."""
    model = shipped_weights().changes

    def confidence(of: ChangeEvidence) -> float:
        evidence.append(of)
        return model(of)

    return SceneTracker(
        memory, segmenter, changes=ChangeConfig(min_confidence=0.0), confidence=confidence
    )


def _without_masks(changes: tuple[PredictedChange, ...]) -> PredictedSequence:
    none = np.empty(0, dtype=np.int64)
    return PredictedSequence(none, np.zeros(1, dtype=np.int64), none, none, none, changes)
