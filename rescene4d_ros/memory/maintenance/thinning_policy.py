"""Thinning by policy: old visits without changes lose points, a few visits at a time."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.memory.database import schema
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.editing.undo import BUILT_UPON
from rescene4d_ros.memory.maintenance.retention import rewritten
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import VisitInfo, VisitStatus
from sqlalchemy import func, select

AT_ONCE = 4  # visits of one transaction; corrections wait for no more


@dataclass(frozen=True)
class Thinned:
    """
    Say what one step of thinning did.

    Attributes
    ----------
    visits : int
    points : int
        That went.

    """

    visits: int
    points: int


class ThinningPolicy:
    """
    Thin old visits of a memory, a few at each call.

    The first and the newest visit and those that show a change keep all their points. Records,
    observations, ids, names and the journal stay as they are, and corrections can still be
    undone. A reprocess takes the points that are left: superpoints of fewer points are others, so
    identities of thinned visits may then differ from what was found with all points.

    Parameters
    ----------
    memory : SceneMemory
        Open for writing.
    spacing : float, m
        Edge of the cubes of which one point is kept.

    Raises
    ------
    ConfigError
        The spacing is not positive.

    """

    def __init__(self, memory: SceneMemory, spacing: float):
        if not spacing > 0:
            raise ConfigError(f'expected a spacing above 0 m, got {spacing}; 0.05 is a start')
        self._memory, self._spacing = memory, spacing
        self._through = {
            visit_id
            for entry in memory.journal(JournalAction.POINTS_THINNED)
            if entry['detail'].get('spacing', 0.0) >= spacing
            for visit_id in entry['detail'].get('visits', ())
        }

    def due(self, before_ns: int) -> tuple[VisitInfo, ...]:
        """Return the visits with earlier stamps that are to be thinned, oldest first."""
        done = self._memory.visits(VisitStatus.DONE)
        old = [
            visit
            for visit in done[1:-1]
            if visit.stamp_ns < before_ns and visit.visit_id not in self._through
        ]
        if not old:
            return ()
        changes = schema.changes.c
        with self._memory.database.reading() as connection:
            changed = set(connection.execute(select(changes.visit_id).distinct()).scalars())
        return tuple(visit for visit in old if visit.visit_id not in changed)

    def step(self, before_ns: int) -> Thinned:
        """
        Thin the oldest of the visits that are due.

        Returns
        -------
        Thinned
            No visits where none is due, or while a merge or split can be undone row by row: its
            undo would need the points as they are.

        Raises
        ------
        StorageError
            The disk refused; the visits are as before.

        """
        memory = self._memory
        with memory.mutex:
            chosen = self.due(before_ns)[:AT_ONCE]
            if not chosen or self._can_be_undone_by_rows():
                return Thinned(0, 0)
            keep, points = {}, 0
            for visit in chosen:
                try:
                    kept = thin(memory.scan(visit.visit_id).xyz, self._spacing)
                except FileFormatError:  # damaged or lost: nothing can be taken from it
                    continue
                keep[visit.visit_id] = kept
                points += visit.n_points - len(kept)
            numbers = [visit.visit_id for visit in chosen]
            # Also those of which nothing went: they are not read again.
            detail = {
                'visits': numbers,
                'spacing': self._spacing,
                'points': points,
                'policy': True,
            }
            action = JournalAction.POINTS_THINNED
            with rewritten(memory, keep, action, detail, for_good=False):
                pass
            self._through.update(numbers)
            return Thinned(len(keep), points)

    def _can_be_undone_by_rows(self) -> bool:
        """Return whether a correction is newer than all that it cannot be taken back beyond."""
        journal, undo = schema.journal.c, schema.undo.c
        built = select(func.max(journal.entry_id)).where(journal.action.in_(BUILT_UPON))
        with self._memory.database.reading() as connection:
            correction = connection.execute(select(func.max(undo.entry_id))).scalar() or 0
            return correction > (connection.execute(built).scalar() or 0)
