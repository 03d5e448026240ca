"""What the memory knows as plain JSON documents, for programs of others."""

from __future__ import annotations

from collections.abc import Sequence
import json
from pathlib import Path

from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.structures import Box, Change, MemorySnapshot


def objects_document(snapshot: MemorySnapshot) -> dict:
    """
    Return map, visits and objects as values that `json` writes.

    Lengths in m, angles in rad, times in ns since the Unix epoch, everything in `frame_id`, less
    `origin`, which was subtracted from coordinates far from zero.
    Visits are ordered by stamp, objects by id: equal memories give equal documents.
    `alternatives` are look-alikes that the object's latest observation may as well be; empty
    where the link is not ambiguous. `aliases` are ids that proved to be other ones.

    """
    return {
        'map_id': snapshot.map_id,
        'frame_id': snapshot.frame_id,
        'origin': list(snapshot.origin),
        'revision': snapshot.revision,
        'classes': list(snapshot.class_names),
        'visits': [
            {
                'visit_id': visit.visit_id,
                'stamp_ns': visit.stamp_ns,
                'name': visit.name,
                'status': visit.status.name,
            }
            for visit in sorted(snapshot.visits, key=lambda v: v.stamp_ns)
        ],
        'aliases': [
            {'object_id': alias, 'is_now': object_id} for alias, object_id in snapshot.aliases
        ],
        'objects': [
            {
                'object_id': item.object_id,
                'class': item.class_name,
                'class_id': item.class_id,
                'score': float(item.score),
                'state': item.state.name,
                'box': _box(item.box),
                'first_seen_ns': item.first_seen_ns,
                'last_seen_ns': item.last_seen_ns,
                'last_confirmed_absent_ns': item.last_confirmed_absent_ns,
                'states': [
                    {'visit_id': visit_id, 'state': state.name} for visit_id, state in item.states
                ],
                'moved_m': float(item.moved_m),
                'link_reason': item.link_reason,
                'alternatives': list(item.alternatives),
            }
            for item in sorted(snapshot.objects, key=lambda o: o.object_id)
        ],
    }


def changes_document(snapshot: MemorySnapshot, changes: Sequence[Change]) -> dict:
    """
    Return changes as values that `json` writes, ordered by the visit's stamp, then object.

    `after_T_before` is a list of four rows and takes points of the old place to the new one.

    """
    when = {visit.visit_id: visit.stamp_ns for visit in snapshot.visits}
    ordered = sorted(changes, key=lambda c: (when.get(c.visit_id, 0), c.object_id, c.kind))
    return {
        'map_id': snapshot.map_id,
        'frame_id': snapshot.frame_id,
        'revision': snapshot.revision,
        'changes': [
            {
                'visit_id': change.visit_id,
                'kind': change.kind.name,
                'object_id': change.object_id,
                'other_id': change.other_id,
                'class': change.class_name,
                'confidence': float(change.confidence),
                'before': _box(change.before),
                'after': _box(change.after),
                'after_T_before': None
                if change.after_T_before is None
                else change.after_T_before.tolist(),
                'evidence_before_ns': change.evidence_before_ns,
                'evidence_after_ns': change.evidence_after_ns,
            }
            for change in ordered
        ],
    }


def write_documents(
    folder: Path, snapshot: MemorySnapshot, changes: Sequence[Change]
) -> tuple[Path, ...]:
    """
    Write objects.json and changes.json of a memory, so that programs find each of them whole.

    Returns
    -------
    tuple of Path
        Of the files.

    Raises
    ------
    OSError
        The disk refused.

    """
    documents = {
        folder / 'objects.json': objects_document(snapshot),
        folder / 'changes.json': changes_document(snapshot, changes),
    }
    for path, document in documents.items():
        with atomic_write(path) as file:
            file.write(json.dumps(document, indent=1).encode() + b'\n')
    return tuple(documents)


def _box(box: Box | None) -> dict | None:
    """Return a box by its numbers."""
    if box is None:
        return None
    return {
        'center': list(box.center),
        'size': list(box.size),
        'yaw': float(box.yaw),
        'quaternion_xyzw': list(box.quaternion_xyzw),
    }
