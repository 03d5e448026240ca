"""Objects that a visit shows at their old place, though the segmenter did not find them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rescene4d_ros.geometry.boxes import bounds
from rescene4d_ros.geometry.place_evidence import Place, PlaceEvidence
from rescene4d_ros.geometry.point_sets import near
from rescene4d_ros.structures import Scan
from rescene4d_ros.tracking.association.appearance import mean_color
from rescene4d_ros.tracking.observations import make_observation
from rescene4d_ros.tracking.records import LinkedObservation, ObjectRecord
from rescene4d_ros.tracking.thresholds import MIN_POINTS, SAME_SURFACE

REASON = 'its surfaces are at its old place; the segmenter found nothing there'
TRUST = 0.5  # share of the last score: the segmenter has not confirmed the class


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
    light, found = mean_color(scan), {}
    for object_id, record in sorted(records.items()):
        if object_id in linked or record.is_gone or places[object_id].place is not Place.OCCUPIED:
            continue
        low, high = bounds(record.box)
        low[2] += SAME_SURFACE  # not the floor that it stands on
        around = np.flatnonzero(
            free
            & (
                (scan.xyz > low - SAME_SURFACE * np.array([1, 1, 0]))
                & (scan.xyz < high + SAME_SURFACE)
            ).all(1)
        )
        points = around[near(record.surface.tree, scan.xyz[around], SAME_SURFACE)]
        if len(points) >= MIN_POINTS:
            free[points] = False
            observation = make_observation(
                scan,
                points,
                record.class_probs,
                TRUST * record.score,
                np.zeros(0, dtype=np.float32),
                {},
                light,
            )
            found[object_id] = LinkedObservation(observation, REASON)
    return found
