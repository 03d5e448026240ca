"""
What visits of whole floors cost, and whether they are understood as well as their rooms alone.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/buildings.py [--rooms 12 48] [--folder DIR]

Makes rooms that change between two visits, side by side on corridors, and runs segmenter and
memory on all of them at once, on each room alone, and on a second and a third visit to one room
only of a floor that is known (the third is the second with other noise). Each run is a process of
its own. Printed are processor seconds per 100,000 points of the first two visits, the peak of
resident memory, and the scores: objects right, with the right id, and changes (F1). With
`--folder` rooms are kept and found again; `--rooms 0` are the 16 rooms on two floors of the set
`building-test`. `--copies` places so many of the building beside each other, for its cost alone;
`--source none` leaves the network out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
import itertools
import multiprocessing
from pathlib import Path
import resource
import tempfile
import time

import numpy as np
from rescene4d_ros.cli.rooms.make_set import files_of, make_missing
from rescene4d_ros.config import make
from rescene4d_ros.data.sequences.sequence_file import read_sequence, write_sequence
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.metrics import score_visits, ScoreCard
from rescene4d_ros.scene.mask_source import load_masks, MaskProvider
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import Scan
from rescene4d_ros.structures.truth import SequenceTruth
from rescene4d_ros.synthetic_rooms.building import Building, join_rooms, MadeRoom, make_building
from rescene4d_ros.synthetic_rooms.config import PRESETS, RoomsConfig

SEED = 3_000_000  # of rooms-test: furniture that no training used
CONFIG = {**PRESETS['busy'], 'visits': 2, 'split': 'test', 'failures_per_object': 0.0}
NOISE_M, DAY_NS = 0.002, 86_400 * 10**9
APART_M = 3.0  # between two copies of a building
RUNS = ('floor', 'rooms', 'one room', 'one of all')
HEAD = ('run', 'points', 's/100k, 1st', '2nd', 'peak GiB', 'B/point', 'right', 'same id', 'F1')


@dataclass(frozen=True)
class Run:
    """
    Hold what one process measured.

    Attributes
    ----------
    points : list of int
        Of each visit.
    seconds : list of float
        Processor time of each visit.
    peak : int
        Largest resident memory, bytes.
    cards : list of ScoreCard

    """

    points: list[int]
    seconds: list[float]
    peak: int
    cards: list[ScoreCard]

    def row(self, name: str) -> tuple[str, ...]:
        """Return the values as text, in the order of `HEAD`."""
        per = [1e5 * s / n for s, n in zip(self.seconds, self.points)]
        objects = [o for card in self.cards for o in card.objects]
        right = sum(card.right_changes for card in self.cards)
        told = sum(len(card.found_changes) + len(card.true_changes) for card in self.cards)
        return (
            name,
            str(max(self.points)),
            *(f'{value:.2f}' for value in per),
            f'{self.peak / 2**30:.2f}',
            f'{self.peak / max(self.points):.0f}',
            *(
                f'{sum(values) / len(objects):.3f}' if objects else '-'
                for values in (
                    [o.is_right for o in objects],
                    [o.is_identity_right for o in objects],
                )
            ),
            f'{2 * right / told:.3f}' if told else '-',
        )


def building(folder: Path, count: int, copies: int = 1) -> Building:
    """Return a building, made at the first call; of 0 rooms: that of the set `building-test`."""
    made = _building(folder, count)
    if copies == 1:
        return made
    every = np.concatenate([scan.xyz for scan in made.sequence.scans])
    width = float(np.ceil(np.ptp(every[:, 0]))) + APART_M
    rooms = [_beside(room, k * width) for k in range(copies) for room in made.rooms]
    return replace(join_rooms(rooms), rooms=())


def _beside(room: MadeRoom, shift: float) -> MadeRoom:
    """Return a room moved along x, with noise of its own: no two copies are equal."""
    moved = np.array([shift, 0, 0], np.float32)
    sequence, truth = room
    scans = [once_more(scan, int(shift)) if shift else scan for scan in sequence.scans]
    placed = [
        replace(
            scan,
            xyz=scan.xyz + moved,
            sensor_path=None if scan.sensor_path is None else scan.sensor_path + moved,
        )
        for scan in scans
    ]
    return replace(sequence, scans=tuple(placed)), truth


def _building(folder: Path, count: int) -> Building:
    """Return one building."""
    if not count:
        found = files_of('building-test', folder)
        make_missing('building-test', found, 1, False)
        return join_rooms([read_sequence(path) for path in found.values()])
    paths = [folder / f'{count}-{k:03d}.npz' for k in range(count)]
    if not all(path.exists() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        made = make_building(SEED, count, make(RoomsConfig, CONFIG))
        for path, (sequence, truth) in zip(paths, made.rooms):
            write_sequence(path, sequence, truth)
    return join_rooms([read_sequence(path) for path in paths])


def follow(
    scans: Sequence[Scan], truth: SequenceTruth | None, segmenter: MaskProvider
) -> tuple[list[float], ScoreCard | None]:
    """Return the seconds of each visit, and the scores where there is a truth."""
    seconds = []
    with (
        tempfile.TemporaryDirectory() as folder,
        SceneMemory.open(
            Path(folder) / 'memory', 'building', scans[0].frame_id, segmenter.class_names
        ) as memory,
    ):
        segmenter.keep_features(memory.files.derived)
        tracker, updates = SceneTracker(memory, segmenter), []
        for scan in scans:
            start = time.process_time()
            updates.append(tracker.add_visit(scan))
            seconds.append(time.process_time() - start)
        if truth is None:
            return seconds, None
        card = score_visits(
            truth,
            [u.object_ids for u in updates],
            [u.visit.visit_id for u in updates],
            memory.snapshot().objects,
            memory.changes(),
        )
    return seconds, card


def once_more(scan: Scan, seed: int = SEED) -> Scan:
    """Return a scan of the same room a day later, with other noise."""
    noise = np.random.default_rng(seed).normal(0, NOISE_M, scan.xyz.shape).astype(np.float32)
    return replace(scan, xyz=scan.xyz + noise, stamp_ns=scan.stamp_ns + DAY_NS)


def run(kind: str, folder: Path, count: int, copies: int, source: str) -> Run:
    """Measure the whole floor, all rooms alone, or a second visit of one room of it."""
    made = building(folder, count, copies)
    segmenter = load_masks(InferenceConfig(torch_threads=1, source=source))
    if copies > 1:
        scans = made.sequence.scans
        del made  # its truth takes as much as the points of a visit
        follow([scan.take(np.arange(50_000)) for scan in scans], None, segmenter)
        seconds, _ = follow(scans, None, segmenter)
        return Run([len(scan) for scan in scans], seconds, _peak(), [])
    warm, _ = made.rooms[0]
    follow(warm.scans, None, segmenter)  # the first calls load libraries and compile
    middle = made.rooms[len(made.rooms) // 2][0].scans
    later = (middle[1], once_more(middle[1]))
    cases: dict[str, list[tuple[Sequence[Scan], SequenceTruth | None]]] = {
        'floor': [(made.sequence.scans, made.truth)],
        'rooms': [(sequence.scans, truth) for sequence, truth in made.rooms],
        'one room': [((middle[0], *later), None)],
        'one of all': [((made.sequence.scans[0], *later), None)],
    }
    results = [(scans, *follow(scans, truth, segmenter)) for scans, truth in cases[kind]]
    return Run(
        [sum(len(scans[t]) for scans, _, _ in results) for t in (0, 1)],
        [sum(every) for every in zip(*(seconds for _, seconds, _ in results))],
        _peak(),
        [card for _, _, card in results if card is not None],
    )


def _peak() -> int:
    """Return the largest resident memory of this process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--rooms', type=int, nargs='+', default=[12, 48])
    parser.add_argument('--runs', choices=RUNS, nargs='+', default=RUNS)
    parser.add_argument('--copies', type=int, nargs='+', default=[1], help='of each building')
    parser.add_argument('--source', choices=('network', 'none'), default='network')
    parser.add_argument('--folder', type=Path, help='where rooms are kept')
    options = parser.parse_args()
    fresh = multiprocessing.get_context('spawn')
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        print(''.join(f'{name:>13}' for name in HEAD), flush=True)
        floors = []
        with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as one:
            for count, copies in itertools.product(options.rooms, options.copies):
                one.submit(building, folder, count).result()
                done = {}
                for kind in options.runs if copies == 1 else ('floor',):
                    done[kind] = one.submit(
                        run, kind, folder, count, copies, options.source
                    ).result()
                    row = done[kind].row(f'{count}x{copies} {kind}')
                    print(''.join(f'{value:>13}' for value in row), flush=True)
                if {'one room', 'one of all'} <= done.keys():
                    of_all, alone = done['one of all'].seconds, done['one room'].seconds
                    print(
                        f'one of {count} rooms, over that room alone: second visit '
                        f'{of_all[1] / alone[1]:.2f}, third {of_all[2] / alone[2]:.2f}'
                    )
                if 'floor' in done:
                    floors.append(done['floor'])
    if len(floors) > 1:
        first, last = (1e5 * sum(f.seconds) / sum(f.points) for f in (floors[0], floors[-1]))
        print(f'time per point of the last floor over that of the first: {last / first:.2f}')


if __name__ == '__main__':
    main()
