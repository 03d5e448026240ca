"""Labels that do not overlap: shorter texts, then none, where many objects are close together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LABEL_HEIGHT = 0.15  # m
LETTER_WIDTH = 0.7  # of the height, the widest mean of a text in the font of RViz
LINE_HEIGHT = 1.4  # of the height
# The view with which config/rescene4d.rviz begins: an orbit around the origin.
DISTANCE, PITCH, YAW = 10.0, 0.8, 0.8  # m, rad, rad
NEAREST = 0.5  # m; labels closer to the eye or behind it are not in the picture


def choose_texts(positions: np.ndarray, texts: Sequence[Sequence[str]]) -> list[str]:
    """
    Choose one text per object so that labels overlap neither from above nor in the first view.

    Parameters
    ----------
    positions : ndarray (I, 3), m, in map
        Middles of the labels, the most important first.
    texts : sequence of I sequences of str
        Per object, the best text first.

    Returns
    -------
    list of I str
        Empty where none of its texts has room.

    """
    places = [from_above(positions), from_orbit(positions)]
    taken: list[list[np.ndarray]] = [[], []]
    chosen = []
    for number, candidates in enumerate(texts):
        for text in (*candidates, ''):
            boxes = [rectangle(place[number], text) for place in places]
            if not text or not any(map(_overlaps, boxes, taken)):
                break
        chosen.append(text)
        for rows, box in zip(taken, boxes, strict=True):
            if text:
                rows.append(box)
    return chosen


def from_above(positions: np.ndarray) -> np.ndarray:
    """Return (I, 3) middles seen from above, and the scale of their labels: x, y, scale."""
    return np.column_stack([positions[:, :2], np.ones(len(positions))])


def from_orbit(positions: np.ndarray) -> np.ndarray:
    """Return (I, 3) middles in the first view, in tangents, and the scale of their labels."""
    away = -np.array([np.cos(PITCH) * np.cos(YAW), np.cos(PITCH) * np.sin(YAW), np.sin(PITCH)])
    right = np.array([-np.sin(YAW), np.cos(YAW), 0.0])
    axes = np.stack([right, np.cross(right, away), away])
    seen = (np.asarray(positions, np.float64) + DISTANCE * away) @ axes.T
    depth = np.where(seen[:, 2] > NEAREST, seen[:, 2], np.nan)
    return np.column_stack([seen[:, 0] / depth, seen[:, 1] / depth, 1 / depth])


def rectangle(place: np.ndarray, text: str) -> np.ndarray:
    """Return left, bottom, right, top of a text in a view; NaN where it is not in the picture."""
    half = np.array([LETTER_WIDTH * len(text), LINE_HEIGHT]) * LABEL_HEIGHT * place[2] / 2
    return np.concatenate([place[:2] - half, place[:2] + half])


def _overlaps(box: np.ndarray, rows: list[np.ndarray]) -> bool:
    if not rows:
        return False
    others = np.array(rows)
    return bool(((others[:, :2] < box[2:]) & (box[:2] < others[:, 2:])).all(1).any())
