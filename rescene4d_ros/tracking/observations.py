"""From the instances of a joint segmentation to what the newest visit shows of each object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.boxes import bounds, fit_box
from rescene4d_ros.geometry.cloud import Strips
from rescene4d_ros.geometry.place_evidence import Place, PlaceEvidence
from rescene4d_ros.geometry.point_sets import near, thin
from rescene4d_ros.geometry.surface import Surface
from rescene4d_ros.structures import Box, MaskSource, Scan, Segmentation
from rescene4d_ros.tracking.association.appearance import describe_color
from rescene4d_ros.tracking.records import LinkedObservation, ObjectRecord, Observation
from rescene4d_ros.tracking.thresholds import MAX_POINTS, MIN_POINTS, POINT_SPACING, SAME_SURFACE

# Of objects that the segmenter did not find.
REASON = 'its surfaces are at its old place; the segmenter found nothing there'
TRUST = 0.5  # share of the score of another visit: the segmenter found nothing in this one


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
    source: MaskSource = MaskSource.NETWORK,
) -> Observation:
    """Describe the object that some points of a scan show."""
    xyz = scan.xyz[points]
    light = scan.mean_color if scan.local_light is None else scan.local_light.around(xyz)
    xyz = xyz[thin(xyz, POINT_SPACING, MAX_POINTS)]
    norm = float(np.linalg.norm(feature))
    feature = np.asarray(feature, dtype=np.float32)
    color = np.zeros(0, dtype=np.float32)
    if scan.rgb is not None and light is not None:
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
        whole.source,
    )
    return replace(joined, came=whole.came)


def points_on_surface(
    scan: Scan, strips: Strips, free: np.ndarray, box: Box, surface: Surface
) -> np.ndarray:
    """
    Return which points of a scan lie on the surface of an object.

    Parameters
    ----------
    scan : Scan
    strips : Strips
        Of its points.
    free : ndarray (N,), bool
        Points that may be taken.
    box : Box
        Of the object; what lies below it, as the floor that it stands on, is left out.
    surface : Surface
        Of the object, m, in map.

    Returns
    -------
    ndarray (M,), int64, ascending

    """
    low, high = bounds(box)
    low[2] += SAME_SURFACE
    margin = SAME_SURFACE * np.array([1, 1, 0])
    rows = strips.rows(low - margin, high + SAME_SURFACE)
    xyz = scan.xyz[rows]
    inside = ((xyz > low - margin) & (xyz < high + SAME_SURFACE)).all(axis=1)
    around = rows[free[rows] & inside]
    return around[near(surface.tree, scan.xyz[around], SAME_SURFACE)]


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


def recover_missed(
    scan: Scan,
    records: Mapping[int, ObjectRecord],
    places: Mapping[int, PlaceEvidence],
    linked: Mapping[int, LinkedObservation],
) -> dict[int, LinkedObservation]:
    """
    Find objects again by their old surfaces alone.

    A segmenter misses objects now and then. Where the same surfaces, in the same color, are seen
    at the old place and belong to nothing else, the object is still there.

    Parameters
    ----------
    scan : Scan
    records : mapping of object id to ObjectRecord
        Before the visit.
    places : mapping of object id to PlaceEvidence
    linked : mapping of object id to LinkedObservation
        What the segmenter found.

    Returns
    -------
    dict of object id to LinkedObservation
        Of at least `MIN_POINTS` points, without feature, with half the score.

    """
    free = np.ones(len(scan), dtype=bool)
    for link in linked.values():
        free[link.observation.points] = False
    found = {}
    strips = None
    for object_id, record in sorted(records.items()):
        if object_id in linked or record.is_gone or places[object_id].place is not Place.OCCUPIED:
            continue
        strips = strips or Strips(scan.xyz)
        points = points_on_surface(scan, strips, free, record.box, record.surface)
        if len(points) >= MIN_POINTS:
            free[points] = False
            observation = make_observation(
                scan,
                points,
                record.class_probs,
                TRUST * record.score,
                np.zeros(0, dtype=np.float32),
                {},
            )
            found[object_id] = LinkedObservation(observation, REASON)
    return found
