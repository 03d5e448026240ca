"""A PostgreSQL server whose disk is really full: refused clearly, nothing lost, and on it goes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from rescene4d_ros.errors import StorageError
from rescene4d_ros.memory.database.manifest import LOCATION
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.memory.maintenance.relocate import move

psycopg = pytest.importorskip('psycopg', reason='no psycopg; pip install "psycopg[binary]"')

DISK = 96  # MiB; a new server takes 40, and 16 more for each file of its log


@pytest.fixture
def disk(new_disk):
    """Return a small disk of its own; skip the test where none may be mounted."""
    return new_disk(DISK)


@pytest.fixture
def url():
    """Return None: the test says which memory is on the server."""


def fill_up(disk: Path) -> Path:
    """Write until there is no room; return the file that takes it."""
    ballast = disk / 'ballast'
    with open(ballast, 'wb', buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


def write_log(server) -> None:
    """Let a server begin new files of its log until it cannot."""
    with server.connect() as connection:
        while True:
            connection.execute('CREATE TABLE IF NOT EXISTS odd (x INT)')
            connection.execute('DROP TABLE odd')
            connection.execute('SELECT pg_switch_wal()')


def test_full_disk_of_the_server_loses_nothing(
    disk, make_server, open_memory, make_scan, make_facts
):
    server = make_server(disk)
    memory = open_memory(url=server.url)
    memory.commit(make_facts(memory, memory.add_visit(make_scan(1))))
    facts = make_facts(memory, memory.add_visit(make_scan(2)), births=400)
    ballast = fill_up(disk)
    with pytest.raises(StorageError, match='No space left on device.*free or remount the disk'):
        memory.commit(facts)
    assert [v.visit_id for v in memory.pending()] == [2]  # what is stored can be read
    assert (memory.metadata.revision, memory.metadata.next_object_id) == (1, 2)
    ballast.unlink()
    assert memory.commit(facts) == 2
    assert find_faults(memory) == ()

    facts = make_facts(memory, memory.add_visit(make_scan(3)))
    ballast = fill_up(disk)
    with pytest.raises(psycopg.Error, match='pg_wal.*No space left'):
        write_log(server)
    assert 'PANIC' in server.log()  # one that cannot write its log ends itself
    with pytest.raises(StorageError, match='see that the server runs'):
        memory.commit(facts)
    ballast.unlink()
    server.kill()  # where it has not ended yet
    server.start()
    assert memory.commit(facts) == 3
    assert find_faults(memory) == ()
    memory.close()


def test_memory_stays_where_it_is_if_the_new_disk_is_full(
    disk, make_server, open_memory, make_scan, make_facts
):
    server = make_server(disk)
    with open_memory() as memory:
        memory.commit(make_facts(memory, memory.add_visit(make_scan(1)), births=200))
    ballast = fill_up(disk)
    with pytest.raises(StorageError, match='No space left on device'):
        move(memory.path, server.url)
    assert not (memory.path / LOCATION).exists()
    ballast.unlink()
    with open_memory() as memory:
        assert find_faults(memory) == ()
    move(memory.path, server.url)
    assert (memory.path / LOCATION).exists()
