"""A database of a fleet on a real server, visits of toy rooms, and workers as processes."""

from __future__ import annotations

from multiprocessing import get_context
from pathlib import Path
import signal
from threading import Event
import time

import pytest
from rescene4d_ros.fleet.database import deposits, FleetDatabase
from rescene4d_ros.fleet.depositor import Depositor
from rescene4d_ros.fleet.spool import Spool
from rescene4d_ros.fleet.worker import Worker, WorkerConfig
from rescene4d_ros.scene.mask_source import load_masks
from rescene4d_ros.scene.processing_settings import configs_of
from sqlalchemy import select

DAY_NS = 86_400 * 10**9
FORK = get_context('fork')
TABLE = ((1.6, 1.7, 0.0), (0.9, 0.6, 0.7), (60, 60, 180))
BOX = ((0.6, 0.5, 0.0), (0.4, 0.4, 0.5), (200, 40, 40))
SETTINGS = configs_of((('inference.source', 'none'),))


@pytest.fixture
def fleet_url(postgres):
    """Return the URL of a new database on the server."""
    name = f'fleet_{time.monotonic_ns()}'
    with postgres.connect() as connection:
        connection.execute(f'CREATE DATABASE {name}')
    yield postgres.url.replace('/postgres?', f'/{name}?')
    with postgres.connect() as connection:
        connection.execute(f'DROP DATABASE {name} WITH (FORCE)')


@pytest.fixture
def database(fleet_url):
    """Return the database of a fleet, with its tables."""
    opened = FleetDatabase(fleet_url)
    opened.prepare()
    yield opened
    opened.close()


@pytest.fixture
def points(tmp_path):
    """Return the folder that robots and workers share."""
    (tmp_path / 'points').mkdir()
    return str(tmp_path / 'points')


@pytest.fixture
def visit(boxes_room):
    """Return a function that makes the visit of a day; a box comes on the third."""

    def make(day: int, density: float = 60.0):
        boxes = [TABLE, BOX] if day >= 3 else [TABLE]
        scan, _ = boxes_room(boxes, seed=day, density=density, stamp_ns=day * DAY_NS)
        return scan

    return make


@pytest.fixture
def robot(fleet_url, points, tmp_path):
    """Return a function that makes the depositor of a map; all are closed at the end."""
    opened = []

    def make(map_id: str = 'hall', most_bytes: int = 10**9) -> Depositor:
        spool = Spool(tmp_path / f'spool_{len(opened)}', most_bytes)
        opened.append(Depositor(FleetDatabase(fleet_url), points, spool, map_id, robot='r1'))
        return opened[-1]

    yield make
    for depositor in opened:
        depositor.close()


@pytest.fixture
def make_worker(fleet_url, points, tmp_path):
    """Return a function that makes a worker in this process; all are closed at the end."""
    opened = []

    def make(lease: float = 5.0, maps=(), points=points, url=fleet_url, **config) -> Worker:
        worker = Worker(
            url,
            points,
            tmp_path / 'work',
            load_masks(SETTINGS['inference']),
            WorkerConfig(lease=lease, poll=0.1, **config),
            SETTINGS,
            maps,
        )
        opened.append(worker)
        return worker

    yield make
    for worker in opened:
        worker.close()


def serve(make_worker, slow: float, lease: float) -> None:
    """Be a worker until a signal comes; `slow` is what each visit takes longer, s."""
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker = make_worker(lease=lease)
    tracker = worker._work._segmenter
    segment = tracker.segment

    def slowly(*arguments):
        time.sleep(slow)
        return segment(*arguments)

    tracker.segment = slowly
    worker.run(stop)
    worker.close()


@pytest.fixture
def start_worker(make_worker):
    """Return a function that starts a worker as a process; all are killed at the end."""
    started = []

    def start(slow: float = 0.0, lease: float = 1.0):
        process = FORK.Process(target=serve, args=(make_worker, slow, lease), daemon=True)
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def rows_of(database: FleetDatabase) -> list:
    """Return all deposits in the order they came."""
    with database.transaction() as connection:
        return connection.execute(select(deposits).order_by(deposits.c.deposit_id)).all()


def wait_until(condition, seconds: float = 60.0) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def files_of(points: str, map_id: str = 'hall') -> set[str]:
    """Return the names of the points of a map in a shared folder."""
    return {path.name for path in (Path(points) / f'map_{map_id}').glob('*')}
