"""Where a robot stands to reach an object: `~/approach_object`."""

from __future__ import annotations

import time

from geometry_msgs.msg import Point, Pose, Quaternion
import numpy as np
from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.zones import read_zones
from rescene4d_ros.node.requests.places import messages_of, Sureness
from rescene4d_ros.planning.approach import approach, DISTANCE, RADIUS
from rescene4d_ros.planning.keep_out import LEAST_STILL_THERE
from rescene4d_ros.srv import ApproachObject
from rescene4d_ros.structures import VisitInfo, VisitStatus


def answer(
    memory: SceneMemory, request: ApproachObject.Request, response: ApproachObject.Response
) -> None:
    """Fill in a free pose near an object; raises RescenError."""
    place = queries.where_is(memory, request.object_id)
    others = [p for p in queries.of_class(memory, None) if p.object_id != place.object_id]
    there = [
        other.box
        for other, probability in Sureness(memory, time.time_ns()).of(others)
        if probability >= LEAST_STILL_THERE
    ]
    robot = (request.robot.x, request.robot.y, request.robot.z) if request.has_robot else None
    found = approach(
        place.box,
        memory.scan(_visit_of(memory, place.last_seen_ns).visit_id).xyz,
        there,
        request.robot_radius or RADIUS,
        request.distance or DISTANCE,
        robot,
    )
    x, y, z = found.position
    response.pose = Pose(
        position=Point(x=x, y=y, z=z),
        orientation=Quaternion(
            z=float(np.sin(found.yaw / 2)), w=float(np.cos(found.yaw / 2)), x=0.0, y=0.0
        ),
    )
    response.clearance = found.clearance
    (response.object,) = messages_of(memory, [place], read_zones(memory.path))


def _visit_of(memory: SceneMemory, stamp_ns: int) -> VisitInfo:
    """Return the visit that observed the object last: its points show the place around it."""
    found = [v for v in memory.visits(VisitStatus.DONE) if v.stamp_ns == stamp_ns]
    if not found:
        raise MemoryFormatError(
            f'{memory.path}: expected the points of the visit that observed the object last, they '
            'were deleted; visit the place again'
        )
    return found[0]
