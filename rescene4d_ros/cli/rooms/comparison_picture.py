"""A picture of how a made set compares with real scans: one strip per statistic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rescene4d_ros.synthetic_rooms.comparison import Span
from rescene4d_ros.view.picture_file import write_figure

COLUMNS = 3
MADE, BAND, REAL, MISSED = '#9aa5b1', '#cfe0f3', '#1b7f3b', '#c22f2f'


def draw_comparison(spans: Sequence[Span], path: Path) -> None:
    """
    Draw every visit of a set, its 5 % to 95 %, and the values of real scans.

    Parameters
    ----------
    spans : sequence of Span
    path : Path
        Its suffix decides the format.

    """
    from matplotlib.figure import Figure

    rows = -(-len(spans) // COLUMNS)
    figure = Figure((13, 0.95 * rows + 0.4), layout='constrained')
    figure.suptitle('gray: visits of the set (band: 5 % to 95 %); lines: real scans', fontsize=9)
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for ax in axes[len(spans) :]:
        ax.axis('off')
    for ax, span in zip(axes, spans):
        _draw_span(ax, span)
    write_figure(figure, path, dpi=110)


def _draw_span(ax, span: Span) -> None:
    jitter = np.random.default_rng(0).uniform(0.1, 0.9, len(span.made))
    ax.axvspan(span.low, span.high, color=BAND, zorder=0)
    ax.plot(span.made, jitter, '.', color=MADE, markersize=3)
    for value in span.real:
        ax.axvline(value, color=MISSED if value in span.missed else REAL, linewidth=1.4)
    ax.set_yticks([])
    ax.tick_params(labelsize=6)
    unit = f' ({span.statistic.unit})' if span.statistic.unit else ''
    ax.set_title(span.statistic.text + unit, fontsize=7, pad=2)
