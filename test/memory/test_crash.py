"""Real processes and servers, really killed; a disk that is really full or read-only."""

from __future__ import annotations

from contextlib import closing
from multiprocessing import get_context
import os
from pathlib import Path
import resource
import shutil
import signal
import sqlite3
from tempfile import TemporaryDirectory
import threading
import time

import numpy as np
import pytest
from rescene4d_ros.atomic_write import DRAFT
from rescene4d_ros.errors import MemoryLockedError, StorageError
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import VisitStatus

FORK = get_context('fork')
NOBODY = 65534  # root may write everywhere


def work(path, url, make_scan, make_facts, first_day, told) -> None:
    """Add and process visits for ever; write what was promised to a pipe."""
    with SceneMemory.open(path, 'hall', 'map', ('chair', 'table'), url=url) as memory:
        os.write(told, b'open 0\n')
        for visit in memory.pending():
            process(memory, visit, make_facts, told)
        for day in range(first_day, first_day + 10_000):
            visit = memory.add_visit(make_scan(day))
            os.write(told, f'visit {visit.visit_id}\n'.encode())
            process(memory, visit, make_facts, told)


def process(memory, visit, make_facts, told) -> None:
    """Give out one new id."""
    first = memory.metadata.next_object_id
    memory.commit(make_facts(memory, visit))
    os.write(told, f'object {first}\n'.encode())


def kill_rounds(path, url, make_scan, make_facts, rounds, seed) -> tuple[list[int], list[int]]:
    """Kill a working process again and again; return the visits and objects it promised."""
    rng = np.random.default_rng(seed)
    visits, objects = [], []
    for k in range(rounds):
        read_end, write_end = os.pipe()
        worker = FORK.Process(
            target=work, args=(path, url, make_scan, make_facts, 1 + 1000 * k, write_end)
        )
        worker.start()
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            # Wait for some promises, then for any moment of what follows; sometimes for none.
            lines = [pipe.readline() for _ in range(rng.integers(0, 9))]
            time.sleep(rng.uniform(0, 0.03))
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
            lines += pipe.read().splitlines()
        collect(lines, visits, objects)
    return visits, objects


def collect(lines, visits, objects) -> None:
    """Add what a worker promised to the lists."""
    for line in lines:
        kind, _, number = line.partition(' ')
        if kind in ('visit', 'object'):
            (visits if kind == 'visit' else objects).append(int(number))


def check(path, url, visits, objects) -> None:
    """Verify that every promise was kept."""
    assert len(set(objects)) == len(objects), 'an id was given twice'
    with SceneMemory.open(path, 'hall', 'map', ('chair', 'table'), url=url) as memory:
        stored = {visit.visit_id for visit in memory.visits()}
        assert set(visits) <= stored
        assert set(objects) <= set(memory.records)
        assert all(len(memory.scan(i)) == 300 for i in stored)
        done = memory.visits(VisitStatus.DONE)
        assert memory.metadata.revision == len(done) == len(memory.records)
        assert [f for f in find_faults(memory) if 'no stored visit' not in f] == []
        assert not list((path / 'visits').glob(f'*{DRAFT}'))


def test_killed_at_any_moment_nothing_promised_is_lost(tmp_path, url, make_scan, make_facts):
    path = tmp_path / 'memory'
    visits, objects = kill_rounds(path, url, make_scan, make_facts, 12, seed=0)
    assert visits
    assert objects
    check(path, url, visits, objects)


@pytest.mark.slow
def test_killed_hundreds_of_times_nothing_promised_is_lost(
    tmp_path, new_url, make_scan, make_facts
):
    for seed in range(10):
        path, url = tmp_path / f'memory {seed}', new_url()
        check(path, url, *kill_rounds(path, url, make_scan, make_facts, 40, seed=seed))


def work_on(path, url, make_scan, make_facts, told) -> None:
    """Add and process visits for ever, also after the server was away."""
    day = 0
    with SceneMemory.open(path, 'hall', 'map', ('chair', 'table'), url=url) as memory:
        while True:
            try:
                for visit in memory.pending():
                    process(memory, visit, make_facts, told)
                day += 1
                visit = memory.add_visit(make_scan(day))
                os.write(told, f'visit {visit.visit_id}\n'.encode())
            except StorageError as error:
                os.write(told, f'refused {type(error.__cause__).__name__}\n'.encode())
                time.sleep(0.02)


@pytest.mark.parametrize('rounds', [1, pytest.param(20, marks=pytest.mark.slow)])
def test_server_killed_while_a_writer_works(
    tmp_path, schema_url, postgres, make_scan, make_facts, rounds
):
    path, rng = tmp_path / 'memory', np.random.default_rng(0)
    read_end, write_end = os.pipe()
    worker = FORK.Process(
        target=work_on, args=(path, schema_url, make_scan, make_facts, write_end)
    )
    worker.start()
    os.close(write_end)
    visits, objects = [], []
    with os.fdopen(read_end) as pipe:
        for _ in range(rounds):
            collect([pipe.readline() for _ in range(6)], visits, objects)
            time.sleep(rng.uniform(0, 0.03))
            postgres.kill()
            while not (line := pipe.readline()).startswith('refused'):
                collect([line], visits, objects)
            postgres.start()
            while not (line := pipe.readline()).startswith('object'):  # it works again
                collect([line], visits, objects)
            collect([line], visits, objects)
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        collect(pipe.read().splitlines(), visits, objects)
    check(path, schema_url, visits, objects)


def test_second_process_is_refused_until_the_first_dies(
    tmp_path, url, make_scan, make_facts, open_memory
):
    read_end, write_end = os.pipe()
    worker = FORK.Process(
        target=work, args=(tmp_path / 'memory', url, make_scan, make_facts, 1, write_end)
    )
    worker.start()
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        assert pipe.readline() == 'open 0\n'
        with pytest.raises(MemoryLockedError, match=str(worker.pid)):
            open_memory()
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
    open_memory()


def test_second_opening_in_one_process_is_refused(open_memory):
    open_memory()
    with pytest.raises(MemoryLockedError):
        open_memory()


def test_lock_of_another_program_is_waited_for(tmp_path, make_scan, make_facts):
    """A backup, or a slow disk of the network: what is written meanwhile is stored after it."""
    with SceneMemory.open(tmp_path / 'memory', 'hall', 'map', ('chair', 'table')) as memory:
        first = memory.add_visit(make_scan(1))
        database = tmp_path / 'memory' / 'memory.sqlite3'
        with closing(sqlite3.connect(database, check_same_thread=False)) as other:
            other.execute('BEGIN IMMEDIATE')
            release = threading.Timer(0.3, other.rollback)
            release.start()
            memory.commit(make_facts(memory, first))
            release.join()
        assert memory.add_visit(make_scan(2)).visit_id == 2
        assert find_faults(memory) == ()


def test_full_disk_loses_nothing(open_memory, make_scan, make_facts, tmp_path):
    memory = open_memory()
    memory.commit(make_facts(memory, memory.add_visit(make_scan(1))))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(StorageError, match='visits stored before are untouched'):
            memory.add_visit(make_scan(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert memory.stray_files() == set()
    assert memory.add_visit(make_scan(2)).visit_id == 2
    assert find_faults(memory) == ()


@pytest.mark.parametrize('url', [None])  # a server's disk: test_full_server.py
def test_full_disk_while_storing_facts_leaves_the_visit_pending(
    open_memory, make_scan, make_facts
):
    memory = open_memory()
    memory.commit(make_facts(memory, memory.add_visit(make_scan(1))))
    visit = memory.add_visit(make_scan(2))
    facts = make_facts(memory, visit, births=400)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))
    try:
        with pytest.raises(StorageError, match='the database refused'):
            memory.commit(facts)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [v.visit_id for v in memory.pending()] == [2]
    assert memory.metadata.revision == 1
    assert memory.metadata.next_object_id == 2
    assert memory.commit(facts) == 2
    assert find_faults(memory) == ()


def test_unwritable_folder_says_so(tmp_path, open_memory):
    blocked = tmp_path / 'file'
    blocked.write_text('not a folder')
    with pytest.raises(StorageError, match='cannot make the memory folder'):
        open_memory(blocked / 'memory')


def asked_as_reader(path, told) -> None:
    """Open a memory in every way as somebody who may not write it; tell what came of it."""
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        SceneMemory.edit(path).close()
    except StorageError as error:
        os.write(told, f'{error}\n'.encode())
    with SceneMemory.inspect(path) as memory:
        found = [len(memory.scan(1)), sorted(memory.records), find_faults(memory)]
        os.write(told, f'{found}\n'.encode())


@pytest.mark.parametrize('ending', ['closed', 'killed', 'killed, without its index'])
def test_read_only_folder_can_be_asked_and_loses_nothing(make_scan, make_facts, ending):
    with TemporaryDirectory(prefix='rescene4d_') as place:  # one that others may look into
        os.chmod(place, 0o755)
        path = Path(place) / 'memory'
        with SceneMemory.open(path, 'hall', 'map', ('chair', 'table')) as memory:
            memory.commit(make_facts(memory, memory.add_visit(make_scan(1))))
            if ending != 'closed':
                shutil.copytree(path, Path(place) / 'copy')
        if ending != 'closed':
            path = Path(place) / 'copy'
            assert (path / 'memory.sqlite3-wal').stat().st_size
        if ending == 'killed, without its index':
            (path / 'memory.sqlite3-shm').unlink()
        for part in (path, *path.rglob('*')):
            part.chmod(0o555 if part.is_dir() else 0o444)
        read_end, write_end = os.pipe()
        worker = FORK.Process(target=asked_as_reader, args=(path, write_end))
        worker.start()
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            told = pipe.read().splitlines()
        worker.join()
        for part in (path, path / 'visits'):
            part.chmod(0o755)
        for part in path.glob('*.*'):
            part.chmod(0o644)
        writing, reading = told
        assert 'check that the folder exists and may be written' in writing
        assert reading == '[300, [1], ()]'
        with SceneMemory.edit(path) as memory:
            assert sorted(memory.records) == [1]
            assert find_faults(memory) == ()
