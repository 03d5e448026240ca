"""What ends each transaction of a worker: its lease counts, and deposits follow their visits."""

from __future__ import annotations

from dataclasses import dataclass
import json

from rescene4d_ros.fleet.database import deposits, DepositStatus, PROCESSED
from rescene4d_ros.fleet.leases import Lease
from rescene4d_ros.memory.database import schema
from rescene4d_ros.structures import VisitStatus
from sqlalchemy import Connection, func, select

# Of these a visit may become another one later.
OPEN = (DepositStatus.PENDING, DepositStatus.LATE, DepositStatus.FAILED, DepositStatus.EXCLUDED)


@dataclass(frozen=True)
class Outcome:
    """
    Hold what became of a deposited visit; the content of a notification.

    Attributes
    ----------
    map_id : str
    deposit_id : int
    status : DepositStatus
    visit_id : int or None
        In the memory of the map; None where it was refused.
    revision : int
        Of the memory then.
    reason : str
        Why it is FAILED or REFUSED; shortened.

    """

    map_id: str
    deposit_id: int
    status: DepositStatus
    visit_id: int | None
    revision: int
    reason: str = ''

    def as_json(self) -> str:
        """Return the text of a notification."""
        return json.dumps({**vars(self), 'reason': self.reason[:500]})

    @classmethod
    def from_json(cls, payload: str) -> Outcome:
        """Read the text of a notification; raises ValueError, TypeError or KeyError."""
        values = json.loads(payload)
        return cls(**{**values, 'status': DepositStatus(values['status'])})


class VisitGuard:
    """
    Store deposits with the visits that they became; called at the end of each transaction.

    Parameters
    ----------
    lease : Lease

    Attributes
    ----------
    taking : tuple of (deposit id, stamp in ns) or None
        The deposit whose visit the next transaction stores.
    outcomes : list of Outcome
        What the transactions so far told; those of one that was undone, too.

    """

    def __init__(self, lease: Lease):
        self._lease = lease
        self.taking: tuple[int, int] | None = None
        self.outcomes: list[Outcome] = []

    def __call__(self, connection: Connection, revision: int) -> None:
        """
        Check the lease, and give deposits the status of their visits.

        Raises
        ------
        LeaseLostError
            The transaction must be undone.

        """
        self._lease.check(connection)
        visits = schema.visits.c
        if self.taking is not None:
            deposit_id, stamp_ns = self.taking
            visit_id = select(visits.visit_id).where(visits.stamp_ns == stamp_ns)
            change = deposits.update().where(deposits.c.deposit_id == deposit_id)
            connection.execute(change.values(visit_id=visit_id.scalar_subquery()))
        found = (
            select(deposits.c.deposit_id, deposits.c.status, visits.visit_id)
            .add_columns(visits.status.label('now'), visits.reason)
            .join(schema.visits, visits.visit_id == deposits.c.visit_id)
            .where(deposits.c.map_id == self._lease.map_id, deposits.c.status.in_(OPEN))
        )
        for row in connection.execute(found).all():
            status = DepositStatus[VisitStatus(row.now).name]
            if status != row.status:
                outcome = Outcome(
                    self._lease.map_id, row.deposit_id, status, row.visit_id, revision, row.reason
                )
                tell(connection, outcome)
                self.outcomes.append(outcome)


def tell(connection: Connection, outcome: Outcome) -> None:
    """Store what became of a deposit, and notify robots of it, when the transaction is stored."""
    change = deposits.update().where(deposits.c.deposit_id == outcome.deposit_id)
    connection.execute(
        change.values(
            status=outcome.status,
            visit_id=outcome.visit_id,
            revision=outcome.revision,
            reason=outcome.reason,
            told_at=func.clock_timestamp(),
        )
    )
    connection.execute(select(func.pg_notify(PROCESSED, outcome.as_json())))
