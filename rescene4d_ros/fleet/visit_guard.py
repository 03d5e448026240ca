"""What ends each transaction of a worker: its lease counts, and deposits follow their visits."""

from __future__ import annotations

from dataclasses import dataclass
import json

from rescene4d_ros.fleet.database import deposits, DepositStatus, leases, PROCESSED
from rescene4d_ros.fleet.leases import Lease
from rescene4d_ros.memory.database import schema
from rescene4d_ros.structures import VisitStatus
from sqlalchemy import and_, Connection, func, or_, select

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
    taking : int or None
        Id of the deposit whose visit the next transaction stores.
    outcomes : list of Outcome
        What the transactions so far told; those of one that was undone, too.

    """

    def __init__(self, lease: Lease):
        self._lease = lease
        self.taking: int | None = None
        self.outcomes: list[Outcome] = []

    def __call__(self, connection: Connection, revision: int) -> None:
        """
        Check the lease, and give deposits the status of their visits.

        Raises
        ------
        LeaseLostError
            The transaction must be undone.

        """
        rows = connection.execute(self._lease_and_visits()).all()
        self._lease.require(rows[0].number if rows else None)
        for row in rows:
            if row.deposit_id is None:  # the lease alone
                continue
            if row.deposit_id == self.taking:
                change = deposits.update().where(deposits.c.deposit_id == row.deposit_id)
                connection.execute(change.values(visit_id=row.visit_id))
            status = DepositStatus[VisitStatus(row.now).name]
            if status != row.status:
                outcome = Outcome(
                    self._lease.map_id, row.deposit_id, status, row.visit_id, revision, row.reason
                )
                tell(connection, outcome)
                self.outcomes.append(outcome)

    def _lease_and_visits(self):
        """Return the query of the lease, whose row it locks, with each deposit and its visit."""
        visits = schema.visits
        is_of = visits.c.visit_id == deposits.c.visit_id
        if self.taking is not None:  # the deposit does not name its visit yet
            is_taken = deposits.c.deposit_id == self.taking
            is_of = or_(is_of, and_(is_taken, visits.c.stamp_ns == deposits.c.stamp_ns))
        taken = deposits.join(visits, is_of)
        is_open = deposits.c.map_id == leases.c.map_id, deposits.c.status.in_(OPEN)
        return (
            select(leases.c.number, deposits.c.deposit_id, deposits.c.status)
            .add_columns(visits.c.visit_id, visits.c.status.label('now'), visits.c.reason)
            .select_from(leases.outerjoin(taken, and_(*is_open)))
            .where(leases.c.map_id == self._lease.map_id)
            .with_for_update(read=True, of=leases)
        )


def tell(connection: Connection, outcome: Outcome) -> None:
    """Store what became of a deposit, and notify robots of it, when the transaction is stored."""
    change = deposits.update().where(deposits.c.deposit_id == outcome.deposit_id)
    changed = change.values(
        status=outcome.status,
        visit_id=outcome.visit_id,
        revision=outcome.revision,
        reason=outcome.reason,
        told_at=func.clock_timestamp(),
    )
    # One statement: this is a part of what a fleet adds to the cost of each visit.
    connection.execute(changed.returning(func.pg_notify(PROCESSED, outcome.as_json())))
