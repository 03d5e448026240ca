"""Ids that proved to be others: which one to use, in labels and records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from rescene4d_ros.tracking.record_update import fold_records
from rescene4d_ros.tracking.records import ObjectRecord


def resolve(object_id: int, aliases: Mapping[int, int]) -> int:
    """Return the id to use for one that may be an alias of an alias."""
    while object_id in aliases:
        object_id = aliases[object_id]
    return object_id


def resolve_labels(labels: np.ndarray, aliases: Mapping[int, int]) -> np.ndarray:
    """Return labels (N,) int64 with the ids to use in the place of aliases."""
    resolved = labels.copy()
    for young in aliases:
        resolved[labels == young] = resolve(young, aliases)
    return resolved


def resolve_records(
    records: Mapping[int, ObjectRecord], aliases: Mapping[int, int]
) -> dict[int, ObjectRecord]:
    """Return records of a time before some ids became aliases, under the ids to use."""
    resolved = dict(records)
    for young in sorted(set(records) & set(aliases), reverse=True):
        old, record = resolve(young, aliases), resolved.pop(young)
        resolved[old] = (
            fold_records(resolved[old], record)
            if old in resolved
            else replace(record, object_id=old)
        )
    return dict(sorted(resolved.items()))
