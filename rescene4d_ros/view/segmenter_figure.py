"""The figure of the segmenter: data flow and serialization through time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rescene4d_ros.view.picture_file import write_figure

PER_VISIT, SHARED, LINE = '#dbe7f3', '#fde6c8', '#40474f'
PATCHES = ('#3b75af', '#ef8636', '#519e3e', '#c53a32', '#8d6ab8', '#84584e')
# Left edge, bottom, width, height in a 10 x 6 plane; text; shared by the visits or not.
BOXES = (
    (0.1, 4.35, 1.5, 1.0, 'visit 1\nvoxels', False),
    (0.1, 2.55, 1.5, 1.0, 'visit T\nvoxels', False),
    (2.1, 4.35, 1.6, 1.0, 'encoder\n(kept)', False),
    (2.1, 2.55, 1.6, 1.0, 'encoder\n(kept)', False),
    (4.2, 2.55, 1.7, 2.8, 'backbone\ndecoder\n\nU-Net: alone\nPTv3: orders\nthrough time', True),
    (6.4, 4.35, 1.7, 1.0, 'levels $F_l$\n1/16 ... 1/2', True),
    (6.4, 2.55, 1.7, 1.0, 'superpoint\nfeatures $F_S$', True),
    (4.2, 0.35, 1.7, 1.2, 'seeds: farthest\npoints in\n(x, y, z, t)', True),
    (6.4, 0.35, 1.7, 1.2, 'Q queries\n3 rounds x\n4 levels', True),
    (8.6, 2.55, 1.35, 1.0, 'mask logits\n$F_S \\cdot e(q)$', True),
    (8.6, 0.45, 1.35, 1.0, 'class logits\n(K + 1)', True),
)
ARROWS = (
    ((1.6, 4.85), (2.1, 4.85)),
    ((1.6, 3.05), (2.1, 3.05)),
    ((3.7, 4.85), (4.2, 4.85)),
    ((3.7, 3.05), (4.2, 3.05)),
    ((5.9, 4.85), (6.4, 4.85)),
    ((5.9, 3.05), (6.4, 3.05)),
    ((5.9, 0.95), (6.4, 0.95)),
    ((8.1, 3.05), (8.6, 3.05)),
    ((8.1, 0.95), (8.6, 0.95)),
    ((7.25, 2.55), (7.25, 1.55)),
    ((8.1, 1.4), (8.75, 2.55)),
)


def draw_segmenter(
    path: Path, cells: Sequence[np.ndarray], orders: Sequence[tuple[str, np.ndarray, np.ndarray]]
) -> None:
    """
    Write the picture.

    Parameters
    ----------
    path : Path
        PNG.
    cells : sequence of T ndarray (V_t, 2), int
        Cells of a floor plan, visit after visit.
    orders : sequence of (title, rows, patch)
        Rows (V,) of the cells of all visits along a curve, and the patch of each position.

    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4.4), layout='constrained')
    FigureCanvasAgg(figure)
    flow, *panels = figure.subplots(1, 1 + len(orders), width_ratios=[1.9] + [1] * len(orders))
    _draw_flow(flow)
    for ax, (title, rows, patch) in zip(panels, orders):
        _draw_order(ax, cells, rows, patch)
        ax.set_title(title, fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_figure(figure, path, dpi=130)


def _draw_flow(ax) -> None:
    """Draw the boxes and their arrows."""
    from matplotlib.patches import FancyBboxPatch, Patch

    for left, bottom, width, height, text, shared in BOXES:
        ax.add_patch(
            FancyBboxPatch(
                (left, bottom),
                width,
                height,
                edgecolor=LINE,
                boxstyle='round,pad=0,rounding_size=0.12',
                facecolor=SHARED if shared else PER_VISIT,
            )
        )
        ax.text(
            left + width / 2, bottom + height / 2, text, ha='center', va='center', fontsize=8.5
        )
    for start, end in ARROWS:
        ax.annotate('', end, start, arrowprops={'arrowstyle': '-|>', 'color': LINE})
    ax.text(0.85, 3.95, '...', ha='center', va='center')
    # From the levels, past the superpoints, to the queries.
    ax.plot((8.1, 8.35, 8.35), (4.6, 4.6, 1.2), color=LINE, linewidth=1)
    ax.annotate('', (8.1, 1.2), (8.35, 1.2), arrowprops={'arrowstyle': '-|>', 'color': LINE})
    ax.legend(
        handles=[
            Patch(facecolor=PER_VISIT, edgecolor=LINE, label='each visit alone'),
            Patch(facecolor=SHARED, edgecolor=LINE, label='all visits together'),
        ],
        loc='lower left',
        fontsize=8.5,
        frameon=False,
    )
    ax.set_xlim(0, 10.1)
    ax.set_ylim(0, 5.6)
    ax.set_axis_off()


def _draw_order(ax, cells: Sequence[np.ndarray], rows: np.ndarray, patch: np.ndarray) -> None:
    """Draw the visits as layers, and the patches of one order through them."""
    depth = max(c[:, 1].max() for c in cells) + 1
    places = np.concatenate(
        [
            np.column_stack([c[:, 0] + 0.45 * c[:, 1], 0.55 * c[:, 1] + 0.95 * depth * visit])
            for visit, c in enumerate(cells)
        ]
    )
    along = places[rows]
    for k in np.unique(patch):
        part, color = along[patch == k], PATCHES[k % len(PATCHES)]
        ax.plot(*part.T, color=color, linewidth=0.8, alpha=0.6)
        ax.scatter(*part.T, s=22, marker='s', color=color, linewidths=0)
    for visit in range(len(cells)):
        ax.text(-1, 0.95 * depth * visit, f'visit {visit + 1}', ha='right', fontsize=9)
    ax.set_aspect('equal')
    ax.set_axis_off()
