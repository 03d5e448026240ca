"""The scene as shapes: boxes, labels, points of objects, and changes of the newest visit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.errors import RescenError
from rescene4d_ros.node.markers.labels import choose_texts, LABEL_HEIGHT
from rescene4d_ros.node.markers.shapes import arrow, box_lines, readable, Shape, sign, triples
from rescene4d_ros.structures import Change, ChangeKind, ObjectState, Scan, SceneObject
from rescene4d_ros.structures.colors import color_of, unit_rgb
from visualization_msgs.msg import Marker

BOXES, LABELS, POINTS, CHANGES = 'boxes', 'labels', 'points', 'changes'
INT32_MAX = 2**31 - 1
POINT_SIZE = 0.02  # m
OPACITY = {ObjectState.PRESENT: 0.9, ObjectState.NOT_OBSERVED: 0.7, ObjectState.UNKNOWN: 0.5}
ABSENT_OPACITY, LEAST_OPACITY, OPACITY_STEP = 0.8, 0.1, 0.1
HALF_LIFE_NS = 7 * 86_400 * 10**9  # in which the box of an absent object loses half its opacity
ORDER = (ObjectState.PRESENT, ObjectState.NOT_OBSERVED, ObjectState.UNKNOWN, ObjectState.ABSENT)
NOT_DRAWN = (ChangeKind.UNKNOWN, ChangeKind.MERGED)  # no place differs

Key = tuple[str, int]  # namespace and id of a marker


@dataclass(frozen=True)
class NewestVisit:
    """
    Hold what is drawn of the newest visit.

    Attributes
    ----------
    stamp_ns : int
        What the age of absent objects refers to.
    changes : sequence of Change
        Of this visit.
    scan : Scan or None
        Its N points; None where they are lost.
    object_ids : ndarray (N,), int64, or None
        Persistent id of each point; 0 = none.

    """

    stamp_ns: int = 0
    changes: Sequence[Change] = ()
    scan: Scan | None = None
    object_ids: np.ndarray | None = None


def namespace(layer: str, kind: ObjectState | ChangeKind) -> str:
    """Return the namespace of a layer, such as `absent/boxes` or `changes/moved`."""
    name = kind.name.lower()
    return f'{layer}/{name}' if isinstance(kind, ChangeKind) else f'{name}/{layer}'


def namespaces() -> list[str]:
    """Return all namespaces, as RViz lists them for filtering."""
    layers = [namespace(layer, state) for state in ORDER for layer in (BOXES, LABELS)]
    return [
        *layers,
        namespace(POINTS, ObjectState.PRESENT),
        *(namespace(CHANGES, k) for k in ChangeKind if k not in NOT_DRAWN),
    ]


def object_shapes(objects: Sequence[SceneObject], newest: NewestVisit) -> dict[Key, Shape]:
    """
    Return boxes and labels of remembered objects, and the changes of the newest visit.

    Parameters
    ----------
    objects : sequence of SceneObject
    newest : NewestVisit

    Returns
    -------
    dict of (str, int) -> Shape

    Raises
    ------
    RescenError
        An id does not fit a marker's int32.

    """
    shapes: dict[Key, Shape] = {}
    for item in objects:
        _check_id(item.object_id)
        lines = box_lines(item.box, item.state, item.object_id, _opacity(item, newest.stamp_ns))
        shapes[namespace(BOXES, item.state), item.object_id] = lines
    shapes |= _labels(objects, {change.object_id for change in newest.changes})
    for change in newest.changes:
        _check_id(change.object_id)
        shape = _change(change)
        if shape is not None:
            shapes[namespace(CHANGES, change.kind), change.object_id] = shape
    return shapes


def point_shapes(wanted: Iterable[int], newest: NewestVisit, max_points: int) -> dict[Key, Shape]:
    """Return the points of some objects in the newest visit, at most `max_points` of each."""
    wanted = sorted(wanted)
    if newest.scan is None or newest.object_ids is None or not max_points or not wanted:
        return {}
    ids = np.asarray(newest.object_ids)
    mine = np.flatnonzero(np.isin(ids, wanted))
    mine = mine[np.argsort(ids[mine], kind='stable')]
    found, starts = np.unique(ids[mine], return_index=True)
    shapes = {}
    for object_id, own in zip(found.tolist(), np.split(mine, starts[1:]), strict=False):
        own = own[:: -(-len(own) // max_points)]
        rgba = (*unit_rgb(color_of(object_id)), 1.0)
        xyz = newest.scan.xyz[own].astype(np.float64)
        shapes[namespace(POINTS, ObjectState.PRESENT), object_id] = Shape(
            Marker.POINTS, rgba, (POINT_SIZE, POINT_SIZE, 0.0), triples(xyz)
        )
    return shapes


def _check_id(object_id: int) -> None:
    if object_id > INT32_MAX:
        raise RescenError(
            f'expected object ids up to {INT32_MAX} in markers, got {object_id}; '
            'read ~/objects instead'
        )


def _opacity(item: SceneObject, now_ns: int) -> float:
    if item.state != ObjectState.ABSENT:
        return OPACITY[item.state]
    halvings = max(0, now_ns - item.last_seen_ns) / HALF_LIFE_NS
    # In steps, so that a box is not sent again for a shade that nobody sees.
    steps = round(ABSENT_OPACITY * 0.5**halvings / OPACITY_STEP)
    return max(LEAST_OPACITY, steps * OPACITY_STEP)


def _labels(objects: Sequence[SceneObject], changed: set[int]) -> dict[Key, Shape]:
    """Return labels; where there is no room, those of changed and of present objects stay."""
    ranked = sorted(
        objects, key=lambda o: (o.object_id not in changed, ORDER.index(o.state), o.object_id)
    )
    positions = np.array(
        [np.add(o.box.center, (0, 0, o.box.size[2] / 2 + LABEL_HEIGHT)) for o in ranked]
    ).reshape(-1, 3)
    chosen = choose_texts(positions, [_texts(item) for item in ranked])
    return {
        (namespace(LABELS, item.state), item.object_id): Shape(
            Marker.TEXT_VIEW_FACING,
            (*unit_rgb(readable(color_of(item.object_id))), 1.0),
            (0.0, 0.0, LABEL_HEIGHT),
            position=(float(at[0]), float(at[1]), float(at[2])),
            text=text,
        )
        for item, at, text in zip(ranked, positions, chosen, strict=True)
        if text
    }


def _texts(item: SceneObject) -> tuple[str, ...]:
    short = f'#{item.object_id}'
    plain = f'{item.name or item.class_name} {short}'
    if item.state == ObjectState.PRESENT:
        return plain, short
    return f'{plain} ({item.state.name.lower().replace("_", " ")})', plain, short


def _change(change: Change) -> Shape | None:
    if change.kind == ChangeKind.MOVED and change.before and change.after:
        return arrow(change.before, change.after)
    box = change.before if change.kind == ChangeKind.REMOVED else change.after
    if box is None or change.kind in (*NOT_DRAWN, ChangeKind.MOVED):
        return None
    return sign(change.kind, box)
