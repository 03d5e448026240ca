"""Observations of one sequence for the compared methods, computed once and on demand."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rescene4d_ros.evaluation.config import ComparisonConfig
from rescene4d_ros.evaluation.linking import visit_masks, VisitMasks
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.metrics.segmentation.temporal_similarity import (
    instance_similarity,
    InstanceSimilarity,
    NOT_COMPARABLE,
)
from rescene4d_ros.metrics.sequences import TrueSequence
from rescene4d_ros.structures import Prediction, Scan, ScanSequence, Segmentation
from rescene4d_ros.structures.truth import SequenceTruth


@dataclass(frozen=True)
class Case:
    """
    One sequence with its truth.

    Attributes
    ----------
    sequence : ScanSequence
    truth : SequenceTruth
        Truth of the data set.
    scored : TrueSequence
        The same truth in the form of the scores.
    superpoint : tuple of T ndarrays (N_t,), int, or None
        Superpoints of the data set, where the file has them.

    """

    sequence: ScanSequence
    truth: SequenceTruth
    scored: TrueSequence
    superpoint: tuple[np.ndarray, ...] | None = None


T = TypeVar('T')
ENCODING, MASKS = 'encoding', 'masks'


class Observations:
    """
    Segment one sequence for all methods; shared results are computed once.

    The network encodes each visit once, also for windows and for the memory, and segments each set
    of visits once. The time of a method includes all results that it used, as if it ran alone.

    Attributes
    ----------
    case : Case
    config : ComparisonConfig
    workspace : Path
        Existing folder for memories; they are removed after use.

    """

    def __init__(
        self,
        case: Case,
        segmenter: Segmenter,
        config: ComparisonConfig,
        workspace: Path,
        clock: Callable[[], float],
    ):
        self.case, self.config, self.workspace = case, config, workspace
        self.class_names = segmenter.class_names
        self.network_classes = segmenter.network_classes
        self._segmenter = segmenter
        self._clock = clock
        self._made: dict[Hashable, tuple[Any, float]] = {}  # result and seconds
        self._used: set[Hashable] = set()
        self._owed = 0.0
        self._stage = {scan.stamp_ns: t for t, scan in enumerate(self.scans)}
        segmenter.tune(replace(segmenter.config, cache_visits=len(self.scans)))

    @property
    def scans(self) -> tuple[Scan, ...]:
        """Return the T visits."""
        return self.case.sequence.scans

    def charge(self, use: Callable[[Observations], T]) -> tuple[T, float]:
        """
        Use a result and account for its time.

        Returns
        -------
        result
            Of `use`.
        seconds : float
            Time of the result, including used results that were computed before.

        """
        self._used, self._owed = set(), 0.0
        start = self._clock()
        result = use(self)
        return result, self._clock() - start + self._owed

    def singles(self) -> tuple[Segmentation, ...]:
        """Return T segmentations, of each visit alone."""
        return tuple(self.window(t, t + 1) for t in range(len(self.scans)))

    def single_masks(self) -> list[VisitMasks]:
        """Return the masks of each visit alone."""
        singles = self.singles()
        return self._once(MASKS, lambda: [self.masks_of(s, t) for t, s in enumerate(singles)])

    def masks_of(self, segmentation: Segmentation, visit: int, place: int = 0) -> VisitMasks:
        """Return the masks of one visit of a segmentation."""
        return visit_masks(segmentation, self.scans[visit].xyz, self.config.cell, place)

    def window(self, first: int, end: int) -> Segmentation:
        """Segment the visits `first` to `end - 1` together."""
        return self._together(tuple(range(first, end)))

    def segment(self, scans: Sequence[Scan], keys: Sequence[Hashable]) -> Segmentation:
        """Segment visits of this sequence for the memory, which has its own `keys`."""
        return self._together(tuple(self._stage[s.stamp_ns] for s in scans))

    def _together(self, stages: tuple[int, ...]) -> Segmentation:
        """Segment a set of visits of the sequence together."""
        scans = [self.scans[t] for t in stages]
        for t, scan in zip(stages, scans):
            self._once((ENCODING, t), partial(self._segmenter.encode, [scan], self._keys([t])))
        return self._once(stages, lambda: self._segmenter.segment(scans, self._keys(stages)))

    def _once(self, name: Hashable, compute: Callable[[], T]) -> T:
        """Return a cached result, and account for its time once per method."""
        if name not in self._made:
            start = self._clock()
            made = compute()
            self._made[name] = made, self._clock() - start
        elif name not in self._used:
            self._owed += self._made[name][1]
        self._used.add(name)
        return self._made[name][0]

    def raw(self) -> Prediction:
        """Return the queries of all visits together, on the superpoints of the data set."""
        return self._once(
            'raw', lambda: self._segmenter.predict(self.scans, superpoint=self.case.superpoint)
        )

    def similarity(self) -> InstanceSimilarity:
        """
        Return how alike the features of true instances are in visits 0 and 1.

        The network sees these two visits, on the superpoints of the data set where the file has
        them. Of one visit, or of visits without points, there are no instances to compare.
        """
        if len(self.scans) < 2:
            return NOT_COMPARABLE
        given = self.case.superpoint
        found = self._segmenter.predict(
            self.scans[:2],
            self._keys((0, 1)) if given is None else None,
            None if given is None else given[:2],
        )
        if found.superpoint_features is None:
            return NOT_COMPARABLE
        n_probs = found.class_probs.shape[1]  # they follow the features
        return instance_similarity(
            [known[:, :-n_probs] for known in found.superpoint_features],
            found.superpoint,
            self.case.scored,
        )

    def stacked(self) -> Segmentation:
        """Segment the points of all visits as one visit, then separate the visits."""
        whole = self._segmenter.segment([stack(self.scans)])
        ends = np.cumsum([len(scan) for scan in self.scans])[:-1]
        labels = []
        for label in np.split(whole.labels[0], ends):
            label, least = label.copy(), self._segmenter.config.min_points
            few = np.flatnonzero(np.bincount(label[label >= 0], minlength=len(whole)) < least)
            label[np.isin(label, few)] = -1
            labels.append(label)
        return replace(
            whole, labels=tuple(labels), point_scores=tuple(np.split(whole.point_scores[0], ends))
        )

    def _keys(self, stages: Sequence[int]) -> list[tuple[str, int]]:
        return [(self.case.sequence.name, t) for t in stages]


def stack(scans: Sequence[Scan]) -> Scan:
    """Return the points of several visits as one scan, with their common properties."""

    def joined(field: str) -> np.ndarray | None:
        values = [getattr(scan, field) for scan in scans]
        return None if any(v is None for v in values) else np.concatenate(values)

    return Scan(
        np.concatenate([scan.xyz for scan in scans]),
        scans[-1].stamp_ns,
        joined('rgb'),
        joined('normals'),
        joined('sensor_path'),
        scans[0].frame_id,
        'all visits',
    )
