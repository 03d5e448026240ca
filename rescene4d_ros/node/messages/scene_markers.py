"""The scene as markers: boxes, labels, points and changes, of which those are sent that differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.errors import RescenError
from rescene4d_ros.node.messages.marker_shapes import (
    box_lines,
    change_shape,
    choose_texts,
    Key,
    LABEL_HEIGHT,
    label_texts,
    marker_of,
    NOT_DRAWN,
    readable,
    Shape,
    triples,
)
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState, Scan, SceneObject
from rescene4d_ros.structures.colors import color_of, unit_rgb
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

BOXES, LABELS, POINTS, CHANGES = 'boxes', 'labels', 'points', 'changes'
INT32_MAX = 2**31 - 1
POINT_SIZE = 0.02  # m
OPACITY = {ObjectState.PRESENT: 0.9, ObjectState.NOT_OBSERVED: 0.7, ObjectState.UNKNOWN: 0.5}
ABSENT_OPACITY, LEAST_OPACITY, OPACITY_STEP = 0.8, 0.1, 0.1
HALF_LIFE_NS = 7 * 86_400 * 10**9  # in which the box of an absent object loses half its opacity
ORDER = (ObjectState.PRESENT, ObjectState.NOT_OBSERVED, ObjectState.UNKNOWN, ObjectState.ABSENT)


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
        shape = change_shape(change)
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
    chosen = choose_texts(positions, [label_texts(item) for item in ranked])
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


SAME_PLACE = 0.02  # m; a box that differs less is not sent again
SAME_YAW = 0.03  # rad


class MarkerUpdates:
    """
    Turn scenes into messages that carry only what changed.

    A viewer that joins, or missed a message, needs the complete picture: it is due at first, when
    `everything_due` is called, and after `history` messages. So the last `history` messages
    always begin with, or contain, a complete picture.

    Parameters
    ----------
    history : int
        How many messages the topic keeps for who joins late.

    """

    def __init__(self, history: int):
        self._history = history
        self._frame_id = ''
        self._shapes: dict[Key, Shape] = {}
        self._boxes: dict[int, Box] = {}  # as shown
        self._points_key: dict[int, tuple] = {}
        self._points: dict[int, dict[Key, Shape]] = {}
        self._since_complete = history

    @property
    def is_begun(self) -> bool:
        """Return whether there is a scene to show."""
        return bool(self._frame_id)

    def everything_due(self) -> None:
        """Make the next message a complete picture."""
        self._since_complete = self._history

    def update(
        self, objects: Sequence[SceneObject], frame_id: str, newest: NewestVisit, max_points: int
    ) -> MarkerArray:
        """
        Return the message that turns what viewers show into a scene.

        Stamps are zero: RViz would hold back a remembered message with an old stamp. Colors
        follow from the ids, so they survive a restart.

        Parameters
        ----------
        objects : sequence of SceneObject
            All objects of the memory.
        frame_id : str
        newest : NewestVisit
        max_points : int
            Largest number of points drawn of one object.

        Raises
        ------
        RescenError
            An id does not fit a marker's int32.

        """
        objects = [self._settled(item) for item in objects]
        shapes = object_shapes(objects, newest) | self._point_shapes(objects, newest, max_points)
        before, is_new_frame = self._shapes, frame_id != self._frame_id
        self._shapes, self._frame_id = shapes, frame_id
        self._boxes = {item.object_id: item.box for item in objects}
        if is_new_frame or self._since_complete + 1 >= self._history:
            return self.complete()
        self._since_complete += 1
        header = Header(frame_id=frame_id)
        markers = [
            Marker(header=header, ns=ns, id=number, action=Marker.DELETE)
            for ns, number in before.keys() - shapes.keys()
        ]
        markers += [
            marker_of(header, key, shape)
            for key, shape in shapes.items()
            if before.get(key) != shape
        ]
        return MarkerArray(markers=markers)

    def complete(self) -> MarkerArray:
        """Return all that is shown; the first marker deletes whatever was drawn before."""
        self._since_complete = 0
        header = Header(frame_id=self._frame_id)
        markers = [Marker(header=header, action=Marker.DELETEALL)]
        markers += [marker_of(header, key, shape) for key, shape in self._shapes.items()]
        return MarkerArray(markers=markers)

    def _settled(self, item: SceneObject) -> SceneObject:
        """Return an object in the box that is shown already, where that is as good."""
        shown = self._boxes.get(item.object_id)
        return item if shown is None or not _is_same(shown, item.box) else replace(item, box=shown)

    def _point_shapes(
        self, objects: Sequence[SceneObject], newest: NewestVisit, max_points: int
    ) -> dict[Key, Shape]:
        """Return points of present objects; those of an object that stayed are kept."""
        if newest.scan is None:
            self._points, self._points_key = {}, {}
            return {}
        keys = {
            o.object_id: (o.box, max_points) for o in objects if o.state == ObjectState.PRESENT
        }
        stale = {i for i, key in keys.items() if self._points_key.get(i) != key}
        drawn = point_shapes(stale, newest, max_points)
        kept = {i: shapes for i, shapes in self._points.items() if i in keys and i not in stale}
        self._points = kept | {i: {} for i in stale}
        for (ns, number), shape in drawn.items():
            self._points[number] = {(ns, number): shape}
        self._points_key = keys
        return {key: shape for shapes in self._points.values() for key, shape in shapes.items()}


def _is_same(one: Box, other: Box) -> bool:
    shift = np.abs(np.subtract(one.center, other.center)).max()
    growth = np.abs(np.subtract(one.size, other.size)).max()
    return max(shift, growth) < SAME_PLACE and abs(one.yaw - other.yaw) < SAME_YAW
