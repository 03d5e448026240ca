"""Parts of earlier visits of many rooms: what lies around a visit of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from rescene4d_ros.geometry.cloud import Cloud
from rescene4d_ros.structures import Scan
from rescene4d_ros.tracking.records import LinkedObservation, VisitFacts

AROUND = 0.5  # m; through the walls of a room, not far into the next


def part_around(newest: Scan, scan: Scan) -> tuple[Scan, Cloud, np.ndarray]:
    """
    Return what an earlier visit shows around a new one.

    Parameters
    ----------
    newest, scan : Scan
        The new visit and the earlier one, in one map.

    Returns
    -------
    part : Scan
    cloud : Cloud
        Of the same points.
    rows : ndarray (M,), int64
        Which points of the earlier visit these are, ascending.

    """
    low, high = newest.xyz.min(axis=0) - AROUND, newest.xyz.max(axis=0) + AROUND
    rows = np.flatnonzero(((scan.xyz >= low) & (scan.xyz <= high)).all(axis=1))
    part = scan.take(rows)
    return part, Cloud(part.xyz, part.sensor_path), rows


def count_in_whole_visits(facts: VisitFacts, rows: Mapping[int, np.ndarray]) -> VisitFacts:
    """
    Return facts whose discovered objects have the points of whole visits.

    Parameters
    ----------
    facts : VisitFacts
    rows : mapping of stamp to ndarray (M,), int64
        Of `part_around`, by the stamp of the visit, ns.

    """

    def whole(link: LinkedObservation, part: np.ndarray) -> LinkedObservation:
        seen = link.observation
        return replace(link, observation=replace(seen, points=part[seen.points]))

    discovered = {
        stamp_ns: {k: whole(link, rows[stamp_ns]) for k, link in linked.items()}
        if stamp_ns in rows
        else linked
        for stamp_ns, linked in facts.discovered.items()
    }
    return replace(facts, discovered=discovered)
