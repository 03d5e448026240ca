"""A memory moved between databases: every row arrives; killed, it is whole."""

from __future__ import annotations

from multiprocessing import get_context
import os
import signal
import sqlite3
import time

import numpy as np
import pytest
from rescene4d_ros.atomic_write import DRAFT
from rescene4d_ros.cli.main import main
from rescene4d_ros.errors import MemoryFormatError, MemoryLockedError, StorageError
from rescene4d_ros.memory.database import schema
from rescene4d_ros.memory.database.manifest import LEFT, LOCATION
from rescene4d_ros.memory.database.row_encoding import as_stored, change_rows
from rescene4d_ros.memory.editing import corrections
from rescene4d_ros.memory.editing.undo import undo
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.memory.maintenance.relocate import move
from rescene4d_ros.memory.store import SceneMemory
from sqlalchemy import select

FORK = get_context('fork')
ROUTES = [
    ('file', 'server'),
    ('server', 'file'),
    ('file', 'elsewhere'),
    ('elsewhere', 'file'),
    ('elsewhere', 'server'),
    ('server', 'server'),
]


@pytest.fixture
def url():
    """Return None: where a memory begins is each test's."""


@pytest.fixture
def url_of(request, tmp_path):
    """Return a function that gives the URL of a new database of a kind."""

    def make(kind: str) -> str:
        if kind == 'server':
            return request.getfixturevalue('new_schema_url')()
        return 'sqlite' if kind == 'file' else f'sqlite:///{tmp_path / "elsewhere.sqlite3"}'

    return make


@pytest.fixture
def fill(open_memory, make_scan, make_facts):
    """Return a function that makes a memory with a past: visits, corrections, some taken back."""

    def make(url: str):
        memory = open_memory(url=None if url == 'sqlite' else url)
        for day in (1, 2, 3):
            memory.commit(make_facts(memory, memory.add_visit(make_scan(day)), births=2))
        corrections.rename(memory, 1, 'reading chair, grün')
        corrections.lock(memory, 2)
        corrections.merge(memory, 4, 3)
        undo(memory)
        corrections.merge(memory, 5, 6)
        corrections.split(memory, 1, 3)
        memory.add_visit(make_scan(4))
        memory.close()
        return memory.path

    return make


def dump(path) -> dict[str, list]:
    """Return every row of a memory."""
    with SceneMemory.inspect(path) as memory, memory.database.reading() as connection:
        return {
            name: sorted(map(repr, connection.execute(select(as_stored(table)))))
            for name, table in schema.tables.tables.items()
        }


def table_names(url: str, path) -> set[str]:
    """Return the tables of a database that no folder names."""
    if url.startswith('sqlite'):
        file = path / 'memory.sqlite3' if url == 'sqlite' else url.removeprefix('sqlite:///')
        return {'a file'} if os.path.exists(file) else set()
    folder = path.parent / 'empty'
    folder.mkdir(exist_ok=True)
    with pytest.raises(MemoryFormatError, match='found none'):
        SceneMemory.inspect(folder, url=url)
    return set()


@pytest.mark.parametrize(('start', 'end'), ROUTES)
def test_every_row_arrives_and_the_old_database_is_empty(
    fill, url_of, start, end, make_scan, make_facts
):
    old, new = url_of(start), url_of(end)
    path = fill(old)
    before = dump(path)
    steps = []
    told = move(path, new, progress=lambda done, rows: steps.append((done, rows)))
    n_rows = sum(map(len, before.values()))
    assert steps[-1] == (n_rows, n_rows)
    assert dump(path) == before
    assert table_names(old, path) == set()
    assert (path / LOCATION).exists() == (end != 'file')
    assert (path / 'memory.sqlite3').exists() == (end == 'file')
    assert not (path / LEFT).exists()
    with SceneMemory.edit(path) as memory:
        assert find_faults(memory) == ()
        assert undo(memory) == 'object split'
        assert undo(memory) == 'objects merged'
        assert corrections.split(memory, 1, 3) == 8  # 7 was given, and is not given again
        memory.commit(make_facts(memory, memory.pending()[0]))
        assert [e['entry_id'] for e in memory.journal()] == list(
            range(1, len(before['journal']) + 5)
        )
    after = dump(path)
    assert move(path, new) == told  # it is there already
    assert dump(path) == after


@pytest.mark.parametrize('end', ['server', 'elsewhere'])
def test_database_with_another_memory_is_refused(fill, url_of, end, open_memory, tmp_path):
    url, path = url_of(end), fill('sqlite')
    other = open_memory(tmp_path / 'other', url=url, map_id='cellar')
    before = dump(path), dump(other.path)
    with pytest.raises(MemoryLockedError):
        move(path, url)
    other.close()
    with pytest.raises(MemoryFormatError, match='expected a database without a memory'):
        move(path, url)
    assert (dump(path), dump(other.path)) == before


def draft_of(path):
    """Return where a file is written before it gets its name."""
    return path.with_name(f'{path.name}.{os.getpid()}{DRAFT}')


@pytest.mark.parametrize('end', ['server', 'elsewhere'])
def test_move_that_fell_short_of_the_switch_is_taken_up_again(fill, url_of, end):
    url, path = url_of(end), fill('sqlite')
    before = dump(path)
    draft_of(path / LEFT).mkdir()  # so that it cannot be written
    with pytest.raises(StorageError, match='nothing was moved'):
        move(path, url)
    draft_of(path / LEFT).rmdir()
    assert dump(path) == before
    move(path, url)  # what is there already is this memory
    assert dump(path) == before


@pytest.mark.parametrize('end', ['server', 'elsewhere'])
def test_copy_of_a_killed_move_is_old_once_the_memory_went_on(fill, url_of, end):
    url, path = url_of(end), fill('sqlite')
    draft_of(path / LEFT).mkdir()
    with pytest.raises(StorageError, match='nothing was moved'):
        move(path, url)
    draft_of(path / LEFT).rmdir()
    with SceneMemory.edit(path) as memory, memory.database.writing() as connection:
        # The smallest difference there is.
        is_third = schema.objects.c.object_id == 3
        change_rows(connection, schema.objects, is_third, score=float(np.nextafter(0.5, 1)))
    before = dump(path)
    with pytest.raises(MemoryFormatError, match='without a memory'):
        move(path, url)
    assert dump(path) == before
    assert not (path / LOCATION).exists()


def test_tables_of_others_are_left_alone(fill, tmp_path):
    path, file = fill('sqlite'), tmp_path / 'theirs.sqlite3'
    with sqlite3.connect(file) as theirs:
        theirs.execute('CREATE TABLE visits (patient TEXT)')
    with pytest.raises(MemoryFormatError, match='found the tables visits'):
        move(path, f'sqlite:///{file}')
    assert theirs.execute('SELECT name FROM sqlite_master').fetchall() == [('visits',)]


@pytest.mark.parametrize('end', ['server', 'elsewhere'])
def test_damaged_memory_stays_where_it_is(fill, url_of, end):
    url, path = url_of(end), fill('sqlite')
    file = next((path / 'visits').glob('*.npz'))
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    before = dump(path)
    with pytest.raises(MemoryFormatError, match='expected a memory that is whole'):
        move(path, url)
    assert dump(path) == before
    assert not (path / LOCATION).exists()
    file.write_bytes(data)
    move(path, url)  # nothing is in its way there
    assert dump(path) == before


def test_old_url_makes_no_empty_memory_after_a_move(fill, url_of, tmp_path):
    old, new = url_of('elsewhere'), f'sqlite:///{tmp_path / "new.sqlite3"}'
    path = fill(old)
    move(path, new)
    with pytest.raises(MemoryFormatError, match='rescene4d memory move'):
        SceneMemory.open(path, 'hall', 'map', ('chair', 'table'), url=old)
    (tmp_path / 'new.sqlite3').rename(tmp_path / 'away')
    with pytest.raises(MemoryFormatError, match='restore the database from a backup'):
        SceneMemory.open(path, 'hall', 'map', ('chair', 'table'))
    (tmp_path / 'away').rename(tmp_path / 'new.sqlite3')
    move(path, 'sqlite')
    with pytest.raises(MemoryFormatError, match='leave the URL out'):
        SceneMemory.open(path, 'hall', 'map', ('chair', 'table'), url=old)


def move_to(path, url, told) -> None:
    """Move a memory; tell when it is about to begin."""
    os.write(told, b'now\n')
    move(path, url)


def kill_rounds(path, urls, rounds, seed) -> None:
    """Kill moves to and fro; the memory is always whole, and a move that ends has moved it."""
    rng, before = np.random.default_rng(seed), dump(path)
    start = time.monotonic()
    for url in urls:
        move(path, url)
    duration = (time.monotonic() - start) / len(urls)
    for number in range(rounds):
        target = urls[number % 2]
        read_end, write_end = os.pipe()
        worker = FORK.Process(target=move_to, args=(path, target, write_end))
        worker.start()
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            pipe.readline()
            time.sleep(rng.uniform(0, 1.2 * duration))
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
        assert dump(path) == before
        with SceneMemory.edit(path) as memory:
            assert [f for f in find_faults(memory) if LEFT not in f] == []
        move(path, target)
        assert dump(path) == before
        assert table_names(urls[1 - number % 2], path) == set()
        assert not (path / LEFT).exists()


@pytest.mark.parametrize(
    ('start', 'end'),
    [('file', 'server'), pytest.param('file', 'elsewhere', marks=pytest.mark.slow)],
)
def test_killed_while_moving_the_memory_is_the_old_or_the_new_one(fill, url_of, start, end):
    urls = url_of(end), url_of(start)
    kill_rounds(fill(urls[1]), urls, 6, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize(('start', 'end'), ROUTES)
def test_killed_a_hundred_times_while_moving(fill, url_of, start, end):
    urls = url_of(end), url_of(start)
    kill_rounds(fill(urls[1]), urls, 100, seed=1)


def test_command_moves_there_and_back(fill, url_of, capsys):
    path, url = fill('sqlite'), url_of('server')
    before = dump(path)
    for to, said in ((url, 'postgresql+psycopg://rescene4d@'), ('sqlite', 'memory.sqlite3')):
        assert main(['memory', 'move', str(path), '--to', to]) == 0
        assert said in capsys.readouterr().out
        assert main(['memory', 'check', str(path)]) == 0
        assert dump(path) == before
    assert main(['memory', 'move', str(path), '--to', 'mysql://here']) == 2
