"""Visits of a robot that are not deposited yet: files in order, bounded, safe from a crash."""

from __future__ import annotations

from dataclasses import asdict, dataclass
import json
from pathlib import Path
from typing import Self

from rescene4d_ros.atomic_write import atomic_write, DRAFT, flush_folder
from rescene4d_ros.errors import FileFormatError, MemoryLockedError, StorageError
from rescene4d_ros.memory.database.write_lock import FileLock
from rescene4d_ros.memory.visit_files import digest_of, encoded
from rescene4d_ros.structures import Scan

REFUSED = 'refused'  # folder of visits that the fleet does not take


@dataclass(frozen=True)
class SpooledVisit:
    """
    Hold what is deposited of a visit besides its points.

    Attributes
    ----------
    map_id : str
    stamp_ns : int, ns since the Unix epoch
    name : str
    file : str
        Name of the points: their hash.
    n_points : int

    """

    map_id: str
    stamp_ns: int
    name: str
    file: str
    n_points: int


class Spool:
    """
    Hold visits on the disk of the robot until they are sent, in the order they came.

    An entry is one file: a line of JSON, then the bytes of the points. It appears at once and
    durably, so a power cut leaves whole entries. One process has a spool.

    Parameters
    ----------
    folder : path
    most_bytes : int
        Of all entries together; a visit beyond it is refused.

    Raises
    ------
    MemoryLockedError
        Another process has the spool.
    StorageError
        The disk refuses.

    """

    def __init__(self, folder: Path, most_bytes: int):
        self._folder, self._most_bytes = folder, most_bytes
        try:
            (folder / REFUSED).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._refusal(error) from error
        try:
            self._lock = FileLock(folder / 'spool.lock')
        except MemoryLockedError as error:
            raise MemoryLockedError(
                f'{folder}: expected a spool that no other process has; give each robot its own '
                'folder (--spool), or stop the other one'
            ) from error
        for draft in folder.glob(f'*{DRAFT}'):
            draft.unlink(missing_ok=True)
        entries = self.entries() + sorted((folder / REFUSED).glob('*.visit'))
        self._next = 1 + max((int(path.stem) for path in entries), default=0)

    def add(self, scan: Scan, map_id: str) -> Path:
        """
        Store a visit durably; return its entry.

        Raises
        ------
        StorageError
            The spool is full, or the disk refuses; nothing of the visit is kept.

        """
        file, data = encoded(scan)
        held = sum(path.stat().st_size for path in self.entries())
        if held + len(data) > self._most_bytes:
            raise StorageError(
                f'{self._folder}: expected {len(data)} bytes of {self._most_bytes} free, got '
                f'{self._most_bytes - held}; visits wait for the network: bring it back, or raise '
                '--spool-megabytes'
            )
        visit = SpooledVisit(map_id, int(scan.stamp_ns), scan.name, file, len(scan))
        path = self._folder / f'{self._next:012d}.visit'
        try:
            with atomic_write(path, durable=True) as draft:
                draft.write(json.dumps(asdict(visit)).encode() + b'\n')
                draft.write(data)
        except OSError as error:
            raise self._refusal(error) from error
        self._next += 1
        return path

    def entries(self) -> list[Path]:
        """Return the entries in the order they came."""
        return sorted(self._folder.glob('*.visit'))

    def read(self, path: Path) -> tuple[SpooledVisit, bytes]:
        """
        Return a visit and the bytes of its points.

        Raises
        ------
        FileFormatError
            The entry is damaged.
        StorageError
            The disk refuses.

        """
        try:
            head, _, data = path.read_bytes().partition(b'\n')
            visit = SpooledVisit(**json.loads(head))
        except OSError as error:
            raise self._refusal(error) from error
        except (ValueError, TypeError) as error:
            raise FileFormatError(f'{path}: expected an entry of a spool, got {error}') from error
        if f'{digest_of(data)}.npz' != visit.file:
            raise FileFormatError(
                f'{path}: expected points with hash {visit.file[:12]}..., got others; the disk of '
                'the spool is damaged'
            )
        return visit, data

    def drop(self, path: Path) -> None:
        """Remove an entry that is deposited."""
        try:
            path.unlink(missing_ok=True)
            flush_folder(self._folder)
        except OSError as error:
            raise self._refusal(error) from error

    def set_aside(self, path: Path) -> Path:
        """Keep an entry that cannot be deposited out of the way of the others; return where."""
        kept = self._folder / REFUSED / path.name
        try:
            path.replace(kept)
            flush_folder(self._folder)
        except OSError as error:
            raise self._refusal(error) from error
        return kept

    def close(self) -> None:
        """Let the next process have it; harmless when repeated."""
        self._lock.release()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_) -> None:
        """Close."""
        self.close()

    def _refusal(self, error: OSError) -> StorageError:
        return StorageError(
            f'{self._folder}: cannot keep visits for the fleet ({error.strerror}); free the disk '
            'or choose a folder that may be written'
        )
