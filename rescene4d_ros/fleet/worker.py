"""A process that takes maps one at a time and processes the visits deposited for them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
import hashlib
import logging
import os
from pathlib import Path
import socket
from threading import Event
import time
from typing import Any, Self
from uuid import uuid4

from rescene4d_ros.config import param
from rescene4d_ros.errors import LeaseLostError, MemoryLockedError, RescenError, StorageError
from rescene4d_ros.fleet.database import DEPOSITED, DepositStatus, FleetDatabase
from rescene4d_ros.fleet.leases import Lease, LeaseTaker
from rescene4d_ros.fleet.map_work import MapWork
from rescene4d_ros.memory.database.manifest import public
from rescene4d_ros.memory.database.write_lock import FileLock
from rescene4d_ros.scene.mask_source import MaskProvider

log = logging.getLogger(__name__)

FOLDERS = 1000  # of workers on one machine


@dataclass(frozen=True)
class WorkerConfig:
    """Hold the settings of a worker."""

    lease: float = param(
        30.0,
        'How long a map stays with a worker that gives no sign of life',
        unit='s',
        ge=0.5,
        le=3600.0,
    )
    poll: float = param(
        5.0,
        'How often to look for deposits where no notification comes, and to try again after an '
        'error',
        unit='s',
        ge=0.05,
        le=600.0,
    )
    map_frame: str = param('map', 'Frame of the memories')
    plausibility: str = param(
        'refuse',
        'What happens to a visit that is implausible: refused, moved onto the memory where a '
        'rigid motion does it, or not checked',
        one_of=('refuse', 'register', 'off'),
    )
    auto_reprocess: bool = param(True, 'Process late visits as soon as nothing else waits')
    cache_megabytes: float = param(
        2000.0, 'Copies of points of an object store on the disk, per map', unit='MB', ge=0.0
    )
    attempts: int = param(3, 'A visit that ended this number of workers is FAILED', ge=1, le=100)


@dataclass
class WorkerStats:
    """
    Count what a worker does; read by the thread that answers requests.

    Attributes
    ----------
    outcomes : Counter of str
        Visits by their status, REFUSED included.
    seconds, runs : mappings of str to number
        Of the stages `read`, `check`, `store`, `process` and `reprocess`, and of the stages of
        the tracker that both consist of (`STAGES` of `scene/tracker.py`).
    ids : int
        Object ids given.
    errors : int
        Errors of server, store or disk, after which a visit waits on.
    leases, lost : int
        Maps taken; leases that another worker took meanwhile.
    map_id : str
        At hand; empty where none is.
    last_error : str
    beat : float, s
        Monotonic time of the latest sign of the main loop.

    """

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    runs: Counter[str] = field(default_factory=Counter)
    ids: int = 0
    errors: int = 0
    leases: int = 0
    lost: int = 0
    map_id: str = ''
    last_error: str = ''
    beat: float = field(default_factory=time.monotonic)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start
            self.runs[name] += 1
            self.beat = time.monotonic()


class Worker:
    """
    Process deposited visits until asked to stop.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of the database of the fleet.
    points : str
        Folder or URL of the store of points.
    folder : path
        For copies and what follows from points; each worker uses a part of its own.
    segmenter : MaskProvider
    config : WorkerConfig
    settings : mapping of str to config
        Of the tracker: `tracker`, `association`, `motion` and `changes`; `inference` says where
        instances come from.
    maps : tuple of str
        Only these; empty = all.

    Attributes
    ----------
    stats : WorkerStats
    folder : Path
        The part of the folder that this worker has.

    Raises
    ------
    ConfigError, StorageError

    """

    def __init__(
        self,
        url: str,
        points: str,
        folder: Path,
        segmenter: MaskProvider,
        config: WorkerConfig,
        settings: Mapping[str, Any],
        maps: tuple[str, ...] = (),
    ):
        self.stats = WorkerStats()
        self.database = FleetDatabase(url)
        self._config = config
        statuses = [DepositStatus.PENDING]
        if config.auto_reprocess:
            statuses.append(DepositStatus.LATE)
        self._taker = LeaseTaker(self.database, holder_name(), config.lease, maps, statuses)
        # Of one server: what a folder remembers of a memory holds for no other one.
        server = public(self.database.url.set(query={}))
        digest = hashlib.blake2b(server.encode(), digest_size=4).hexdigest()
        self._lock, self.folder = _own_folder(folder / digest)
        self._work = MapWork(
            self.database, points, self.folder, segmenter, config, settings, self.stats
        )

    def run(self, stop: Event, until_idle: bool = False) -> None:
        """
        Work until `stop` is set; the visit at hand is finished first.

        Parameters
        ----------
        stop : Event
        until_idle : bool
            Whether to return as soon as no map is free.

        """
        while not stop.is_set():
            try:
                self.database.prepare()
                with self.database.listening(DEPOSITED) as connection:
                    self._work_while_connected(connection, stop, until_idle)
                    return
            except StorageError as error:
                if until_idle:
                    raise
                self._note(error)
                stop.wait(self._config.poll)

    def _work_while_connected(self, connection, stop: Event, until_idle: bool) -> None:
        while not stop.is_set():
            self.stats.beat = time.monotonic()
            lease = self._taker.take()
            if lease is not None:
                self._process(lease, stop)
                continue
            if until_idle:
                return
            # In short waits, as a signal sets `stop` without ending one.
            for _ in range(max(1, round(self._config.poll / 0.5))):
                if stop.is_set() or self.database.notifications(connection, 0.5):
                    break

    def _process(self, lease: Lease, stop: Event) -> None:
        """Process what waits for a map; the map is left alone for a time after an error."""
        self.stats.leases += 1
        self.stats.map_id = lease.map_id
        try:
            with lease:
                self._work.process(lease, stop)
        except LeaseLostError as error:
            self.stats.lost += 1
            log.warning('%s', error)
        except Exception as error:  # of any kind: the other maps go on
            if not isinstance(error, RescenError):
                log.exception('map %s', lease.map_id)
            self._note(error)
            self._taker.pass_over(lease.map_id, self._config.poll)
        finally:
            self.stats.map_id = ''

    def _note(self, error: Exception) -> None:
        self.stats.errors += 1
        self.stats.last_error = str(error)
        log.error('%s', error)

    def close(self) -> None:
        """Disconnect, and let another worker have the folder; harmless when repeated."""
        self.database.close()
        self._lock.release()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_) -> None:
        """Close."""
        self.close()


def holder_name() -> str:
    """Return a name for a worker; a container that restarts has the same process number."""
    return f'{socket.gethostname()}, process {os.getpid()}, {uuid4().hex[:8]}'


def _own_folder(folder: Path) -> tuple[FileLock, Path]:
    """Return a part of a folder that no other worker uses, and the lock that says so."""
    for number in range(1, FOLDERS):
        part = folder / f'worker_{number}'
        try:
            part.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f'{part}: cannot make the folder of the worker ({error.strerror}); choose one '
                'that may be written (--folder)'
            ) from error
        try:
            return FileLock(part / 'worker.lock'), part
        except MemoryLockedError:
            continue
    raise StorageError(f'{folder}: expected fewer than {FOLDERS} workers; use another folder')
