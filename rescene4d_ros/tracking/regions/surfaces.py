"""One visit's surfaces, prepared for comparison with those of another visit."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from rescene4d_ros.geometry.cloud import depth_maps, DepthMap, share_past
from rescene4d_ros.geometry.floor.structure import (
    columns_of,
    FLOOR_HALF_WIDTH,
    floor_height,
    lowest_of,
    on_walls,
    standing_places,
)
from rescene4d_ros.geometry.point_sets import quick_tree, thin
from scipy.spatial import cKDTree

SPACING = 0.03  # m; grid that thins a visit: finer finds no smaller things, and costs more
VIEWPOINTS = 12  # places that stand for an unknown sensor path
FILL_DISTANCE = 0.15  # m; a later surface this near means that a later visit saw the place
DENSE = 0.045  # m; spacing up to which the distances of this package hold as they are
SPARSEST = 2.5  # times that; from there on distances grow no more
SPACING_SAMPLE = 10  # of so many points one tells the spacing
CLEARLY_DENSE = 0.9  # of the dense spacing; below it a tenth of the sample tells enough
SPACING_NEIGHBORS = 8  # by so many points around it
VIEW_SPACING = 0.04  # m; spacing of the surfaces in depth maps


@dataclass(frozen=True)
class VisitSurfaces:
    """
    Hold the thinned surfaces of one visit, or of what several visits saw last.

    Attributes
    ----------
    xyz : ndarray (M, 3), float32, m, in map
        One point per cell of a grid of `SPACING`.
    normals : ndarray (M, 3), float32
    rgb : ndarray (M, 3), float32, 0..255, or None
    source : ndarray (M,), int64
        Position of the visit in the sequence that was prepared; 0 for a single visit.
    row : ndarray (M,), int64
        Position of the point in the surfaces of its visit.
    sensor_path : ndarray (P, 3), float32, m, in map, or None

    """

    xyz: np.ndarray
    normals: np.ndarray
    rgb: np.ndarray | None
    source: np.ndarray
    row: np.ndarray
    sensor_path: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """Return the number of points M."""
        return len(self.xyz)

    @cached_property
    def tree(self) -> cKDTree:
        """Return a search tree over the points."""
        return quick_tree(self.xyz)

    @cached_property
    def sparsity(self) -> float:
        """Return the spacing of the points over that of a dense visit, 1 to `SPARSEST`."""
        if len(self) <= SPACING_NEIGHBORS:
            return 1.0
        sample = self.xyz[::SPACING_SAMPLE]
        if self._spacing(sample[::10]) < CLEARLY_DENSE * DENSE:
            return 1.0
        return float(np.clip(self._spacing(sample) / DENSE, 1.0, SPARSEST))

    def _spacing(self, sample: np.ndarray) -> float:
        """Return the median spacing of the points around those of a sample (K, 3), m."""
        reach = self.tree.query(sample, k=[SPACING_NEIGHBORS + 1])[0]
        return float(np.median(reach)) * np.sqrt(np.pi / SPACING_NEIGHBORS)

    @cached_property
    def coarse(self) -> np.ndarray:
        """Return some of the points, about 10 cm apart (K, 3)."""
        return self.xyz[thin(self.xyz, 0.1)]

    @cached_property
    def floor_z(self) -> float:
        """Return the height of the lowest large level surface, m."""
        return floor_height(self.xyz, self.normals)

    @cached_property
    def is_floor(self) -> np.ndarray:
        """Say of each point whether it lies on the floor (M,), bool."""
        return np.abs(self.xyz[:, 2] - self.floor_z) < FLOOR_HALF_WIDTH

    @cached_property
    def is_wall(self) -> np.ndarray:
        """Say of each point whether it lies on a high upright plane (M,), bool."""
        return on_walls(self.xyz, self.normals)

    @cached_property
    def column(self) -> np.ndarray:
        """Return the column of each point (M,), int64."""
        return columns_of(self.xyz)

    @cached_property
    def lowest(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns that hold points, sorted, and the lowest z in each, m."""
        return lowest_of(self.column, self.xyz[:, 2])

    @cached_property
    def views(self) -> list[DepthMap]:
        """Return what can be seen from places of the sensor, or from where it may have been."""
        path = self.sensor_path if self.sensor_path is not None else self.viewpoints()
        if len(path) == 0:
            return []
        chosen = np.unique(np.linspace(0, len(path) - 1, VIEWPOINTS).astype(int))
        surfaces = self.xyz[thin(self.xyz, VIEW_SPACING)]
        return depth_maps(path[chosen], surfaces)

    def viewpoints(self) -> np.ndarray:
        """Return places (P, 3) where the sensor may have been, see `standing_places`."""
        return standing_places(self.xyz, self.floor_z, VIEWPOINTS)

    def seen_past(self, xyz: np.ndarray) -> np.ndarray:
        """Return the share (N,) of views that look past points (N, 3); see `share_past`."""
        return share_past(self.views, xyz)


def prepare_surfaces(
    xyz: np.ndarray,
    normals: np.ndarray | None = None,
    rgb: np.ndarray | None = None,
    sensor_path: np.ndarray | None = None,
) -> VisitSurfaces:
    """
    Thin the points of one visit and give each a normal.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m, in map
    normals : ndarray (N, 3), float32, optional
        Estimated where there are none.
    rgb : ndarray (N, 3), uint8, optional
    sensor_path : ndarray (P, 3), float32, m, in map, optional

    """
    index = thin(xyz, SPACING)
    thinned = xyz[index]
    if normals is None:
        # Not above: Numba takes a second to import, and readers of a memory need none of it.
        from rescene4d_ros.geometry.normals import estimate_normals

        directions = estimate_normals(thinned, k=12)
    else:
        directions = normals[index]
    colors = None if rgb is None else rgb[index].astype(np.float32)
    return VisitSurfaces(
        thinned,
        directions,
        colors,
        np.zeros(len(index), dtype=np.int64),
        np.arange(len(index)),
        sensor_path,
    )


def last_seen(visits: list[VisitSurfaces]) -> VisitSurfaces:
    """
    Join what several visits saw: at each place the surfaces of the latest visit that saw it.

    An earlier visit fills in only where no later one shows anything near by, and where no later
    one looks past: there its surface is gone.

    Parameters
    ----------
    visits : list of VisitSurfaces
        Oldest first, at least one.

    Returns
    -------
    VisitSurfaces
        Its `source` is the position in `visits`.

    """
    newest = visits[-1]
    if len(visits) == 1:
        return newest
    parts = [(newest, np.arange(len(newest)))]
    trees = [newest.tree]
    for visit in visits[-2::-1]:
        unseen = np.ones(len(visit), dtype=bool)
        for tree in trees:
            left = np.flatnonzero(unseen)
            found = tree.query(visit.xyz[left], distance_upper_bound=FILL_DISTANCE)[0]
            unseen[left[np.isfinite(found)]] = False
        left = np.flatnonzero(unseen)
        for later, _ in parts:
            left = left[later.seen_past(visit.xyz[left]) < 0.5]
        parts.append((visit, left))
        trees.append(visit.tree)
    parts = parts[::-1]
    colors = [v.rgb[k] for v, k in parts if v.rgb is not None]
    return VisitSurfaces(
        np.concatenate([v.xyz[k] for v, k in parts]),
        np.concatenate([v.normals[k] for v, k in parts]),
        np.concatenate(colors) if len(colors) == len(parts) else None,
        np.concatenate([np.full(len(k), t) for t, (_, k) in enumerate(parts)]),
        np.concatenate([k for _, k in parts]),
        newest.sensor_path,
    )
