"""
Draw the curves of training runs, from the `metrics.jsonl` in their folders.

    .venv/bin/python scripts/draw_learning_curves.py runs/rooms-s [runs/...] [--out FILE]

Left: Dice loss in training; right: scores on held-out rooms, where a run has any. Steps that are
missing in a log, because another slice of the run wrote them, are a gap. `rescene4d train` draws
those of its own run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rescene4d_ros.view.learning_curves import draw_learning_curves


def main(arguments: list[str] | None = None) -> None:
    """Read the logs and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('runs', type=Path, nargs='+', metavar='RUN', help='run folders')
    parser.add_argument('--out', type=Path, default=Path('docs/images/learning_curves.png'))
    options = parser.parse_args(arguments)
    draw_learning_curves(options.out, {run.name: run / 'metrics.jsonl' for run in options.runs})
    print(options.out)


if __name__ == '__main__':
    main()
