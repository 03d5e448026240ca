"""A memory whose database is elsewhere: found again, told from others, refused where unusable."""

from __future__ import annotations

import os
import sqlite3

import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.errors import ConfigError, MemoryFormatError, MemoryLockedError
from rescene4d_ros.memory.database.manifest import locate
from rescene4d_ros.memory.store import SceneMemory


@pytest.fixture(params=['sqlite', 'postgresql'])
def url(request, tmp_path):
    """Return the URL of a database outside of the memory's folder."""
    if request.param == 'sqlite':
        return f'sqlite:///{tmp_path / "elsewhere.sqlite3"}'
    return request.getfixturevalue('schema_url')


def test_folder_remembers_where_its_database_is(
    open_memory, make_scan, make_facts, tmp_path, capsys
):
    with open_memory() as memory:
        memory.commit(make_facts(memory, memory.add_visit(make_scan(1)), births=3))
    folder = tmp_path / 'memory'
    assert not (folder / 'memory.sqlite3').exists()
    with SceneMemory.inspect(folder) as memory:
        assert sorted(memory.records) == [1, 2, 3]
    assert main(['memory', 'rename', str(folder), '2', 'desk']) == 0
    assert main(['memory', 'check', str(folder)]) == 0
    assert '1 visits, 3 objects, revision 2: all is well' in capsys.readouterr().out
    with open_memory(url=None) as memory:
        assert memory.names() == {2: 'desk'}


def test_two_folders_on_one_database_are_one_memory(open_memory, url, tmp_path):
    open_memory()
    with pytest.raises(MemoryLockedError, match=str(os.getpid())):
        open_memory(tmp_path / 'other folder', url=url)
    with pytest.raises(MemoryLockedError):
        open_memory()


def test_folder_with_its_own_database_takes_no_url(open_memory, url, tmp_path):
    open_memory(tmp_path / 'memory', url=None).close()
    with pytest.raises(MemoryFormatError, match='leave the URL out'):
        open_memory(tmp_path / 'memory', url=url)


@pytest.mark.parametrize('asked', ['no url at all', 'mysql+pymysql://me@host/rooms', 'sqlite://'])
def test_what_is_no_usable_url_is_refused(tmp_path, asked):
    with pytest.raises(ConfigError, match='expected the URL of a'):
        locate(tmp_path, asked)


@pytest.mark.parametrize(
    'asked',
    [
        'postgresql://me@db.example/rooms',
        'postgresql://me@/rooms?host=db.example',
        'postgresql://me@localhost/rooms?hostaddr=192.0.2.7',
        'postgresql://me@localhost,db.example/rooms',
        'postgresql:///rooms?service=away',
    ],
)
def test_server_elsewhere_is_named_by_the_user(tmp_path, monkeypatch, asked):
    """A folder of somebody else would get the password of who opens it."""
    monkeypatch.delenv('RESCENE4D_DATABASE_HOSTS', raising=False)
    (tmp_path / 'database.url').write_text(asked + '\n')
    with pytest.raises(ConfigError, match='RESCENE4D_DATABASE_HOSTS=') as caught:
        SceneMemory.inspect(tmp_path)
    named = locate(tmp_path, asked)
    monkeypatch.setenv('RESCENE4D_DATABASE_HOSTS', str(caught.value).rpartition('=')[2])
    if 'service' in asked:
        monkeypatch.setenv('RESCENE4D_DATABASE_HOSTS', 'other, service=away')
    assert locate(tmp_path, None) == named


@pytest.mark.parametrize('host', ['localhost', '127.0.0.1', '[::1]', ''])
def test_server_of_this_machine_needs_no_word(tmp_path, host):
    """Nothing leaves the machine."""
    (tmp_path / 'database.url').write_text(f'postgresql://me@{host}/rooms?host=/run/postgresql')
    assert locate(tmp_path, None).database == 'rooms'


def test_reader_sees_one_state_in_all_its_questions(open_memory, make_scan, make_facts):
    memory = open_memory()
    memory.commit(make_facts(memory, memory.add_visit(make_scan(1))))
    with memory.database.reading() as connection:

        def counted():
            return [
                connection.exec_driver_sql(f'SELECT count(*) FROM {table}').scalar()
                for table in ('visits', 'objects', 'states')
            ]

        before = counted()
        memory.commit(make_facts(memory, memory.add_visit(make_scan(2))))
        assert counted() == before == [1, 1, 1]
    with memory.database.reading() as connection:
        assert counted() == [2, 2, 3]


def test_same_facts_are_the_same_in_both_databases(
    open_memory, make_scan, make_facts, url, tmp_path
):
    told = []
    for number, where in enumerate((None, url)):
        with open_memory(tmp_path / f'memory {number}', url=where) as memory:
            for day in (1, 2, 3):
                memory.commit(make_facts(memory, memory.add_visit(make_scan(day)), births=2))
            told.append(repr((memory.snapshot(), memory.changes(), memory.records)))
    assert told[0] == told[1]
    assert sqlite3.connect(tmp_path / 'memory 0' / 'memory.sqlite3').execute(
        'SELECT count(*) FROM objects'
    ).fetchone() == (6,)
