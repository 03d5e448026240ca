"""The rights of robots and workers in the database of a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rescene4d_ros.errors import ConfigError
from rescene4d_ros.fleet.database import FleetDatabase

ROBOT, WORKER = 'rescene4d_robot', 'rescene4d_worker'
FILE = Path(__file__).with_name('roles.sql')


def roles_sql(database: str, robot: str = ROBOT, worker: str = WORKER) -> str:
    """
    Return the statements that give rights to the two roles.

    Parameters
    ----------
    database : str
        Name of the database.
    robot, worker : str
        Names of the roles; made where there are none.

    Raises
    ------
    ConfigError
        The two are one.

    """
    if robot == worker:
        raise ConfigError(f'expected two roles, got {robot!r} twice; name another one')
    statements = FILE.read_text()
    text = "'" + worker.replace("'", "''") + "'"
    statements = statements.replace(':worker_text', text)
    for key, name in {':robot': robot, ':worker': worker, ':database': database}.items():
        statements = statements.replace(key, _quoted(name))
    return statements


def make_roles(
    database: FleetDatabase,
    robot: str = ROBOT,
    worker: str = WORKER,
    passwords: Mapping[str, str] | None = None,
) -> None:
    """
    Make tables and roles, and give the roles their rights; in one transaction.

    Parameters
    ----------
    database : FleetDatabase
    robot, worker : str
        Names of the roles.
    passwords : mapping of str to str, optional
        Of these roles; sent as a hash.

    Raises
    ------
    StorageError
        The role of the connection is no superuser.

    """
    database.prepare()
    name = database.url.database or ''
    with database.transaction() as connection:
        connection.exec_driver_sql(roles_sql(name, robot, worker))
        driver: Any = connection.connection.dbapi_connection
        for role, password in (passwords or {}).items():
            hashed = driver.pgconn.encrypt_password(
                password.encode(), role.encode(), b'scram-sha-256'
            )
            connection.exec_driver_sql(f"ALTER ROLE {_quoted(role)} PASSWORD '{hashed.decode()}'")


def _quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
