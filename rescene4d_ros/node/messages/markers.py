"""What RViz shows: each message is a complete picture of the memory, never a difference."""

from __future__ import annotations

from collections.abc import Iterable

from geometry_msgs.msg import Point
import numpy as np
from rescene4d_ros.errors import RescenError
from rescene4d_ros.node.messages.conversions import box_to_msg
from rescene4d_ros.structures import ObjectState, Scan, SceneObject
from rescene4d_ros.structures.colors import color_of
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

BOXES, LABELS, POINTS = 'boxes', 'labels', 'points'
INT32_MAX = 2**31 - 1
LABEL_HEIGHT = 0.15  # m
POINT_SIZE = 0.02  # m
OPACITY = {
    ObjectState.UNKNOWN: 0.2,
    ObjectState.PRESENT: 0.5,
    ObjectState.ABSENT: 0.1,
    ObjectState.NOT_OBSERVED: 0.25,
}


def scene_markers(
    objects: Iterable[SceneObject],
    frame_id: str,
    scan: Scan | None = None,
    object_ids: np.ndarray | None = None,
    max_points: int = 2000,
) -> MarkerArray:
    """
    Draw all remembered objects: boxes, labels, and the newest visit's points.

    The first marker deletes everything drawn before, so a viewer that gets only the last message
    sees neither ghosts nor fragments. Stamps are zero: RViz would hold back a remembered message
    with an old stamp. The color follows from the id, so it survives a restart.

    Parameters
    ----------
    objects : iterable of SceneObject
    frame_id : str
    scan : Scan, optional
        The newest visit, N points.
    object_ids : ndarray (N,), int64, optional
        Persistent id of each of its points; 0 = none.
    max_points : int
        Largest number of points drawn of one object.

    Raises
    ------
    RescenError
        An id does not fit a marker's int32.

    """
    header = Header(frame_id=frame_id)
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    for item in objects:
        if item.object_id > INT32_MAX:
            raise RescenError(
                f'expected object ids up to {INT32_MAX} in markers, got '
                f'{item.object_id}; read ~/objects instead'
            )
        markers += [_box(header, item), _label(header, item)]
        if scan is not None and item.state == ObjectState.PRESENT:
            own = np.flatnonzero(object_ids == item.object_id)
            own = own[:: max(1, -(-len(own) // max_points))] if max_points else own[:0]
            if len(own):
                markers.append(_points(header, item, scan.xyz[own]))
    return MarkerArray(markers=markers)


def _marker(header: Header, item: SceneObject, layer: str, kind: int, opacity: float) -> Marker:
    """Return a marker of one layer with the object's number and color."""
    red, green, blue = (c / 255 for c in color_of(item.object_id))
    marker = Marker(
        header=header,
        ns=layer,
        id=int(item.object_id),
        type=kind,
        action=Marker.ADD,
        color=ColorRGBA(r=red, g=green, b=blue, a=opacity),
    )
    marker.pose.orientation.w = 1.0
    return marker


def _box(header: Header, item: SceneObject) -> Marker:
    marker = _marker(header, item, BOXES, Marker.CUBE, OPACITY[item.state])
    box = box_to_msg(item.box)
    marker.pose = box.pose
    marker.scale.x, marker.scale.y, marker.scale.z = (
        max(float(extent), 1e-3) for extent in item.box.size
    )
    return marker


def _label(header: Header, item: SceneObject) -> Marker:
    marker = _marker(header, item, LABELS, Marker.TEXT_VIEW_FACING, 1.0)
    x, y, z = map(float, item.box.center)
    marker.pose.position = Point(x=x, y=y, z=z + float(item.box.size[2]) / 2 + LABEL_HEIGHT)
    marker.scale.z = LABEL_HEIGHT
    state = (
        ''
        if item.state == ObjectState.PRESENT
        else f' ({item.state.name.lower().replace("_", " ")})'
    )
    marker.text = f'{item.name or item.class_name} #{item.object_id}{state}'
    return marker


def _points(header: Header, item: SceneObject, xyz: np.ndarray) -> Marker:
    marker = _marker(header, item, POINTS, Marker.POINTS, 1.0)
    marker.scale.x = marker.scale.y = POINT_SIZE
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in xyz.astype(np.float64).tolist()]
    return marker
