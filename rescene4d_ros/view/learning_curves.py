"""How training runs learn: their loss, and their scores on held-out rooms."""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rescene4d_ros.view.picture_file import write_figure
from rescene4d_ros.view.score_plots import empty_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHED = 11  # logged steps averaged in one point of the left curve
SCORES = {'t_ap50': '-', 't_ap50_any': ':'}


def curve(log: list[dict], name: str) -> np.ndarray:
    """Return the steps and values (L, 2) logged under a name."""
    return np.array([[line['step'], line[name]] for line in log if name in line]).reshape(-1, 2)


def smoothed(points: np.ndarray) -> np.ndarray:
    """Return running means of a curve, (L - SMOOTHED + 1, 2)."""
    kernel = np.full(SMOOTHED, 1 / SMOOTHED)
    return np.column_stack([np.convolve(column, kernel, 'valid') for column in points.T])


def draw_learning_curves(path: Path, runs: Mapping[str, Path]) -> None:
    """
    Draw how training runs learn: loss, and scores on held-out rooms where a run has any.

    Parameters
    ----------
    path : Path
        Of the picture.
    runs : mapping of str to Path
        The `metrics.jsonl` of each run, by the name in the legend. Steps that are missing in one,
        because another slice of the run wrote them, are a gap.

    """
    logs = {name: read_log(metrics) for name, metrics in runs.items()}
    has_scores = any(len(curve(log, name)) for log in logs.values() for name in SCORES)
    figure = empty_figure(11 if has_scores else 6, 4)
    _draw(logs, *np.atleast_1d(figure.subplots(1, 1 + has_scores)))
    write_figure(figure, path, dpi=110)


def read_log(metrics: Path) -> list[dict]:
    """Return the lines of a log; the last one may be cut off where a run was killed."""
    lines = metrics.read_text().splitlines()
    if lines and not lines[-1].endswith('}'):
        lines.pop()
    return [json.loads(line) for line in lines]


def _draw(runs: dict[str, list[dict]], dice: Axes, scores: Axes | None = None) -> None:
    """Draw the losses of all runs, and their scores where there is a panel for them."""
    for k, (name, log) in enumerate(runs.items()):
        color = f'C{k}'
        points = curve(log, 'dice')
        shown = smoothed(points) if len(points) >= SMOOTHED else points
        dice.plot(*shown.T, color=color, label=name)
        if scores is None:
            continue
        for score, style in SCORES.items():
            points = curve(log, score)
            scores.plot(
                *points.T,
                style,
                marker='o',
                color=color,
                label=f'{name}: {score}' if len(points) else None,
            )
    dice.set(
        xlabel='step', ylabel='Dice loss in training, sum over prediction sets', ylim=(0, None)
    )
    if scores is not None:
        scores.set(xlabel='step', ylabel='score on held-out rooms', ylim=(0, 1))
    for axes in (dice, scores):
        if axes is None:
            continue
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
