"""Small visits and facts, made without a segmenter; SQLite, and a PostgreSQL of the tests' own."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
import os
from pathlib import Path
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import numpy as np
import pytest
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState, Scan
from rescene4d_ros.tracking.records import LinkedObservation, ObjectRecord, Observation, VisitFacts

DAY = 86_400 * 10**9
CLASSES = ('chair', 'table')
USER = 'rescene4d'
NEEDED = ('initdb', 'postgres', 'setpriv')


def find_program(name: str) -> str | None:
    """Return the path of a program of PostgreSQL; Debian does not put the server's in PATH."""
    debian = sorted(
        Path('/usr/lib/postgresql').glob(f'*/bin/{name}'),
        key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0,
    )
    return str(debian[-1]) if debian else shutil.which(name)


class Server:
    """
    Run PostgreSQL in a folder until `stop`; it dies with the tests, also killed ones.

    Attributes
    ----------
    url : str
        SQLAlchemy URL of its database.

    """

    def __init__(self, driver, folder: Path):
        self._driver = driver
        self._folder = folder
        # The server refuses to run as root.
        self._as = ['setpriv', '--pdeathsig', 'KILL']
        if os.getuid() == 0:
            person = pwd.getpwnam('nobody')
            os.chown(self._folder, person.pw_uid, person.pw_gid)
            self._as += [f'--reuid={person.pw_uid}', f'--regid={person.pw_gid}', '--clear-groups']
        self._data = self._folder / 'data'
        subprocess.run(
            [
                *self._as,
                find_program('initdb'),
                '-D',
                self._data,
                '-U',
                USER,
                '-A',
                'trust',
                '-E',
                'UTF8',
                '--locale=C',
                '--no-sync',
                '--no-instructions',
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
        )
        self.url = f'postgresql://{USER}@/postgres?host={self._folder}'
        self._process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        deadline = time.monotonic() + 600
        while self._process is None or self._process.poll() is not None:
            # Killed just now it may have left processes that keep the next one out for a moment.
            assert time.monotonic() < deadline, self.log()
            with open(self._folder / 'log', 'a') as log:
                self._process = subprocess.Popen(
                    [
                        *self._as,
                        find_program('postgres'),
                        '-D',
                        self._data,
                        '-k',
                        self._folder,
                        '-c',
                        'listen_addresses=',
                        '-c',
                        'fsync=off',
                        '-c',
                        'shared_buffers=16MB',
                    ],
                    stdout=log,
                    stderr=log,
                    cwd=self._folder,
                )
            while self._process.poll() is None:
                try:
                    self.connect().close()
                    return
                except self._driver.OperationalError:
                    assert time.monotonic() < deadline, self.log()
                    time.sleep(0.05)

    def connect(self):
        """Return a connection beside those of the memory."""
        return self._driver.connect(
            f'host={self._folder} user={USER} dbname=postgres', autocommit=True
        )

    def log(self) -> str:
        """Return what it has said so far."""
        return (self._folder / 'log').read_text()

    def kill(self) -> None:
        """
        End it as a power cut would: SIGKILL to the server and to its children.

        A child that sleeps may outlive the server for long and keep the next one out.
        """
        children = [pid for pid in self._working_in(self._data) if pid != self._process.pid]
        self._process.kill()
        self._process.wait()
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @staticmethod
    def _working_in(folder: Path) -> list[int]:
        """Return the processes whose working directory is a folder: those of one server."""
        found = []
        for process in Path('/proc').iterdir():
            with suppress(OSError):  # it has ended, or is another user's
                if process.name.isdigit() and (process / 'cwd').readlink() == folder:
                    found.append(int(process.name))
        return found

    def files(self) -> list[Path]:
        """Return the files of its tables, indexes and catalogs."""
        return [path for path in (self._data / 'base').rglob('*') if path.is_file()]

    def stop(self) -> None:
        """End it and remove all that is in its folder."""
        self._process.send_signal(signal.SIGQUIT)  # at once: nothing in it is needed again
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope='session')
def make_server():
    """Return a function that runs a server in a folder; skip the test where none can be run."""
    driver = pytest.importorskip('psycopg', reason='no psycopg; pip install "psycopg[binary]"')
    absent = [name for name in NEEDED if find_program(name) is None]
    if absent:
        pytest.skip(f'no {", ".join(absent)}; apt install postgresql')
    servers = []

    def make(folder: Path) -> Server:
        servers.append(Server(driver, folder))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture(scope='session')
def postgres(make_server):
    """Return a running server."""
    return make_server(Path(tempfile.mkdtemp(prefix='rescene4d_pg_')))


@pytest.fixture
def new_schema_url(postgres):
    """Return a function that makes a schema on the server, for one memory, and returns its URL."""
    return lambda: new_schema(postgres)


@pytest.fixture
def schema_url(new_schema_url):
    """Return the URL of a new schema on the server."""
    return new_schema_url()


def new_schema(server: Server) -> str:
    """Make a schema; return its URL."""
    name = f'memory_{time.monotonic_ns()}'
    with server.connect() as connection:
        connection.execute(f'CREATE SCHEMA {name}')
    return f'{server.url}&options=-csearch_path%3D{name}'


@pytest.fixture(params=['sqlite', 'postgresql'])
def new_url(request):
    """Return a function that gives every memory its database; None = SQLite in its folder."""
    if request.param == 'sqlite':
        return lambda: None
    server = request.getfixturevalue('postgres')
    return lambda: new_schema(server)


@pytest.fixture
def url(new_url):
    """Return where the test's memory has its database."""
    return new_url()


@pytest.fixture
def open_memory(tmp_path, url):
    """Return a function that opens the test's memory; all are closed at the end."""
    opened = []

    def open_it(path=tmp_path / 'memory', **how):
        if path == tmp_path / 'memory':
            how.setdefault('url', url)
        how = {'map_id': 'hall', 'frame_id': 'map', 'class_names': CLASSES, **how}
        opened.append(SceneMemory.open(path, **how))
        return opened[-1]

    yield open_it
    for memory in opened:
        memory.close()


@pytest.fixture
def make_scan():
    """Return a function that makes the scan of a day, with every optional array."""

    def make(day: int, n: int = 300, name: str = '') -> Scan:
        rng = np.random.default_rng(day)
        xyz = rng.normal(size=(n, 3)).astype(np.float32)
        return Scan(
            xyz,
            day * DAY,
            rng.integers(0, 256, (n, 3)).astype(np.uint8),
            (xyz / np.linalg.norm(xyz, axis=1, keepdims=True)).astype(np.float32),
            rng.normal(size=(4, 3)).astype(np.float32),
            name=name or f'day {day}',
        )

    return make


@pytest.fixture
def make_facts():
    """Return a function that makes facts: all known objects seen again, and some births."""

    def make(memory: SceneMemory, visit, births: int = 1) -> VisitFacts:
        scan = memory.scan(visit.visit_id)
        rng = np.random.default_rng(visit.visit_id)
        next_id = memory.metadata.next_object_id
        records = {
            i: replace(record, last_seen_ns=scan.stamp_ns) for i, record in memory.records.items()
        }
        for object_id in range(next_id, next_id + births):
            records[object_id] = ObjectRecord(
                object_id,
                ObjectState.PRESENT,
                False,
                0.5,
                Box(tuple(rng.normal(size=3).tolist()), (0.5, 0.25, 0.1), -1.25),
                scan.stamp_ns,
                scan.stamp_ns,
                None,
                1,
                0.75,
                'new',
                np.array([0.25, 0.75], np.float32),
                rng.normal(size=4).astype(np.float32),
                rng.normal(size=6).astype(np.float32),
                rng.normal(size=(5, 3)).astype(np.float32),
            )
        labels = np.resize([0, *records], len(scan)).astype(np.int64)
        linked = {
            i: LinkedObservation(
                Observation(
                    np.flatnonzero(labels == i),
                    record.xyz,
                    record.box,
                    record.class_probs,
                    record.score,
                    record.feature,
                    record.color,
                    {},
                ),
                'test',
            )
            for i, record in records.items()
        }
        changes = tuple(
            Change(
                ChangeKind.MOVED,
                i,
                'table',
                0.5,
                visit.visit_id,
                record.box,
                record.box,
                np.linalg.qr(rng.normal(size=(4, 4)))[0],
                None,
                scan.stamp_ns,
            )
            for i, record in records.items()
            if i < next_id
        )
        return VisitFacts(
            visit, linked, dict.fromkeys(records, ObjectState.PRESENT), changes, labels, records
        )

    return make
