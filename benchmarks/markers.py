"""
What markers cost: 150 objects and a visit of 1 M points, complete and as an update.

    .venv/bin/python benchmarks/markers.py [--objects 150] [--points 1000000] [--rounds 5]

Prints the CPU time to make and serialize the complete picture, and the message after a visit in
which one object of ten moved, each as the median of some rounds, and the ratio of the two.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
import statistics
import sys
import time

import numpy as np

HISTORY = 10
MAX_POINTS = 100  # of one object, the default of the node


def scene(objects: int, points: int):
    """Return objects in a grid, and a visit with points on each."""
    from rescene4d_ros.node.messages.scene_markers import NewestVisit
    from rescene4d_ros.structures import Box, ObjectState, Scan, SceneObject

    rng = np.random.default_rng(0)
    items = [
        SceneObject(
            number,
            2,
            'chair',
            0.9,
            ObjectState.PRESENT,
            Box((number % 15 * 1.0, number // 15 * 1.0, 0.5), (0.5, 0.5, 0.8)),
            1,
            2,
        )
        for number in range(1, objects + 1)
    ]
    ids = rng.integers(0, objects + 1, points)
    xyz = rng.uniform(0, 15, (points, 3)).astype(np.float32)
    return items, NewestVisit(2, (), Scan(xyz, 2), ids)


def cpu_times(items, newest, rounds: int) -> tuple[float, float]:
    """Return the median CPU time of a complete picture and of an update, s."""
    from rclpy.serialization import serialize_message
    from rescene4d_ros.node.messages.scene_markers import MarkerUpdates

    moved = [
        replace(item, box=replace(item.box, yaw=0.5)) if item.object_id % 10 == 0 else item
        for item in items
    ]
    complete: list[float] = []
    update: list[float] = []
    for _ in range(rounds):
        updates = MarkerUpdates(HISTORY)
        for objects, times in ((items, complete), (moved, update)):
            start = time.process_time()
            serialize_message(updates.update(objects, 'map', newest, MAX_POINTS))
            times.append(time.process_time() - start)
    return statistics.median(complete), statistics.median(update)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--objects', type=int, default=150)
    parser.add_argument('--points', type=int, default=1_000_000)
    parser.add_argument('--rounds', type=int, default=5)
    options = parser.parse_args()
    items, newest = scene(options.objects, options.points)
    complete, update = cpu_times(items, newest, options.rounds)
    print(f'{options.objects} objects, {options.points} points, CPU time')
    print(f'complete {complete:.3f} s, update {update:.3f} s, ratio {update / complete:.2f}')


if __name__ == '__main__':
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
