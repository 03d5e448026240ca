"""
What scoring costs: many sequences as files, scored by the command without and with intervals.

    .venv/bin/python benchmarks/score_card.py [--sequences 100] [--points 80000] [--masks 100]
"""

from __future__ import annotations

import argparse
from pathlib import Path
import resource
import tempfile
import time

import numpy as np
from rescene4d_ros.cli.main import main as rescene4d
from rescene4d_ros.metrics.files.score_files import write_prediction_file, write_truth_file
from rescene4d_ros.metrics.intervals import DRAWS
from rescene4d_ros.metrics.sequences import PredictedSequence, TrueSequence

N_OBJECTS = 40
OBJECT_SHARE = 0.5  # of the points; the rest is void
N_CLASSES = 18


def make_pair(
    name: str, n_points: int, n_masks: int, rng: np.random.Generator
) -> tuple[TrueSequence, PredictedSequence]:
    """Return two visits of one room, and masks that each cover one object and some void."""
    label = np.minimum(
        np.sort(rng.random(n_points)) / OBJECT_SHARE * N_OBJECTS + 1, N_OBJECTS + 1
    ).astype(np.int64)
    label[label > N_OBJECTS] = 0
    instance = np.concatenate([label, label])
    ids = np.arange(1, N_OBJECTS + 1)
    truth = TrueSequence(
        name,
        name,
        np.repeat([0, 1], n_points),
        instance,
        ids,
        rng.integers(0, N_CLASSES, N_OBJECTS),
        (ids - 1) // 4 % 3,
        rng.choice([0, 0, 3], (N_OBJECTS, 2)),
    )
    target = rng.integers(1, N_OBJECTS + 1, n_masks)
    hit = [(instance == i) & (rng.random(2 * n_points) < 0.9) for i in target]
    points = [np.flatnonzero(h | (rng.random(2 * n_points) < 0.002)) for h in hit]
    return truth, PredictedSequence(
        np.concatenate(points),
        np.cumsum([0, *map(len, points)]),
        truth.classes[target - 1],
        rng.random(n_masks),
        np.arange(1, n_masks + 1),
    )


def main() -> None:
    """Make the files, then time the command on them."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--sequences', type=int, default=100)
    parser.add_argument('--points', type=int, default=80_000, help='per visit')
    parser.add_argument('--masks', type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        truths, predictions = Path(folder, 'truth'), Path(folder, 'pred')
        truths.mkdir()
        predictions.mkdir()
        for k in range(options.sequences):
            truth, prediction = make_pair(
                f'{k:04d}', options.points, options.masks, np.random.default_rng(k)
            )
            write_truth_file(truths / f'{k:04d}.npz', truth)
            write_prediction_file(predictions / f'{k:04d}.npz', prediction)
        for draws in (0, DRAWS):
            start, start_cpu = time.perf_counter(), time.process_time()
            rescene4d(
                [
                    'score',
                    '--pred',
                    str(predictions),
                    '--truth',
                    str(truths),
                    '--draws',
                    str(draws),
                ]
            )
            wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f'{options.sequences} sequences of 2 x {options.points} points, '
                f'{options.masks} masks, {draws} draws of rooms: {wall:.1f} s, {cpu:.1f} s of '
                f'CPU, peak {peak:.0f} MiB'
            )


if __name__ == '__main__':
    main()
