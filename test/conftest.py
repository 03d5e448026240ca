"""What several rooms' tests share: a toy room of boxes on a floor, and a PostgreSQL server."""

from contextlib import suppress
import os
from pathlib import Path
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from hypothesis import settings
import numpy as np
import pytest
from rescene4d_ros.structures import Scan

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
if 'PYTEST_XDIST_WORKER' in os.environ:
    # Before torch is imported: processes that share the cores take one each.
    os.environ.setdefault('OMP_NUM_THREADS', '1')

# The same examples in every run, however busy the machine is; --hypothesis-profile=default
# looks for others.
settings.register_profile('same', derandomize=True, deadline=None)
settings.load_profile('same')

USER = 'rescene4d'
NEEDED = ('initdb', 'postgres', 'setpriv')
FACES = ((0, 1, 2), (1, 2, 0), (2, 0, 1))


def sample_box(rng, low, size, density):
    """Return points and normals on the faces of an upright box, `density` points per m^2."""
    points, normals = [], []
    for u, v, w in FACES:
        for side in (0, 1):
            n = int(density * size[u] * size[v])
            face = np.zeros((n, 3))
            face[:, u], face[:, v] = rng.random(n) * size[u], rng.random(n) * size[v]
            face[:, w] = side * size[w]
            normal = np.zeros((n, 3))
            normal[:, w] = 2 * side - 1
            points.append(face + low)
            normals.append(normal)
    return np.concatenate(points), np.concatenate(normals)


def make_boxes_room(boxes, seed=0, density=600.0, floor=3.0, stamp_ns=0):
    """
    Sample a square floor with boxes on it.

    Parameters
    ----------
    boxes : sequence of (low, size, rgb)
        Corner and edges in m, color 0..255.
    seed : int
    density : float
        Points per m^2.
    floor : float
        Edge of the floor, m.
    stamp_ns : int

    Returns
    -------
    Scan
    ndarray (N,), int32
        0 = floor, k + 1 = box k.

    """
    rng = np.random.default_rng(seed)
    n = int(density * floor**2)
    xyz = [np.column_stack([rng.random((n, 2)) * floor, np.zeros(n)])]
    normals = [np.tile([0.0, 0, 1], (n, 1))]
    rgb = [np.tile([120, 110, 100], (n, 1))]
    for low, size, color in boxes:
        points, normal = sample_box(rng, low, size, density)
        xyz.append(points)
        normals.append(normal)
        rgb.append(np.tile(color, (len(points), 1)))
    instance = np.repeat(np.arange(len(xyz)), [len(x) for x in xyz]).astype(np.int32)
    scan = Scan(
        np.concatenate(xyz).astype(np.float32),
        stamp_ns,
        np.concatenate(rgb).astype(np.uint8),
        np.concatenate(normals).astype(np.float32),
    )
    return scan, instance


@pytest.fixture(scope='session')
def boxes_room():
    """Return the function that makes a toy room; see `make_boxes_room`."""
    return make_boxes_room


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
def new_disk():
    """
    Return a function that mounts a disk of some MiB and returns its folder.

    The test is skipped where none may be mounted.
    """
    folders = []

    def mount(megabytes):
        folder = Path(tempfile.mkdtemp(prefix='rescene4d_disk_'))
        command = ['mount', '-t', 'tmpfs', '-o', f'size={megabytes}m', 'none', folder]
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        if mounted.returncode:
            folder.rmdir()
            pytest.skip(f'no disk can be mounted here: {mounted.stderr.strip()}')
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(['umount', '--lazy', folder], check=True)
        folder.rmdir()


@pytest.fixture
def fill_disk():
    """Return a function that leaves no byte of a disk, and returns the file that takes them."""

    def fill(folder):
        ballast = folder / 'ballast'
        with ballast.open('wb') as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free)
        assert not shutil.disk_usage(folder).free
        return ballast

    return fill
