"""The points of visits in a shared store, read through a bounded cache on the local disk."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from rescene4d_ros.atomic_write import atomic_write, DRAFT
from rescene4d_ros.errors import FileFormatError, StorageError
from rescene4d_ros.fleet.point_store import PointStore
from rescene4d_ros.memory.visit_files import digest_of, NAME, VisitFiles

log = logging.getLogger(__name__)


class FetchedFiles(VisitFiles):
    """
    Write and read the clouds of one memory in a store that workers share.

    A file of a far store is kept in the directory too; those used last stay. A copy that is
    damaged or missing is fetched again.

    Parameters
    ----------
    directory : path
        Of this worker alone: copies, and what follows from the points.
    store : PointStore
    most_bytes : int
        Of the copies; the newest one stays in any case.

    """

    def __init__(self, directory: Path, store: PointStore, most_bytes: int):
        super().__init__(directory)
        self._points, self._most_bytes = store, most_bytes

    def _store(self, file_name: str, data: bytes) -> None:
        self._points.put(file_name, data)
        self._keep(file_name, data)

    def read_bytes(self, file_name: str) -> bytes:
        """Read the bytes of a file, and compare them with its name; raise as `read`."""
        path = self.path_of(file_name)
        if self._points.is_far and super().has(file_name):
            try:
                data = super().read_bytes(file_name)
                os.utime(path)
                return data
            except (FileFormatError, StorageError, OSError):
                log.warning('%s: damaged copy, fetched again', path)
        fetched = self._points.get(file_name)
        if fetched is None:
            raise FileFormatError(
                f'{file_name}: expected the points of a visit in the store, found none; put them '
                'back from a backup or the spool of the robot'
            )
        if digest_of(fetched) != path.stem:
            raise FileFormatError(
                f'{file_name}: expected content with this hash in the store, got '
                f'{digest_of(fetched)[:12]}... ({len(fetched)} bytes); put the file back from a '
                'backup or the spool of the robot'
            )
        self._keep(file_name, fetched)
        return fetched

    def names(self) -> set[str]:
        """Return the names of all stored files."""
        return {name for name in self._points.names() if NAME.fullmatch(name)}

    def has(self, file_name: str) -> bool:
        """Return whether there is a file of this name; says nothing of its content."""
        return bool(NAME.fullmatch(file_name)) and self._points.has(file_name)

    def remove(self, file_name: str) -> None:
        """Remove a file that no visit needs any more; harmless when repeated."""
        super().remove(file_name)
        self._points.remove(file_name)

    def prepare(self) -> None:
        """Make the folder, and remove half-written copies; what follows from points stays."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            for path in self._directory.glob(f'*{DRAFT}'):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f'{self._directory}: cannot prepare the folder of the copies ({error.strerror}); '
                'free the disk or check its rights'
            ) from error

    def _keep(self, file_name: str, data: bytes) -> None:
        """Keep a copy of a far file; where the disk refuses there is none."""
        if not self._points.is_far:
            return
        try:
            with atomic_write(self._directory / file_name) as file:
                file.write(data)
            self._drop_oldest(file_name)
        except OSError as error:
            log.warning('%s: no copy kept (%s)', file_name, error.strerror)

    def _drop_oldest(self, newest: str) -> None:
        """Remove the copies that were not used for longest, as many as are too much."""
        copies = [
            (path.stat(), path) for path in self._directory.glob('*.npz') if path.name != newest
        ]
        left = self._most_bytes - (self._directory / newest).stat().st_size
        for stat, path in sorted(copies, key=lambda copy: -copy[0].st_mtime_ns):
            left -= stat.st_size
            if left < 0:
                path.unlink(missing_ok=True)
