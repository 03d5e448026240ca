"""The side of a robot: visits go through its spool to the store of points and the database."""

from __future__ import annotations

from collections.abc import Iterator
import logging
from pathlib import Path
import socket
from typing import Self

from rescene4d_ros.errors import DuplicateVisitError, FileFormatError, ScanError
from rescene4d_ros.fleet.database import DEPOSITED, deposits, FleetDatabase, schema_of
from rescene4d_ros.fleet.point_store import open_store
from rescene4d_ros.fleet.spool import Spool, SpooledVisit
from rescene4d_ros.memory.store import check_name
from rescene4d_ros.memory.visit_transactions import check_scan
from rescene4d_ros.structures import Scan
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

log = logging.getLogger(__name__)


class Depositor:
    """
    Deposit visits of one map.

    Parameters
    ----------
    database : FleetDatabase
    points : str
        Folder or URL of the store; see `open_store`.
    spool : Spool
    map_id : str
    map_frame : str
        Frame of the visits.
    robot : str
        Who deposits, for people; default is the name of the machine.

    Raises
    ------
    ConfigError
        No such store, or a name that no database can hold.

    """

    def __init__(
        self,
        database: FleetDatabase,
        points: str,
        spool: Spool,
        map_id: str,
        map_frame: str = 'map',
        robot: str = '',
    ):
        for name in (map_id, robot):
            check_name(name, 'a map or robot')
        self._database, self._points, self._spool = database, points, spool
        self._map_id, self._frame = map_id, map_frame
        self._robot = robot or socket.gethostname()
        open_store(points, schema_of(map_id))  # raises where there is no such kind of store

    def add(self, scan: Scan) -> Path:
        """
        Store a visit in the spool; `send` deposits it.

        Raises
        ------
        ScanError
            Another frame, no points, or no stamp of a visit.
        StorageError
            The spool is full, or the disk refuses.

        """
        check_scan(scan, self._frame, None)
        return self._spool.add(scan, self._map_id)

    @property
    def waiting(self) -> int:
        """Return how many visits are in the spool."""
        return len(self._spool.entries())

    def send(self) -> Iterator[int]:
        """
        Deposit what is in the spool, in order; yield the id of each deposit.

        A visit that the fleet cannot take is set aside and told in the log.

        Raises
        ------
        StorageError
            Network, server or store are away; what is not deposited stays in the spool.

        """
        for path in self._spool.entries():
            try:
                visit, data = self._spool.read(path)
                deposit_id = self._deposit(visit, data)
            except (DuplicateVisitError, FileFormatError, ScanError) as error:
                log.error('%s; the visit is kept as %s', error, self._spool.set_aside(path))
                continue
            self._spool.drop(path)
            yield deposit_id

    def _deposit(self, visit: SpooledVisit, data: bytes) -> int:
        """Store the points, then the row; the same again where an answer was lost."""
        open_store(self._points, schema_of(visit.map_id)).put(visit.file, data)
        row = {**vars(visit), 'robot': self._robot}
        with self._database.transaction() as connection:
            new = insert(deposits).values(row).on_conflict_do_nothing()
            deposit_id = connection.execute(new.returning(deposits.c.deposit_id)).scalar()
            if deposit_id is not None:
                connection.execute(select(func.pg_notify(DEPOSITED, visit.map_id)))
                return deposit_id
            same = (deposits.c.map_id == visit.map_id, deposits.c.stamp_ns == visit.stamp_ns)
            query = select(deposits.c.deposit_id, deposits.c.file, deposits.c.name)
            known = connection.execute(query.where(*same)).one()
        if known.file != visit.file:
            raise DuplicateVisitError(
                f'map {visit.map_id!r}, visit {visit.name!r}: expected a new stamp, but '
                f'{visit.stamp_ns} is deposited as {known.name!r} with other points; a visit is '
                'sent once'
            )
        return known.deposit_id

    def close(self) -> None:
        """Let another process have the spool, and disconnect; harmless when repeated."""
        self._spool.close()
        self._database.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_) -> None:
        """Close."""
        self.close()
