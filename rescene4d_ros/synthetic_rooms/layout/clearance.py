"""Whether a thing may change its shape where it stands: what opens needs room to open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from rescene4d_ros.synthetic_rooms.furniture import Piece
from rescene4d_ros.synthetic_rooms.layout.floorplan import overlap, Placed
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room

# Things that touch do not collide.
SLACK_M = 0.01


class Clearance:
    """
    Answer whether the parts of a thing that moved would collide.

    Unlike `Floorplan`, which keeps whole things apart, it looks at each part: a drawer may come
    out beside the chair that is tucked under its desk.

    Parameters
    ----------
    room : Room

    """

    def __init__(self, room: Room):
        """Keep the room."""
        self._room = room
        self._blocks: dict[tuple, tuple[np.ndarray, np.ndarray]] = {}

    def allows(self, changed: Placed, joints: Sequence[int], others: Iterable[Placed]) -> bool:
        """
        Return whether a thing may have its state.

        Parameters
        ----------
        changed : Placed
            In its new state.
        joints : sequence of int
            Those of its joints whose state is new.
        others : iterable of Placed
            What is in the room, each in its own state; may include the thing itself.

        """
        moved = []
        for j in joints:
            joint, state = changed.model.joints[j], changed.state[j]
            moved += [Piece(p, joint, state) for p in (*joint.parts, *joint.inside)]
        corners, span = _blocks_in_room(changed, moved, -SLACK_M)
        flat = corners.reshape(-1, 2)
        # A door may swing through its own wall.
        if changed.model.place != 'opening' and not self._room.contains(flat).all():
            return False
        if span.max() > self._room.height:
            return False
        ignored = {changed.instance_id}
        if changed.model.place == 'tub':
            # A shower curtain hangs over the rim.
            ignored.add(changed.parent)
        low, high = flat.min(axis=0), flat.max(axis=0)
        for other in others:
            if other.instance_id in ignored:
                continue
            theirs, levels = self._of(other)
            near = ((theirs.min(axis=1) < high) & (theirs.max(axis=1) > low)).all(axis=1)
            if near.any() and _collide(corners, span, theirs[near], levels[near]):
                return False
        return True

    def _of(self, placed: Placed) -> tuple[np.ndarray, np.ndarray]:
        key = (placed.instance_id, placed.x, placed.y, placed.z, placed.yaw, placed.state)
        if key not in self._blocks:
            self._blocks[key] = _blocks_in_room(placed, placed.pieces)
        return self._blocks[key]


def _blocks_in_room(
    placed: Placed, pieces: Iterable[Piece], margin: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return (P, 4, 2) corners and (P, 2) lowest and highest levels of P pieces, m, in room."""
    blocks = np.stack([piece.block(margin) for piece in pieces])
    pose = placed.room_T_object
    blocks = blocks @ pose[:3, :3].T + pose[:3, 3]
    return blocks[:, :4, :2], blocks[:, [0, 4], 2] - (margin, -margin)


def _collide(
    corners: np.ndarray, span: np.ndarray, theirs: np.ndarray, levels: np.ndarray
) -> bool:
    """Return whether any of P upright blocks overlaps any of Q others."""
    for one, (low, high) in zip(corners, span):
        level = (levels[:, 0] < high) & (levels[:, 1] > low)
        if level.any() and overlap(one, theirs[level]).any():
            return True
    return False
