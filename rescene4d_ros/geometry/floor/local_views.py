"""What a sensor saw of a place in a visit of many rooms: from the same room, or from near by."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
from rescene4d_ros.geometry.cloud import DepthMap, ONE_PLACE, Strips
from rescene4d_ros.geometry.floor.room_plan import CELL, plan_rooms, RoomPlan
from rescene4d_ros.geometry.floor.storeys import storey_borders, storey_of
from rescene4d_ros.geometry.point_sets import evenly
from scipy import ndimage

BESIDE = 0.2  # m; around a room, where its walls are

# Where no walls part rooms, or nobody stood in one.
EDGE = 6.0  # m; of the squares of a storey's floor plan that share a set of positions
AROUND = 1.0  # m; around a square, where positions are taken from
RANGE = 6.0  # m; around a position in x and y, of the points in its depth map
HIDDEN = 0.3  # m; a surface this far in front of a place, at eye height, is a wall
MOST_POINTS = 64  # of an object, over which a wall is looked for
MOST_PLACES = 12  # whose depth maps are kept, 6 to 11 MB each; objects come room by room


class LocalViews:
    """
    Depth maps of the positions near each place; made when asked for, the latest are kept.

    Parameters
    ----------
    path : ndarray (P, 3), float32, m, in map
        Positions of the sensor.
    surfaces : ndarray (K, 3), float32, m, in map
        Points that may occlude.
    most : int
        Positions of a place, spread over the part of the path that is near.

    """

    def __init__(self, path: np.ndarray, surfaces: np.ndarray, most: int):
        self._borders, self._most = storey_borders([surfaces]), most
        storeys = range(len(self._borders) + 1)
        self._paths, self._surfaces = (
            [xyz[storey_of(xyz[:, 2], self._borders) == k] for k in storeys]
            for xyz in (path, surfaces)
        )
        self._strips = [Strips(xyz) for xyz in self._surfaces]
        self._plan = plan_rooms([surfaces], EDGE, ONE_PLACE)
        self._where = [] if self._plan is None else ndimage.find_objects(self._plan.room + 1)
        self._made: OrderedDict[Hashable, list[DepthMap]] = OrderedDict()

    def around(self, xyz: np.ndarray) -> list[DepthMap]:
        """
        Return the depth maps of positions in the room of an object, or of near ones.

        Of near ones those count that no wall keeps from it. Furniture hides it, too, but from
        there its place was not seen through, which counts.
        """
        middle = xyz.mean(axis=0)
        storey = int(storey_of(middle[2], self._borders))
        views = self._in_room(middle, storey)
        if views:
            return views
        column, row = np.floor(middle[:2] / EDGE).astype(int).tolist()
        near = self._kept((storey, column, row), lambda: self._of_square(column, row, storey))
        over = xyz[evenly(len(xyz), MOST_POINTS)]
        return [view for view in near if not view.is_behind_wall(over, HIDDEN)]

    def _kept(self, place: Hashable, make: Callable[[], list[DepthMap]]) -> list[DepthMap]:
        """Return the depth maps of a place, made where they are not among the latest."""
        if place not in self._made:
            self._made[place] = make()
        self._made.move_to_end(place)
        while len(self._made) > MOST_PLACES:
            self._made.popitem(last=False)
        return self._made[place]

    def _in_room(self, middle: np.ndarray, storey: int) -> list[DepthMap]:
        """Return the depth maps of positions in the room of a place; none in a large one."""
        if self._plan is None:
            return []
        room = int(self._plan.room[tuple(self._plan.cells_of(middle[None]).T)][0])
        if self._plan.is_divided[room]:
            return []
        plan = self._plan
        return self._kept(room, lambda: self._of_room(plan, room, storey))

    def _of_room(self, plan: RoomPlan, room: int, storey: int) -> list[DepthMap]:
        """Return the depth maps of positions in a room, of its surfaces and walls."""
        path, surfaces = self._paths[storey], self._surfaces[storey]
        own = path[plan.room[tuple(plan.cells_of(path).T)] == room]
        span = np.array([(s.start, s.stop) for s in self._where[room][1:]])
        low, high = (plan.low[:, None] + span).T * CELL
        rows = self._strips[storey].rows(low - BESIDE, high + BESIDE)
        inside = (surfaces[rows, 1] > low[1] - BESIDE) & (surfaces[rows, 1] < high[1] + BESIDE)
        shown = surfaces[rows[inside]]
        return [DepthMap(place, shown) for place in own[evenly(len(own), self._most)]]

    def _of_square(self, column: int, row: int, storey: int) -> list[DepthMap]:
        """Return the depth maps of positions in and around a square of a storey."""
        path, surfaces, strips = self._paths[storey], self._surfaces[storey], self._strips[storey]
        low = np.array([column, row]) * EDGE - AROUND
        inside = (path[:, :2] >= low) & (path[:, :2] < low + EDGE + 2 * AROUND)
        near = path[inside.all(axis=1)]
        return [
            DepthMap(place, surfaces[strips.rows(place - RANGE, place + RANGE)])
            for place in near[evenly(len(near), self._most)]
        ]
