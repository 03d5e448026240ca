"""
Whether a memory stays as fast and as small after many visits as after ten.

    .venv/bin/python benchmarks/long_memory.py [--visits 1000] [--points 6000] [--every 50]

Visits one small made home again and again: a few true states of it in turn, an hour apart, with
fresh noise. True masks stand for the network, so what is measured is the memory. Printed after
every so many visits: median processor time of the last ones, resident memory of the process, disk
per visit, and the slowest of some questions. A state lasts `--lasts` visits. At the end visits
older than the newest `--keep` are thinned: those without changes by the policy, then all.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
import gc
from pathlib import Path
from statistics import median
import tempfile
import time

import numpy as np
from rescene4d_ros.config import make
from rescene4d_ros.evaluation import TrueMasks
from rescene4d_ros.geometry.point_sets import evenly
from rescene4d_ros.memory.maintenance.retention import thin_visits
from rescene4d_ros.memory.maintenance.thinning_policy import Thinned, ThinningPolicy
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.questions.asking import ask
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import Scan, ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth
from rescene4d_ros.synthetic_rooms import make_sequence, RoomsConfig

HOME = {
    'visits': 8,
    'room_type': 'bath',
    'min_objects': 8,
    'max_objects': 10,
    'views': 12,
    'view_width': 120,
    'view_height': 90,
    'spacing': 0.04,
}
HOUR_NS = 3600 * 10**9
START_NS = 1_800_000_000 * 10**9
NOISE_M = 0.002
QUESTIONS = (
    'where is the toilet?',
    'what changed since yesterday?',
    'what is in the room?',
    'what was removed last week?',
)
HEAD = ('visits', 's/visit', 'RSS MB', 'MB/visit', 'ms/question', 'objects')


def home(visits: int, points: int, lasts: int, seed: int) -> tuple[ScanSequence, SequenceTruth]:
    """Return that many visits of one home with their truth: its states come in turn."""
    sequence, truth = make_sequence(seed, make(RoomsConfig, HOME))
    states = []
    for scan, true in zip(sequence.scans, truth.visits):
        some = evenly(len(scan), points)
        thinned = replace(true, instance=true.instance[some], semantic=true.semantic[some])
        states.append((scan.take(some), thinned))
    turns = [states[visit // lasts % len(states)] for visit in range(visits)]
    scans = tuple(
        replace(scan, stamp_ns=START_NS + visit * HOUR_NS) for visit, (scan, _) in enumerate(turns)
    )
    return replace(sequence, scans=scans), replace(truth, visits=tuple(t for _, t in turns))


def noisy(scans: tuple[Scan, ...], seed: int) -> Iterator[Scan]:
    """Yield scans whose points lie a little elsewhere each time."""
    rng = np.random.default_rng(seed)
    for scan in scans:
        noise = rng.normal(0, NOISE_M, scan.xyz.shape).astype(np.float32)
        yield replace(scan, xyz=scan.xyz + noise)


def resident_mb() -> float:
    """Return the resident memory of this process."""
    gc.collect()
    status = Path('/proc/self/status').read_text()
    return int(status.split('VmRSS:')[1].split()[0]) / 1024


def disk_mb(folder: Path) -> float:
    """Return what the files of a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1e6


def slowest_question(memory: SceneMemory, now_ns: int) -> float:
    """Return the processor time of the slowest question, the better of two tries each."""
    slowest = 0.0
    for question in QUESTIONS:
        tries = []
        for _ in range(2):
            start = time.process_time()
            ask(memory, question, now_ns, UTC)
            tries.append(time.process_time() - start)
        slowest = max(slowest, min(tries))
    return slowest


def by_policy(policy: ThinningPolicy, before_ns: int) -> int:
    """Thin what the policy says; return the number of points that went."""
    steps = iter(lambda: policy.step(before_ns), Thinned(0, 0))
    return sum(step.points for step in steps)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--visits', type=int, default=1000)
    parser.add_argument('--every', type=int, default=50)
    parser.add_argument('--points', type=int, default=6000, help='most points of a visit')
    parser.add_argument('--lasts', type=int, default=1, help='visits without a change in turn')
    parser.add_argument('--keep', type=int, default=30, help='newest visits that are not thinned')
    parser.add_argument('--spacing', type=float, default=0.08, help='of thinned points, m')
    parser.add_argument('--seed', type=int, default=11)
    options = parser.parse_args()
    sequence, truth = home(options.visits, options.points, options.lasts, options.seed)
    print(f'{len(sequence.scans[0])} points per visit')
    print(''.join(f'{name:>13}' for name in HEAD), flush=True)
    rows: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / 'memory'
        masks = TrueMasks(sequence, truth)
        with SceneMemory.open(
            folder, 'home', sequence.scans[0].frame_id, masks.class_names
        ) as memory:
            tracker = SceneTracker(memory, masks)
            taken = []
            for count, scan in enumerate(noisy(sequence.scans, options.seed), start=1):
                start = time.process_time()
                tracker.add_visit(scan)
                taken.append(time.process_time() - start)
                if count == 10 or count % options.every == 0 or count == options.visits:
                    rows.append((median(taken[-8:]), resident_mb()))
                    values = (
                        *rows[-1],
                        disk_mb(folder) / count,
                        1e3 * slowest_question(memory, scan.stamp_ns),
                    )
                    print(
                        f'{count:13}{values[0]:13.3f}{values[1]:13.0f}{values[2]:13.3f}'
                        f'{values[3]:13.1f}{len(memory.snapshot().objects):13}',
                        flush=True,
                    )
            print(
                f'last to visit 10: time {rows[-1][0] / rows[0][0]:.2f}, '
                f'resident memory {rows[-1][1] / rows[0][1]:.2f}'
            )
            before_ns = sequence.scans[max(len(sequence.scans) - options.keep, 0)].stamp_ns
            policy = ThinningPolicy(memory, options.spacing)
            for name, thinned in (
                ('by the policy', lambda: by_policy(policy, before_ns)),
                ('all', lambda: thin_visits(memory, before_ns, options.spacing)),
            ):
                disk, start = disk_mb(folder), time.process_time()
                gone = thinned()
                print(
                    f'thinned to {options.spacing} m but the newest {options.keep} visits, '
                    f'{name}: {gone} points gone, {disk:.1f} to {disk_mb(folder):.1f} MB, '
                    f'{time.process_time() - start:.1f} s'
                )


if __name__ == '__main__':
    main()
