"""What a memory says of itself, its version, and whether it is the one that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import logging
from pathlib import Path

from rescene4d_ros.errors import ConfigError, MemoryDamagedError, MemoryFormatError
from rescene4d_ros.memory.database import schema
from rescene4d_ros.memory.database.row_encoding import (
    as_stored,
    change_rows,
    CHECKSUM,
    checksum,
    decoded,
    read_rows,
)
from sqlalchemy import Connection, func, inspect, select, update

log = logging.getLogger(__name__)

REVISIONS = Path(__file__).with_name('revisions')


@dataclass(frozen=True)
class Metadata:
    """
    Hold the values of the table `meta`.

    Attributes
    ----------
    schema : int
        Version of the tables.
    map_id : str
        Which map the coordinates belong to.
    frame_id : str
        Frame of everything stored.
    class_names : tuple of str
        Class k of every class posterior.
    weights_hash : str or None
        Weights that processed the newest visit.
    revision : int
        Number of transactions that changed facts; only grows.
    next_visit_id, next_object_id : int
        Next unused ids; they only grow, so that no id is ever given twice.
    origin : tuple of 3 float, m, or None
        What was subtracted from the coordinates of every visit; None before the first one.

    """

    schema: int
    map_id: str
    frame_id: str
    class_names: tuple[str, ...]
    weights_hash: str | None = None
    revision: int = 0
    next_visit_id: int = 1
    next_object_id: int = 1
    origin: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Expected:
    """
    Say what a memory must be of; None = whatever it is of.

    Attributes
    ----------
    map_id, frame_id, class_names, weights_hash
        As in Metadata.

    """

    map_id: str | None = None
    frame_id: str | None = None
    class_names: tuple[str, ...] | None = None
    weights_hash: str | None = None


def exists(connection: Connection) -> bool:
    """Return whether the database holds a complete memory."""
    if not inspect(connection).has_table('meta'):
        return False
    return (
        connection.execute(
            select(schema.meta.c.value).where(schema.meta.c.key == 'schema')
        ).first()
        is not None
    )


def version(connection: Connection, where: str) -> int:
    """
    Read the version of the tables.

    Raises
    ------
    MemoryFormatError
        They are newer than this package.

    """
    found = connection.execute(
        select(schema.meta.c.value).where(schema.meta.c.key == 'schema')
    ).scalar()
    if not isinstance(found, int) or found > schema.VERSION:
        raise MemoryFormatError(
            f'{where}: expected a memory of schema {schema.VERSION} or older, got {found}; '
            'update rescene4d_ros, or start a new memory in another folder'
        )
    return found


def load(connection: Connection, where: str) -> Metadata:
    """
    Read the metadata.

    Raises
    ------
    MemoryFormatError
        The tables are newer or older than this package, or values are missing.

    """
    found = version(connection, where)
    if found < schema.VERSION:
        raise MemoryFormatError(
            f'{where}: expected a memory of schema {schema.VERSION}, got {found}; open it once for'
            ' writing to migrate it: `rescene4d memory upgrade`'
        )
    values = {
        row.key: row.value for row in read_rows(connection, schema.meta, select(schema.meta))
    }
    if values.get('origin') is not None:
        values['origin'] = tuple(values['origin'])
    try:
        return Metadata(**{**values, 'class_names': tuple(values['class_names'])})
    except (KeyError, TypeError) as error:
        raise MemoryDamagedError(
            f'{where}: the table meta is not complete ({error}); restore a backup, or '
            '`rescene4d memory repair`'
        ) from error


def migrate(connection: Connection, where: str) -> None:
    """
    Bring the tables of an older version to the present one; nothing to do for the present one.

    Raises
    ------
    MemoryFormatError
        The tables are newer than this package, or a row is damaged.

    """
    found = version(connection, where)
    if found == schema.VERSION:
        return
    # Costs a third of a second to import, and is needed once in the life of a memory.
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(REVISIONS.parent), version_locations=[str(REVISIONS)])
    steps = [step for step in scripts.walk_revisions() if int(step.revision) > found]
    with Operations.context(MigrationContext.configure(connection)):
        for step in reversed(steps):
            step.module.upgrade()
    for table in schema.tables.sorted_tables:
        plain = as_stored(table)
        for row in connection.execute(select(plain)).all():
            value = checksum(table.columns, decoded(table, row._mapping))
            keys = (key == row._mapping[key.name] for key in plain.primary_key)
            connection.execute(update(plain).where(*keys).values({CHECKSUM: value}))
    store(connection, {'schema': schema.VERSION})
    log.warning('%s: migrated from schema %d to %d', where, found, schema.VERSION)


def create(connection: Connection, of: Expected) -> None:
    """Write the metadata of a new memory; the key `schema` last, for it makes it exist."""
    if of.map_id is None or of.frame_id is None or of.class_names is None:
        raise ConfigError(
            f'expected map, frame and classes of a new memory, got {of.map_id}, {of.frame_id} and '
            f'{of.class_names}; give all three'
        )
    new = Metadata(schema.VERSION, of.map_id, of.frame_id, of.class_names, of.weights_hash)
    values = {key: getattr(new, key) for key in Metadata.__dataclass_fields__}
    version = values.pop('schema')
    connection.execute(schema.meta.delete())
    for key, value in (*values.items(), ('schema', version)):
        connection.execute(schema.meta.insert().values(key=key, value=value))


def store(connection: Connection, values: Mapping[str, object]) -> None:
    """Overwrite some values; a memory of before has no row of those that came since."""
    for key, value in values.items():
        if not change_rows(connection, schema.meta, schema.meta.c.key == key, value=value):
            connection.execute(schema.meta.insert().values(key=key, value=value))


def check(found: Metadata, where: str, expected: Expected) -> None:
    """
    Refuse a memory of another map, frame or class list.

    Raises
    ------
    MemoryFormatError
        With what differs and what to do.

    """
    for name, why in (
        ('map_id', 'the coordinates of two maps cannot be mixed'),
        ('frame_id', 'everything stored is in that frame'),
    ):
        value = getattr(expected, name)
        if value is not None and value != getattr(found, name):
            raise MemoryFormatError(
                f'{where}: expected {name} {value!r}, but this memory has '
                f'{getattr(found, name)!r}; {why}: use that {name}, or another folder'
            )
    classes = expected.class_names
    if classes is not None and classes != found.class_names:
        odd = sorted(set(classes) ^ set(found.class_names)) or ['their order']
        raise MemoryFormatError(
            f'{where}: expected {len(classes)} classes, this memory has '
            f'{len(found.class_names)} (differing: {", ".join(odd[:5])}); use weights with the '
            'same class list, or another folder'
        )


def warn_of_other_weights(connection: Connection, where: str, weights_hash: str | None) -> None:
    """Warn of visits that other weights segmented, and say what a reprocess would do to them."""
    if weights_hash is None:
        return
    of = schema.visits.c.weights_hash
    counts = connection.execute(select(of, func.count()).where(of.is_not(None)).group_by(of))
    other = {row[0]: row[1] for row in counts if row[0] != weights_hash}
    if other:
        log.warning(
            '%s: %d visits were segmented with other weights (%s) than those in use (%s). '
            'A reprocess segments all visits with the weights in use: objects whose points '
            'coincide keep their ids, names and locks, others get new ids; classes, features and '
            'changes are computed anew. Until then new visits are compared with features of other '
            'weights',
            where,
            sum(other.values()),
            ', '.join(sorted(other)),
            weights_hash,
        )
