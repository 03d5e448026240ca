"""Cost of adding a visit to a memory: seconds after segmentation, bytes on disk."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
import shutil

import numpy as np
from rescene4d_ros.cli.bench.throughput import least
from rescene4d_ros.evaluation.true_masks import TrueMasks
from rescene4d_ros.memory.database.manifest import FILE_NAME
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import Scan, ScanSequence, Segmentation
from rescene4d_ros.structures.truth import SequenceTruth
from rescene4d_ros.tracking.association.association import associate
from rescene4d_ros.tracking.observations import observe
from rescene4d_ros.tracking.settings import TrackingSettings
from rescene4d_ros.tracking.visit_view import VisitView
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

Sequenced = tuple[ScanSequence, SequenceTruth]
Clock = Callable[[], float]
FEW = 2  # visits of the short memory
HOUR_NS = 3600 * 10**9


@dataclass(frozen=True)
class VisitCosts:
    """
    Cost of the last visit of a sequence, as second and as last one.

    Attributes
    ----------
    visits : int
    few_s, many_s : float, s
        Store, associate, detect changes and commit, without segmentation; with 1 and with all
        other visits stored.
    few_objects, many_objects : int
        Objects in the final memory.
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
    Cost of associating the second visit of a room.

    Attributes
    ----------
    objects, observations : int
        Objects in the memory, and observations of the visit.
    associate_s : float, s
    plain_s : float, s
        A Hungarian assignment by the distance of centers alone.
    visit_s : float, s
        The whole visit with storage, without segmentation.

    """

    objects: int
    observations: int
    associate_s: float
    plain_s: float
    visit_s: float


def still(sequenced: Sequenced) -> Sequenced:
    """Return a sequence of equal length whose visits all equal the last one, an hour apart."""
    sequence, truth = sequenced
    last, count = sequence.scans[-1], len(sequence.scans)
    scans = tuple(replace(last, stamp_ns=last.stamp_ns + k * HOUR_NS) for k in range(count))
    return replace(sequence, scans=scans), replace(truth, visits=(truth.visits[-1],) * count)


def visit_costs(sequenced: Sequenced, folder: Path, repeats: int, clock: Clock) -> VisitCosts:
    """
    Add the last visit of a sequence alternately to a memory of one visit and to one of all.

    Parameters
    ----------
    sequenced : tuple of ScanSequence, SequenceTruth
        Of more than two visits; the truth replaces the segmenter.
    folder : Path
        For the memories; created.
    repeats : int
        The fastest run counts.
    clock : callable
        Returns seconds.

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
    """Add visits by their true masks; return the seconds of the last and the number of objects."""
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
    """True masks that record their own time, which is excluded from the measurement."""

    def __init__(self, sequence: ScanSequence, truth: SequenceTruth, clock: Clock):
        super().__init__(sequence, truth)
        self._clock = clock
        self.seconds = 0.0

    def segment(self, scans: Sequence[Scan], keys: Sequence[Hashable]) -> Segmentation:
        """Return the truth of the scans as a segmentation."""
        start = self._clock()
        found = super().segment(scans, keys)
        self.seconds += self._clock() - start
        return found


def association_costs(
    sequenced: Sequenced, folder: Path, repeats: int, clock: Clock
) -> AssociationCosts:
    """Associate the second of two visits, by all evidence and by centers alone."""
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
        """Associate copies without cached data."""
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
