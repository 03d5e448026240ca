"""Plots of the scores of several methods: precision, changes, confidences, identities, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rescene4d_ros.metrics.changes.calibration import CalibrationBin
from rescene4d_ros.metrics.changes.change_scores import SCORED_KINDS
from rescene4d_ros.metrics.identity.identity_scores import IssuedIds
from rescene4d_ros.structures.colors import color_of
from rescene4d_ros.view.picture_file import write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METHOD_COLORS = 'tab10'
LINE_STYLES = ('-', '--', ':')  # lines of equal methods overlap
NOT_FOUND = '#e4e4e0'
KIND_NAMES = tuple(kind.name.lower() for kind in SCORED_KINDS)


def draw_precision_recall(path: Path, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """
    Draw precision over recall, one line per method.

    Parameters
    ----------
    path : Path
        PNG.
    curves : mapping of str to (recall, precision), each ndarray (D,), float64
        Of `precision_recall_curve`; may be empty.

    """
    figure = empty_figure(7, 5)
    ax = figure.subplots()
    for look, (name, (recall, precision)) in zip(_looks(len(curves)), curves.items()):
        ax.plot(recall, precision, label=name, linewidth=1.5, **look)
    ax.set(
        xlim=(0, 1),
        ylim=(0, 1.02),
        xlabel='recall',
        ylabel='precision',
        title='the same object in every visit, overlap over 0.5 in each',
    )
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    write_figure(figure, path, dpi=130)


def draw_change_confusion(path: Path, tables: Mapping[str, np.ndarray]) -> None:
    """
    Draw the confusion of true and reported kinds of change.

    Parameters
    ----------
    path : Path
        PNG.
    tables : mapping of str to ndarray (6, 6), int
        True by reported kind per method; see `ChangeCounts.confusion`.

    """
    columns = min(5, max(len(tables), 1))
    rows = -(-len(tables) // columns) or 1
    figure = empty_figure(3.1 * columns, 3.3 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, (name, table) in zip(axes, tables.items()):
        ax.set_axis_on()
        ax.imshow(np.log1p(table), cmap='Blues')
        for (row, column), count in np.ndenumerate(table):
            strong = np.log1p(count) > 0.6 * np.log1p(table.max())
            ax.text(
                column,
                row,
                count or '',
                ha='center',
                va='center',
                fontsize=7,
                color='white' if strong else 'black',
            )
        ticks = range(len(KIND_NAMES) + 1)
        ax.set_xticks(ticks, (*KIND_NAMES, 'nothing'), rotation=90, fontsize=7)
        ax.set_yticks(ticks, (*KIND_NAMES, 'nothing'), fontsize=7)
        ax.set_title(name, fontsize=9)
    figure.supxlabel('stated', fontsize=9)
    figure.supylabel('true', fontsize=9)
    write_figure(figure, path, dpi=130)


def draw_calibration(path: Path, bins: Mapping[str, Sequence[CalibrationBin]]) -> None:
    """
    Draw the share of correct reports over their confidence: a reliability diagram.

    Parameters
    ----------
    path : Path
        PNG.
    bins : mapping of str to sequence of CalibrationBin
        Per method; empty bins have no point, a larger point stands for more reports.

    """
    figure = empty_figure(6.5, 5)
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], color='#888888', linewidth=1, label='calibrated')
    for look, (name, of_method) in zip(_looks(len(bins)), bins.items()):
        told = [b for b in of_method if b.count]
        sure, right = [b.confidence for b in told], [b.right for b in told]
        ax.plot(sure, right, label=name, linewidth=1.2, **look)
        ax.scatter(
            sure,
            right,
            s=[6 + 30 * np.log10(b.count) for b in told],
            color=look['color'],
            alpha=0.7,
        )
    ax.set(
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        xlabel='confidence of reported changes',
        ylabel='share that is correct',
    )
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    write_figure(figure, path, dpi=130)


def draw_identities(path: Path, ids: Mapping[str, IssuedIds], names: Sequence[str]) -> None:
    """
    Draw the id of each true object at each visit: one row per object, one color per id.

    Gray: visible but not found. Blank: not visible.

    Parameters
    ----------
    path : Path
        PNG.
    ids : mapping of str to IssuedIds
        Of one sequence, per method.
    names : sequence of G str
        Of the objects.

    """
    figure = empty_figure(1.6 + 1.5 * len(ids), 1.2 + 0.17 * len(names))
    axes = figure.subplots(1, max(len(ids), 1), sharey=True, squeeze=False)[0]
    for ax, (name, found) in zip(axes, ids.items()):
        _draw_issued(ax, found)
        ax.set_title(name.replace('_', '\n'), fontsize=8)
        ax.set_xticks(range(len(found.issued)), range(1, len(found.issued) + 1), fontsize=7)
    axes[0].set_yticks(range(len(names)), names, fontsize=6)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    figure.supxlabel('visit', fontsize=8)
    write_figure(figure, path, dpi=130)


def draw_cost(path: Path, seconds: Mapping[str, Mapping[str, float]]) -> None:
    """
    Draw seconds over visits, one line per method.

    Parameters
    ----------
    path : Path
        PNG.
    seconds : mapping of str to mapping of str to float
        Per method: mean seconds by number of visits.

    """
    figure = empty_figure(7, 5)
    ax = figure.subplots()
    for look, (name, by_visits) in zip(_looks(len(seconds)), seconds.items()):
        ax.plot(
            [int(n) for n in by_visits],
            list(by_visits.values()),
            marker='o',
            label=name,
            linewidth=1.5,
            **look,
        )
    ax.set(xlabel='visits T', ylabel='s per sequence, from points to ids')
    ax.set_xticks(sorted({int(n) for by_visits in seconds.values() for n in by_visits}))
    ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    write_figure(figure, path, dpi=130)


def _draw_issued(ax: Axes, found: IssuedIds) -> None:
    """Fill one cell per visit and object."""
    n_visits, n_objects = found.issued.shape
    image = np.ones((n_objects, n_visits, 3))
    for (t, g), issued in np.ndenumerate(found.issued):
        if issued > 0:
            image[g, t] = np.array(color_of(int(issued))) / 255
        elif found.is_visible[t, g]:
            image[g, t] = [int(NOT_FOUND[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    ax.imshow(image, aspect='auto', interpolation='nearest')
    ax.set_yticks(np.arange(n_objects + 1) - 0.5, minor=True)
    ax.grid(axis='y', which='minor', color='white', linewidth=1.5)
    ax.tick_params(which='minor', length=0)


def empty_figure(width: float, height: float) -> Figure:
    """Return a figure of the given size in inches that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def _looks(n: int) -> list[dict]:
    """Return color and style of n lines; up to ten are distinguishable."""
    from matplotlib import colormaps

    return [
        {'color': colormaps[METHOD_COLORS](k % 10), 'linestyle': LINE_STYLES[k % len(LINE_STYLES)]}
        for k in range(n)
    ]
