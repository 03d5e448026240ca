"""Older memories brought to the present schema, inside the transaction that opens them."""

from __future__ import annotations

import logging
from pathlib import Path

from rescene4d_ros.memory.database import metadata, schema
from rescene4d_ros.memory.database.stored_rows import as_stored, CHECKSUM, checksum, decoded
from sqlalchemy import Connection, select, update

log = logging.getLogger(__name__)

REVISIONS = Path(__file__).with_name('revisions')


def migrate(connection: Connection, where: str) -> None:
    """
    Bring the tables of an older version to the present one; nothing to do for the present one.

    Raises
    ------
    MemoryFormatError
        The tables are newer than this package, or a row is damaged.

    """
    version = metadata.version(connection, where)
    if version == schema.VERSION:
        return
    # Costs a third of a second to import, and is needed once in the life of a memory.
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(REVISIONS.parent), version_locations=[str(REVISIONS)])
    steps = [step for step in scripts.walk_revisions() if int(step.revision) > version]
    with Operations.context(MigrationContext.configure(connection)):
        for step in reversed(steps):
            step.module.upgrade()
    for table in schema.tables.sorted_tables:
        plain = as_stored(table)
        for row in connection.execute(select(plain)).all():
            value = checksum(table.columns, decoded(table, row._mapping))
            keys = (key == row._mapping[key.name] for key in plain.primary_key)
            connection.execute(update(plain).where(*keys).values({CHECKSUM: value}))
    metadata.store(connection, {'schema': schema.VERSION})
    log.warning('%s: migrated from schema %d to %d', where, version, schema.VERSION)
