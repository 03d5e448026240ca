"""Which markers to send: those that differ from what viewers show, now and then all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from geometry_msgs.msg import Point
import numpy as np
from rescene4d_ros.node.markers.scene import Key, NewestVisit, object_shapes, point_shapes
from rescene4d_ros.node.markers.shapes import Shape
from rescene4d_ros.structures import Box, ObjectState, SceneObject
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

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
            _marker(header, key, shape)
            for key, shape in shapes.items()
            if before.get(key) != shape
        ]
        return MarkerArray(markers=markers)

    def complete(self) -> MarkerArray:
        """Return all that is shown; the first marker deletes whatever was drawn before."""
        self._since_complete = 0
        header = Header(frame_id=self._frame_id)
        markers = [Marker(header=header, action=Marker.DELETEALL)]
        markers += [_marker(header, key, shape) for key, shape in self._shapes.items()]
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


def _marker(header: Header, key: Key, shape: Shape) -> Marker:
    red, green, blue, opacity = shape.rgba
    marker = Marker(
        header=header,
        ns=key[0],
        id=int(key[1]),
        type=shape.kind,
        action=Marker.ADD,
        color=ColorRGBA(r=red, g=green, b=blue, a=opacity),
        text=shape.text,
        points=[Point(x=x, y=y, z=z) for x, y, z in shape.points],
    )
    marker.pose.orientation.w = 1.0
    place = marker.pose.position
    place.x, place.y, place.z = shape.position
    marker.scale.x, marker.scale.y, marker.scale.z = shape.scale
    return marker
