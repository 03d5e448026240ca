"""
Whether visits built of a robot's drives say the same as snapshots of the same visits.

For each room a simulated robot drives three visits, as in `rescene4d demo-robot`: odometry that
drifts, a localization that lags, a person who walks through. The visits that are built of its
clouds, the same without their free cells, without cells and path, and snapshots of the same
visits are processed, by the shipped weights or with the true masks; all objects and changes are
pooled. Intervals are percentiles of 10,000 draws of rooms.

    .venv/bin/python benchmarks/live_and_snapshots.py --seeds 24 100-111
    .venv/bin/python benchmarks/live_and_snapshots.py --seeds 100-111 --seconds 6 --true-masks
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
import tempfile

import numpy as np
from rescene4d_ros.cli.demo.robot_command import process_snapshots
from rescene4d_ros.cli.demo.robot_report import result_of
from rescene4d_ros.cli.demo.robot_visits import make_visits, ROOM_TYPE, SEED, Visits
from rescene4d_ros.cli.visits.inputs import find_visits
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import GivenInstances, Scan

ROOM_TYPES = (ROOM_TYPE, 'bedroom', 'office')
DRAWS = 10_000
WAYS = ('live', 'without cells', 'without path', 'snapshots')
Counts = dict[str, tuple[int, int]]  # of each row: how many of how many are right


@dataclass(frozen=True)
class Room:
    """Hold the visits of one room: as they truly were, and as they were built."""

    visits: Visits
    built: tuple[Scan, ...]


def main() -> None:
    """Score all rooms, and print the pooled table."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--seeds', nargs='+', default=[str(SEED), '100-111'])
    parser.add_argument('--seconds', type=float, default=20.0, help='of each drive')
    parser.add_argument('--true-masks', action='store_true', help='in place of the network')
    options = parser.parse_args()
    rows: dict[str, list[Counts]] = {way: [] for way in WAYS}
    for seed in seeds_of(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            room = make_room(Path(folder) / 'drives', seed, options.seconds)
            for way in WAYS:
                rows[way].append(score(room, way, options.true_masks))
        told = [f'{way} {rows[way][-1]["right in everything"]}' for way in WAYS]
        print(f'{seed}: right in everything: {", ".join(told)}', flush=True)
    print_table(rows)


def seeds_of(given: Sequence[str]) -> list[int]:
    """Return the seeds of texts such as '24' and '100-111'."""
    seeds: list[int] = []
    for text in given:
        first, _, last = text.partition('-')
        seeds += range(int(first), int(last or first) + 1)
    return seeds


def make_room(bag: Path, seed: int, seconds: float) -> Room:
    """Make the drives of a room, and the visits that are built of them."""
    room_type = ROOM_TYPE if seed == SEED else ROOM_TYPES[seed % len(ROOM_TYPES)]
    visits = make_visits(bag, seconds, seed, room_type)
    return Room(visits, build(bag))


def build(bag: Path) -> tuple[Scan, ...]:
    """Build the visits of a bag."""
    inputs = find_visits([bag], build_visits=True)
    return tuple(read(None)[0] for read in inputs.visits())


def score(room: Room, way: str, true_masks: bool) -> Counts:
    """Process the visits of a room in one way, and score what the memory says."""
    scans = room.visits.snapshots if way == 'snapshots' else room.built
    if way != 'live':
        scans = tuple(replace(scan, free=None) for scan in scans)
    if way == 'without path':
        scans = tuple(replace(scan, sensor_path=None) for scan in scans)
    source = 'given' if true_masks else 'network'
    if true_masks:
        scans = tuple(with_truth(scan, room.visits, t) for t, scan in enumerate(scans))
    with tempfile.TemporaryDirectory() as folder:
        process_snapshots(Path(folder) / 'memory', scans, source)
        with SceneMemory.inspect(Path(folder) / 'memory') as memory:
            return result_of(memory, room.visits).shares


def with_truth(scan: Scan, visits: Visits, visit: int) -> Scan:
    """Return a scan with the true instances and classes of its points."""
    truth = visits.truth_of(visit, scan.xyz + np.array(scan.origin, np.float32))
    return replace(scan, given=GivenInstances(truth.instance.astype(np.int64), truth.semantic))


def print_table(rows: dict[str, list[Counts]]) -> None:
    """Print the pooled shares, and the difference of each way to the snapshots."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(rows['snapshots']), (DRAWS, len(rows['snapshots'])))
    print(f'| | {" | ".join(WAYS)} | live less snapshots, % |\n|{"---|" * (len(WAYS) + 2)}')
    for name in rows['snapshots'][0]:
        counts = {way: np.array([c[name] for c in rows[way]], float) for way in WAYS}
        cells = [f'{int(c[:, 0].sum())} of {int(c[:, 1].sum())}' for c in counts.values()]
        drawn = [share(counts[way][draws].sum(axis=1)) for way in ('live', 'snapshots')]
        low, high = np.percentile(drawn[0] - drawn[1], [2.5, 97.5])
        middle = share(counts['live'].sum(axis=0)) - share(counts['snapshots'].sum(axis=0))
        difference = f'{100 * middle:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})'
        print(f'| {name} | {" | ".join(cells)} | {difference} |')


def share(counts: np.ndarray) -> np.ndarray:
    """Return right / all of counts (..., 2); 1 where there is none."""
    return np.where(counts[..., 1] > 0, counts[..., 0] / np.maximum(counts[..., 1], 1), 1.0)


if __name__ == '__main__':
    main()
