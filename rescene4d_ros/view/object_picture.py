"""One object in its room, and from near."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from rescene4d_ros.geometry.boxes import contains
from rescene4d_ros.structures import Box, Scan
from rescene4d_ros.structures.colors import color_of, over_room, unit_rgb
from rescene4d_ros.view.cutaway import cutaway
from rescene4d_ros.view.outlines import draw_outline
from rescene4d_ros.view.splat import BACKGROUND, splat, view_of, wall_azimuth

PANEL = (560, 420)  # pixels of one of the two views
AROUND = 0.6  # m; what is shown around the object from near
TITLE = 26  # pixels


def object_picture(
    scan: Scan, is_object: np.ndarray, box: Box, object_id: int, title: str
) -> bytes:
    """
    Draw an object in scanned colors over its pale room, on the right from near.

    Parameters
    ----------
    scan : Scan
        A visit that observed it.
    is_object : ndarray (N,), bool
        Its points.
    box : Box
        Its place, drawn as an outline in the color of its id.
    object_id : int
    title : str
        Printed as it is.

    Returns
    -------
    bytes
        A PNG file.

    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = PANEL
    figure = Figure((2 * width / 100, (height + TITLE) / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    figure.patch.set_facecolor(unit_rgb(BACKGROUND))
    axes = figure.subplots(1, 2)
    figure.subplots_adjust(0, 0, 1, height / (height + TITLE), wspace=0.01)
    rgb = np.full((len(scan), 3), color_of(object_id)) if scan.rgb is None else scan.rgb
    colors = over_room(scan, rgb.astype(np.uint8), is_object)
    near = contains(box, scan.xyz, AROUND)
    azimuth = wall_azimuth(scan.xyz)
    for ax, shown in zip(axes, (np.ones(len(scan), bool), near if near.any() else ~near)):
        view = view_of([scan.xyz[shown]], width, height, azimuth)
        shown = shown & (cutaway(scan.xyz, view, is_object) | is_object)
        ax.imshow(splat(view, scan.xyz[shown], colors[shown]), extent=(0, width, height, 0))
        ax.set_xlim(0, width)
        ax.set_ylim(height, 0)
        ax.axis('off')
        draw_outline(ax, view, box, unit_rgb(color_of(object_id)), 1.6)
    # A name may hold what matplotlib would read as a formula.
    figure.text(0.5, 1 - 5 / (height + TITLE), title, ha='center', va='top', parse_math=False)
    file = BytesIO()
    canvas.print_png(file)
    return file.getvalue()
