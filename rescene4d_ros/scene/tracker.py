"""
Persistent identities from visit to visit: which visits are tracked together, and what is stored.

Knows no ROS, no files and no clock.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
import logging

from rescene4d_ros.errors import MemoryDamagedError, StorageError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.visit_window import Segmenter, VisitWindow, WindowOpener
from rescene4d_ros.structures import ReprocessResult, Scan, SceneUpdate, VisitInfo, VisitStatus
from rescene4d_ros.tracking.change_confidence import Confidence
from rescene4d_ros.tracking.object_ids import resolve_labels
from rescene4d_ros.tracking.settings import (
    AssociationConfig,
    ChangeConfig,
    MotionConfig,
    TrackerConfig,
    TrackingSettings,
)
from rescene4d_ros.tracking.track_visit import track_visit

log = logging.getLogger(__name__)

STAGES = ('segment', 'associate', 'commit')  # of a visit
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
    watch : callable(str) -> context manager, optional
        What is entered around each of the `STAGES` of a visit, given its name; to time them.

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
        watch: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ):
        config = config or TrackerConfig()
        self.memory, self._watch = memory, watch
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
        from rescene4d_ros.scene.reprocessing import reprocess

        return reprocess(
            self.memory, self._windows, self._settings, from_visit, progress, 1 + RESTARTS
        )

    def _process(self, visit: VisitInfo) -> SceneUpdate:
        """Process one stored visit; mark it FAILED where it cannot be done."""
        try:
            with self._watch('segment'):
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
        with self._watch('associate'):
            context = window.context(
                labels, records, metadata.class_names, metadata.next_object_id, locked
            )
            facts = track_visit(window.segmentation, context, self._settings)
            facts = window.of_whole_visits(facts)
        with memory.mutex, self._watch('commit'):
            if memory.metadata.revision != metadata.revision:
                return None
            revision = memory.commit(facts)
            return facts.as_update(
                metadata.class_names, memory.names(), memory.past, window.scans[-1], revision
            )
