"""How parts of a model move when its shape changes: door leaves, drawers, cushions, cloth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.structures.objects import triple
from rescene4d_ros.synthetic_rooms.surfaces.mesh import Part


@dataclass(frozen=True)
class Joint:
    """
    Hold parts that move together, and how: one degree of freedom of a model's shape.

    Its state runs from 0, the model as it was made, to 1. The parts are scaled about the pivot,
    turned about the upright axis through it and then shifted, each by the state's share.

    Attributes
    ----------
    parts : tuple of Part
        Parts of the model, the very objects.
    pivot : tuple of 3 float, m
    turn : float, rad
    slide : tuple of 3 float, m
    scale : tuple of 3 float
    inside : tuple of Part
        Move along, and are there only away from state 0: the tray behind a drawer's front.
    body : Part or None
        A closed block of the model for which `hollow` stands away from state 0.
    hollow : tuple of Part

    """

    parts: tuple[Part, ...]
    pivot: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: float = 0.0
    slide: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    inside: tuple[Part, ...] = ()
    body: Part | None = None
    hollow: tuple[Part, ...] = ()

    def at(self, points: np.ndarray, state: float) -> np.ndarray:
        """Return where (N, 3) points of the parts (m, in the model) are at a state."""
        pivot = np.asarray(self.pivot)
        c, s = np.cos(self.turn * state), np.sin(self.turn * state)
        turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        scale = 1 + (np.asarray(self.scale) - 1) * state
        return (points - pivot) * scale @ turn + pivot + state * np.asarray(self.slide)

    def moved(self, shift: np.ndarray, moved: Mapping[int, Part]) -> Joint:
        """Return the joint of a model whose parts were shifted (m): `moved` by id of the old."""
        return replace(
            self,
            parts=tuple(moved[id(p)] for p in self.parts),
            pivot=triple(self.pivot + shift),
            inside=tuple(p.moved(shift) for p in self.inside),
            body=None if self.body is None else moved[id(self.body)],
            hollow=tuple(p.moved(shift) for p in self.hollow),
        )


@dataclass(frozen=True)
class Piece:
    """
    Hold one part where the state of its joint puts it.

    Attributes
    ----------
    part : Part
        As the model was made.
    joint : Joint or None
        What moves it.
    state : float
        0..1.

    """

    part: Part
    joint: Joint | None = None
    state: float = 0.0

    @property
    def vertices(self) -> np.ndarray:
        """Return the (V, 3) vertices in the frame of the model, m."""
        if self.joint is None or not self.state:
            return self.part.vertices
        return self.joint.at(self.part.vertices, self.state)

    def block(self, margin: float = 0.0) -> np.ndarray:
        """
        Return the (8, 3) corners (m, in the model) of its box: lower four, then upper four.

        The box has `margin` (m) more on each upright side; with a negative one, at least half of
        it stays.
        """
        low, high = self.part.vertices.min(axis=0), self.part.vertices.max(axis=0)
        grown = np.maximum(margin, (low - high) / 4) * (1, 1, 0)
        low, high = low - grown, high + grown
        corners = np.array(
            [
                [x, y, z]
                for z in (low[2], high[2])
                for x, y in (
                    (low[0], low[1]),
                    (high[0], low[1]),
                    (high[0], high[1]),
                    (low[0], high[1]),
                )
            ]
        )
        return corners if self.joint is None else self.joint.at(corners, self.state)


def pieces(parts: Sequence[Part], joints: Sequence[Joint], state: Sequence[float]) -> list[Piece]:
    """
    Return all that is to be seen of a model in a state.

    Parameters
    ----------
    parts : sequence of Part
    joints : sequence of J Joint
    state : sequence of J float, 0..1
        Empty: all 0, and the pieces are the parts.

    """
    away = [(j, s) for j, s in zip(joints, state) if s]
    moves = {id(p): (j, s) for j, s in away for p in j.parts}
    open_bodies = {id(j.body): j.hollow for j, _ in away if j.body is not None}
    seen = [Piece(p, *moves.get(id(p), (None, 0.0))) for p in parts if id(p) not in open_bodies]
    seen += [Piece(p) for hollow in open_bodies.values() for p in hollow]
    return seen + [Piece(p, j, s) for j, s in away for p in j.inside]
