"""A memory on a PostgreSQL server that is restarted, read-only, or shared by several robots."""

from __future__ import annotations

from multiprocessing import get_context

import pytest
from rescene4d_ros.errors import MemoryLockedError, StorageError
from rescene4d_ros.memory.database.manifest import locate, LOCATION
from rescene4d_ros.memory.editing.corrections import rename
from rescene4d_ros.memory.maintenance import retention
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.memory.store import SceneMemory

FORK = get_context('fork')


@pytest.fixture
def url(schema_url):
    """Return the URL of the test's memory."""
    return schema_url


def test_schemas_of_one_database_are_different_memories(
    open_memory, new_schema_url, make_scan, make_facts, tmp_path
):
    one = open_memory()
    other = open_memory(tmp_path / 'other', url=new_schema_url(), map_id='cellar')
    one.commit(make_facts(one, one.add_visit(make_scan(1)), births=2))
    assert (len(one.records), len(other.records)) == (2, 0)
    assert (one.metadata.map_id, other.metadata.map_id) == ('hall', 'cellar')


def test_password_is_written_nowhere(tmp_path, postgres, url):
    secret = url.replace('rescene4d@', 'rescene4d:open%20sesame@')
    with SceneMemory.open(tmp_path, 'hall', 'map', ('chair',), url=secret):
        pass
    text = (tmp_path / LOCATION).read_text()
    assert 'sesame' not in text
    assert locate(tmp_path, None) == locate(tmp_path / 'new', url)
    away = secret.replace('host=', 'host=/nowhere')
    with pytest.raises(StorageError, match='see that the server runs') as caught:
        SceneMemory.inspect(tmp_path, url=away)
    assert 'sesame' not in str(caught.value)


def test_read_only_server_says_so_and_loses_nothing(
    postgres, url, open_memory, make_scan, make_facts, tmp_path
):
    with open_memory() as memory:
        memory.commit(make_facts(memory, memory.add_visit(make_scan(1))))
    with postgres.connect() as connection:
        connection.execute('ALTER ROLE rescene4d SET default_transaction_read_only = on')
        try:
            with SceneMemory.inspect(tmp_path / 'memory') as memory:
                assert sorted(memory.records) == [1]
            memory = SceneMemory.edit(tmp_path / 'memory')
            with memory, pytest.raises(StorageError, match='read-only'):
                rename(memory, 1, 'desk')
        finally:
            connection.execute('SET default_transaction_read_only = off')
            connection.execute('ALTER ROLE rescene4d RESET default_transaction_read_only')
    with open_memory() as memory:
        assert memory.metadata.revision == 1
        assert find_faults(memory) == ()


def test_restart_of_the_server_between_visits_goes_unnoticed(
    postgres, url, open_memory, make_scan, make_facts, tmp_path
):
    memory = open_memory()
    memory.commit(make_facts(memory, memory.add_visit(make_scan(1))))
    postgres.kill()
    with pytest.raises(StorageError, match='see that the server runs'):
        memory.add_visit(make_scan(2))
    postgres.start()
    memory.commit(make_facts(memory, memory.add_visit(make_scan(2))))
    assert sorted(memory.records) == [1, 2]
    with pytest.raises(MemoryLockedError):
        open_memory(tmp_path / 'other', url=url)


def write_once(path, url, make_scan, make_facts) -> None:
    """Be another robot that adds a visit."""
    with SceneMemory.open(path, 'hall', 'map', ('chair', 'table'), url=url) as memory:
        memory.commit(make_facts(memory, memory.add_visit(make_scan(2))))


def test_writer_that_was_cut_off_does_not_write_over_the_next(
    postgres, url, open_memory, make_scan, make_facts, tmp_path
):
    memory = open_memory()
    memory.commit(make_facts(memory, memory.add_visit(make_scan(1))))
    facts = make_facts(memory, memory.add_visit(make_scan(3)))
    with postgres.connect() as connection:  # as a network that fails
        connection.execute(
            'SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
            'WHERE pid <> pg_backend_pid() AND datname = current_database()'
        )
    robot = FORK.Process(target=write_once, args=(tmp_path / 'other', url, make_scan, make_facts))
    robot.start()
    robot.join()
    assert robot.exitcode == 0
    with pytest.raises(StorageError, match='do it again'):
        memory.commit(facts)  # it would give id 2 a second time
    assert sorted(memory.records) == [1, 2]
    memory.commit(make_facts(memory, memory.pending()[0]))
    assert sorted(memory.records) == [1, 2, 3]


def test_deleted_object_is_in_no_file_of_the_server(
    postgres, url, open_memory, make_scan, make_facts, tmp_path
):
    with open_memory() as memory:
        memory.commit(make_facts(memory, memory.add_visit(make_scan(1)), births=2))
        rename(memory, 1, 'a secret name 4711')
        with postgres.connect() as connection:
            connection.execute('CHECKPOINT')
            assert any(b'a secret name 4711' in file.read_bytes() for file in postgres.files())
            retention.delete_object(memory, 1)
            connection.execute('CHECKPOINT')
        assert not any(b'a secret name 4711' in file.read_bytes() for file in postgres.files())
