"""Who stands where: poses in the room, and whether a place is free."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.rooms.furniture import Model
from rescene4d_ros.rooms.outline import Room


@dataclass(frozen=True)
class Placed:
    """
    Hold one object in the room.

    Attributes
    ----------
    instance_id : int
        Positive.
    model : Model
    x, y, z : float, m, in room
    yaw : float, rad
    kind : str
        The recipe's words for it, by which others find it.
    parent : int
        Instance it stands on or at, and moves with; 0 = none.

    """

    instance_id: int
    model: Model
    x: float
    y: float
    z: float
    yaw: float
    kind: str = ''
    parent: int = 0

    @property
    def room_T_object(self) -> np.ndarray:
        """Return the (4, 4) pose in the room frame."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[c, -s, 0, self.x], [s, c, 0, self.y], [0, 0, 1, self.z], [0, 0, 0, 1]])

    def to_room(self, local: tuple[float, float]) -> np.ndarray:
        """Return the (2,) place in the room of a point of the model, m."""
        return (self.room_T_object @ np.array([*local, 0, 1]))[:2]

    def carried(self, before: Placed, after: Placed) -> Placed:
        """Return where this ends up when what carries it moves from `before` to `after`."""
        pose = after.room_T_object @ np.linalg.inv(before.room_T_object) @ self.room_T_object
        return replace(self, x=float(pose[0, 3]), y=float(pose[1, 3]), z=float(pose[2, 3]),
                       yaw=float(np.arctan2(pose[1, 0], pose[0, 0])))


def footprint(placed: Placed, margin: float = 0.0, front: float = 0.0) -> np.ndarray:
    """Return the (4, 2) corners (m) of the upright box, with free floor before it."""
    w, d = placed.model.size[0] / 2 + margin, placed.model.size[1] / 2 + margin
    corners = np.array([[-w, -d], [w, -d], [w, d + front], [-w, d + front]])
    c, s = np.cos(placed.yaw), np.sin(placed.yaw)
    return corners @ np.array([[c, s], [-s, c]]) + (placed.x, placed.y)


def overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two convex (4, 2) rectangles overlap (separating axes)."""
    for corners in (a, b):
        for k in (0, 1):
            edge = corners[k + 1] - corners[k]
            axis = np.array([-edge[1], edge[0]])
            pa, pb = a @ axis, b @ axis
            if pa.max() <= pb.min() + 1e-9 or pb.max() <= pa.min() + 1e-9:
                return False
    return True


class Floorplan:
    """
    Keep the objects of a room and answer whether another one fits.

    Parameters
    ----------
    room : Room
        Gives walls and the floor before doors, which stays free.
    placed : iterable of Placed

    """

    def __init__(self, room: Room, placed=()):
        """Start with `placed` objects."""
        self.room = room
        self.placed: dict[int, Placed] = {p.instance_id: p for p in placed}
        self._keep_free = []
        for hole in room.openings:
            if hole.model.class_name == 'door':
                wall = room.walls[hole.wall]
                middle = wall.start + wall.along * hole.middle
                a, n = wall.along * 0.45, wall.inward
                self._keep_free.append(np.array([middle - a, middle + a, middle + a + n * 0.75,
                                                 middle - a + n * 0.75]))

    def children(self, instance_id: int) -> list[Placed]:
        """Return what stands on or at an object, and what stands on that."""
        found, queue = [], [instance_id]
        while queue:
            parent = queue.pop()
            for p in self.placed.values():
                if p.parent == parent and p.instance_id:
                    found.append(p)
                    queue.append(p.instance_id)
        return found

    def fits(self, candidate: Placed, ignore: frozenset[int] = frozenset()) -> bool:
        """Return whether `candidate` is inside the room and touches nothing but `ignore`."""
        return self._inside(candidate) and not self.blockers(candidate, ignore)

    def _inside(self, candidate: Placed) -> bool:
        corners = footprint(candidate, -0.02)
        hanging = candidate.model.place in ('opening', 'hang')
        if not hanging and not self.room.contains(corners).all():
            return False
        reflex = self.room.outline[3:4] if len(self.room.outline) == 6 else ()
        if any(_within(corner, corners) for corner in reflex):
            return False
        if candidate.z < 1.9 and not hanging:
            return not any(overlap(corners, free) for free in self._keep_free)
        return True

    def blockers(self, candidate: Placed, ignore: frozenset[int] = frozenset()) -> list[int]:
        """Return the instances that `candidate` would touch."""
        solid = footprint(candidate, 0.01)
        own_front = footprint(candidate, 0.0, candidate.model.front)
        low, high = candidate.z, candidate.z + candidate.model.size[2]
        # Chairs at the table the candidate belongs to may be tucked under it.
        ignore = ignore | {candidate.parent, candidate.instance_id}
        found = []
        for other in self.placed.values():
            if other.instance_id in ignore:
                continue
            reach = sum(np.hypot(*p.model.size[:2]) / 2 + p.model.front
                        for p in (candidate, other))
            if np.hypot(candidate.x - other.x, candidate.y - other.y) > reach + 0.1:
                continue
            if other.z >= high - 0.01 or other.z + other.model.size[2] <= low + 0.01:
                continue
            other_solid = footprint(other)
            free_other = (other.model.front and candidate.model.place in ('wall', 'floor')
                          and other.kind != candidate.kind)
            if overlap(solid, other_solid) or (
                    candidate.model.front and other.model.place in ('wall', 'floor')
                    and other.kind.split(':')[0] not in candidate.kind
                    and overlap(own_front, other_solid)) or (
                    free_other and not _friends(candidate, other)
                    and overlap(solid, footprint(other, 0.0, other.model.front * 0.7))):
                found.append(other.instance_id)
        return found


def _friends(a: Placed, b: Placed) -> bool:
    """Return whether `a` may stand in the free floor before `b`."""
    return b.instance_id == a.parent or a.model.liveliness > 0.6


def _within(point: np.ndarray, corners: np.ndarray) -> bool:
    edge = np.roll(corners, -1, axis=0) - corners
    to = point - corners
    return bool((edge[:, 0] * to[:, 1] - edge[:, 1] * to[:, 0] > 0).all())
