"""`rescene4d bench memory`: what a visit costs behind the masks, in seconds and in bytes."""
from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
import json
from pathlib import Path
import platform
import shutil
from statistics import median
from tempfile import TemporaryDirectory
import time

import numpy as np
from rescene4d_ros import __version__
from rescene4d_ros.comparison.true_masks import TrueMasks
from rescene4d_ros.data import read_sequence
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory import SceneMemory
from rescene4d_ros.memory.association import associate, AssociationConfig
from rescene4d_ros.memory.location import FILE_NAME
from rescene4d_ros.memory.observations import observe
from rescene4d_ros.memory.places import VisitView
from rescene4d_ros.rooms import make_sequence, RoomsConfig
from rescene4d_ros.scene import SceneTracker
from rescene4d_ros.structures import Scan, ScanSequence, Segmentation, SequenceTruth
from rich.console import Console
from rich.table import Table
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

Sequenced = tuple[ScanSequence, SequenceTruth]
SEED = 900_000
ROOMY = 400        # things without a free place after which a room counts as full: crowded ones
CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}
FEW = 2            # visits, beside which many are put


@dataclass(frozen=True)
class VisitCosts:
    """
    Hold what the last visit of a sequence cost as the second one and as the last one.

    Attributes
    ----------
    visits : int
    few_s, many_s : float, s
        Store, associate, judge and commit, without segmenting; with 1 and with all other visits
        stored before.
    few_objects, many_objects : int
        Remembered in the end.
    points_bytes : float
        Of the files of points, per visit.
    few_bytes, many_bytes : int
        Of the database after 2 and after all visits.

    """

    visits: int
    few_s: float
    many_s: float
    few_objects: int
    many_objects: int
    points_bytes: float
    few_bytes: int
    many_bytes: int


@dataclass(frozen=True)
class AssociationCosts:
    """
    Hold what it cost to associate the second visit of a room.

    Attributes
    ----------
    objects, observations : int
        Remembered, and seen by the visit.
    associate_s : float, s
    plain_s : float, s
        A Hungarian assignment by the distance of the middles alone.
    visit_s : float, s
        The whole visit, its storage included, segmenting not.

    """

    objects: int
    observations: int
    associate_s: float
    plain_s: float
    visit_s: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument('--data', type=Path, metavar='DIR',
                        help='sequence files for the cost per visit; default: a made room')
    parser.add_argument('--rooms', type=int, default=3, help='sequences used of them')
    parser.add_argument('--visits', type=int, default=12, help='stored visits put beside 2')
    parser.add_argument('--objects', type=int, nargs='+', default=[12, 50, 150],
                        help='objects of the made rooms for the association')
    parser.add_argument('--repeats', type=int, default=3, help='the fastest run counts')
    parser.add_argument('--clock', choices=CLOCKS, default='wall',
                        help='cpu leaves out waiting for the disk and for other programs')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers there')


def run(options: argparse.Namespace) -> int:
    """Measure, print the tables, and write them where asked."""
    if options.visits <= FEW:
        raise ConfigError(f'--visits: expected more than {FEW}, got {options.visits}')
    progress = Console(stderr=True)
    with progress.status('visits') as status, TemporaryDirectory() as folder:
        visits = []
        for name, sequenced in _long_sequences(options):
            status.update(f'visits: {name}')
            visits.append(_visit_costs(sequenced, Path(folder) / str(len(visits)), options))
        rooms = []
        for number, objects in enumerate(options.objects):
            status.update(f'association: {objects} objects')
            made = make_sequence(SEED + number, RoomsConfig(
                visits=FEW, min_objects=objects, max_objects=objects, max_failures=ROOMY,
                views=22 + objects // 4))
            rooms.append(_association_costs(made, Path(folder) / f'room {number}', options))
    console = Console()
    console.print(_visit_table(visits))
    console.print(_byte_table(visits))
    console.print(_association_table(rooms))
    ratio = median(v.many_s / v.few_s for v in visits)
    console.print(f'a visit with {options.visits - 1} visits stored over one with 1 stored: '
                  f'{ratio:.2f}')
    if options.json:
        document = {'version': __version__, 'machine': platform.processor() or platform.machine(),
                    'data': options.data and str(options.data), 'clock': options.clock,
                    'ratio': ratio,
                    'visits': [asdict(v) for v in visits],
                    'association': [asdict(r) for r in rooms]}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(document, indent=1, allow_nan=False) + '\n')
        print(options.json)
    return 0


def _long_sequences(options: argparse.Namespace):
    """Yield names and sequences with enough visits, cut to as many as asked for."""
    if options.data is None:
        yield 'a made room', make_sequence(SEED, RoomsConfig(visits=options.visits))
        return
    found = 0
    for path in sorted(options.data.glob('*.npz')):
        if found == options.rooms:
            return
        sequence, truth = read_sequence(path)
        if len(sequence.scans) >= options.visits:
            found += 1
            yield path.stem, (replace(sequence, scans=sequence.scans[:options.visits]),
                              replace(truth, visits=truth.visits[:options.visits]))
    if not found:
        raise ConfigError(f'{options.data}: expected sequence files of at least {options.visits} '
                          'visits, found none; give fewer with --visits, or other files')


def _visit_costs(sequenced: Sequenced, folder: Path, options: argparse.Namespace) -> VisitCosts:
    """Add the last visit to a memory of one visit and to one of all, in turns."""
    sequence, _ = sequenced
    *before, last = range(len(sequence.scans))
    clock = CLOCKS[options.clock]
    seconds: dict[str, list[float]] = {'few': [], 'many': []}
    objects, sizes = {}, {}
    for name, stored in (('few', before[-1:]), ('many', before)):
        _fill(sequenced, folder / name, stored, clock)
    for _ in range(options.repeats):
        for name in seconds:
            again = folder / f'{name} again'
            shutil.copytree(folder / name, again)
            took, objects[name] = _fill(sequenced, again, [last], clock)
            seconds[name].append(took)
            sizes[name] = (again / FILE_NAME).stat().st_size
            points = sum(f.stat().st_size for f in (again / 'visits').iterdir())
            shutil.rmtree(again)
    return VisitCosts(len(sequence.scans), min(seconds['few']), min(seconds['many']),
                      objects['few'], objects['many'], points / len(sequence.scans),
                      sizes['few'], sizes['many'])


def _fill(sequenced: Sequenced, folder: Path, visits: Sequence[int],
          clock: Callable[[], float]) -> tuple[float, int]:
    """Add visits by their true masks; return the seconds of the last, and the objects known."""
    sequence, truth = sequenced
    masks = _Known(sequence, truth, clock)
    with SceneMemory.open(folder, 'bench', sequence.scans[0].frame_id,
                          TrueMasks.class_names) as memory:
        tracker = SceneTracker(memory, masks)
        for visit in visits:
            start, waited = clock(), masks.seconds
            update = tracker.add_visit(sequence.scans[visit])
            took = clock() - start - (masks.seconds - waited)
        return took, len(update.objects)


class _Known(TrueMasks):
    """True masks that know how long they took: no part of what is measured."""

    def __init__(self, sequence: ScanSequence, truth: SequenceTruth,
                 clock: Callable[[], float]):
        super().__init__(sequence, truth)
        self._clock = clock
        self.seconds = 0.0

    def segment(self, scans: Sequence[Scan], keys: Sequence[str]) -> Segmentation:
        """Return the truth of the scans as a segmentation."""
        start = self._clock()
        found = super().segment(scans, keys)
        self.seconds += self._clock() - start
        return found


def _association_costs(sequenced: Sequenced, folder: Path, options: argparse.Namespace
                       ) -> AssociationCosts:
    """Associate the second visit of a room, by all evidence and by middles alone."""
    (one, two), masks = sequenced[0].scans, TrueMasks(*sequenced)
    clock = CLOCKS[options.clock]
    visit_s = min(_fill(sequenced, folder / str(k), range(FEW), clock)[0]
                  for k in range(options.repeats))
    _fill(sequenced, folder / 'one', [0], clock)
    with SceneMemory.inspect(folder / 'one') as memory:
        records, labels = memory.records, memory.labels(1)
    observations = observe(two, masks.segment([one, two], ['', '']), [labels])
    places = VisitView(two).places_of(records)
    middles = [np.array([x.box.center for x in side]) for side in (observations,
                                                                   records.values())]
    return AssociationCosts(
        len(records), len(observations),
        _fastest(lambda: associate(observations, records, places, AssociationConfig()),
                 options.repeats, clock),
        _fastest(lambda: linear_sum_assignment(cdist(*middles)), options.repeats, clock), visit_s)


def _fastest(work: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    """Return the seconds of the fastest run."""
    times = []
    for _ in range(repeats):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


def _visit_table(costs: Sequence[VisitCosts]) -> Table:
    """Return seconds per visit."""
    table = Table('room', 'as visit 2', 'objects', 'as the last visit', 'objects', 'ratio',
                  title=f'one visit, masks given, seconds; the last of {costs[0].visits} visits')
    for number, cost in enumerate(costs, start=1):
        table.add_row(str(number), f'{cost.few_s:.3f}', str(cost.few_objects),
                      f'{cost.many_s:.3f}', str(cost.many_objects),
                      f'{cost.many_s / cost.few_s:.2f}')
    return table


def _byte_table(costs: Sequence[VisitCosts]) -> Table:
    """Return bytes on disk."""
    table = Table('room', 'points per visit', 'database, 2 visits', f'{costs[0].visits} visits',
                  'database per object', 'per object and further visit', title='kB on disk')
    for number, cost in enumerate(costs, start=1):
        more = (cost.many_bytes - cost.few_bytes) / (cost.visits - FEW) / cost.many_objects
        sizes = (cost.points_bytes, cost.few_bytes, cost.many_bytes,
                 cost.few_bytes / cost.few_objects, more)
        table.add_row(str(number), *(f'{size / 1000:.1f}' for size in sizes))
    return table


def _association_table(costs: Sequence[AssociationCosts]) -> Table:
    """Return milliseconds of the association."""
    table = Table('objects', 'seen', 'association, ms', 'middles alone, ms', 'whole visit, ms',
                  title='the second visit of a room, masks given')
    for cost in costs:
        table.add_row(str(cost.objects), str(cost.observations), f'{1e3 * cost.associate_s:.1f}',
                      f'{1e3 * cost.plain_s:.2f}', f'{1e3 * cost.visit_s:.0f}')
    return table
