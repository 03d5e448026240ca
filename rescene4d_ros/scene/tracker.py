"""
Every object's identity from visit to visit: which visits are interpreted, and what is stored.

Knows no ROS, no files and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import count
import logging

import numpy as np
from rescene4d_ros.errors import CorrectedMeanwhileError, MemoryFormatError, StorageError
from rescene4d_ros.memory.editing.reapply_splits import split_again, standing_splits
from rescene4d_ros.memory.editing.rebuild import carry_ids, replay
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.config import TrackerConfig
from rescene4d_ros.scene.visit_interpreter import Segmenter, VisitInterpreter
from rescene4d_ros.scene.visit_window import SeenSpace
from rescene4d_ros.structures import Scan, SceneUpdate, VisitInfo, VisitStatus
from rescene4d_ros.tracking.aliases import resolve_labels, resolve_records
from rescene4d_ros.tracking.association.association import AssociationConfig
from rescene4d_ros.tracking.changes.change_confidence import Confidence, shipped_model
from rescene4d_ros.tracking.changes.change_detection import ChangeConfig
from rescene4d_ros.tracking.changes.motion import MotionConfig
from rescene4d_ros.tracking.records import VisitFacts

log = logging.getLogger(__name__)

RESTARTS = 3  # of what people correct meanwhile; then corrections wait, or a reprocess gives up


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
        self.memory = memory
        self._space = SeenSpace(memory)
        config = config or TrackerConfig()
        self._window = config.window - 1  # earlier ones, with a new visit
        self._interpreter = VisitInterpreter(
            memory,
            segmenter,
            config,
            association or AssociationConfig(),
            motion or MotionConfig(),
            changes or ChangeConfig(),
            confidence or shipped_model(),
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
                self._process_or_fail(waiting)
        return self._process_or_fail(visit)

    def resume(self) -> Iterator[SceneUpdate]:
        """Process the visits that wait, in stamp order; yield what each brought."""
        for visit in self.memory.pending():
            yield self._process_or_fail(visit)

    def reprocess(
        self, from_visit: int | None = None, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[SceneUpdate]:
        """
        Process stored visits again, late and failed ones included, and replace what they gave.

        Objects whose points lie on those of an object known before keep its id; others get ids
        never given before. What people split is parted again. Nothing is replaced until all
        visits are through.

        Parameters
        ----------
        from_visit : int, optional
            First visit to process again, and all with later stamps; default is all.
        progress : callable, optional
            Called with (visits done, visits in all).

        Returns
        -------
        iterator of SceneUpdate
            One per visit, in stamp order, after all is stored.

        Raises
        ------
        MemoryFormatError
            There is no such visit.
        CorrectedMeanwhileError
            Objects were corrected during each of several attempts; the memory is as before.
        Exception
            Whatever the segmenter raised; the memory is as before.

        """
        visits = self.memory.visits()
        first = 0
        if from_visit is not None:
            numbers = [visit.visit_id for visit in visits]
            if from_visit not in numbers:
                raise MemoryFormatError(
                    f'reprocess: expected a stored visit, got {from_visit}; stored are {numbers}'
                )
            first = numbers.index(from_visit)
        again = visits[first:]
        past = [v for v in visits[:first] if v.status == VisitStatus.DONE]
        if not again:
            return iter(())
        for _ in range(1 + RESTARTS):
            started = self.memory.header.revision
            history = self._work_out_anew(past, again, progress)
            with self.memory.mutex:
                if self.memory.header.revision == started:
                    revision = self.memory.rewrite(history)
                    return iter([self._update(facts, revision) for facts in history])
            log.warning('objects were corrected while visits were processed anew')
        raise CorrectedMeanwhileError(
            f'{self.memory.path}: expected no corrections while {len(again)} visits are processed '
            f'anew, got some during each of {1 + RESTARTS} attempts; nothing is replaced, '
            'reprocess when nobody corrects'
        )

    def _work_out_anew(
        self,
        past: Sequence[VisitInfo],
        again: Sequence[VisitInfo],
        progress: Callable[[int, int], None] | None,
    ) -> list[VisitFacts]:
        """Process visits that follow others as if for the first time; changes nothing."""
        records = replay(self.memory, past)
        aliases = self.memory.aliases()
        records = resolve_records(records, aliases)
        labels = {
            visit.visit_id: resolve_labels(self.memory.labels(visit.visit_id), aliases)
            for visit in past
        }
        next_id = self.memory.header.next_object_id
        before, history = records, []
        for visit in again:
            window = self._space.context(visit, [*past, *again[: len(history)]], self._window)
            facts = self._interpreter.interpret(visit, window, labels, records, next_id)
            history.append(facts)
            records, labels[visit.visit_id] = facts.records, facts.object_ids
            next_id = max([next_id, *(i + 1 for i in records)])
            if progress is not None:
                progress(len(history), len(again))
        self._interpreter.forget_segmentation()
        history = carry_ids(
            history,
            {v.visit_id: self.memory.labels(v.visit_id) for v in again},
            frozenset(self.memory.records),
            self.memory.header.next_object_id,
        )
        return split_again(history, before, standing_splits(self.memory))

    def _process_or_fail(self, visit: VisitInfo) -> SceneUpdate:
        """Process one stored visit; mark it FAILED where it cannot be done."""
        try:
            window = self._space.context(visit, self.memory.visits(VisitStatus.DONE), self._window)
            for restarts in count():
                # At the last attempt corrections wait; not for long, as the network is through.
                with self.memory.mutex if restarts == RESTARTS else nullcontext():
                    with self.memory.mutex:  # all as of one revision
                        header, records = self.memory.header, self.memory.records
                        aliases = self.memory.aliases()
                        labels = {
                            v.visit_id: resolve_labels(self.memory.labels(v.visit_id), aliases)
                            for v in window
                        }
                    facts = self._interpreter.interpret(
                        visit, window, labels, records, header.next_object_id
                    )
                    with self.memory.mutex:
                        if self.memory.header.revision == header.revision:
                            return self._update(facts, self.memory.commit(facts))
                log.info(
                    'visit %d: objects were corrected meanwhile; it is processed once more',
                    visit.visit_id,
                )
        except StorageError:
            raise  # the disk's fault, not the visit's: it stays PENDING
        except Exception as error:
            self.memory.fail(visit.visit_id, f'{type(error).__name__}: {error}')
            raise
        finally:
            self._interpreter.forget_segmentation()

    def _update(self, facts: VisitFacts, revision: int) -> SceneUpdate:
        """Return what one visit brought, for people and machines."""
        class_ids = np.full(len(facts.object_ids), -1, dtype=np.int32)
        scores = np.zeros(len(facts.object_ids), dtype=np.float32)
        for object_id, observation in facts.observations.items():
            class_ids[observation.points] = facts.records[object_id].class_id
            scores[observation.points] = observation.score
        names = self.memory.header.class_names
        objects = tuple(
            record.as_object(names, self.memory.past.get(object_id, ()))
            for object_id, record in facts.records.items()
        )
        return SceneUpdate(
            replace(facts.visit, status=VisitStatus.DONE),
            revision,
            objects,
            facts.changes,
            facts.object_ids,
            class_ids,
            scores,
        )
