"""From the instances of a joint segmentation to what the newest visit shows of each object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.boxes import fit_box
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.structures import MaskSource, Scan, Segmentation
from rescene4d_ros.tracking.association.appearance import describe_color, mean_color
from rescene4d_ros.tracking.records import Observation
from rescene4d_ros.tracking.thresholds import MAX_POINTS, MIN_POINTS, POINT_SPACING


def observe(
    scan: Scan,
    segmentation: Segmentation,
    old_ids: Sequence[np.ndarray],
    came: Mapping[int, float] | None = None,
) -> list[Observation]:
    """
    Collect the instances that the newest visit shows.

    Parameters
    ----------
    scan : Scan
        The newest visit, the last stage of the segmentation.
    segmentation : Segmentation
        Of T visits; one instance is one query in all of them.
    old_ids : sequence of T - 1 ndarrays (N_t,), int64
        Persistent ids of the points of the earlier stages.
    came : mapping of instance to float, optional
        How likely geometry alone shows that an instance came, 0..1.

    Returns
    -------
    list of Observation
        Of at least `MIN_POINTS` points, by rising instance number.

    """
    newest = len(old_ids)
    votes = _votes(segmentation.labels[:newest], old_ids)
    light = mean_color(scan)
    came, found = came or {}, []
    for instance, points in _members(segmentation.labels[newest]):
        score = float(segmentation.scores[instance])
        if len(points) < MIN_POINTS:
            continue
        seen = make_observation(
            scan,
            points,
            segmentation.class_probs[instance],
            score,
            segmentation.features[instance],
            votes.get(instance, {}),
            light,
            segmentation.source_of(instance),
        )
        found.append(replace(seen, came=came[instance]) if instance in came else seen)
    return found


def make_observation(
    scan: Scan,
    points: np.ndarray,
    class_probs: np.ndarray,
    score: float,
    feature: np.ndarray,
    votes: dict[int, float],
    light: np.ndarray | None,
    source: MaskSource = MaskSource.NETWORK,
) -> Observation:
    """Describe the object that some points of a scan show; `light` is the scan's mean color."""
    xyz = scan.xyz[points]
    xyz = xyz[thin(xyz, POINT_SPACING, MAX_POINTS)]
    norm = float(np.linalg.norm(feature))
    feature = np.asarray(feature, dtype=np.float32)
    color = np.zeros(0, dtype=np.float32)
    if light is not None and scan.rgb is not None:
        color = describe_color(scan.rgb[points], light)
    return Observation(
        points,
        xyz,
        fit_box(xyz),
        np.asarray(class_probs, dtype=np.float32),
        score,
        feature / norm if norm > 0 else feature,
        color,
        votes,
        source,
    )


def join_observations(
    scan: Scan, whole: Observation, fragments: Sequence[Observation]
) -> Observation:
    """Describe an object with the fragments that belong to it."""
    points = np.sort(np.concatenate([whole.points, *(f.points for f in fragments)]))
    joined = make_observation(
        scan,
        points,
        whole.class_probs,
        whole.score,
        whole.feature,
        dict(whole.votes),
        mean_color(scan),
        whole.source,
    )
    return replace(joined, came=whole.came)


def _members(labels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (instance, point positions) for every instance of one stage, by rising number."""
    order = np.argsort(labels, kind='stable')
    names, starts = np.unique(labels[order], return_index=True)
    for name, points in zip(names, np.split(order, starts[1:])):
        if name >= 0:
            yield int(name), points


def _votes(
    labels: Sequence[np.ndarray], old_ids: Sequence[np.ndarray]
) -> dict[int, dict[int, float]]:
    """Return per instance how much of each object's old points it covers (IoU, best visit)."""
    votes: dict[int, dict[int, float]] = {}
    for instance, ids in zip(labels, old_ids):
        size_i = dict(zip(*np.unique(instance, return_counts=True)))
        size_o = dict(zip(*np.unique(ids, return_counts=True)))
        both = (instance >= 0) & (ids > 0)
        pairs, counts = np.unique(
            np.stack([instance[both].astype(np.int64), ids[both]]), axis=1, return_counts=True
        )
        for i, o, count in zip(*pairs, counts):
            share = count / (size_i[i] + size_o[o] - count)
            mine = votes.setdefault(int(i), {})
            mine[int(o)] = max(mine.get(int(o), 0.0), float(share))
    return votes
