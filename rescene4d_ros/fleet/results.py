"""What becomes of deposited visits, as robots hear of it: none missed, none told twice."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
import logging

from rescene4d_ros.errors import StorageError
from rescene4d_ros.fleet.database import deposits, DepositStatus, FleetDatabase, PROCESSED
from rescene4d_ros.fleet.visit_guard import Outcome
from sqlalchemy import and_, Connection, func, or_, select

log = logging.getLogger(__name__)


class Results:
    """
    Hear what becomes of the visits of some maps, from now on.

    The rows say what became of a visit, and a notification only when to look: what came while
    the network was cut is read afterwards.

    Parameters
    ----------
    database : FleetDatabase
    maps : tuple of str
        Only these; empty = all that are told of.

    """

    def __init__(self, database: FleetDatabase, maps: tuple[str, ...] = ()):
        self._database, self._maps = database, maps
        self._held = ExitStack()
        self._connection: Connection | None = None
        # Of one map, times only grow: one worker at a time writes them.
        self._told: dict[str, datetime] = {}
        self._start: datetime | None = None

    def wait(self, seconds: float) -> list[Outcome]:
        """
        Return what became of visits since the last call; waits for it as long as `seconds`.

        Raises
        ------
        StorageError
            The server is away; what comes meanwhile is returned by a later call.

        """
        try:
            is_new = self._connection is None
            if self._connection is None:
                self._connection = self._held.enter_context(self._database.listening(PROCESSED))
            if self._start is None:
                with self._database.transaction() as connection:
                    self._start = connection.execute(select(func.clock_timestamp())).scalar_one()
            if not is_new or not (found := self._read()):
                self._database.notifications(self._connection, seconds)
                found = self._read()
            return found
        except StorageError:
            self.close()
            raise

    def close(self) -> None:
        """Disconnect; a later `wait` connects again."""
        self._connection = None
        try:
            self._held.close()
        except Exception as error:  # of a connection that is lost already
            log.debug('%s', error)

    def _read(self) -> list[Outcome]:
        """Return what the rows say that was not told yet, in order."""
        columns, told = deposits.c, self._told
        is_new = [and_(columns.map_id == m, columns.told_at > last) for m, last in told.items()]
        is_new.append(and_(columns.map_id.not_in(list(told)), columns.told_at > self._start))
        query = select(deposits).where(or_(*is_new), columns.status != DepositStatus.PENDING)
        if self._maps:
            query = query.where(columns.map_id.in_(self._maps))
        found = []
        with self._database.transaction() as connection:
            for row in connection.execute(query.order_by(columns.told_at)):
                told[row.map_id] = row.told_at
                status = DepositStatus(row.status)
                found.append(
                    Outcome(
                        row.map_id, row.deposit_id, status, row.visit_id, row.revision, row.reason
                    )
                )
        return found
