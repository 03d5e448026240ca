"""What was worked out from the points of visits, kept beside them; it can be worked out again."""

from __future__ import annotations

from collections.abc import Iterable
import hashlib
import logging
import os
from pathlib import Path

from rescene4d_ros.atomic_write import atomic_write, DRAFT

log = logging.getLogger(__name__)

DIGEST = 20  # bytes in front of the data


class DerivedFiles:
    """
    Keep bytes that follow from a visit's points; any of them may be missing at any time.

    So nothing waits for the disk: after a power cut a file may be damaged, which a reader notices
    by its hash, and where the disk refuses a file is not kept.

    Parameters
    ----------
    directory : Path
        Made with the first file.

    """

    def __init__(self, directory: Path):
        self._directory = directory

    def read(self, key: str, kind: str) -> bytes | None:
        """
        Return what was kept, or None where nothing whole is there.

        Parameters
        ----------
        key : str
            Name of the visit's points; other points have another name.
        kind : str
            What it is; also how it was worked out, where that may change.

        """
        path = self._path(key, kind)
        if not path.is_file():  # a pipe would be waited for without end
            return None
        try:
            data = path.read_bytes()
            os.utime(path)  # what is used is kept longest
        except OSError:
            return None
        return data[DIGEST:] if _digest(data[DIGEST:]) == data[:DIGEST] else None

    def write(self, key: str, kind: str, data: bytes, keep: int | None = None) -> None:
        """
        Keep bytes; of files of this kind, however made, those `keep` that were used last.

        The part of `kind` before the first `-` says which files are of one kind.

        """
        path = self._path(key, kind)
        try:
            self._directory.mkdir(exist_ok=True)
            with atomic_write(path) as file:
                file.write(_digest(data) + data)
            if keep is not None:
                alike = self._directory.glob(f'*.{kind.partition("-")[0]}*')
                for old in sorted(alike, key=lambda p: p.stat().st_mtime_ns)[: -keep or None]:
                    old.unlink(missing_ok=True)
        except OSError as error:
            log.warning('%s: not kept (%s); it will be worked out again', path, error.strerror)

    def remove(self, key: str) -> None:
        """Remove all that follows from some points; harmless when repeated."""
        for path in self._directory.glob(f'{Path(key).stem}.*'):
            path.unlink(missing_ok=True)

    def remove_all_but(self, keys: Iterable[str]) -> None:
        """Remove what follows from other points than those named, and half-written files."""
        stems = {Path(key).stem for key in keys}
        for path in self._directory.glob('*'):
            if path.suffix in (DRAFT, '.tmp') or path.name.partition('.')[0] not in stems:
                path.unlink(missing_ok=True)

    def _path(self, key: str, kind: str) -> Path:
        return self._directory / f'{Path(key).stem}.{kind}'


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST).digest()
