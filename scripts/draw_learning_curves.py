"""
Draw the curves of training runs, from the `metrics.jsonl` in their folders.

    .venv/bin/python scripts/draw_learning_curves.py runs/rooms-s [runs/...] [--out FILE]

Left: Dice loss in training; right: scores on held-out rooms, where a run has any. Steps that are
missing in a log, because another slice of the run wrote them, are a gap.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
import numpy as np

SMOOTHED = 11  # logged steps averaged in one point of the left curve
SCORES = {'t_ap50': '-', 't_ap50_any': ':'}


def curve(log: list[dict], name: str) -> np.ndarray:
    """Return the steps and values (L, 2) logged under a name."""
    return np.array([[line['step'], line[name]] for line in log if name in line]).reshape(-1, 2)


def smoothed(points: np.ndarray) -> np.ndarray:
    """Return running means of a curve, (L - SMOOTHED + 1, 2)."""
    kernel = np.full(SMOOTHED, 1 / SMOOTHED)
    return np.column_stack([np.convolve(column, kernel, 'valid') for column in points.T])


def draw(runs: dict[str, list[dict]], dice: Axes, scores: Axes | None = None) -> None:
    """Draw the losses of all runs, and their scores where there is a panel for them."""
    for k, (name, log) in enumerate(runs.items()):
        color = f'C{k}'
        points = curve(log, 'dice')
        if len(points) >= SMOOTHED:
            dice.plot(*smoothed(points).T, color=color, label=name)
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


def main(arguments: list[str] | None = None) -> None:
    """Read the logs and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('runs', type=Path, nargs='+', metavar='RUN', help='run folders')
    parser.add_argument('--out', type=Path, default=Path('docs/images/learning_curves.png'))
    options = parser.parse_args(arguments)
    runs = {
        run.name: [json.loads(line) for line in (run / 'metrics.jsonl').open()]
        for run in options.runs
    }
    has_scores = any(len(curve(log, name)) for log in runs.values() for name in SCORES)
    figure = Figure(figsize=(11 if has_scores else 6, 4), layout='constrained')
    if has_scores:
        draw(runs, *figure.subplots(1, 2))
    else:
        draw(runs, figure.subplots())
    figure.savefig(options.out, dpi=110)
    print(options.out)


if __name__ == '__main__':
    main()
