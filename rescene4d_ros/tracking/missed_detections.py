"""Objects that a visit shows at their old place, though the segmenter did not find them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rescene4d_ros.geometry.boxes import bounds
from rescene4d_ros.geometry.neighbors import near
from rescene4d_ros.geometry.visibility import Place, PlaceEvidence, SAME_SURFACE
from rescene4d_ros.structures import Scan
from rescene4d_ros.tracking.association.appearance import mean_color
from rescene4d_ros.tracking.observations import make_observation
from rescene4d_ros.tracking.records import ObjectRecord, Observation

REASON = 'its surfaces are at its old place; the segmenter found nothing there'
TRUST = 0.5  # of the last score: nobody has looked at what it is this time


def find_overlooked(
    scan: Scan,
    records: Mapping[int, ObjectRecord],
    places: Mapping[int, PlaceEvidence],
    seen: Mapping[int, Observation],
    min_points: int,
) -> dict[int, Observation]:
    """
    Find objects again by their old surfaces alone.

    A segmenter misses things now and then. Where the same surfaces, in the same color, are seen
    at the old place and belong to nothing else, the object is still there.

    Parameters
    ----------
    scan : Scan
    records : mapping of object id to ObjectRecord
        Before the visit.
    places : mapping of object id to PlaceEvidence
    seen : mapping of object id to Observation
        What the segmenter found.
    min_points : int
        Fewer points are no evidence.

    Returns
    -------
    dict of object id to Observation
        Without feature, with half the score.

    """
    free = np.ones(len(scan), dtype=bool)
    for observation in seen.values():
        free[observation.points] = False
    light, found = mean_color(scan), {}
    for object_id, record in sorted(records.items()):
        if object_id in seen or record.is_gone or places[object_id].place is not Place.OCCUPIED:
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
        points = around[near(record.tree, scan.xyz[around], SAME_SURFACE)]
        if len(points) >= min_points:
            free[points] = False
            found[object_id] = make_observation(
                scan,
                points,
                record.class_probs,
                TRUST * record.score,
                np.zeros(0, dtype=np.float32),
                {},
                light,
            )
    return found
