"""Where robots leave the points of visits for workers: a shared folder, or an object store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
from typing import Any, Protocol

from rescene4d_ros.atomic_write import atomic_write, flush_folder
from rescene4d_ros.errors import ConfigError, StorageError


class PointStore(Protocol):
    """Hold files of bytes by their names; all raise StorageError where the store is away."""

    is_far: bool  # whether reading again costs a transfer

    def put(self, name: str, data: bytes) -> None:
        """Store a file durably, at once or not at all."""

    def get(self, name: str) -> bytes | None:
        """Return the content of a file; None where there is none."""

    def has(self, name: str) -> bool:
        """Return whether there is such a file."""

    def names(self) -> set[str]:
        """Return the names of all files."""

    def remove(self, name: str) -> None:
        """Remove a file; harmless when repeated."""


def open_store(url: str, below: str) -> PointStore:
    """
    Return the store of one map.

    Parameters
    ----------
    url : str
        A folder, or a URL of fsspec such as s3://bucket/prefix. Keys and endpoint come from the
        environment, as the library of the store reads them.
    below : str
        Name of the map's part.

    Raises
    ------
    ConfigError
        The URL names a store whose library is not installed.

    """
    if not url:
        raise ConfigError(
            'expected where the points of visits are, as a folder or s3://bucket/prefix, got '
            'nothing; give --points, or the parameter fleet.points of the node'
        )
    if '://' not in url or url.startswith('file://'):
        return FolderStore(Path(url.removeprefix('file://')).expanduser().absolute() / below)
    try:
        from fsspec.core import url_to_fs

        files, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f'{url}: expected a folder or the URL of a store ({error}); pip install '
            "'rescene4d_ros[fleet]'"
        ) from error
    return ObjectStore(files, f'{path.rstrip("/")}/{below}', url)


class FolderStore:
    """
    Hold files in a folder that robots and workers share, for example by NFS.

    Parameters
    ----------
    folder : path
        Made with the first file; the folder above must exist, as a mount that is away does not.

    """

    is_far = False

    def __init__(self, folder: Path):
        self._folder = folder

    def put(self, name: str, data: bytes) -> None:
        """Store a file durably, at once or not at all."""
        with self._told('store a file'):
            if not self._folder.is_dir():
                self._folder.mkdir(exist_ok=True)
                flush_folder(self._folder.parent)
            with atomic_write(self._folder / name, durable=True) as file:
                file.write(data)

    def get(self, name: str) -> bytes | None:
        """Return the content of a file; None where there is none."""
        with self._told('read a file'):
            try:
                return (self._folder / name).read_bytes()
            except FileNotFoundError:
                if self._folder.parent.is_dir():
                    return None
                raise

    def has(self, name: str) -> bool:
        """Return whether there is such a file."""
        return (self._folder / name).is_file()

    def names(self) -> set[str]:
        """Return the names of all files."""
        return {path.name for path in self._folder.glob('*') if path.is_file()}

    def remove(self, name: str) -> None:
        """Remove a file; harmless when repeated."""
        with self._told('remove a file'):
            (self._folder / name).unlink(missing_ok=True)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f'{self._folder}: cannot {what} ({os.strerror(error.errno or 0)}); mount the '
                'folder of the points, free the disk or check the rights, then try again'
            ) from error


class ObjectStore:
    """
    Hold files in a store of objects through fsspec; an object is written at once.

    Parameters
    ----------
    files : AbstractFileSystem
    prefix : str
        Of the names of the files, in the words of the file system.
    url : str
        For messages.

    """

    is_far = True

    def __init__(self, files: Any, prefix: str, url: str):
        self._files, self._prefix, self._url = files, prefix, url

    def put(self, name: str, data: bytes) -> None:
        """Store a file durably, at once or not at all."""
        with self._told('store an object'):
            self._files.pipe_file(self._path(name), data)

    def get(self, name: str) -> bytes | None:
        """Return the content of a file; None where there is none."""
        with self._told('read an object'):
            try:
                return self._files.cat_file(self._path(name))
            except FileNotFoundError:
                return None

    def has(self, name: str) -> bool:
        """Return whether there is such a file."""
        with self._told('look for an object'):
            self._files.invalidate_cache()
            return bool(self._files.exists(self._path(name)))

    def names(self) -> set[str]:
        """Return the names of all files."""
        with self._told('list objects'):
            self._files.invalidate_cache()
            try:
                return {Path(path).name for path in self._files.ls(self._prefix, detail=False)}
            except FileNotFoundError:
                return set()

    def remove(self, name: str) -> None:
        """Remove a file; harmless when repeated."""
        with self._told('remove an object'):
            try:
                self._files.rm_file(self._path(name))
            except FileNotFoundError:
                pass

    def _path(self, name: str) -> str:
        return f'{self._prefix}/{name}'

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn what the library of the store says into an error with a remedy."""
        try:
            yield
        except Exception as error:  # each library has its own kinds
            raise StorageError(
                f'{self._url}: cannot {what} ({type(error).__name__}: {str(error)[:200]}); check '
                'the network, the bucket and the keys in the environment, then try again'
            ) from error
