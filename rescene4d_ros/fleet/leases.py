"""One worker at a time for a map: leases that end by themselves, with a number that fences."""

from __future__ import annotations

from collections.abc import Collection
import logging
from threading import Event, Thread
import time
from typing import Self

from rescene4d_ros.errors import LeaseLostError, RescenError
from rescene4d_ros.fleet.database import deposits, DepositStatus, FleetDatabase, heartbeats, leases
from sqlalchemy import Connection, func, Row, select, text
from sqlalchemy.dialects.postgresql import insert

log = logging.getLogger(__name__)

SHARE = 3  # heartbeats within the time of a lease


class Lease:
    """
    Hold the right to process the visits of one map, and renew it until `release`.

    Attributes
    ----------
    map_id : str
    number : int
        Grows with each holder; what is stored with an older one is refused.
    is_inherited : bool
        Whether the holder before ended, or was cut off, without a release.

    """

    def __init__(self, database: FleetDatabase, previous: Row, is_inherited: bool, seconds: float):
        self.map_id, self.number = previous.map_id, previous.number + 1
        self._previous, self.is_inherited = previous, is_inherited
        self._database, self._seconds = database, seconds
        self._ended, self._lost = Event(), Event()
        self._thread = Thread(target=self._renew, name=f'lease of {self.map_id}', daemon=True)
        self._thread.start()

    @property
    def is_lost(self) -> bool:
        """Return whether another worker may have the map by now."""
        return self._lost.is_set()

    def check(self, connection: Connection) -> None:
        """
        Hold the row of the lease to the end of a transaction.

        Raises
        ------
        LeaseLostError
            Another worker has the map; nothing must be stored.

        """
        query = select(leases.c.number).where(leases.c.map_id == self.map_id)
        self.require(connection.execute(query.with_for_update(read=True)).scalar())

    def require(self, number: int | None) -> None:
        """
        Compare a number that a transaction has read, and locked, with that of this lease.

        Raises
        ------
        LeaseLostError
            Another worker has the map; nothing must be stored.

        """
        if number != self.number:
            self._lost.set()
            raise LeaseLostError(
                f'map {self.map_id!r}: expected lease {self.number}, found {number}; another '
                'worker has the map and nothing is stored; raise --lease if visits take longer '
                'than the server or this process may stall'
            )

    def note_writer(self, connection: Connection) -> None:
        """Store which connection writes the memory, for the next holder if this one stalls."""
        activity = text(
            'SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()'
        )
        row = connection.execute(activity).one()
        change = leases.update().where(leases.c.map_id == self.map_id)
        connection.execute(change.values(backend=row.pid, backend_start=row.backend_start))

    def end_previous_writer(self) -> bool:
        """
        End the connection of the holder before, which may stall; return whether it was there.

        Raises
        ------
        LeaseLostError
            Another worker has the map.
        StorageError
            The server is away.

        """
        ended = text(
            'SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
            'WHERE pid = :pid AND backend_start = :start'
        )
        of = {'pid': self._previous.backend, 'start': self._previous.backend_start}
        with self._database.transaction() as connection:
            self.check(connection)
            return bool(connection.execute(ended, of).all())

    def release(self) -> None:
        """Let the next worker have the map at once; harmless when repeated."""
        self._ended.set()
        self._thread.join()
        if self.is_lost:
            return
        try:
            with self._database.transaction() as connection:
                connection.execute(heartbeats.delete().where(*self._mine()))
        except RescenError as error:  # it ends by itself
            log.warning('lease of %s not released (%s)', self.map_id, error)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_) -> None:
        """Release."""
        self.release()

    def _renew(self) -> None:
        """Move the end of the lease on, until it is released or taken by another worker."""
        renewed = time.monotonic()
        while not self._ended.wait(self._seconds / SHARE):
            try:
                with self._database.transaction() as connection:
                    change = heartbeats.update().where(*self._mine())
                    if not connection.execute(change.values(until=_until(self._seconds))).rowcount:
                        self._lost.set()
                        return
                renewed = time.monotonic()
            except RescenError as error:
                log.warning('lease of %s not renewed (%s)', self.map_id, error)
                if time.monotonic() - renewed > self._seconds:
                    self._lost.set()
                    return

    def _mine(self) -> tuple:
        """Return the conditions of the heartbeat of this lease."""
        return heartbeats.c.map_id == self.map_id, heartbeats.c.number == self.number


class LeaseTaker:
    """
    Take the maps that have waited longest, one at a time.

    Parameters
    ----------
    database : FleetDatabase
    holder : str
        Names this worker, and no other one.
    seconds : float
        How long a lease counts without a heartbeat.
    maps : collection of str
        Only these; empty = all.
    statuses : collection of DepositStatus
        Deposits for which a map is taken.

    """

    def __init__(
        self,
        database: FleetDatabase,
        holder: str,
        seconds: float,
        maps: Collection[str] = (),
        statuses: Collection[DepositStatus] = (DepositStatus.PENDING,),
    ):
        self._database, self._holder, self._seconds = database, holder, seconds
        self._maps, self._statuses = tuple(maps), tuple(statuses)
        self._passed_over: dict[str, float] = {}  # map -> s, monotonic

    def pass_over(self, map_id: str, seconds: float) -> None:
        """Leave a map alone for a time, as one that a person has open."""
        self._passed_over[map_id] = time.monotonic() + seconds

    def take(self) -> Lease | None:
        """
        Return the lease of a map with deposits that wait; None where no map is free.

        Raises
        ------
        StorageError
            The server is away.

        """
        now = time.monotonic()
        self._passed_over = {m: end for m, end in self._passed_over.items() if end > now}
        wanted = [deposits.c.status.in_(self._statuses)]
        if self._maps:
            wanted.append(deposits.c.map_id.in_(self._maps))
        if self._passed_over:
            wanted.append(deposits.c.map_id.not_in(list(self._passed_over)))
        waiting = (
            select(deposits.c.map_id, func.min(deposits.c.deposit_id).label('oldest'))
            .where(*wanted)
            .group_by(deposits.c.map_id)
            .subquery()
        )
        with self._database.transaction() as connection:
            known = select(leases.c.map_id)
            new = select(waiting.c.map_id).where(waiting.c.map_id.not_in(known))
            connection.execute(
                insert(leases).from_select(['map_id'], new).on_conflict_do_nothing()
            )
            free = (
                select(leases)
                .join(waiting, waiting.c.map_id == leases.c.map_id)
                .where(leases.c.map_id.not_in(held_maps()))
                .order_by(waiting.c.oldest)
                .limit(1)
                .with_for_update(of=leases, skip_locked=True)
            )
            row = connection.execute(free).first()
            # Another worker may have taken it between the search and the lock: look again.
            if row is None or connection.execute(held_maps(row.map_id)).first():
                return None
            number = row.number + 1
            left = select(heartbeats.c.number).where(heartbeats.c.map_id == row.map_id)
            is_inherited = (
                connection.execute(left).first() is not None and row.holder != self._holder
            )
            connection.execute(
                leases.update()
                .where(leases.c.map_id == row.map_id)
                .values(number=number, holder=self._holder)
            )
            beat = insert(heartbeats).values(
                map_id=row.map_id, number=number, until=_until(self._seconds)
            )
            connection.execute(
                beat.on_conflict_do_update(
                    index_elements=['map_id'],
                    set_={'number': number, 'until': _until(self._seconds)},
                )
            )
        return Lease(self._database, row, is_inherited, self._seconds)


def held_maps(map_id: str | None = None):
    """Return the query of the maps whose lease counts."""
    held = select(heartbeats.c.map_id).where(heartbeats.c.until > func.clock_timestamp())
    return held if map_id is None else held.where(heartbeats.c.map_id == map_id)


def _until(seconds: float):
    """Return the end of a lease by the clock of the server."""
    return func.clock_timestamp() + text(f"interval '{float(seconds)} seconds'")
