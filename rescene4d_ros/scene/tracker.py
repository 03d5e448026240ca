"""
Persistent identities from visit to visit: which visits are tracked together, and what is stored.

Knows no ROS, no files and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
import logging

import numpy as np
from rescene4d_ros.errors import (
    CorrectedMeanwhileError,
    MemoryDamagedError,
    MemoryFormatError,
    StorageError,
)
from rescene4d_ros.memory.editing.reapply_splits import split_again, standing_splits
from rescene4d_ros.memory.editing.rebuild import carry_ids, rebuild_records
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.visit_window import Segmenter, VisitWindow, WindowOpener
from rescene4d_ros.structures import (
    ReprocessResult,
    Scan,
    SceneUpdate,
    VisitChanges,
    VisitInfo,
    VisitStatus,
)
from rescene4d_ros.tracking.change_confidence import Confidence
from rescene4d_ros.tracking.object_ids import resolve_labels, resolve_records
from rescene4d_ros.tracking.records import VisitFacts
from rescene4d_ros.tracking.regions.discovery import with_discovered
from rescene4d_ros.tracking.settings import (
    AssociationConfig,
    ChangeConfig,
    MotionConfig,
    TrackerConfig,
    TrackingSettings,
)
from rescene4d_ros.tracking.track_visit import track_visit

log = logging.getLogger(__name__)

RESTARTS = 3  # after corrections during a visit; then corrections wait, or a reprocess gives up


class SceneTracker:
    """
    Keep every object's identity from visit to visit.

    Parameters
    ----------
    memory : SceneMemory
        Open for writing.
    segmenter : Segmenter
    config, association, motion, changes
        Settings; the defaults are what was tuned.
    confidence : callable, optional
        Says how likely a change is, from its evidence; default is the model of the package.

    """

    def __init__(
        self,
        memory: SceneMemory,
        segmenter: Segmenter,
        config: TrackerConfig | None = None,
        association: AssociationConfig | None = None,
        motion: MotionConfig | None = None,
        changes: ChangeConfig | None = None,
        confidence: Confidence | None = None,
    ):
        config = config or TrackerConfig()
        self.memory = memory
        self._windows = WindowOpener(memory, segmenter, config.window - 1)
        shipped = TrackingSettings()
        self._settings = TrackingSettings(
            config.birth_score,
            association or shipped.association,
            motion or shipped.motion,
            changes or shipped.changes,
            shipped.weights,
            confidence or shipped.confidence,
            config.use_regions,
        )

    def add_visit(self, scan: Scan) -> SceneUpdate:
        """
        Store a visit, then say which object is which and what changed.

        Visits that an earlier stop left unprocessed are processed first, in stamp order.

        Raises
        ------
        ScanError, DuplicateVisitError, VisitOrderError, StorageError
            See `SceneMemory.add_visit`.
        Exception
            Whatever the segmenter raised; the visit is then FAILED with that reason, and the
            next visit can be added.

        """
        visit = self.memory.add_visit(scan)
        for waiting in self.memory.pending():
            if waiting.stamp_ns < visit.stamp_ns:
                log.warning('visit %d was left unprocessed; it goes first', waiting.visit_id)
                self._process(waiting)
        return self._process(visit)

    def process_next(self) -> SceneUpdate | None:
        """
        Process the oldest of the stored visits that wait; None where none waits.

        Raises
        ------
        StorageError
            The disk refused; the visit waits on.
        Exception
            Whatever the segmenter raised; the visit is then FAILED with that reason.

        """
        waiting = self.memory.pending()
        return self._process(waiting[0]) if waiting else None

    def reprocess(
        self, from_visit: int | None = None, progress: Callable[[int, int], None] | None = None
    ) -> ReprocessResult:
        """
        Process stored visits again, late and failed ones included, and replace what they gave.

        A late or failed visit that cannot be processed does not hold up the others. Objects whose
        points lie on those of an object known before keep its id; others get ids never given
        before. What people split is split again. Nothing is replaced until all visits are through.

        Parameters
        ----------
        from_visit : int, optional
            First visit to process again, and all with later stamps; default is all.
        progress : callable, optional
            Called with (visits done, visits in all).

        Returns
        -------
        ReprocessResult
            After all is stored.

        Raises
        ------
        MemoryFormatError
            There is no such visit.
        CorrectedMeanwhileError
            Objects were corrected during each of several attempts; the memory is as before.
        Exception
            Whatever the segmenter raised of a visit that had been processed before; the memory is
            as before. Or of the last one, where none could be processed.

        """
        visits = [v for v in self.memory.visits() if v.status != VisitStatus.EXCLUDED]
        numbers = [visit.visit_id for visit in visits]
        if from_visit is not None and from_visit not in numbers:
            raise MemoryFormatError(
                f'reprocess: expected a stored visit, got {from_visit}; stored are {numbers}'
            )
        first = 0 if from_visit is None else numbers.index(from_visit)
        again = visits[first:]
        past = [v for v in visits[:first] if v.status == VisitStatus.DONE]
        if not again:
            return ReprocessResult((), None)
        for _ in range(1 + RESTARTS):
            started = self.memory.metadata.revision
            history, scan, failed = self._track_anew(past, again, progress)
            with self.memory.mutex:
                if self.memory.metadata.revision == started:
                    revision = self.memory.rewrite(history, failed)
                    return ReprocessResult(
                        tuple(
                            VisitChanges(_done(facts.visit), revision, facts.changes)
                            for facts in history
                        ),
                        self._update(history[-1], scan, revision),
                    )
            log.warning('objects were corrected while visits were processed anew')
        raise CorrectedMeanwhileError(
            f'{self.memory.path}: expected no corrections while {len(again)} visits are processed '
            f'anew, got some during each of {1 + RESTARTS} attempts; nothing is replaced, '
            'reprocess while no object is corrected'
        )

    def _process(self, visit: VisitInfo) -> SceneUpdate:
        """Process one stored visit; mark it FAILED where it cannot be done."""
        try:
            window = self._windows.open(visit, self.memory.visits(VisitStatus.DONE))
            for _ in range(RESTARTS):
                if (update := self._attempt(window)) is not None:
                    return update
                log.info(
                    'visit %d: objects were corrected meanwhile; it is processed once more',
                    visit.visit_id,
                )
            with self.memory.mutex:  # corrections wait; not for long, as the network is through
                update = self._attempt(window)
            assert update is not None  # nothing was corrected under the lock
            return update
        except (StorageError, MemoryDamagedError):
            raise  # the disk's fault, not the visit's: it stays PENDING
        except Exception as error:
            self.memory.fail(visit.visit_id, f'{type(error).__name__}: {error}')
            raise

    def _attempt(self, window: VisitWindow) -> SceneUpdate | None:
        """Interpret a visit and store the outcome; None where objects were corrected meanwhile."""
        memory, earlier = self.memory, window.visits[:-1]
        with memory.mutex:  # all as of one revision
            metadata, records, locked = memory.metadata, memory.records, memory.locked()
            aliases = memory.aliases()
            labels = {
                v.visit_id: resolve_labels(memory.labels(v.visit_id), aliases) for v in earlier
            }
        context = window.context(
            labels, records, metadata.class_names, metadata.next_object_id, locked
        )
        facts = track_visit(window.segmentation, context, self._settings)
        with memory.mutex:
            if memory.metadata.revision != metadata.revision:
                return None
            return self._update(facts, window.scans[-1], memory.commit(facts))

    def _track_anew(
        self,
        past: Sequence[VisitInfo],
        again: Sequence[VisitInfo],
        progress: Callable[[int, int], None] | None,
    ) -> tuple[list[VisitFacts], Scan, dict[int, str]]:
        """
        Interpret visits that follow others as if for the first time.

        Returns what they bring, the points of the last one, and why others could not be
        processed, by visit. Changes nothing; only where none could be processed they are FAILED.

        """
        aliases, locked = self.memory.aliases(), self.memory.locked()
        records = resolve_records(rebuild_records(self.memory, past), aliases)
        labels = {
            visit.visit_id: resolve_labels(self.memory.labels(visit.visit_id), aliases)
            for visit in past
        }
        metadata, next_id = self.memory.metadata, self.memory.metadata.next_object_id
        before = records
        history: list[VisitFacts] = []
        failed: dict[int, str] = {}
        for number, visit in enumerate(again, 1):
            try:
                window = self._windows.open(visit, [*past, *(f.visit for f in history)])
                context = window.context(labels, records, metadata.class_names, next_id, locked)
                facts = track_visit(window.segmentation, context, self._settings)
            except Exception as error:
                if not _is_of_the_visit(error, visit):
                    raise
                failed[visit.visit_id] = f'{type(error).__name__}: {error}'
                log.warning('visit %d cannot be processed: %s', visit.visit_id, error)
                if len(failed) == len(again):
                    for visit_id, reason in failed.items():
                        self.memory.fail(visit_id, reason)
                    raise
            else:
                history.append(facts)
                scan = window.scans[-1]
                records, labels[visit.visit_id] = dict(facts.records), facts.object_ids
                for other in window.visits[:-1]:
                    labels[other.visit_id] = with_discovered(
                        labels[other.visit_id], facts.discovered.get(other.stamp_ns, {})
                    )
                given = (*records, *(change.object_id for change in facts.changes))
                next_id = max([next_id, *(i + 1 for i in given)])
            if progress is not None:
                progress(number, len(again))
        history = carry_ids(
            history,
            {f.visit.visit_id: self.memory.labels(f.visit.visit_id) for f in history},
            frozenset(self.memory.records),
            metadata.next_object_id,
        )
        return split_again(history, before, standing_splits(self.memory)), scan, failed

    def _update(self, facts: VisitFacts, scan: Scan, revision: int) -> SceneUpdate:
        """Return what one visit changed, with the scene after it."""
        class_ids = np.full(len(facts.object_ids), -1, dtype=np.int32)
        scores = np.zeros(len(facts.object_ids), dtype=np.float32)
        for object_id, link in facts.linked.items():
            class_ids[link.observation.points] = facts.records[object_id].class_id
            scores[link.observation.points] = link.observation.score
        class_names, names = self.memory.metadata.class_names, self.memory.names()
        objects = tuple(
            record.as_object(
                class_names, self.memory.past.get(object_id, ()), names.get(object_id, '')
            )
            for object_id, record in facts.records.items()
        )
        return SceneUpdate(
            _done(facts.visit),
            revision,
            facts.changes,
            scan,
            objects,
            facts.object_ids,
            class_ids,
            scores,
        )


def _is_of_the_visit(error: Exception, visit: VisitInfo) -> bool:
    """Return whether an error makes a visit FAILED; what a visit brought before is not lost."""
    return visit.status != VisitStatus.DONE and not isinstance(
        error, (StorageError, MemoryDamagedError)
    )


def _done(visit: VisitInfo) -> VisitInfo:
    """Return a visit as it is once it is processed."""
    return replace(visit, status=VisitStatus.DONE)
