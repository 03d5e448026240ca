"""Find flat areas of a model on which small things can stand."""

from __future__ import annotations

import numpy as np

CELL = 0.03
SMALLEST = 0.15


def find_tops(vertices: np.ndarray, faces: np.ndarray, height: float | None) -> np.ndarray:
    """
    Return the largest free rectangle at one height, seen from above.

    Parameters
    ----------
    vertices : ndarray (V, 3), m
        z up.
    faces : ndarray (F, 3), int
    height : float or None, m
        Where the author wants things to stand; None takes the most common height.

    Returns
    -------
    ndarray (0 or 1, 5), float64, m
        x from, x to, y from, y to, z.

    """
    import open3d as o3d

    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        o3d.core.Tensor(np.ascontiguousarray(vertices, np.float32)),
        o3d.core.Tensor(np.ascontiguousarray(faces, np.uint32)),
    )
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    count = np.maximum(1, ((high - low)[:2] / CELL).astype(int))
    step = (high - low)[:2] / count
    x, y = (low[k] + step[k] * (np.arange(count[k]) + 0.5) for k in (0, 1))
    grid = np.stack(np.meshgrid(x, y, indexing='ij'), axis=2)
    above = np.full(grid.shape[:2], high[2] + 1.0)
    rays = np.dstack([grid, above, np.zeros_like(grid), -np.ones_like(above)])
    hit = scene.cast_rays(o3d.core.Tensor(rays.astype(np.float32)), nthreads=1)
    z = above - hit['t_hit'].numpy()
    flat = np.abs(hit['primitive_normals'].numpy()[..., 2]) > 0.95
    if not flat.any():
        return np.zeros((0, 5))
    bins = np.round(z[flat] / 0.01).astype(int)
    common = np.bincount(bins - bins.min()).argmax() + bins.min()
    level = float(np.median(z[flat][bins == common]))
    # The author's height counts where the model has a surface there.
    if height is not None and (flat & (np.abs(z - height) < 0.02)).sum() > 8:
        level = float(np.median(z[flat & (np.abs(z - height) < 0.02)]))
    left, right, near, far = _largest_rectangle(flat & (np.abs(z - level) < 0.012))
    sides = (right - left) * step[0], (far - near) * step[1]
    if min(sides) < SMALLEST:
        return np.zeros((0, 5))
    return np.array(
        [
            [
                low[0] + left * step[0],
                low[0] + right * step[0],
                low[1] + near * step[1],
                low[1] + far * step[1],
                level,
            ]
        ]
    )


def _largest_rectangle(free: np.ndarray) -> tuple[int, int, int, int]:
    """Return first and one past last row and column of the largest all-True rectangle."""
    best, found = 0, (0, 0, 0, 0)
    for first in range(len(free)):
        column = np.ones(free.shape[1], bool)
        for last in range(first, len(free)):
            column &= free[last]
            if not column.any():
                break
            edges = np.flatnonzero(np.diff(np.r_[0, column.astype(np.int8), 0]))
            starts, ends = edges[::2], edges[1::2]
            longest = int((ends - starts).argmax())
            area = (last + 1 - first) * int(ends[longest] - starts[longest])
            if area > best:
                best = area
                found = first, last + 1, int(starts[longest]), int(ends[longest])
    return found
