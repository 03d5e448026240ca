"""How often each place changed, as a map: `~/change_grid`."""

from __future__ import annotations

import array

from nav_msgs.srv import GetMap
import numpy as np
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.messages.conversions import frame_of_results, header_of
from rescene4d_ros.planning.change_grid import change_grid
from rescene4d_ros.structures import VisitStatus


def answer(memory: SceneMemory, request: GetMap.Request, response: GetMap.Response) -> None:
    """Fill in the percentage of the visits that found a change in each cell."""
    visits = memory.visits(VisitStatus.DONE)
    boxes = [place.box for place in queries.known_objects(memory)]
    grid = change_grid(boxes, memory.changes(), len(visits))
    found = response.map
    found.header = header_of(visits, frame_of_results(memory))
    found.info.map_load_time = found.header.stamp
    found.info.resolution = float(grid.cell)
    found.info.height, found.info.width = map(int, grid.share.shape)
    found.info.origin.position.x, found.info.origin.position.y = grid.corner
    percent = np.round(100 * grid.share).astype(np.int8)
    found.data = array.array('b', percent.tobytes())
