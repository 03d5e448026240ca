"""
How much faster two workers go through an archive of memories than one.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/archive.py [--memories 8] [--visits 4]
        [--engine local] [--folder DIR]

Makes memories of small rooms by the shipped network, then lets `rescene4d archive evaluate` do
all of it again on copies, by one worker and by two, with one thread each. Printed are seconds of
the wall from the start of the command to its end, of the processors, and the ratio. With
`--folder` the memories are kept and found again. Only on a machine that does nothing else is the
ratio of the wall a speed-up; the load beside it says so.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import resource
import subprocess
import sys
import tempfile
import time

from rescene4d_ros.config import make
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.synthetic_rooms import make_sequence, RoomsConfig

ROOM = {'room_type': 'bath', 'min_objects': 8, 'max_objects': 10, 'views': 16, 'spacing': 0.03}
SEED = 31


def make_archive(folder: Path, memories: int, visits: int) -> int:
    """Make the memories that are missing; return the points of the first visit of the first."""
    segmenter = Segmenter.load(InferenceConfig(torch_threads=1))
    n_points = 0
    for k in range(memories):
        path = folder / f'memory_{k}'
        if path.exists():
            continue
        sequence, _ = make_sequence(SEED + k, make(RoomsConfig, {**ROOM, 'visits': visits}))
        n_points = n_points or len(sequence.scans[0])
        with SceneMemory.open(
            path, f'room {k}', sequence.scans[0].frame_id, segmenter.class_names
        ) as memory:
            tracker = SceneTracker(memory, segmenter)
            for scan in sequence.scans:
                tracker.add_visit(scan)
    return n_points


def measured(archive: Path, engine: str, jobs: int) -> tuple[float, float]:
    """Return seconds of the wall and of the processors of one run of the command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, '-m', 'rescene4d_ros.cli.main', 'archive', 'evaluate']
        command += [str(archive), '--out', out, '--engine', engine, '--jobs', str(jobs)]
        command += ['--set', 'inference.torch_threads=1']
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Make, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--memories', type=int, default=8)
    parser.add_argument('--visits', type=int, default=4)
    parser.add_argument('--engine', choices=('local', 'ray'), default='local')
    parser.add_argument('--folder', type=Path, help='where memories are kept')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        archive = options.folder or Path(scratch)
        n_points = make_archive(archive, options.memories, options.visits)
        print(f'{options.memories} memories of {options.visits} visits, {n_points or "?"} points')
        walls = []
        for jobs in (1, 2):
            wall, busy = measured(archive, options.engine, jobs)
            walls.append(wall)
            print(f'{jobs} at a time: {wall:6.1f} s, processors {busy:6.1f} s', flush=True)
        print(f'speed-up {walls[0] / walls[1]:.2f} on {os.cpu_count()} cores')
        print(f'load average {os.getloadavg()[0]:.1f}')


if __name__ == '__main__':
    main()
