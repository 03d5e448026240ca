"""What a memory says of itself, and whether it is the one that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
import logging

from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.memory.database import schema
from sqlalchemy import Connection, inspect, select, update

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Header:
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

    """

    schema: int
    map_id: str
    frame_id: str
    class_names: tuple[str, ...]
    weights_hash: str | None = None
    revision: int = 0
    next_visit_id: int = 1
    next_object_id: int = 1


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
    value = connection.execute(
        select(schema.meta.c.value).where(schema.meta.c.key == 'schema')
    ).scalar()
    found = None if value is None else json.loads(value)
    if not isinstance(found, int) or found > schema.VERSION:
        raise MemoryFormatError(
            f'{where}: expected a memory of schema {schema.VERSION} or older, got {found}; '
            'update rescene4d_ros, or start a new memory in another folder'
        )
    return found


def load(connection: Connection, where: str) -> Header:
    """
    Read the header.

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
        row.key: json.loads(row.value)
        for row in connection.execute(select(schema.meta.c.key, schema.meta.c.value))
    }
    try:
        return Header(**{**values, 'class_names': tuple(values['class_names'])})
    except (KeyError, TypeError) as error:
        raise MemoryFormatError(
            f'{where}: the table meta is not complete ({error}); restore the memory from a backup'
        ) from error


def create(connection: Connection, header: Header) -> None:
    """Write the header of a new memory; the key `schema` last, for it makes it exist."""
    values = {key: getattr(header, key) for key in Header.__dataclass_fields__}
    version = values.pop('schema')
    connection.execute(schema.meta.delete())
    for key, value in (*values.items(), ('schema', version)):
        connection.execute(schema.meta.insert().values(key=key, value=json.dumps(value)))


def store(connection: Connection, values: Mapping[str, object]) -> None:
    """Overwrite some values of the header."""
    for key, value in values.items():
        connection.execute(
            update(schema.meta).where(schema.meta.c.key == key).values(value=json.dumps(value))
        )


def check(
    header: Header,
    where: str,
    map_id: str | None,
    frame_id: str | None,
    class_names: tuple[str, ...] | None,
    weights_hash: str | None,
) -> None:
    """
    Refuse a memory of another map, frame or class list; warn of other weights.

    Raises
    ------
    MemoryFormatError
        With what differs and what to do.

    """
    wanted = (
        ('map_id', map_id, 'the coordinates of two maps cannot be mixed'),
        ('frame_id', frame_id, 'everything stored is in that frame'),
    )
    for name, value, why in wanted:
        if value is not None and value != getattr(header, name):
            raise MemoryFormatError(
                f'{where}: expected {name} {value!r}, but this memory has '
                f'{getattr(header, name)!r}; {why}: use that {name}, or another folder'
            )
    if class_names is not None and tuple(class_names) != header.class_names:
        odd = sorted(set(class_names) ^ set(header.class_names)) or ['their order']
        raise MemoryFormatError(
            f'{where}: expected {len(class_names)} classes, this memory has '
            f'{len(header.class_names)} (differing: {", ".join(odd[:5])}); use weights with the '
            'same class list, or another folder'
        )
    if None not in (weights_hash, header.weights_hash) and weights_hash != header.weights_hash:
        log.warning(
            '%s was filled with weights %.12s, now %.12s are in use; appearances may '
            'differ, a reprocess makes all visits alike',
            where,
            header.weights_hash,
            weights_hash,
        )
