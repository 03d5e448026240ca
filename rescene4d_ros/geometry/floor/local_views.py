"""What a sensor saw around a place, for visits of many rooms: positions near by, walls hide."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.geometry.cloud import DepthMap, Strips
from rescene4d_ros.geometry.floor.storeys import storey_borders, storey_of
from rescene4d_ros.geometry.point_sets import evenly

EDGE = 6.0  # m; of the squares of a storey's floor plan that share a set of positions
AROUND = 1.0  # m; around a square, where positions are taken from
RANGE = 6.0  # m; around a position in x and y, of the points in its depth map
HIDDEN = 0.3  # m; a surface this far in front of a place, at eye height, is a wall
MOST_POINTS = 64  # of an object, over which a wall is looked for


class LocalViews:
    """
    Depth maps of the positions near each place; those of a place are made when it is asked for.

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
        self._made: dict[tuple[int, int, int], list[DepthMap]] = {}

    def around(self, xyz: np.ndarray) -> list[DepthMap]:
        """
        Return the depth maps of near positions that no wall keeps from an object.

        Furniture hides it, too, but from there its place was not seen through, which counts.
        """
        column, row = np.floor(xyz[:, :2].mean(axis=0) / EDGE).astype(int).tolist()
        place = column, row, int(storey_of(xyz[:, 2].mean(), self._borders))
        if place not in self._made:
            self._made[place] = self._of_square(*place)
        over = xyz[evenly(len(xyz), MOST_POINTS)]
        return [view for view in self._made[place] if not view.is_behind_wall(over, HIDDEN)]

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
