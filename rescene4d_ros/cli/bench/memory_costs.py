"""What it costs a memory to take in a visit: seconds behind the masks, bytes on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
import shutil

import numpy as np
from rescene4d_ros.cli.bench.throughput import least
from rescene4d_ros.evaluation.true_masks import TrueMasks
from rescene4d_ros.memory.database.database_url import FILE_NAME
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene import SceneTracker
from rescene4d_ros.structures import Scan, ScanSequence, Segmentation, SequenceTruth
from rescene4d_ros.tracking.association.association import associate
from rescene4d_ros.tracking.observations import observe
from rescene4d_ros.tracking.settings import TrackingSettings
from rescene4d_ros.tracking.visit_view import VisitView
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

Sequenced = tuple[ScanSequence, SequenceTruth]
Clock = Callable[[], float]
FEW = 2  # visits, beside which many are put
HOUR_NS = 3600 * 10**9


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


def still(sequenced: Sequenced) -> Sequenced:
    """Return a sequence of as many visits that all are the last one, an hour apart."""
    sequence, truth = sequenced
    last, count = sequence.scans[-1], len(sequence.scans)
    scans = tuple(replace(last, stamp_ns=last.stamp_ns + k * HOUR_NS) for k in range(count))
    return replace(sequence, scans=scans), replace(truth, visits=(truth.visits[-1],) * count)


def visit_costs(sequenced: Sequenced, folder: Path, repeats: int, clock: Clock) -> VisitCosts:
    """
    Add the last visit of a sequence to a memory of one visit and to one of all, in turns.

    Parameters
    ----------
    sequenced : tuple of ScanSequence, SequenceTruth
        Of more than two visits; the truth stands for the segmenter.
    folder : Path
        For the memories; made.
    repeats : int
        The fastest run counts.
    clock : callable
        Seconds since whenever.

    Returns
    -------
    VisitCosts

    """
    sequence, _ = sequenced
    *before, last = range(len(sequence.scans))
    seconds: dict[str, list[float]] = {'few': [], 'many': []}
    objects, sizes = {}, {}
    for name, stored in (('few', before[-1:]), ('many', before)):
        _fill(sequenced, folder / name, stored, clock)
    for _ in range(repeats):
        for name in seconds:
            again = folder / f'{name} again'
            shutil.copytree(folder / name, again)
            took, objects[name] = _fill(sequenced, again, [last], clock)
            seconds[name].append(took)
            sizes[name] = (again / FILE_NAME).stat().st_size
            points = sum(f.stat().st_size for f in (again / 'visits').iterdir())
            shutil.rmtree(again)
    return VisitCosts(
        len(sequence.scans),
        min(seconds['few']),
        min(seconds['many']),
        objects['few'],
        objects['many'],
        points / len(sequence.scans),
        sizes['few'],
        sizes['many'],
    )


def _fill(
    sequenced: Sequenced, folder: Path, visits: Sequence[int], clock: Clock
) -> tuple[float, int]:
    """Add visits by their true masks; return the seconds of the last, and the objects known."""
    sequence, truth = sequenced
    masks = _Known(sequence, truth, clock)
    with SceneMemory.open(
        folder, 'bench', sequence.scans[0].frame_id, TrueMasks.class_names
    ) as memory:
        tracker = SceneTracker(memory, masks)
        for visit in visits:
            start, waited = clock(), masks.seconds
            update = tracker.add_visit(sequence.scans[visit])
            took = clock() - start - (masks.seconds - waited)
        return took, len(update.objects)


class _Known(TrueMasks):
    """True masks that know how long they took: no part of what is measured."""

    def __init__(self, sequence: ScanSequence, truth: SequenceTruth, clock: Clock):
        super().__init__(sequence, truth)
        self._clock = clock
        self.seconds = 0.0

    def segment(self, scans: Sequence[Scan], keys: Sequence[str]) -> Segmentation:
        """Return the truth of the scans as a segmentation."""
        start = self._clock()
        found = super().segment(scans, keys)
        self.seconds += self._clock() - start
        return found


def association_costs(
    sequenced: Sequenced, folder: Path, repeats: int, clock: Clock
) -> AssociationCosts:
    """Associate the second of two visits, by all evidence and by middles alone; as above."""
    (one, two), masks = sequenced[0].scans, TrueMasks(*sequenced)
    visit_s = min(_fill(sequenced, folder / str(k), range(FEW), clock)[0] for k in range(repeats))
    _fill(sequenced, folder / 'one', [0], clock)
    with SceneMemory.inspect(folder / 'one') as memory:
        records, labels = memory.records, memory.labels(1)
    observations = observe(two, masks.segment([one, two], ['', '']), [labels])
    places = VisitView(two).places_of(records)
    settings = TrackingSettings()
    middles = [np.array([x.box.center for x in side]) for side in (observations, records.values())]

    def once() -> None:
        """Associate copies, on which nothing is prepared yet."""
        associate(
            [replace(seen) for seen in observations],
            {i: replace(record) for i, record in records.items()},
            places,
            settings,
        )

    return AssociationCosts(
        len(records),
        len(observations),
        least(repeats, once, clock),
        least(repeats, lambda: linear_sum_assignment(cdist(*middles)), clock),
        visit_s,
    )
