"""The database of a fleet: tables of deposits and leases beside a schema of each map's memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
import hashlib
import re
from typing import Any

from rescene4d_ros.errors import ConfigError, FleetMissingError, StorageError
from rescene4d_ros.memory.database.engine import make_engine, sqlstate, translated
from rescene4d_ros.memory.database.manifest import parse, public
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    func,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
    UniqueConstraint,
    URL,
)
from sqlalchemy.exc import DatabaseError
from sqlalchemy.schema import CreateSchema

SCHEMA = 'rescene4d_fleet'
DEPOSITED = 'rescene4d_deposited'  # channel: a map has a new visit
PROCESSED = 'rescene4d_processed'  # channel: a deposit has another status
PLAIN = re.compile(r'[a-z][a-z0-9_]{0,39}')
# A server that is cut off is noticed within this, not within the two hours of TCP.
NETWORK = {
    'connect_timeout': '10',
    'keepalives_idle': '10',
    'keepalives_interval': '5',
    'keepalives_count': '3',
    'tcp_user_timeout': '30000',
}
UNDEFINED = ('42P01', '3F000')  # no such table, no such schema
SETUP_KEY = 0x5E5C_F1EE  # lock while tables are made


class DepositStatus(StrEnum):
    """What became of a deposited visit; that of the visit, or REFUSED."""

    PENDING = 'PENDING'
    DONE = 'DONE'
    FAILED = 'FAILED'
    LATE = 'LATE'
    EXCLUDED = 'EXCLUDED'
    REFUSED = 'REFUSED'


tables = MetaData(schema=SCHEMA)
_STATUSES = ', '.join(f"'{status.value}'" for status in DepositStatus)

deposits = Table(
    'deposits',
    tables,
    Column('deposit_id', BigInteger, Identity(always=True), primary_key=True),
    Column('map_id', Text, nullable=False),
    Column('stamp_ns', BigInteger, nullable=False),
    Column('name', Text, nullable=False),
    Column('file', Text, nullable=False),
    Column('n_points', Integer, nullable=False),
    Column('robot', Text, nullable=False),
    Column('deposited_at', DateTime(True), nullable=False, server_default=func.now()),
    Column('status', Text, nullable=False, server_default='PENDING'),
    Column('attempts', Integer, nullable=False, server_default='0'),
    Column('visit_id', Integer),
    Column('revision', Integer),
    Column('reason', Text, nullable=False, server_default=''),
    Column('told_at', DateTime(True)),
    UniqueConstraint('map_id', 'stamp_ns', name='deposits_stamp'),
    CheckConstraint(f'status IN ({_STATUSES})', name='deposits_status'),
)
Index(
    'deposits_open',
    deposits.c.map_id,
    deposits.c.stamp_ns,
    postgresql_where=deposits.c.status.in_(('PENDING', 'LATE')),
)
Index('deposits_told', deposits.c.map_id, deposits.c.told_at)

# The number grows with each holder: what an earlier one still has in hand is refused by it.
leases = Table(
    'leases',
    tables,
    Column('map_id', Text, primary_key=True),
    Column('number', BigInteger, nullable=False, server_default='0'),
    Column('holder', Text, nullable=False, server_default=''),
    # The connection with which the holder writes the memory.
    Column('backend', Integer),
    Column('backend_start', DateTime(True)),
)

# Not in the row of the lease: transactions of the memory read that while this one changes.
heartbeats = Table(
    'heartbeats',
    tables,
    Column('map_id', Text, primary_key=True),
    Column('number', BigInteger, nullable=False),
    Column('until', DateTime(True), nullable=False),
)


class FleetDatabase:
    """
    Connect to the database that robots and workers share.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of a PostgreSQL database.

    Attributes
    ----------
    url : URL
        With limits of time for a network that is cut.

    Raises
    ------
    ConfigError
        Not such a URL, or the driver is not installed.

    """

    def __init__(self, url: str):
        parsed = parse(url)
        if parsed.get_backend_name() != 'postgresql':
            raise ConfigError(
                f'expected postgresql://user@host/name for a fleet, got {public(parsed)}; a '
                'memory of one machine needs no workers'
            )
        defaults = {key: value for key, value in NETWORK.items() if key not in parsed.query}
        self.url = parsed.update_query_dict(defaults)
        self._engine = make_engine(self.url).execution_options(isolation_level='READ COMMITTED')
        self._name = public(parsed.set(query={}))  # for messages

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """
        Give a transaction that is stored wholly or not at all; each statement sees the newest.

        Raises
        ------
        StorageError
            The server is away or refuses.
        FleetMissingError
            The database has no tables of a fleet.

        """
        with translated(self._name), self._missing(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def listening(self, *channels: str) -> Iterator[Connection]:
        """Give a connection that receives notifications of some channels; raise as above."""
        with translated(self._name), self._missing(), self._engine.connect() as connection:
            connection = connection.execution_options(isolation_level='AUTOCOMMIT')
            connection.detach()  # closed, it must not wait in a pool and listen
            for channel in channels:
                connection.exec_driver_sql(f'LISTEN {channel}')
            yield connection

    def notifications(self, connection: Connection, seconds: float) -> list[tuple[str, str]]:
        """
        Wait for notifications on a connection of `listening`.

        Returns
        -------
        list of (channel, payload)
            Empty where none came in time.

        Raises
        ------
        StorageError
            The connection is lost.

        """
        import psycopg

        driver: Any = connection.connection.dbapi_connection
        try:
            found = driver.notifies(timeout=seconds, stop_after=1)
            return [(notice.channel, notice.payload) for notice in found]
        except psycopg.Error as error:
            raise StorageError(
                f'{self._name}: the connection is lost ({" ".join(str(error).split())}); see that '
                'the server runs and the network is there'
            ) from error

    def prepare(self) -> None:
        """
        Make the tables where there are none; does nothing where they are.

        Raises
        ------
        StorageError
            The role may not; `rescene4d fleet roles` makes them as a superuser.

        """
        with translated(self._name), self._engine.begin() as connection:
            if connection.execute(text(f"SELECT to_regclass('{SCHEMA}.heartbeats')")).scalar():
                return
            connection.execute(text(f'SELECT pg_advisory_xact_lock({SETUP_KEY})'))
            connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
            tables.create_all(connection)

    def map_url(self, map_id: str) -> str:
        """
        Return the URL of the memory of a map; its schema is made where there is none.

        Raises
        ------
        StorageError
            The role may not make schemas.

        """
        schema = schema_of(map_id)
        with self.transaction() as connection:
            there = text('SELECT 1 FROM pg_namespace WHERE nspname = :schema')
            if not connection.execute(there, {'schema': schema}).scalar():
                connection.execute(CreateSchema(schema, if_not_exists=True))
        return memory_url(self.url, map_id)

    def close(self) -> None:
        """Disconnect; harmless when repeated."""
        self._engine.dispose()

    @contextmanager
    def _missing(self) -> Iterator[None]:
        """Say what to do where there are no tables."""
        try:
            yield
        except DatabaseError as error:
            if sqlstate(error) in UNDEFINED:
                raise FleetMissingError(
                    f'{self._name}: expected the tables of a fleet, found none; start a worker '
                    'once, or `rescene4d fleet roles` as a superuser'
                ) from error
            raise


def schema_of(map_id: str) -> str:
    """Return the schema of the memory of a map: `map_` and its name, or a hash of that."""
    if PLAIN.fullmatch(map_id):
        return f'map_{map_id}'
    plain = re.sub(r'[^a-z0-9_]', '_', map_id.lower())[:30]
    return f'map_{plain}__{hashlib.blake2b(map_id.encode(), digest_size=6).hexdigest()}'


def memory_url(url: URL, map_id: str) -> str:
    """Return the URL of the memory of a map in the database of a fleet, with its password."""
    options = url.query.get('options', ())
    given = (options,) if isinstance(options, str) else options
    path = f'-csearch_path={schema_of(map_id)}'
    named = url.update_query_dict({'options': ' '.join((*given, path))})
    return named.render_as_string(hide_password=False)
