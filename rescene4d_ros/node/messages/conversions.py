"""Structures to messages and back: pure functions, every field of both sides."""

from __future__ import annotations

import array
from collections.abc import Iterable

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
import numpy as np
from rescene4d_ros import msg
from rescene4d_ros.data.readers.point_cloud2 import cloud_array, cloud_fields
from rescene4d_ros.errors import ScanError
from rescene4d_ros.geometry.se3 import yaw_of
from rescene4d_ros.memory.queries import Event, ObjectLocation
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.tf import matrix_of, motion_to_msg, quaternion_matrix
from rescene4d_ros.structures import (
    Box,
    Change,
    ChangeKind,
    MemorySnapshot,
    ObjectState,
    Scan,
    SceneObject,
    VisitChanges,
    VisitInfo,
    VisitStatus,
)
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header


def time_to_msg(stamp_ns: int) -> Time:
    """Return ns since the Unix epoch as a ROS time."""
    return Time(sec=int(stamp_ns // 10**9), nanosec=int(stamp_ns % 10**9))


def time_from_msg(message: Time) -> int:
    """Return a ROS time as ns since the Unix epoch."""
    return message.sec * 10**9 + message.nanosec


def box_to_msg(box: Box) -> msg.OrientedBox:
    """Return a box as a message."""
    x, y, z = map(float, box.center)
    length, width, height = map(float, box.size)
    qx, qy, qz, qw = map(float, box.quaternion_xyzw)
    return msg.OrientedBox(
        pose=Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw)),
        size=Vector3(x=length, y=width, z=height),
    )


def box_from_msg(message: msg.OrientedBox) -> Box:
    """Return the box of a message."""
    center, turn, size = message.pose.position, message.pose.orientation, message.size
    return Box(
        (center.x, center.y, center.z),
        (size.x, size.y, size.z),
        float(yaw_of(quaternion_matrix((turn.x, turn.y, turn.z, turn.w)))),
    )


def object_to_msg(item: SceneObject) -> msg.SceneObject:
    """Return a remembered object as a message."""
    absent_ns = item.last_confirmed_absent_ns
    probs = () if item.class_probs is None else item.class_probs
    return msg.SceneObject(
        object_id=int(item.object_id),
        name=str(item.name),
        class_id=int(item.class_id),
        class_name=str(item.class_name),
        score=float(item.score),
        class_probs=[float(p) for p in probs],
        state=int(item.state),
        box=box_to_msg(item.box),
        first_seen=time_to_msg(item.first_seen_ns),
        last_seen=time_to_msg(item.last_seen_ns),
        has_last_confirmed_absent=absent_ns is not None,
        last_confirmed_absent=time_to_msg(absent_ns or 0),
        visit_ids=[int(visit) for visit, _ in item.states],
        visit_states=[int(state) for _, state in item.states],
        link_reason=str(item.link_reason),
        moved=float(item.moved_m),
        alternatives=[int(other) for other in item.alternatives],
    )


def object_from_msg(message: msg.SceneObject) -> SceneObject:
    """Return the remembered object of a message."""
    absent = message.last_confirmed_absent if message.has_last_confirmed_absent else None
    return SceneObject(
        object_id=message.object_id,
        class_id=message.class_id,
        class_name=message.class_name,
        score=message.score,
        state=ObjectState(message.state),
        box=box_from_msg(message.box),
        first_seen_ns=time_from_msg(message.first_seen),
        last_seen_ns=time_from_msg(message.last_seen),
        last_confirmed_absent_ns=None if absent is None else time_from_msg(absent),
        class_probs=np.array(message.class_probs, np.float32) if message.class_probs else None,
        states=tuple(
            (visit, ObjectState(state))
            for visit, state in zip(message.visit_ids, message.visit_states, strict=True)
        ),
        link_reason=message.link_reason,
        moved_m=message.moved,
        alternatives=tuple(message.alternatives),
        name=message.name,
    )


def change_to_msg(change: Change) -> msg.SceneChange:
    """Return a change as a message."""
    message = msg.SceneChange(
        kind=int(change.kind),
        object_id=int(change.object_id),
        other_id=int(change.other_id),
        class_name=str(change.class_name),
        confidence=float(change.confidence),
        visit_id=int(change.visit_id),
        evidence_after=time_to_msg(change.evidence_after_ns),
    )
    if change.before is not None:
        message.has_before, message.before = True, box_to_msg(change.before)
    if change.after is not None:
        message.has_after, message.after = True, box_to_msg(change.after)
    if change.after_T_before is not None:
        message.has_motion = True
        message.after_from_before = motion_to_msg(change.after_T_before)
    if change.evidence_before_ns is not None:
        message.has_evidence_before = True
        message.evidence_before = time_to_msg(change.evidence_before_ns)
    return message


def change_from_msg(message: msg.SceneChange) -> Change:
    """Return the change of a message."""
    return Change(
        kind=ChangeKind(message.kind),
        object_id=message.object_id,
        class_name=message.class_name,
        confidence=message.confidence,
        visit_id=message.visit_id,
        before=box_from_msg(message.before) if message.has_before else None,
        after=box_from_msg(message.after) if message.has_after else None,
        after_T_before=matrix_of(message.after_from_before) if message.has_motion else None,
        evidence_before_ns=(
            time_from_msg(message.evidence_before) if message.has_evidence_before else None
        ),
        evidence_after_ns=time_from_msg(message.evidence_after),
        other_id=message.other_id,
    )


def newest_done(visits: Iterable[VisitInfo]) -> VisitInfo | None:
    """Return the processed visit with the latest stamp."""
    return max(
        (v for v in visits if v.status == VisitStatus.DONE), key=lambda v: v.stamp_ns, default=None
    )


def map_T_results(memory: SceneMemory) -> np.ndarray:
    """
    Return what takes the coordinates in which a memory is published to the map (4, 4), float64.

    It is not the identity where the map has an origin, because float32 does not hold coordinates
    far from zero, and where the map was moved since the memory began.
    """
    at_origin = np.eye(4)
    at_origin[:3, 3] = memory.origin or (0.0, 0.0, 0.0)
    return memory.map_T_memory() @ at_origin


def frame_of_results(memory: SceneMemory) -> str:
    """Return the frame in which a memory is published: the map frame, or one below it."""
    frame_id = memory.metadata.frame_id
    is_map = np.array_equal(map_T_results(memory), np.eye(4))
    return frame_id if is_map else f'{frame_id}_local'


def header_of(visits: Iterable[VisitInfo], frame_id: str) -> Header:
    """Return the header of what a memory says: stamp of its newest processed visit, frame."""
    newest = newest_done(visits)
    return Header(stamp=time_to_msg(newest.stamp_ns if newest else 0), frame_id=frame_id)


def objects_to_msg(snapshot: MemorySnapshot) -> msg.SceneObjectArray:
    """Return everything the memory knows as one message, stamped with the newest visit."""
    newest = newest_done(snapshot.visits)
    return msg.SceneObjectArray(
        header=header_of(snapshot.visits, snapshot.frame_id),
        map_id=snapshot.map_id,
        revision=int(snapshot.revision),
        visit_id=int(newest.visit_id if newest else 0),
        class_names=list(snapshot.class_names),
        objects=[object_to_msg(item) for item in snapshot.objects],
    )


def changes_to_msg(update: VisitChanges, map_id: str, frame_id: str) -> msg.SceneChangeArray:
    """Return what one visit changed as one message."""
    return msg.SceneChangeArray(
        header=Header(stamp=time_to_msg(update.visit.stamp_ns), frame_id=frame_id),
        map_id=map_id,
        revision=int(update.revision),
        visit_id=int(update.visit.visit_id),
        changes=[change_to_msg(change) for change in update.changes],
    )


def move_to_msg(stamp_ns: int, map_id: str, revision: int, frame_id: str) -> msg.SceneChangeArray:
    """Return that the map frame moved: no visit and no change, results are in `frame_id` now."""
    return msg.SceneChangeArray(
        header=Header(stamp=time_to_msg(stamp_ns), frame_id=frame_id),
        map_id=map_id,
        revision=int(revision),
    )


def place_to_msg(place: ObjectLocation) -> msg.ObjectPlace:
    """Return where an object was as a message."""
    return msg.ObjectPlace(
        object_id=int(place.object_id),
        name=place.name,
        class_name=place.class_name,
        state=int(place.state),
        box=box_to_msg(place.box),
        since=time_to_msg(place.since_ns),
        last_seen=time_to_msg(place.last_seen_ns),
    )


def event_to_msg(event: Event) -> msg.ObjectEvent:
    """Return what a visit said of an object as a message."""
    message = msg.ObjectEvent(
        visit_id=int(event.visit_id),
        stamp=time_to_msg(event.stamp_ns),
        object_id=int(event.object_id),
        state=int(event.state),
        reason=event.reason,
        changes=[change_to_msg(change) for change in event.changes],
    )
    if event.box is not None:
        message.has_box, message.box = True, box_to_msg(event.box)
    return message


try:
    from sensor_msgs_py.point_cloud2 import create_cloud
except ImportError:

    def create_cloud(
        header: Header, fields: Iterable[PointField], points: np.ndarray
    ) -> PointCloud2:
        """
        Make a PointCloud2 of a structured array (N,) whose layout is that of `fields`.

        The data setter keeps an array.array as it is; numpy or the constructor would be copied
        byte by byte in Python.
        """
        points = np.ascontiguousarray(points)
        data = array.array('B')
        data.frombytes(points.view(np.uint8).data)
        message = PointCloud2(
            header=header,
            height=1,
            width=len(points),
            fields=list(fields),
            is_dense=False,
            is_bigendian=False,
            point_step=points.dtype.itemsize,
            row_step=points.nbytes,
        )
        message.data = data
        return message


def fields_of(points: np.ndarray) -> list[PointField]:
    """Return the PointFields of a structured array."""
    return [
        PointField(name=name, offset=offset, datatype=datatype, count=count)
        for name, offset, datatype, count in cloud_fields(points)
    ]


def segmented_cloud(
    scan: Scan, object_ids: np.ndarray, class_ids: np.ndarray, scores: np.ndarray, frame_id: str
) -> PointCloud2:
    """
    Return a visit's points with what each belongs to.

    Parameters
    ----------
    scan : Scan
        N points.
    object_ids : ndarray (N,), int64
        Persistent ids; 0 = none.
    class_ids : ndarray (N,), int32
        -1 = none.
    scores : ndarray (N,), float32
    frame_id : str

    Raises
    ------
    ScanError
        An id does not fit the 32 bits that a PointField has.

    """
    if len(object_ids) and object_ids.max() > np.iinfo(np.uint32).max:
        raise ScanError(
            f'expected ids below 2^32 in a cloud field, got {object_ids.max()}; '
            'read the ids from ~/objects'
        )
    points = cloud_array(
        scan,
        instance=object_ids.astype(np.uint32),
        class_=class_ids.astype(np.int32),
        score=scores.astype(np.float32),
    )
    header = Header(stamp=time_to_msg(scan.stamp_ns), frame_id=frame_id)
    return create_cloud(header, fields_of(points), points)
