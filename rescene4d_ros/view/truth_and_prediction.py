"""Truth and prediction of each visit from above."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.structures import Scan
from rescene4d_ros.structures.colors import colors_of, over_room, unit_rgb
from rescene4d_ros.view.splat import BACKGROUND, CORNER, splat, view_of, wall_azimuth

TITLES = ('truth', 'prediction')
SIDE = 2  # samples per pixel and direction
DPI = 100


def truth_and_prediction(
    scans: Sequence[Scan],
    true: Sequence[np.ndarray],
    found: Sequence[np.ndarray],
    width: int = 400,
    height: int = 300,
) -> np.ndarray:
    """
    Draw a row per visit, truth on the left and prediction on the right.

    Parameters
    ----------
    scans : sequence of T Scan
        At least one with points.
    true, found : sequence of T ndarrays (N_t,), int
        Object of each point, one color each; 0 = none.
    width, height : int
        Of one view in pixels.

    Returns
    -------
    ndarray (H, W, 3), uint8

    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    clouds = [scan.xyz for scan in scans if len(scan)]
    azimuth = wall_azimuth(clouds[0]) - CORNER
    view = max(
        (view_of(clouds, width * SIDE, height * SIDE, azimuth + turn, 90) for turn in (0, 90)),
        key=lambda v: v.pixels_per_m,
    )
    figure = Figure((2 * width / DPI, len(scans) * height / DPI), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    figure.patch.set_facecolor(unit_rgb(BACKGROUND))
    axes = figure.subplots(
        len(scans),
        2,
        squeeze=False,
        gridspec_kw={'left': 0, 'right': 1, 'bottom': 0, 'top': 1, 'wspace': 0, 'hspace': 0},
    )
    for t, scan in enumerate(scans):
        for ax, title, objects in zip(axes[t], TITLES, (true[t], found[t])):
            ax.axis('off')
            colors = over_room(scan, colors_of(objects), objects > 0)
            image = (
                splat(view, scan.xyz, colors, shading=0.7)
                if len(scan)
                else np.full((view.height, view.width, 3), BACKGROUND, np.uint8)
            )
            ax.imshow(_averaged(image), aspect='auto')
            ax.text(6, 6, f'{title}, visit {t + 1}', va='top', fontsize=9, fontweight='bold')
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _averaged(image: np.ndarray) -> np.ndarray:
    """Return a supersampled image at its final size."""
    height, width = image.shape[0] // SIDE, image.shape[1] // SIDE
    parts = image.astype(np.float64).reshape(height, SIDE, width, SIDE, 3)
    return parts.mean(axis=(1, 3)).astype(np.uint8)
