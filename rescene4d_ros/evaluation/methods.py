"""The compared methods: from the observations of one sequence to ids and changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np
from rescene4d_ros.evaluation.baselines import (
    changes_by_presence,
    link_by_average,
    link_by_class,
    link_by_place,
    link_by_query,
    link_by_truth,
    link_pairwise,
)
from rescene4d_ros.evaluation.linking import linked_sequence, VisitMasks
from rescene4d_ros.evaluation.observations import Observations
from rescene4d_ros.evaluation.published_method import published
from rescene4d_ros.evaluation.region_changes import changes_by_regions
from rescene4d_ros.evaluation.true_masks import TrueMasks
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.identity.visit_matching import match_visit
from rescene4d_ros.metrics.sequences import predicted_sequence, PredictedSequence
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.scene.visit_window import Segmenter
from rescene4d_ros.structures import Segmentation
from rescene4d_ros.tracking.settings import TrackerConfig

Method = Callable[[Observations], PredictedSequence]
Linked = tuple[list[VisitMasks], list[np.ndarray]]  # masks and their ids, per visit
SAME_OVERLAP = 0.5  # overlap in the shared visit of two windows


def joint(observations: Observations) -> Linked:
    """Segment windows of visits together; ids continue through shared visits."""
    masks, ids, n_ids = [], [], 0
    shared = np.empty(0, dtype=np.int64)
    for first, end in windows(len(observations.scans), observations.config.window):
        found = observations.window(first, end)
        names = np.arange(n_ids, n_ids + len(found)) + 1
        n_ids += len(found)
        if first > 0:
            for known, instance in match_visit(shared, found.labels[0] + 1, SAME_OVERLAP).items():
                names[instance - 1] = known
        for t in range(first + (first > 0), end):  # a shared visit belongs to the first window
            masks.append(observations.masks_of(found, t, t - first))
            ids.append(names[shown(found, t - first)])
        shared = np.append(names, 0)[found.labels[-1]]
    return masks, ids


def windows(n_visits: int, most: int) -> Iterator[tuple[int, int]]:
    """
    Yield first visit and end of windows that share one visit each.

    Parameters
    ----------
    n_visits : int
        At least 1.
    most : int
        Visits of a window, at least 2; 0 = all.

    """
    first, end = 0, min(most or n_visits, n_visits)
    yield first, end
    while end < n_visits:
        first, end = end - 1, min(end - 1 + most, n_visits)
        yield first, end


def stacked(observations: Observations) -> Linked:
    """Segment all visits as one cloud: one instance is one object."""
    found = observations.stacked()
    places = range(len(found.labels))
    return (
        [observations.masks_of(found, t, t) for t in places],
        [shown(found, t) + 1 for t in places],
    )


class NamedSegmenter(Segmenter, Protocol):
    """A segmenter that says what its classes are called."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the name of each class."""


def query_index(observations: Observations) -> Linked:
    """Use the number of the query as the id, each visit segmented alone."""
    singles = observations.singles()
    queries = [_queries(single)[shown(single, 0)] for single in singles]
    fresh = max((int(q.max(initial=-1)) for q in queries), default=-1) + 1
    for numbers in queries:
        _, first = np.unique(numbers, return_index=True)
        again = np.setdiff1d(np.arange(len(numbers)), first)  # a second part of the same query
        numbers[again] = fresh + np.arange(len(again))
        fresh += len(again)
    return observations.single_masks(), link_by_query(queries)


def _queries(segmentation: Segmentation) -> np.ndarray:
    """Return the query of each instance, which a network's segmentation always names."""
    if segmentation.queries is None:
        raise ValueError(
            'query_index: expected instances that name their queries, got none; leave this '
            'method out for masks that no network made'
        )
    return segmentation.queries


def shown(segmentation: Segmentation, visit: int) -> np.ndarray:
    """Return the instances with points in a visit, in the order of `visit_masks`."""
    label = segmentation.labels[visit]
    return np.unique(label[label >= 0])


def remember(
    observations: Observations,
    segmenter: NamedSegmenter,
    make_tracker: Callable[[SceneMemory, Segmenter], SceneTracker] | None = None,
    sensor_path: bool = True,
) -> PredictedSequence:
    """
    Process the visits with a new memory, as the node does.

    Classes are those of the final memory; the score is the mean over the points. Without the
    sensor path the memory knows of it as little as of clouds that do not carry it.
    """
    scans = observations.scans
    if not sensor_path:
        scans = tuple(replace(scan, sensor_path=None) for scan in scans)
    with (
        TemporaryDirectory(dir=observations.workspace) as folder,
        SceneMemory.open(
            Path(folder) / 'memory', 'comparison', scans[0].frame_id, segmenter.class_names
        ) as memory,
    ):
        if make_tracker is None:
            config = TrackerConfig(
                window=observations.config.tracker_window,
                use_regions=observations.config.use_regions,
            )
            tracker = SceneTracker(memory, segmenter, config)
        else:
            tracker = make_tracker(memory, segmenter)
        updates = [tracker.add_visit(scan) for scan in scans]
        objects, changes = memory.snapshot().objects, memory.changes()
        # What later visits made known of earlier ones is only in the memory.
        labels = [
            np.where(u.object_ids > 0, u.object_ids, memory.labels(u.visit.visit_id))
            for u in updates
        ]
    flat = np.concatenate([u.object_ids for u in updates])
    ids = np.array([o.object_id for o in objects], dtype=np.int64)
    top = int(max(flat.max(initial=0), ids.max(initial=0)))
    count = np.bincount(flat, minlength=top + 1)[ids]
    total = np.bincount(flat, np.concatenate([u.scores for u in updates]), minlength=top + 1)[ids]
    last = np.array([o.score for o in objects])
    return predicted_sequence(
        labels,
        ids,
        [o.class_id for o in objects],
        np.where(count > 0, total / np.maximum(count, 1), last),
        changes,
        [u.visit.visit_id for u in updates],
    )


def _linked(found: Callable[[Observations], Linked]) -> Method:
    """Make a prediction of linked masks, with changes derived from presence and position."""

    def predict(observations: Observations) -> PredictedSequence:
        masks, ids = found(observations)
        return linked_sequence(
            masks, ids, [len(scan) for scan in observations.scans], changes_by_presence(masks, ids)
        )

    return predict


def _over_singles(link: Callable[[Sequence[VisitMasks]], list[np.ndarray]]) -> Method:
    """Make a method of a function that links masks of single visits."""

    def found(observations: Observations) -> Linked:
        masks = observations.single_masks()
        return masks, link(masks)

    return _linked(found)


def _oracle_link(observations: Observations) -> Linked:
    masks = observations.single_masks()
    return masks, link_by_truth(masks, observations.case.scored, ScoreRules())


def _memory(observations: Observations, sensor_path: bool = True) -> PredictedSequence:
    return remember(observations, observations, sensor_path=sensor_path)


def _memory_oracle_masks(
    observations: Observations, sensor_path: bool = True
) -> PredictedSequence:
    case = observations.case
    masks = TrueMasks(case.sequence, case.truth)
    return remember(observations, masks, sensor_path=sensor_path)


METHODS: dict[str, Method] = {
    'joint': _linked(joint),
    'per_visit_semantic': _over_singles(link_by_class),
    'per_visit_geometric': _over_singles(link_by_place),
    'stacked': _linked(stacked),
    'pairwise': _over_singles(link_pairwise),
    'ema': _over_singles(link_by_average),
    'query_index': _linked(query_index),
    'oracle_link': _linked(_oracle_link),
    'change_regions': lambda seen: changes_by_regions(seen.scans),
    'memory': _memory,
    'memory_without_path': partial(_memory, sensor_path=False),
    'memory_oracle_masks': _memory_oracle_masks,
    'memory_oracle_masks_without_path': partial(_memory_oracle_masks, sensor_path=False),
}


# Only on request: their masks overlap, so identities are not comparable.
MORE_METHODS: dict[str, Method] = {'published': published}
ALL_METHODS = METHODS | MORE_METHODS


def run_method(name: str, observations: Observations) -> tuple[PredictedSequence, float]:
    """Predict one sequence; return also the seconds from points to ids, as if it ran alone."""
    return observations.charge(ALL_METHODS[name])
