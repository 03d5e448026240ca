"""Where else a cloud would lie on the remembered points: all turns and shifts by correlation."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.geometry.registration import Pair
from rescene4d_ros.geometry.se3 import upright
from scipy import fft

CELL = 0.2  # m
TURNS = 72
CANDIDATES = 6
FINAL = 2  # candidates that are laid exactly
POINTS = (300, 900)  # of each cloud, for all candidates and for the final ones
GATES = (0.6, 0.3), (0.15, 0.08)  # m
ROUNDS = 3, 4
EXACT_POINTS = 3000
EXACT_GATES = (0.1, 0.05)  # m
WIDEST = 60.0  # m; larger places get larger cells
LAYERS = 6  # heights that a column is divided into


def search(cloud: np.ndarray, reference: np.ndarray, lift: float) -> np.ndarray:
    """
    Return motions that may lay a cloud on the reference, each laid as closely as it goes.

    Seen from above, walls and furniture make a picture; pictures of all turns are correlated with
    that of the reference.

    Parameters
    ----------
    cloud, reference : ndarray (N, 3), (M, 3), m
        Walls and furniture; z up.
    lift : float, m
        From the floor of the cloud to that of the reference.

    Returns
    -------
    ndarray (H, 4, 4), float64
        reference_T_cloud of each, H > 0.

    """
    middle = (cloud.min(0) + cloud.max(0)) / 2
    span = max(
        float(np.linalg.norm(np.ptp(cloud[:, :2], axis=0))),
        float(np.ptp(reference[:, :2], axis=0).max()),
    )
    cell = CELL * max(1.0, span / WIDEST)
    corner = reference[:, :2].min(0)
    half = int(np.ceil(np.linalg.norm(np.ptp(cloud[:, :2], axis=0)) / 2 / cell)) + 2
    base = _picture((reference[:, :2] - corner) / cell, reference[:, 2], None)
    shape = [fft.next_fast_len(int(n) + 2 * half + 2) for n in base.shape]
    spectrum = fft.rfft2(base, shape)
    found = []
    for turn in 2 * np.pi * np.arange(TURNS) / TURNS:
        c, s = np.cos(turn), np.sin(turn)
        turned = (cloud[:, :2] - middle[:2]) @ np.array([[c, s], [-s, c]])
        picture = _picture(turned / cell + half, cloud[:, 2], 2 * half + 1)
        match = fft.irfft2(spectrum * np.conj(fft.rfft2(picture, shape)), shape)
        at = np.unravel_index(match.argmax(), shape)
        place = [p - n if p >= n - 2 * half else p for p, n in zip(at, shape)]
        shift = corner + (np.array(place) + half) * cell
        motion = upright(turn, np.zeros(3))
        motion[:3, 3] = [*shift, middle[2] + lift] - motion[:3, :3] @ middle
        found.append((float(match.max()), motion))
    found.sort(key=lambda item: -item[0])
    motions = np.stack([motion for _, motion in _distinct(found)[:CANDIDATES]])
    pair = Pair(cloud.astype(np.float64), reference.astype(np.float64), POINTS[1])
    rough = pair.thinner(POINTS[0])
    motions = rough.refine(motions, gates=GATES[0], rounds=ROUNDS[0])
    reach = rough.reach(motions, GATES[0][1])
    best = motions[np.argsort(reach, kind='stable')[:FINAL]]
    return pair.refine(best, gates=GATES[1], rounds=ROUNDS[1])


def polish(motion: np.ndarray, cloud: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return a motion (4, 4) that lays a cloud on the reference as exactly as it goes."""
    pair = Pair(cloud.astype(np.float64), reference.astype(np.float64), EXACT_POINTS)
    return pair.refine(motion[None], gates=EXACT_GATES, rounds=10)[0]


def _picture(places: np.ndarray, z: np.ndarray, size: int | None) -> np.ndarray:
    """Return in how many layers of height each cell (I, J) is filled, as a root."""
    cells = np.floor(places).astype(np.int64)
    layer = np.floor((z - z.min()) / (np.ptp(z) + 1e-6) * LAYERS).astype(np.int64)
    shape = tuple(cells.max(0) + 1) if size is None else (size, size)
    filled = np.zeros((*shape, LAYERS), dtype=bool)
    filled[cells[:, 0], cells[:, 1], np.minimum(layer, LAYERS - 1)] = True
    return np.sqrt(filled.sum(2))


def _distinct(found: list[tuple[float, np.ndarray]]) -> list[tuple[float, np.ndarray]]:
    """Drop candidates beside a better one: 10 degrees and 0.5 m."""
    kept: list[tuple[float, np.ndarray]] = []
    for score, motion in found:
        if all(
            motion[:2, :2].ravel() @ other[:2, :2].ravel() < 2 * np.cos(np.deg2rad(11))
            or np.linalg.norm(motion[:2, 3] - other[:2, 3]) > 0.5
            for _, other in kept
        ):
            kept.append((score, motion))
    return kept
