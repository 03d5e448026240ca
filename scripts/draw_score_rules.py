"""
Draw the two pictures of docs/reference/score_card.md, with numbers computed by the metrics.

    .venv/bin/python scripts/draw_score_rules.py [--out docs/images]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
import numpy as np
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.segmentation.point_overlaps import count_overlaps
from rescene4d_ros.metrics.segmentation.temporal_overlap import exchange, visit_overlaps
from rescene4d_ros.metrics.sequences import PredictedSequence, TrueSequence

FLOOR = (40, 20)  # cells of one visit, one point each
LEFT, RIGHT = (4, 5, 12, 10), (24, 5, 12, 10)  # x, y, width, height
TRUE_COLOR, MASK_COLORS = '#c9d3e0', ('#d9540b', '#0a7d43')

Places = Mapping[int, tuple[int, int, int, int]]


@dataclass(frozen=True)
class Case:
    """One row of a picture: places of the true objects and masks per visit."""

    text: str
    true: Sequence[Places]
    masks: Sequence[Places]


def shifted(place: tuple[int, int, int, int], by: int) -> tuple[int, int, int, int]:
    """Return a place moved to the right."""
    return (place[0] + by, *place[1:])


OVERLAPS = (
    Case(
        'covered in both visits',
        [{1: LEFT}, {1: RIGHT}],
        [{1: shifted(LEFT, 1)}, {1: shifted(RIGHT, 2)}],
    ),
    Case('missed in one visit', [{1: LEFT}, {1: RIGHT}], [{1: shifted(LEFT, 1)}, {}]),
    Case('removed, and the mask ends', [{1: LEFT}, {}], [{1: shifted(LEFT, 1)}, {}]),
    Case(
        'removed, and the mask goes on',
        [{1: LEFT}, {}],
        [{1: shifted(LEFT, 1)}, {1: shifted(LEFT, 1)}],
    ),
)
LOOK_ALIKES = (
    Case(
        'each mask changes chairs',
        [{1: LEFT, 2: RIGHT}] * 2,
        [{1: shifted(LEFT, 1), 2: shifted(RIGHT, 1)}, {1: shifted(RIGHT, 1), 2: shifted(LEFT, 1)}],
    ),
    Case(
        'both masks claim one chair',
        [{1: LEFT, 2: RIGHT}] * 2,
        [
            {1: shifted(LEFT, 1), 2: shifted(RIGHT, 1)},
            {1: shifted(RIGHT, 1), 2: shifted(RIGHT, 2)},
        ],
    ),
    Case(
        'one chair leaves, the other comes',
        [{1: LEFT}, {2: RIGHT}],
        [{1: shifted(LEFT, 1)}, {1: shifted(RIGHT, 1)}],
    ),
)


def cells(place: tuple[int, int, int, int]) -> np.ndarray:
    """Return the points of a place in one visit."""
    x, y, width, height = place
    return (np.arange(y, y + height)[:, None] * FLOOR[0] + np.arange(x, x + width)).ravel()


def arrays(case: Case) -> tuple[TrueSequence, PredictedSequence]:
    """Make points of a case; all true objects are look-alikes of one class."""
    size = FLOOR[0] * FLOOR[1]
    labels = np.zeros((len(case.true), size), dtype=np.int64)
    for label, places in zip(labels, case.true):
        for i, place in places.items():
            label[cells(place)] = i
    ids = np.array(sorted({i for places in case.true for i in places}))
    masks = sorted({i for places in case.masks for i in places})
    points = [
        np.concatenate(
            [t * size + cells(places[m]) for t, places in enumerate(case.masks) if m in places]
        )
        for m in masks
    ]
    zeros = np.zeros_like(ids)
    truth = TrueSequence(
        '', '', np.repeat(np.arange(len(labels)), size), labels.ravel(), ids, zeros, zeros + 1
    )
    return truth, PredictedSequence(
        np.concatenate(points),
        np.cumsum([0, *map(len, points)]),
        np.zeros(len(masks), int),
        np.linspace(0.9, 0.8, len(masks)),
        np.array(masks),
    )


def results(case: Case, is_exchanged: bool) -> list[str]:
    """Return the result of the metrics for each mask, as text."""
    truth, prediction = arrays(case)
    visits = visit_overlaps(count_overlaps(truth, prediction), ScoreRules())
    if not is_exchanged:
        each = [
            f'{v:.2f}' if p or m else 'left out'
            for v, p, m in zip(visits.iou[0, :, 0], visits.is_present[:, 0], visits.is_shown[0])
        ]
        return [
            f'min({", ".join(each)}) = {visits.smallest()[0, 0]:.2f}'.replace('left out', 'no say')
        ]
    alone, taken = visits.smallest().max(axis=1), exchange(visits, 0.5)
    return [
        f'mask {p + 1}: {alone[p]:.2f} with one chair throughout; '
        + ('right by exchange' if p in taken else 'wrong')
        for p in range(len(alone))
    ]


def draw(path: Path, cases: Sequence[Case], is_exchanged: bool) -> None:
    """Write one picture: a row per case, a column per visit."""
    figure = Figure((9.5, 1.75 * len(cases)), dpi=110, layout='constrained')
    grid = figure.subplots(len(cases), 3, squeeze=False, width_ratios=(1, 1, 1.25))
    for row, case in zip(grid, cases):
        for t in range(2):
            draw_visit(row[t], case.true[t], case.masks[t])
        row[2].axis('off')
        row[2].text(
            0,
            0.5,
            case.text + '\n' + '\n'.join(results(case, is_exchanged)),
            va='center',
            fontsize=9,
            linespacing=1.6,
        )
    for t in range(2):
        grid[0, t].set_title(f'visit {t + 1}', fontsize=10)
    grid[0, 2].set_title('filled: true object    outlined: mask', fontsize=9, loc='left')
    figure.savefig(path)


def draw_visit(axes: Axes, true: Places, masks: Places) -> None:
    """Draw objects filled and masks outlined."""
    for i, (x, y, width, height) in true.items():
        axes.add_patch(Rectangle((x, y), width, height, color=TRUE_COLOR))
        axes.text(x + width / 2, y + height / 2, 'AB'[i - 1], ha='center', va='center')
    for m, (x, y, width, height) in masks.items():
        axes.add_patch(
            Rectangle((x, y), width, height, fill=False, linewidth=2, edgecolor=MASK_COLORS[m - 1])
        )
        axes.text(
            x + width * m / 3, y + height + 0.6, str(m), color=MASK_COLORS[m - 1], fontsize=9
        )
    axes.set(xlim=(0, FLOOR[0]), ylim=(0, FLOOR[1]), xticks=[], yticks=[], aspect='equal')


def main() -> None:
    """Draw both."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--out', type=Path, default=Path('docs/images'))
    out = parser.parse_args().out
    draw(out / 'score_min_over_visits.png', OVERLAPS, is_exchanged=False)
    draw(out / 'score_look_alikes.png', LOOK_ALIKES, is_exchanged=True)


if __name__ == '__main__':
    main()
