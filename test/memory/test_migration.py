"""A memory written by an earlier version of this package still opens, whole."""

from __future__ import annotations

from pathlib import Path
import shutil
import sqlite3

import pytest
from rescene4d_ros.errors import MemoryDamagedError, MemoryFormatError, StorageError
from rescene4d_ros.memory.database import schema
from rescene4d_ros.memory.database.engine import make_engine
from rescene4d_ros.memory.database.manifest import locate, remember_location
from rescene4d_ros.memory.editing.undo import undo
from rescene4d_ros.memory.maintenance.integrity import check, find_faults
from rescene4d_ros.memory.maintenance.repair import repair
from rescene4d_ros.memory.queries import history_of
from rescene4d_ros.memory.store import SceneMemory
from sqlalchemy import inspect, MetaData, select, text
from sqlalchemy.exc import ProgrammingError


@pytest.fixture
def version():
    """Return the schema that the test's memory has."""
    return 1


@pytest.fixture
def old(tmp_path, url, version):
    """
    Return a folder as an earlier version left it: two visits, four objects, two moves.

    In those of versions 2 and 3 object 1 has a name, and 4 was merged into 3 by hand; in that of
    version 3 object 2 was split at visit 2, too, and object 1 is locked.
    """
    written = Path(__file__).parent / f'schema_{version}'
    folder = tmp_path / 'memory'
    shutil.copytree(written / 'visits', folder / 'visits')
    database = sqlite3.connect(folder / 'memory.sqlite3')
    database.executescript((written / 'memory.sql').read_text())
    database.close()
    if url is not None:
        move_to_server(folder, url)
    return folder


def move_to_server(folder, url) -> None:
    """Copy the tables to another database as they are, and let the folder say so."""
    here, there = make_engine(locate(folder, None)), make_engine(locate(folder.parent, url))
    tables = MetaData()
    tables.reflect(here)
    with here.connect() as source, there.begin() as target:
        for table in tables.sorted_tables:
            for column in table.columns:
                column.type = column.type.as_generic()
            table.create(target)
            rows = [dict(row._mapping) for row in source.execute(select(table))]
            if rows:
                target.execute(table.insert(), rows)
        for index in (index for table in tables.sorted_tables for index in table.indexes):
            index.create(target, checkfirst=True)
        for table, key in (('changes', 'change_id'), ('journal', 'entry_id')):
            target.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table}', '{key}'), "
                    f'max({key})) FROM {table}'
                )
            )
    here.dispose()
    there.dispose()
    (folder / 'memory.sqlite3').unlink()
    remember_location(folder, locate(folder, url))


def test_old_memory_keeps_everything_and_goes_on(old, open_memory, make_scan, make_facts):
    memory = open_memory(old)
    assert memory.metadata.schema == schema.VERSION
    assert (memory.metadata.revision, memory.metadata.next_object_id) == (2, 5)
    assert [visit.name for visit in memory.visits()] == ['day 1', 'day 2']
    assert [o.object_id for o in memory.snapshot().objects] == [1, 2, 3, 4]
    assert [c.object_id for c in memory.changes()] == [1, 2]
    assert all(record.alternatives == () for record in memory.records.values())
    assert find_faults(memory) == ()
    memory.commit(make_facts(memory, memory.add_visit(make_scan(3))))
    memory.close()
    assert sorted(open_memory(old).records) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize('version', [2])
def test_corrections_of_an_old_memory_stand_and_can_be_undone(old, open_memory):
    memory = open_memory(old)
    assert memory.metadata.schema == schema.VERSION
    assert (memory.metadata.revision, memory.metadata.next_object_id) == (4, 5)
    assert sorted(memory.records) == [1, 2, 3]
    assert (memory.names(), memory.aliases()) == ({1: 'reading chair'}, {4: 3})
    assert [e.object_id for e in history_of(memory, 4)] == [4, 3]
    assert find_faults(memory) == ()
    assert undo(memory) == 'objects merged'
    assert sorted(memory.records) == [1, 2, 3, 4]
    assert undo(memory) == 'object renamed'
    assert memory.names() == {}


@pytest.mark.parametrize('version', [1, 2, 3])
def test_old_memory_is_not_repaired_but_upgraded_first(old):
    with pytest.raises(MemoryFormatError, match='rescene4d memory upgrade'):
        repair(old)
    SceneMemory.edit(old).close()
    assert repair(old) == ()
    assert check(old)[0] == ()


@pytest.mark.parametrize('version', [3])
def test_every_correction_of_an_old_memory_can_be_undone(old, open_memory):
    memory = open_memory(old)
    assert (memory.metadata.revision, memory.metadata.next_object_id) == (6, 6)
    assert sorted(memory.records) == [1, 2, 3, 5]
    assert (memory.names(), memory.locked()) == ({1: 'reading chair'}, {1})
    assert find_faults(memory) == ()
    undone = [undo(memory) for _ in range(4)]
    assert undone == ['object locked', 'object split', 'objects merged', 'object renamed']
    assert sorted(memory.records) == [1, 2, 3, 4]
    assert (memory.names(), memory.locked(), memory.aliases()) == ({}, frozenset(), {})
    assert find_faults(memory) == ()


@pytest.mark.parametrize('version', [1, 2, 3])
def test_migrated_tables_are_those_of_a_new_memory(old, open_memory, new_url, tmp_path):
    open_memory(old).close()
    open_memory(tmp_path / 'new', url=new_url()).close()
    shapes = []
    for folder in (old, tmp_path / 'new'):
        with SceneMemory.inspect(folder) as memory, memory.database.reading() as connection:
            tables = inspect(connection)
            shapes.append(
                {
                    name: (
                        {
                            column['name']: (str(column['type']), column['nullable'])
                            for column in tables.get_columns(name)
                        },
                        sorted(index['name'] for index in tables.get_indexes(name)),
                    )
                    for name in tables.get_table_names()
                }
            )
    assert shapes[0] == shapes[1]


def test_migration_that_fails_leaves_the_old_memory(old, open_memory, url):
    engine = make_engine(locate(old, url))
    with engine.begin() as connection:
        connection.execute(text('CREATE TABLE notes (odd INTEGER)'))  # in its way
    with pytest.raises(
        (MemoryDamagedError, StorageError, ProgrammingError), match='already exists'
    ):
        open_memory(old)
    with engine.begin() as connection:
        columns = [c['name'] for c in inspect(connection).get_columns('objects')]
        assert 'alternatives' not in columns
        assert not inspect(connection).has_table('aliases')
        connection.execute(text('DROP TABLE notes'))
    engine.dispose()
    assert sorted(open_memory(old).records) == [1, 2, 3, 4]


@pytest.mark.parametrize('version', [1, 2, 3])
def test_reader_does_not_migrate_and_says_what_to_do(old):
    with pytest.raises(MemoryFormatError, match='rescene4d memory upgrade'):
        SceneMemory.inspect(old)
