"""Older memories brought to the present schema, inside the transaction that opens them."""

from __future__ import annotations

import logging

from rescene4d_ros.memory.database import metadata, schema
from sqlalchemy import Connection, text

log = logging.getLogger(__name__)


def migrate(connection: Connection, where: str) -> None:
    """
    Bring the tables of an older version to the present one; nothing to do for the present one.

    Raises
    ------
    MemoryFormatError
        The tables are newer than this package.

    """
    version = metadata.version(connection, where)
    for old in range(version, schema.VERSION):
        STEPS[old](connection)
        metadata.store(connection, {'schema': old + 1})
        log.warning('%s: migrated from schema %d to %d', where, old, old + 1)


def _from_1(connection: Connection) -> None:
    """Add look-alikes to links, aliases, notes of people, and what undoing needs."""
    for table in ('objects', 'observations'):
        connection.execute(
            text(f"ALTER TABLE {table} ADD COLUMN alternatives TEXT NOT NULL DEFAULT '[]'")
        )
    for table in ('aliases', 'notes', 'undo'):
        schema.tables.tables[table].create(connection)


def _from_2(connection: Connection) -> None:
    """Add the indexes by which questions find changes and aliases."""
    for table in (schema.changes, schema.aliases):
        for index in table.indexes:
            index.create(connection, checkfirst=True)  # a step before may have made it


STEPS = {1: _from_1, 2: _from_2}
