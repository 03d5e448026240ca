"""Stored visits processed again, late and failed ones included; all is replaced at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import logging

from rescene4d_ros.errors import (
    CorrectedMeanwhileError,
    MemoryDamagedError,
    MemoryFormatError,
    StorageError,
)
from rescene4d_ros.memory.editing.reapply_splits import split_again, standing_splits
from rescene4d_ros.memory.editing.rebuild import carry_ids, rebuild_records
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.visit_window import WindowOpener
from rescene4d_ros.structures import ReprocessResult, Scan, VisitChanges, VisitInfo, VisitStatus
from rescene4d_ros.tracking.object_ids import resolve_labels, resolve_records
from rescene4d_ros.tracking.records import VisitFacts
from rescene4d_ros.tracking.regions.discovery import with_discovered
from rescene4d_ros.tracking.settings import TrackingSettings
from rescene4d_ros.tracking.track_visit import track_visit

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]  # called with (visits done, visits in all)


def reprocess(
    memory: SceneMemory,
    windows: WindowOpener,
    settings: TrackingSettings,
    from_visit: int | None,
    progress: Progress | None,
    attempts: int,
) -> ReprocessResult:
    """
    Process stored visits again and replace what they gave; see `SceneTracker.reprocess`.

    Parameters
    ----------
    memory : SceneMemory
    windows : WindowOpener
    settings : TrackingSettings
    from_visit : int or None
        First visit to process again; None = all.
    progress : callable or None
    attempts : int
        How often to begin where objects are corrected meanwhile.

    Raises
    ------
    MemoryFormatError, CorrectedMeanwhileError, Exception
        As `SceneTracker.reprocess`.

    """
    visits = [v for v in memory.visits() if v.status != VisitStatus.EXCLUDED]
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
    for _ in range(attempts):
        started = memory.metadata.revision
        history, scan, failed = _track_anew(memory, windows, settings, past, again, progress)
        with memory.mutex:
            if memory.metadata.revision == started:
                revision = memory.rewrite(history, failed)
                scene = history[-1].as_update(
                    memory.metadata.class_names, memory.names(), memory.past, scan, revision
                )
                return ReprocessResult(
                    tuple(VisitChanges(f.done_visit, revision, f.changes) for f in history), scene
                )
        log.warning('objects were corrected while visits were processed anew')
    raise CorrectedMeanwhileError(
        f'{memory.path}: expected no corrections while {len(again)} visits are processed '
        f'anew, got some during each of {attempts} attempts; nothing is replaced, '
        'reprocess while no object is corrected'
    )


def _track_anew(
    memory: SceneMemory,
    windows: WindowOpener,
    settings: TrackingSettings,
    past: Sequence[VisitInfo],
    again: Sequence[VisitInfo],
    progress: Progress | None,
) -> tuple[list[VisitFacts], Scan, dict[int, str]]:
    """
    Interpret visits that follow others as if for the first time.

    Returns what they bring, the points of the last one, and why others could not be
    processed, by visit. Changes nothing; only where none could be processed they are FAILED.

    """
    aliases, locked = memory.aliases(), memory.locked()
    before = records = resolve_records(rebuild_records(memory, past), aliases)
    labels = {
        visit.visit_id: resolve_labels(memory.labels(visit.visit_id), aliases) for visit in past
    }
    metadata, next_id = memory.metadata, memory.metadata.next_object_id
    history: list[VisitFacts] = []
    failed: dict[int, str] = {}
    for number, visit in enumerate(again, 1):
        try:
            window = windows.open(visit, [*past, *(f.visit for f in history)])
            context = window.context(labels, records, metadata.class_names, next_id, locked)
            facts = track_visit(window.segmentation, context, settings)
            facts = window.of_whole_visits(facts)
        except Exception as error:
            if not _is_of_the_visit(error, visit):
                raise
            failed[visit.visit_id] = f'{type(error).__name__}: {error}'
            log.warning('visit %d cannot be processed: %s', visit.visit_id, error)
            if len(failed) == len(again):
                for visit_id, reason in failed.items():
                    memory.fail(visit_id, reason)
                raise
        else:
            if history:
                history[-1] = history[-1].before(facts.records)
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
    history = carry_ids(history, memory.labels, frozenset(memory.records), metadata.next_object_id)
    return split_again(history, before, standing_splits(memory)), scan, failed


def _is_of_the_visit(error: Exception, visit: VisitInfo) -> bool:
    """Return whether an error makes a visit FAILED; what a visit brought before is not lost."""
    return visit.status != VisitStatus.DONE and not isinstance(
        error, (StorageError, MemoryDamagedError)
    )
