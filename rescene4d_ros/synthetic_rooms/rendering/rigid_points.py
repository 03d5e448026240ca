"""
Rigid motions of very many points.

A matrix product by BLAS is made for large matrices: for three columns it takes several times as
long as the sums written out, and its last bit depends on the processor.
"""

from __future__ import annotations

import numpy as np

# Sums, products, sines and matrix products differ in the last bits from one processor to another;
# a step far above those, far below anything that matters, and a power of two, which floats hold.
STEPS_PER_UNIT = float(1 << 20)


def on_grid(values: np.ndarray) -> np.ndarray:
    """Return float64 values rounded to whole steps of 2^-20: of m, a micrometer."""
    return np.rint(values * STEPS_PER_UNIT) / STEPS_PER_UNIT


def settled(pose: np.ndarray) -> np.ndarray:
    """Return a pose rounded to 12 decimals, so that its last bits are the same everywhere."""
    return np.round(pose, 12)


def turned(points: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return (N, 3) float64 points or directions turned by a (3, 3) float64 rotation."""
    x, y, z = np.ascontiguousarray(points.T)
    return np.stack([x * row[0] + y * row[1] + z * row[2] for row in rotation], axis=1)


def moved(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Return (N, 3) float64 points (m) moved by a (4, 4) float64 pose."""
    return turned(points, pose[:3, :3]) + pose[:3, 3]
