"""Polygons that a robot must not enter: `~/keep_out_shapes`."""

from __future__ import annotations

import time

from geometry_msgs.msg import Point32, Polygon
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.zones import read_zones, zone_named
from rescene4d_ros.node.requests.places import Sureness
from rescene4d_ros.planning.keep_out import HEIGHT, keep_out, LEAST_STILL_THERE
from rescene4d_ros.planning.nearby import Region, select
from rescene4d_ros.srv import KeepOutShapes


def answer(
    memory: SceneMemory, request: KeepOutShapes.Request, response: KeepOutShapes.Response
) -> None:
    """Fill in one polygon per object that is probably there; raises RescenError."""
    zone = zone_named(read_zones(memory.path), request.zone) if request.zone else None
    places = select(queries.of_class(memory, request.class_name or None), Region(zone))
    least = request.least_still_there or LEAST_STILL_THERE
    there = [p for p, sure in Sureness(memory, time.time_ns()).of(places) if sure >= least]
    shapes = keep_out(there, request.margin, request.height or HEIGHT)
    response.object_ids = [*shapes]
    response.polygons = [
        Polygon(points=[Point32(x=float(x), y=float(y), z=0.0) for x, y in polygon])
        for polygon in shapes.values()
    ]
