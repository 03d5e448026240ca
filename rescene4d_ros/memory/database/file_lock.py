"""One writer at a time: a lock file that the kernel lets go of when its process dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from rescene4d_ros.errors import MemoryLockedError, StorageError


class FileLock:
    """
    Hold the right to write what a lock file stands for.

    The lock belongs to the open file, not to the file's existence: after a SIGKILL or a power cut
    nothing has to be cleaned up. The number inside is for people only. A lock file that somebody
    deletes stands for nothing, so the folder is locked as well, and the file is made again.

    Parameters
    ----------
    path : path
        Lock file.
    locks_folder : bool
        Whether its folder is for nobody else either.

    Raises
    ------
    MemoryLockedError
        Another process, or another part of this one, holds it.
    StorageError
        The lock file cannot be made, or the file system knows no locks.

    """

    def __init__(self, path: Path, locks_folder: bool = False):
        self._path, self._folder = path, None
        self._file: int | None = self._take()
        if locks_folder:
            try:
                self._folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
                fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                self.release()
                raise self._locked('another one, whose lock file was deleted,') from error
            except OSError:  # network file systems lock files only
                self._close_folder()

    def renew(self) -> None:
        """
        Make the lock file again where it was deleted.

        Raises
        ------
        MemoryLockedError
            Another process took it meanwhile.
        StorageError
            The lock file cannot be made.

        """
        try:
            if os.path.samestat(os.fstat(self._file), os.stat(self._path)):
                return
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StorageError(
                f'{self._path}: cannot look at the lock file ({error.strerror}); check that the '
                'disk is mounted'
            ) from error
        file = self._take()
        os.close(self._file)
        self._file = file

    def release(self) -> None:
        """Let the next writer in; harmless when repeated."""
        self._close_folder()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _close_folder(self) -> None:
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None

    def _take(self) -> int:
        """Return the lock file, open and locked."""
        path = self._path
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(
                f'{path}: cannot open the lock file ({error.strerror}); '
                'check that the folder exists and may be written'
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(file, 32, 0).decode(errors='replace').strip() or 'unknown'
            os.close(file)
            raise self._locked(f'process {holder}') from error
        except OSError as error:
            os.close(file)
            raise StorageError(
                f'{path}: cannot lock the file ({error.strerror}); use a folder on '
                'a file system with locks'
            ) from error
        try:
            os.ftruncate(file, 0)
            os.pwrite(file, f'{os.getpid()}\n'.encode(), 0)
        except OSError:
            pass  # a full disk must not keep a person from opening the memory
        return file

    def _locked(self, holder: str) -> MemoryLockedError:
        return MemoryLockedError(
            f'{self._path.parent}: expected to be the only writer, but {holder} has this '
            'memory open; stop that process or use another memory folder'
        )
