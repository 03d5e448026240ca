"""Persistent ids: given to observations and points, and resolved where they became aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.structures import MaskSource, Scan
from rescene4d_ros.tracking.association.association import Association
from rescene4d_ros.tracking.duplicate_objects import fold_records
from rescene4d_ros.tracking.observations import join_observations
from rescene4d_ros.tracking.records import LinkedObservation, ObjectRecord, Observation

NEW = 'new: nothing remembered explains it'


def give_ids(
    scan: Scan,
    observations: Sequence[Observation],
    association: Association,
    next_id: int,
    birth_score: float,
) -> dict[int, LinkedObservation]:
    """
    Give linked and new observations their ids, and join the fragments of split masks.

    Parameters
    ----------
    scan : Scan
        The visit.
    observations : sequence of Observation
    association : Association
        Of these observations.
    next_id : int
        First id that no object had.
    birth_score : float
        Least score of a new object, unless it is one that changed; a known one has its past.

    Returns
    -------
    dict of object id to LinkedObservation

    """
    fragments: dict[int, list[Observation]] = {}
    for fragment, number in association.fragments.items():
        fragments.setdefault(number, []).append(observations[fragment])

    def whole(number: int) -> Observation:
        found = observations[number]
        return join_observations(scan, found, fragments[number]) if number in fragments else found

    linked = {
        link.object_id: LinkedObservation(
            whole(number),
            _with_source(link.reason, observations[number]),
            link.confidence,
            link.alternatives,
        )
        for number, link in sorted(association.links.items(), key=lambda item: item[1].object_id)
    }
    born = [
        k
        for k in association.births
        if observations[k].score >= birth_score or observations[k].source is MaskSource.CHANGE
    ]
    for object_id, number in enumerate(born, next_id):
        linked[object_id] = LinkedObservation(
            whole(number), _with_source(NEW, observations[number])
        )
    return linked


def _with_source(reason: str, seen: Observation) -> str:
    """Return why an observation got its id, with what found it unless the network did."""
    if seen.source is MaskSource.NETWORK:
        return reason
    return f'{reason}; found by: {seen.source.value}'


def use_merged_ids(
    linked: Mapping[int, LinkedObservation], merges: Mapping[int, int]
) -> dict[int, LinkedObservation]:
    """Return the observations under the ids to use; a merge settles what was ambiguous."""
    return {
        merges.get(i, i): replace(link, alternatives=()) if i in merges else link
        for i, link in linked.items()
    }


def ids_of_points(n_points: int, linked: Mapping[int, LinkedObservation]) -> np.ndarray:
    """Return the persistent id of each point (N,), int64; 0 = none."""
    object_ids = np.zeros(n_points, dtype=np.int64)
    for object_id, link in linked.items():
        object_ids[link.observation.points] = object_id
    return object_ids


def resolve(object_id: int, aliases: Mapping[int, int]) -> int:
    """Return the id to use for one that may be an alias of an alias."""
    while object_id in aliases:
        object_id = aliases[object_id]
    return object_id


def resolve_labels(labels: np.ndarray, aliases: Mapping[int, int]) -> np.ndarray:
    """Return labels (N,) int64 with the ids to use in the place of aliases."""
    resolved = labels.copy()
    for alias_id in aliases:
        resolved[labels == alias_id] = resolve(alias_id, aliases)
    return resolved


def resolve_records(
    records: Mapping[int, ObjectRecord], aliases: Mapping[int, int]
) -> dict[int, ObjectRecord]:
    """Return records of a time before some ids became aliases, under the ids to use."""
    resolved = dict(records)
    for alias_id in sorted(set(records) & set(aliases), reverse=True):
        object_id, record = resolve(alias_id, aliases), resolved.pop(alias_id)
        resolved[object_id] = (
            fold_records(resolved[object_id], record)
            if object_id in resolved
            else replace(record, object_id=object_id)
        )
    return dict(sorted(resolved.items()))
