"""One picture of clouds over each other: whether they lie in one map, in meters and upright."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rescene4d_ros.structures.colors import unit_rgb
from rescene4d_ros.view.picture_file import write_figure
from rescene4d_ros.view.splat import BACKGROUND

# Distinguishable with the usual kinds of color blindness; earlier points are gray.
COLORS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (150, 110, 0), (60, 60, 60))
EARLIER = (150, 150, 150)
PIXELS = 620  # of the longer side of a panel
FAINTEST = 0.12  # of a pixel with points, beside 1 for those with most


def draw_alignment(
    path: Path, clouds: Sequence[tuple[str, np.ndarray]], earlier: np.ndarray | None = None
) -> None:
    """
    Write a PNG with all clouds from above and from the side, one color each.

    Walls that one map holds lie on each other; those of clouds that are not aligned appear twice.

    Parameters
    ----------
    path : Path
    clouds : sequence of tuple of str and ndarray (N, 3), m, in map
        Name and points; of many, the newest six are drawn.
    earlier : ndarray (M, 3), optional, m, in map
        What a memory knows of the place.

    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    shown = [*([('memory', earlier)] if earlier is not None else []), *clouds[-len(COLORS) :]]
    colors = [EARLIER] * (earlier is not None) + list(COLORS[: len(clouds)])
    figure = Figure((13.6, 7.4), dpi=100, layout='constrained')
    figure.patch.set_facecolor(unit_rgb(BACKGROUND))
    panels = (('from above', (0, 1), ('x', 'y')), ('from the side', (0, 2), ('x', 'z')))
    for ax, (title, axes, names) in zip(figure.subplots(1, 2), panels):
        flat = [xyz[:, axes] for _, xyz in shown]
        low, high = (f(np.concatenate(flat), p) for f, p in zip((_edge, _edge), (0.2, 99.8)))
        image = overlaid(flat, colors, low, high)
        ax.imshow(image, origin='lower', extent=(low[0], high[0], low[1], high[1]))
        ax.set_title(title, fontsize=14)
        ax.set_xlabel(f'{names[0]} (m)')
        ax.set_ylabel(f'{names[1]} (m)')
    handles = [
        Patch(color='#' + bytes(color).hex(), label=name)
        for color, (name, _) in zip(colors, shown)
    ]
    figure.legend(handles=handles, loc='outside lower center', ncols=3, frameon=False)
    write_figure(figure, path)


def _edge(points: np.ndarray, percent: float) -> np.ndarray:
    """Return where a view ends, m: stray points far away must not make the rest small."""
    margin = 0.2 if percent > 50 else -0.2
    return np.percentile(points, percent, axis=0) + margin


def overlaid(
    clouds: Sequence[np.ndarray],
    colors: Sequence[tuple[int, int, int]],
    low: np.ndarray,
    high: np.ndarray,
) -> np.ndarray:
    """Return an image (H, W, 3) of points (N, 2): darker where more of them are, mixed colors."""
    cell = float((high - low).max()) / PIXELS
    bins = np.maximum(np.ceil((high - low) / cell).astype(int), 1)
    ink, weight = np.zeros((bins[1], bins[0], 3)), np.zeros((bins[1], bins[0], 1))
    for points, color in zip(clouds, colors):
        ends = [(float(a), float(b)) for a, b in zip(low, high)]
        count, _ = np.histogramdd(points, bins=bins.tolist(), range=ends)
        most = np.percentile(count[count > 0], 98) if (count > 0).any() else 1.0
        share = np.where(count > 0, FAINTEST + (1 - FAINTEST) * np.minimum(count / most, 1), 0)
        ink += share.T[..., None] * np.array(color)
        weight += share.T[..., None]
    mixed = ink / np.maximum(weight, 1e-9)
    cover = np.minimum(weight, 1)
    return (cover * mixed + (1 - cover) * 255).astype(np.uint8)
