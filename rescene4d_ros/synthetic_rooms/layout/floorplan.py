"""Who stands where: poses in the room, and whether a place is free."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.synthetic_rooms.furniture import Model, Piece
from rescene4d_ros.synthetic_rooms.layout.corners import reflex_corners
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room


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
    state : tuple of J float, 0..1
        Of the joints of the model; empty = all 0.

    """

    instance_id: int
    model: Model
    x: float
    y: float
    z: float
    yaw: float
    kind: str = ''
    parent: int = 0
    state: tuple[float, ...] = ()

    @classmethod
    def at(
        cls, model: Model, place: np.ndarray, z: float, yaw: float, kind: str = '', parent: int = 0
    ) -> Placed:
        """Return a model at a (2,) place (m, in room) that has no id yet."""
        x, y = place
        return cls(0, model, x, y, z, yaw, kind, parent)

    @property
    def pieces(self) -> list[Piece]:
        """Return the parts of the model in its state."""
        return self.model.pieces(self.state)

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
        return replace(
            self,
            x=float(pose[0, 3]),
            y=float(pose[1, 3]),
            z=float(pose[2, 3]),
            yaw=float(np.arctan2(pose[1, 0], pose[0, 0])),
        )


def stays(before: Placed, now: Placed) -> bool:
    """Return whether a thing keeps its pose, whatever its shape."""
    return np.allclose(before.room_T_object, now.room_T_object, atol=1e-6)


def footprint(placed: Placed, margin: float = 0.0, front: float = 0.0) -> np.ndarray:
    """Return the (4, 2) corners (m) of the upright box, with free floor before it."""
    w, d = placed.model.size[0] / 2 + margin, placed.model.size[1] / 2 + margin
    corners = np.array([[-w, -d], [w, -d], [w, d + front], [-w, d + front]])
    c, s = np.cos(placed.yaw), np.sin(placed.yaw)
    return corners @ np.array([[c, s], [-s, c]]) + (placed.x, placed.y)


def overlap(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return which of the (N, 4, 2) rectangles overlap the (4, 2) one (separating axes)."""
    own_axes = one[1:3] - one[:2]
    apart = _apart(one @ own_axes.T, others @ own_axes.T)
    if apart.all():
        return ~apart
    axes = others[:, 1:3] - others[:, :2]
    apart |= _apart(np.einsum('pd,nad->npa', one, axes), np.einsum('npd,nad->npa', others, axes))
    return ~apart


def _apart(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return for which n some axis keeps the (N, 4, 2) projections apart."""
    gap = 1e-9
    left = one.max(axis=-2) <= others.min(axis=-2) + gap
    right = others.max(axis=-2) <= one.min(axis=-2) + gap
    return (left | right).any(axis=-1)


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
        keep_free = []
        for hole in room.openings:
            if hole.model.class_name == 'door':
                wall = room.walls[hole.wall]
                middle = wall.start + wall.along * hole.middle
                a, n = wall.along * 0.45, wall.inward
                keep_free.append(
                    [middle - a, middle + a, middle + a + n * 0.75, middle - a + n * 0.75]
                )
        self._keep_free = np.array(keep_free)
        self._reflex = room.outline[reflex_corners(room.outline)]
        self._corners: dict[tuple, np.ndarray] = {}

    def children(self, instance_id: int) -> list[Placed]:
        """Return what stands on or at an object, and what stands on that."""
        found, queue = [], [instance_id]
        # A thing that was moved onto what it carries, or onto itself, is met once.
        known = {0, instance_id}
        while queue:
            parent = queue.pop()
            for p in self.placed.values():
                if p.parent == parent and p.instance_id not in known:
                    found.append(p)
                    queue.append(p.instance_id)
                    known.add(p.instance_id)
        return found

    def fits(self, candidate: Placed, ignore: frozenset[int] = frozenset()) -> bool:
        """Return whether `candidate` is inside the room and touches nothing but `ignore`."""
        return self._inside(candidate) and not self.blockers(candidate, ignore)

    def _inside(self, candidate: Placed) -> bool:
        corners = footprint(candidate, -0.02)
        hanging = candidate.model.place in ('opening', 'hang')
        if not hanging and not self.room.contains(corners).all():
            return False
        if any(_within(corner, corners) for corner in self._reflex):
            return False
        if candidate.z < 1.9 and not hanging:
            return not (len(self._keep_free) and overlap(corners, self._keep_free).any())
        return True

    def blockers(self, candidate: Placed, ignore: frozenset[int] = frozenset()) -> list[int]:
        """Return the instances that `candidate` would touch, or whose free floor it would take."""
        # Chairs at the table the candidate belongs to may be tucked under it.
        ignore = ignore | {candidate.parent, candidate.instance_id}
        low, high = candidate.z, candidate.z + candidate.model.size[2]
        reach = candidate.model.reach
        x, y = candidate.x, candidate.y
        near = [
            p
            for p in self.placed.values()
            if p.instance_id not in ignore
            and (x - p.x) ** 2 + (y - p.y) ** 2 < (reach + p.model.reach) ** 2
            and p.z < high - 0.01
            and p.z + p.model.size[2] > low + 0.01
        ]
        if not near:
            return []
        stands = candidate.model.place in ('wall', 'floor')
        touched = overlap(footprint(candidate, 0.01), self._footprints(near, 0.0))
        if candidate.model.front:
            in_the_way = [
                p.model.place in ('wall', 'floor') and p.kind not in candidate.kind for p in near
            ]
            if any(in_the_way):
                own = footprint(candidate, 0.0, candidate.model.front)
                touched |= overlap(own, self._footprints(near, 0.0)) & in_the_way
        if stands:
            guarded = [
                bool(p.model.front) and p.kind != candidate.kind and not _friends(candidate, p)
                for p in near
            ]
            if any(guarded):
                touched |= overlap(footprint(candidate), self._footprints(near, 0.7)) & guarded
        return [p.instance_id for p, hit in zip(near, touched) if hit]

    def _footprints(self, placed: list[Placed], share: float) -> np.ndarray:
        """Return (N, 4, 2) footprints with a share of the free floor before them."""
        found = []
        for p in placed:
            key = (p.instance_id, p.x, p.y, p.yaw, share)
            if key not in self._corners:
                self._corners[key] = footprint(p, 0.0, p.model.front * share)
            found.append(self._corners[key])
        return np.stack(found)


def _friends(a: Placed, b: Placed) -> bool:
    """Return whether `a` may stand in the free floor before `b`."""
    return b.instance_id == a.parent or a.model.liveliness > 0.6


def _within(point: np.ndarray, corners: np.ndarray) -> bool:
    edge = np.roll(corners, -1, axis=0) - corners
    to = point - corners
    return bool((edge[:, 0] * to[:, 1] - edge[:, 1] * to[:, 0] > 0).all())
