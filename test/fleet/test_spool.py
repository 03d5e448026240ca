"""The way of a visit from the robot to the database: order, bounds, crashes, a network cut."""

from __future__ import annotations

from multiprocessing import get_context
import os
from pathlib import Path
import signal
import tempfile

import numpy as np
import pytest
from rescene4d_ros.atomic_write import DRAFT
from rescene4d_ros.errors import MemoryLockedError, ScanError, StorageError
from rescene4d_ros.fleet.database import FleetDatabase
from rescene4d_ros.fleet.depositor import Depositor
from rescene4d_ros.fleet.spool import Spool
from rescene4d_ros.memory.visit_files import VisitFiles

from .conftest import DAY_NS, rows_of

FORK = get_context('fork')
NOWHERE = 'postgresql://robot@127.0.0.1:1/rooms'


def test_full_spool_refuses_and_keeps_what_it_has(tmp_path, visit):
    scan = visit(1)
    with Spool(tmp_path / 'spool', 1_000_000) as spool:
        kept = [spool.add(scan, 'hall')]
        kept += [spool.add(scan, 'hall') for _ in range(1_000_000 // kept[0].stat().st_size - 1)]
        with pytest.raises(StorageError, match='--spool-megabytes'):
            spool.add(scan, 'hall')
        assert spool.entries() == kept
        spool.drop(kept[0])
        spool.add(scan, 'hall')


def test_spool_has_one_process(tmp_path):
    with Spool(tmp_path / 'spool', 10**6), pytest.raises(MemoryLockedError, match='--spool'):
        Spool(tmp_path / 'spool', 10**6)


def add_for_ever(folder: Path, scan, told: int) -> None:
    """Add visits until killed; tell of each one that is promised."""
    with Spool(folder, 10**9) as spool:
        while True:
            os.write(told, f'{spool.add(scan, "hall").stem}\n'.encode())


def test_killed_robot_loses_no_visit_that_was_promised(tmp_path, visit):
    scan, rng = visit(1), np.random.default_rng(8)
    for _ in range(4):
        read_end, write_end = os.pipe()
        robot = FORK.Process(target=add_for_ever, args=(tmp_path, scan, write_end))
        robot.start()
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            promised = [pipe.readline().strip() for _ in range(rng.integers(1, 6))]
            os.kill(robot.pid, signal.SIGKILL)
            robot.join()
            promised += pipe.read().split()
        with Spool(tmp_path, 10**9) as spool:
            names = [path.stem for path in spool.entries()]
            assert set(promised) <= set(names)
            assert names == sorted(names)
            for path in spool.entries():
                assert spool.read(path)[0].n_points == len(scan)
            assert not list(tmp_path.glob(f'*{DRAFT}'))


def test_damaged_entry_is_set_aside(database, robot, visit):
    depositor = robot()
    bad = depositor.add(visit(1))
    data = bad.read_bytes()
    bad.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    depositor.add(visit(2))
    assert len(list(depositor.send())) == 1
    assert [row.stamp_ns for row in rows_of(database)] == [2 * DAY_NS]
    assert (bad.parent / 'refused' / bad.name).read_bytes() != data


def test_scan_that_is_no_visit_is_not_spooled(robot, visit):
    depositor = robot()
    with pytest.raises(ScanError, match='frame'):
        depositor.add(type(visit(1))(visit(1).xyz, 1, frame_id='odom'))
    assert depositor.waiting == 0


@pytest.mark.slow
def test_visits_wait_while_the_server_is_away_and_go_in_order(make_server, visit, tmp_path):
    folder = Path(tempfile.mkdtemp(prefix='rescene4d_pg_'))
    server = make_server(folder)
    (tmp_path / 'points').mkdir()
    database = FleetDatabase(server.url)
    database.prepare()
    spool = Spool(tmp_path / 'spool', 10**9)
    depositor = Depositor(FleetDatabase(server.url), str(tmp_path / 'points'), spool, 'hall')
    with depositor:
        depositor.add(visit(1))
        assert len(list(depositor.send())) == 1
        server.kill()
        for day in (4, 2, 3):
            depositor.add(visit(day))
            with pytest.raises(StorageError, match='server runs'):
                list(depositor.send())
        assert depositor.waiting == 3
        server.start()
        assert len(list(depositor.send())) == 3
        assert depositor.waiting == 0
    rows = rows_of(database)
    assert [row.stamp_ns // DAY_NS for row in rows] == [1, 4, 2, 3]
    files = VisitFiles(tmp_path / 'points' / 'map_hall')
    assert [files.read(row.file).stamp_ns for row in rows] == [row.stamp_ns for row in rows]
    database.close()


def test_store_that_is_away_keeps_visits_in_the_spool(database, robot, visit, points):
    depositor = robot()
    os.rename(points, f'{points}_away')
    depositor.add(visit(1))
    with pytest.raises(StorageError, match='mount the folder'):
        list(depositor.send())
    assert rows_of(database) == []
    os.rename(f'{points}_away', points)
    assert len(list(depositor.send())) == 1


def test_server_that_was_never_there_is_told(tmp_path, visit):
    spool = Spool(tmp_path / 'spool', 10**9)
    (tmp_path / 'points').mkdir()
    with Depositor(FleetDatabase(NOWHERE), str(tmp_path / 'points'), spool, 'hall') as depositor:
        depositor.add(visit(1))
        with pytest.raises(StorageError, match='127.0.0.1'):
            list(depositor.send())
        assert depositor.waiting == 1
