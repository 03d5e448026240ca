"""Rows of the tables to the structures that travel, and back."""

from __future__ import annotations

from collections.abc import Iterable
import json
import zlib

import numpy as np
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState, VisitInfo, VisitStatus
from rescene4d_ros.tracking.records import ObjectRecord, Observation


def encode_array(array: np.ndarray) -> bytes:
    """Return float32 values as little-endian bytes, exactly."""
    return np.ascontiguousarray(array, dtype='<f4').tobytes()


def decode_array(data: bytes, *shape: int) -> np.ndarray:
    """Return the float32 values of `encode_array` as an array that may be written."""
    return np.frombuffer(data, dtype='<f4').astype(np.float32).reshape(shape or (-1,))


def encode_labels(object_ids: np.ndarray) -> bytes:
    """Return one id per point, packed: neighbors mostly share an id."""
    return zlib.compress(np.ascontiguousarray(object_ids, dtype='<i8').tobytes(), 1)


def decode_labels(data: bytes) -> np.ndarray:
    """Return the ids (N,) int64 of `encode_labels`."""
    return np.frombuffer(zlib.decompress(data), dtype='<i8').astype(np.int64)


def encode_ids(ids: Iterable[int]) -> str:
    """Return ids as JSON."""
    return json.dumps([int(i) for i in ids])


def decode_ids(text: str) -> tuple[int, ...]:
    """Return the ids of `encode_ids`."""
    return tuple(json.loads(text))


def encode_box(box: Box | None) -> str | None:
    """Return a box as JSON numbers: center, size, yaw; these are read back exactly."""
    return None if box is None else json.dumps([*map(float, (*box.center, *box.size, box.yaw))])


def decode_box(text: str | None) -> Box | None:
    """Return the box of `encode_box`."""
    if text is None:
        return None
    values = json.loads(text)
    return Box(tuple(values[:3]), tuple(values[3:6]), values[6])


def visit_info(row) -> VisitInfo:
    """Return a row of `visits` as VisitInfo."""
    return VisitInfo(row.visit_id, row.stamp_ns, VisitStatus(row.status), row.name, row.n_points)


def record_row(record: ObjectRecord) -> dict:
    """Return the row of `objects`."""
    return {
        'object_id': record.object_id,
        'state': int(record.state),
        'is_gone': int(record.is_gone),
        'score': float(record.score),
        'box': encode_box(record.box),
        'first_seen_ns': record.first_seen_ns,
        'last_seen_ns': record.last_seen_ns,
        'last_confirmed_absent_ns': record.last_confirmed_absent_ns,
        'n_observations': record.n_observations,
        'moved_m': record.moved_m,
        'link_reason': record.link_reason,
        'class_probs': encode_array(record.class_probs),
        'feature': encode_array(record.feature),
        'color': encode_array(record.color),
        'xyz': encode_array(record.xyz),
        'alternatives': encode_ids(record.alternatives),
    }


def object_record(row) -> ObjectRecord:
    """Return a row of `objects` as ObjectRecord."""
    return ObjectRecord(
        row.object_id,
        ObjectState(row.state),
        bool(row.is_gone),
        row.score,
        decode_box(row.box),
        row.first_seen_ns,
        row.last_seen_ns,
        row.last_confirmed_absent_ns,
        row.n_observations,
        row.moved_m,
        row.link_reason,
        decode_array(row.class_probs),
        decode_array(row.feature),
        decode_array(row.color),
        decode_array(row.xyz, -1, 3),
        decode_ids(row.alternatives),
    )


def observation_row(
    visit_id: int, object_id: int, seen: Observation, reason: str, alternatives: tuple[int, ...]
) -> dict:
    """Return the row of `observations`."""
    return {
        'visit_id': visit_id,
        'object_id': object_id,
        'n_points': len(seen.points),
        'score': float(seen.score),
        'box': encode_box(seen.box),
        'link_reason': reason,
        'class_probs': encode_array(seen.class_probs),
        'feature': encode_array(seen.feature),
        'color': encode_array(seen.color),
        'alternatives': encode_ids(alternatives),
    }


def change_row(revision: int, change: Change) -> dict:
    """Return the row of `changes`."""
    motion = change.after_T_before
    return {
        'revision': revision,
        'visit_id': change.visit_id,
        'kind': int(change.kind),
        'object_id': change.object_id,
        'other_id': change.other_id,
        'class_name': change.class_name,
        'confidence': float(change.confidence),
        'before': encode_box(change.before),
        'after': encode_box(change.after),
        'after_t_before': None if motion is None else json.dumps(np.asarray(motion).tolist()),
        'evidence_before_ns': change.evidence_before_ns,
        'evidence_after_ns': change.evidence_after_ns,
    }


def change_of(row) -> Change:
    """Return a row of `changes` as Change."""
    motion = row.after_t_before
    return Change(
        ChangeKind(row.kind),
        row.object_id,
        row.class_name,
        row.confidence,
        row.visit_id,
        decode_box(row.before),
        decode_box(row.after),
        None if motion is None else np.array(json.loads(motion), dtype=np.float64),
        row.evidence_before_ns,
        row.evidence_after_ns,
        row.other_id,
    )
