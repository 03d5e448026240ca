"""One writer at a time: a file lock that the kernel drops when its process dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from rescene4d_ros.errors import MemoryLockedError, StorageError

FILE_NAME = 'writer.lock'


class WriterLock:
    """
    Hold the right to write what a lock file stands for.

    The lock belongs to the open file, not to the file's existence: after a SIGKILL or a power cut
    nothing has to be cleaned up. The number inside is for people only.

    Raises
    ------
    MemoryLockedError
        Another process, or another part of this one, holds it.
    StorageError
        The lock file cannot be made, or the file system knows no locks.

    """

    def __init__(self, path: Path):
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(
                f'{path}: cannot open the lock file ({error.strerror}); '
                'check that the folder exists and may be written'
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._file, 32, 0).decode(errors='replace').strip() or 'unknown'
            os.close(self._file)
            raise MemoryLockedError(
                f'{path.parent}: expected to be the only writer, but process {holder} has this '
                'memory open; stop that process or use another memory folder'
            ) from error
        except OSError as error:
            os.close(self._file)
            raise StorageError(
                f'{path}: cannot lock the file ({error.strerror}); use a folder on '
                'a file system with locks'
            ) from error
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f'{os.getpid()}\n'.encode(), 0)
        except OSError:
            pass  # a full disk must not keep a person from opening the memory

    def release(self) -> None:
        """Let the next writer in; harmless when repeated."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
