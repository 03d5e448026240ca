"""Cloth that follows what it lies on and hangs over its edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.structures.objects import triple
from rescene4d_ros.synthetic_rooms.clutter.relief import CELL_M, Relief
from rescene4d_ros.synthetic_rooms.furniture import Model
from rescene4d_ros.synthetic_rooms.surfaces.mesh import Part
from scipy.ndimage import distance_transform_edt, uniform_filter

DRAPED = ('blanket', 'towel', 'garment')
# Of the height of its folds, so much is left on what carries it.
FOLDS = 0.45
# Cloth bridges steps lower than this and hangs down from higher ones.
STEP_M = 0.2
OUT_M = 0.015
CLEAR_FLOOR_M = 0.03
MARGIN_CELLS = 60


def draped(
    model: Model, relief: Relief, x: float, y: float, turn: float, floor: float
) -> tuple[Model, np.ndarray] | None:
    """
    Lay a cloth on another model.

    Parameters
    ----------
    model : Model
        Spread out, or as it lay elsewhere.
    relief : Relief
        Of what carries it.
    x, y : float, m
        Middle of the cloth in the frame of the carrier.
    turn : float, rad
        Of the cloth against the carrier.
    floor : float, m
        Height of the floor in the frame of the carrier.

    Returns
    -------
    model : Model
        Keeps the spread one as `spread`.
    origin : ndarray (3,), m
        Its place in the frame of the carrier.
    None if nothing carries the cloth there.

    """
    spread = model.spread or model
    height = np.pad(relief.height, MARGIN_CELLS, constant_values=-1.0)
    low = relief.low - MARGIN_CELLS * CELL_M
    here = _cell(np.array([[x, y]]), low, height.shape)
    level = height[here[0, 0], here[0, 1]]
    carries = height > max(level - STEP_M, 0.05)
    if level < 0.05 or not carries.any():
        return None
    off, nearest = distance_transform_edt(~carries, return_indices=True)
    rounded = uniform_filter(np.where(carries, height, level), 5)
    c, s = np.cos(turn), np.sin(turn)
    to_carrier = np.array([[c, s], [-s, c]])
    parts = []
    for part in spread.parts:
        at = part.vertices[:, :2] @ to_carrier + (x, y)
        i, j = _cell(at, low, height.shape).T
        edge = np.stack([nearest[0][i, j], nearest[1][i, j]], axis=1)
        over = off[i, j] * CELL_M
        top = np.maximum(rounded[edge[:, 0], edge[:, 1]], height[edge[:, 0], edge[:, 1]])
        rim = low + (edge + 0.5) * CELL_M
        out = (at - rim) / np.maximum(over, 1e-6)[:, None]
        hangs = over > CELL_M
        fold = FOLDS * part.vertices[:, 2]
        place = np.where(hangs[:, None], rim + out * (OUT_M + fold)[:, None], at)
        z = np.where(hangs, np.maximum(top - over, floor + CLEAR_FLOOR_M), top + fold)
        back = (place - (x, y)) @ to_carrier.T
        parts.append(Part(np.column_stack([back, z + 0.006]), part.faces, part.material))
    return _framed(spread, parts, np.array([x, y, 0.0]), to_carrier)


def _cell(at: np.ndarray, low: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the (N, 2) cells of places (m), those outside moved to the border."""
    return np.clip(((at - low) / CELL_M).astype(np.int64), 0, np.array(shape) - 1)


def _framed(
    spread: Model, parts: list[Part], origin: np.ndarray, to_carrier: np.ndarray
) -> tuple[Model, np.ndarray]:
    """Return a model of parts with its origin under its middle, and where that is."""
    every = np.concatenate([p.vertices for p in parts])
    low, high = every.min(axis=0), every.max(axis=0)
    shift = np.array([*(low[:2] + high[:2]) / 2, low[2]])
    moved = tuple(p.moved(-shift) for p in parts)
    model = replace(spread, parts=moved, size=triple(high - low), spread=spread)
    return model, origin + np.array([*(shift[:2] @ to_carrier), shift[2]])
