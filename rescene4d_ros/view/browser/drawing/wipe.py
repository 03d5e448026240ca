"""The plane of the wipe: before it the visit before is drawn, behind it the shown one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.view.browser.drawing.marks import Marks
from rescene4d_ros.view.splat import CORNER, wall_azimuth

SLABS = 48  # of the points of a visit; the plane moves by whole ones
AT_EDGE = 1e-3  # m


@dataclass(frozen=True)
class Wipe:
    """
    Hold an upright plane that moves along a direction of the walls.

    Attributes
    ----------
    along : ndarray (2,)
        Unit vector in the xy plane of the map, from the visit before to the shown one.
    start, length : float, m
        Where the plane is at share 0, along the vector, and how far it goes.
    across : tuple of 2 float, m
        Extent of the place at a right angle to the vector.
    floor, ceiling : float, m
        Heights of the place.

    """

    along: np.ndarray
    start: float
    length: float
    across: tuple[float, float]
    floor: float
    ceiling: float

    @classmethod
    def of(cls, xyz: np.ndarray) -> Wipe:
        """Return the plane that goes along the longer side of a place, points (N, 3) in m."""
        if not len(xyz):
            return cls(np.array([1.0, 0.0]), 0.0, 1.0, (0.0, 1.0), 0.0, 1.0)
        azimuth = wall_azimuth(xyz)
        wall, seen = np.deg2rad(azimuth - CORNER), np.deg2rad(azimuth)
        right = np.array([-np.sin(seen), np.cos(seen)])  # of a window that looks from there
        one = np.array([np.cos(wall), np.sin(wall)])
        along = max(one, left_of(one), key=lambda side: np.ptp(_extent(xyz, side)))
        along = along if along @ right > 0 else -along
        low, high = _extent(xyz, along)
        floor, ceiling = np.percentile(xyz[:, 2], (1, 99))
        return cls(
            along,
            float(low),
            max(float(high - low), AT_EDGE),
            tuple(_extent(xyz, left_of(along)).tolist()),
            float(floor),
            float(ceiling),
        )

    def slab_of(self, xyz: np.ndarray) -> np.ndarray:
        """Return the slab (N,) of each point (N, 3) in m; 0 is the nearest to the start."""
        share = (xyz[:, :2] @ self.along - self.start) / self.length
        return np.clip(share * SLABS, 0, SLABS - 1).astype(np.int64)

    def is_behind(self, place: np.ndarray, share: float) -> bool:
        """Return whether a place (3,) in m is where the shown visit is drawn."""
        return bool(np.asarray(place)[:2] @ self.along >= self._at(share))

    def clipped(self, lines: np.ndarray, share: float, is_behind: bool) -> np.ndarray:
        """Return the parts of segments (M, 2, 3) in m that lie behind the plane, or before it."""
        if share <= 0 or share >= 1:
            return lines if is_behind == (share <= 0) else lines[:0]
        depth = lines[..., :2] @ self.along - self._at(share)
        depth = depth if is_behind else -depth
        lines, depth = lines[(depth > 0).any(axis=1)], depth[(depth > 0).any(axis=1)]
        step = depth[:, 1] - depth[:, 0]
        cut = -depth[:, 0] / np.where(step == 0, 1.0, step)
        at = lines[:, 0] + cut[:, None] * (lines[:, 1] - lines[:, 0])
        return np.where((depth > 0)[..., None], lines, at[:, None])

    def frame(self, share: float) -> np.ndarray:
        """Return the (4, 2, 3) edges of the plane within the place, m."""
        corners = [
            self._place(share, across, height)
            for across, height in (
                (self.across[0], self.floor),
                (self.across[1], self.floor),
                (self.across[1], self.ceiling),
                (self.across[0], self.ceiling),
            )
        ]
        return np.array([(corners[k], corners[(k + 1) % 4]) for k in range(4)])

    def names(self, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Return where the words before and now stand: on either side of the plane, m."""
        step = 0.04 * self.length * np.append(self.along, 0)
        edge = self._place(share, self.across[0], self.ceiling)
        return edge - step, edge + step

    def _at(self, share: float) -> float:
        """Return where the plane is along its way, at the edge of a slab, m."""
        if share <= 0 or share >= 1:  # also of points beyond the ends
            return float(np.sign(share - 0.5) * np.inf)
        return self._edge(share)

    def _edge(self, share: float) -> float:
        return self.start + first_slab(share) / SLABS * self.length

    def _place(self, share: float, across: float, height: float) -> np.ndarray:
        at = self._edge(share) * self.along
        return np.append(at + across * left_of(self.along), height)


def wiped(marks: Marks, wipe: Wipe, share: float, is_now: bool) -> Marks:
    """Return the marks of the shown visit, or of that before, that are on its side."""

    def is_here(place: Sequence[float] | np.ndarray) -> bool:
        return wipe.is_behind(np.asarray(place), share) == is_now

    return Marks(
        [(wipe.clipped(at, share, is_now), color) for at, color in marks.thin],
        [(wipe.clipped(at, share, is_now), color) for at, color in marks.thick],
        [(path, color) for path, color in marks.arrows if is_here(path[1])],
        [label for label in marks.labels if is_here(label[2])],
        [(i, box) for i, box in marks.boxes if is_here(box.center)],
        [box for box in marks.unseen if is_here(box.center)],
    )


def first_slab(share: float) -> int:
    """Return the first slab behind the plane, 0..SLABS, where it is at a share of its way."""
    return round(min(max(share, 0.0), 1.0) * SLABS)


def left_of(side: np.ndarray) -> np.ndarray:
    """Return a horizontal direction (2,) turned by a right angle."""
    return np.array([-side[1], side[0]])


def _extent(xyz: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Return from where to where (2,) in m points lie along a direction, but for strays."""
    return np.percentile(xyz[:, :2] @ side, (0.2, 99.8))
