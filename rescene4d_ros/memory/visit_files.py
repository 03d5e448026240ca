"""The points of each visit: one file, named by its content, written so that a crash keeps all."""

from __future__ import annotations

from collections.abc import Mapping
import errno
import hashlib
import io
import json
import os
from pathlib import Path
import re
import stat
from typing import Any
import zipfile

import numpy as np
from rescene4d_ros.atomic_write import atomic_write, DRAFT, flush_folder
from rescene4d_ros.errors import FileFormatError, MemoryFormatError, StorageError
from rescene4d_ros.memory.derived_cache import DerivedFiles
from rescene4d_ros.structures import Finding, GivenInstances, Scan
from rescene4d_ros.structures.objects import triple

FORMAT = 1
POINTS = 'visits'  # folder of these files in that of a memory
DERIVED = 'derived'  # folder in that one
MAX_RATIO = 100  # of an array to its bytes in the file; points are hardly compressible
NAME = re.compile(r'[0-9a-f]{40}\.npz')
GIVEN = ('instance', 'class_id', 'score')
ARRAYS = ('xyz', 'rgb', 'normals', 'sensor_path')


class VisitFiles:
    """
    Write and read the clouds of one memory.

    A file holds what the sensor gave, exactly (float32 metres, uint8 colors), with stamp and
    name, so that a lost database could be filled again. Its name is the hash of its bytes: a
    reader notices any damage.

    Attributes
    ----------
    derived : DerivedFiles
        What was worked out from the points, removed with them.

    """

    def __init__(self, directory: Path):
        self._directory = directory
        self.derived = DerivedFiles(directory / DERIVED)

    def write(self, scan: Scan) -> str:
        """
        Store a scan durably; when this returns, a power cut keeps it.

        Returns
        -------
        str
            The file's name, for `read`.

        Raises
        ------
        StorageError
            The disk refused; no partial file is left under a final name.

        """
        file_name, data = encoded(scan)
        self._store(file_name, data)
        return file_name

    def _store(self, file_name: str, data: bytes) -> None:
        """Write the bytes of a file durably."""
        try:
            with atomic_write(self._directory / file_name, durable=True) as file:
                file.write(data)
        except OSError as error:
            raise StorageError(
                f'{self._directory / file_name}: cannot store {len(data)} bytes '
                f'({error.strerror}); free or remount the disk and send the visit again; '
                'visits stored before are untouched'
            ) from error

    def read(self, file_name: str) -> Scan:
        """
        Read a scan back, bit for bit.

        Raises
        ------
        FileFormatError
            Missing, truncated, altered, of a newer format, or not a name of this package.
        StorageError
            The whole folder is away.

        """
        path, data = self.path_of(file_name), self.read_bytes(file_name)
        try:
            _check_sizes(data)
            with np.load(io.BytesIO(data), allow_pickle=False) as fields:
                if int(fields['format']) > FORMAT:
                    raise FileFormatError(
                        f'{path}: format {int(fields["format"])}, this version '
                        f'reads up to {FORMAT}; update the package'
                    )
                arrays: dict[str, Any] = {
                    key: fields[key] for key in ARRAYS if key in fields.files
                }
                _check(arrays)
                return Scan(
                    stamp_ns=int(fields['stamp_ns']),
                    frame_id=str(fields['frame_id']),
                    name=str(fields['name']),
                    **arrays,
                    **_from_beside(fields),
                )
        except FileFormatError:
            raise
        except Exception as error:  # of any kind: somebody else may have written it
            raise FileFormatError(
                f'{path}: expected a visit written by this package, got '
                f'{error or type(error).__name__}; restore the file from a backup'
            ) from error

    def read_bytes(self, file_name: str) -> bytes:
        """Read the bytes of a file, and compare them with its name; raise as `read`."""
        path = self.path_of(file_name)
        try:
            if not stat.S_ISREG(path.lstat().st_mode):  # a pipe or device has no end
                raise OSError(errno.EINVAL, 'not a file, but a link, pipe or device')
            data = path.read_bytes()
        except OSError as error:
            if not self._directory.is_dir():  # unmounted: the visit itself is not lost
                raise StorageError(
                    f'{self._directory}: expected the folder of the visits, found none; mount or '
                    'restore it, then try again'
                ) from error
            raise FileFormatError(
                f'{path}: expected a stored visit, but it cannot be read '
                f'({error.strerror}); restore the file from a backup'
            ) from error
        if digest_of(data) != path.stem:
            raise FileFormatError(
                f'{path}: expected content with hash {path.stem[:12]}..., got '
                f'{digest_of(data)[:12]}... ({len(data)} bytes); the file is truncated or '
                'altered, restore it from a backup'
            )
        return data

    def copy(self, source: VisitFiles, file_name: str) -> None:
        """
        Take over a file of another memory, if it is whole.

        Raises
        ------
        FileFormatError
            It is missing or altered there.
        StorageError
            The disk refused.

        """
        self._store(file_name, source.read_bytes(file_name))

    def names(self) -> set[str]:
        """Return the names of all stored files."""
        return {path.name for path in self._directory.glob('*.npz') if NAME.fullmatch(path.name)}

    def has(self, file_name: str) -> bool:
        """Return whether there is a file of this name; says nothing of its content."""
        return bool(NAME.fullmatch(file_name)) and (self._directory / file_name).is_file()

    def remove(self, file_name: str) -> None:
        """
        Remove a file that no visit needs any more; harmless when repeated.

        Raises
        ------
        FileFormatError
            Not a name of this package: another program wrote it into the database.
        StorageError
            The disk refused.

        """
        path = self.path_of(file_name)
        try:
            self.derived.remove(file_name)
            path.unlink(missing_ok=True)
            flush_folder(self._directory)
        except OSError as error:
            raise StorageError(
                f'{path}: cannot remove it '
                f'({error.strerror}); check the rights of the folder, then delete '
                'again'
            ) from error

    def prepare(self) -> None:
        """
        Make the folder, and remove the half-written files of a process that was killed.

        Call as the only writer.

        Raises
        ------
        MemoryFormatError
            One of the folders is a link.
        StorageError
            The disk refused.

        """
        refuse_link(self._directory)
        refuse_link(self._directory / DERIVED)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            flush_folder(self._directory.parent)
            for suffix in (DRAFT, '.tmp'):  # the latter of versions up to 0.1
                for path in self._directory.glob(f'*{suffix}'):
                    path.unlink(missing_ok=True)
            self.derived.remove_all_but(self.names())
        except OSError as error:
            raise StorageError(
                f'{self._directory}: cannot prepare the folder of the visits '
                f'({error.strerror}); free the disk or check its rights'
            ) from error

    def path_of(self, file_name: str) -> Path:
        """Return where a file is; a name from a database must not lead out of the folder."""
        if not NAME.fullmatch(file_name):
            raise FileFormatError(
                f'{self._directory}: expected the name of a points file (40 hex digits and '
                f'.npz), got {file_name[:80]!r}; the database was altered by another program, '
                'restore a backup'
            )
        return self._directory / file_name


def refuse_link(path: Path) -> None:
    """
    Refuse a link in the place of a part of a memory.

    In a memory of somebody else it could lead to any file or folder, whose content would be
    altered or removed.

    Raises
    ------
    MemoryFormatError
        It is one.

    """
    if path.is_symlink():
        raise MemoryFormatError(
            f'{path}: expected a part of the memory, got a link to {os.readlink(path)!r}; move '
            'the whole memory, or mount the other folder there'
        )


def _check_sizes(data: bytes) -> None:
    """Raise where arrays would take far more memory than the file."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        total = sum(entry.file_size for entry in file.infolist())
    if total > MAX_RATIO * len(data):
        raise ValueError(f'arrays of {total} bytes in {len(data)} bytes')


def _check(arrays: dict[str, np.ndarray]) -> None:
    """Raise where the arrays are none of a scan."""
    count = len(arrays['xyz'])
    for key, array in arrays.items():
        rows = len(array) if key == 'sensor_path' else count
        dtype = np.uint8 if key == 'rgb' else np.float32
        if array.dtype != dtype or array.shape != (rows, 3):
            raise ValueError(f'{key} of {array.dtype.name} {array.shape}')
        if key == 'xyz' and not np.isfinite(array).all():
            raise ValueError('points that are not finite')


def encoded(scan: Scan) -> tuple[str, bytes]:
    """Return name and content of the file of a scan."""
    arrays: dict[str, Any] = {
        key: getattr(scan, key) for key in ARRAYS if getattr(scan, key) is not None
    }
    buffer = io.BytesIO()
    np.savez(
        buffer,
        format=np.int64(FORMAT),
        stamp_ns=np.int64(scan.stamp_ns),
        frame_id=np.str_(scan.frame_id),
        name=np.str_(scan.name),
        **arrays,
        **_beside(scan),
    )
    data = buffer.getvalue()
    return f'{digest_of(data)}.npz', data


def digest_of(data: bytes) -> str:
    """Return the hash that names a file."""
    return hashlib.blake2b(data, digest_size=20).hexdigest()


def _beside(scan: Scan) -> dict[str, Any]:
    """Return what few scans have; the files of the others are the same as ever."""
    beside: dict[str, Any] = {}
    if any(scan.origin):
        beside['origin'] = np.array(scan.origin, np.float64)
    if scan.findings:
        beside['findings'] = np.str_(json.dumps([found.as_dict() for found in scan.findings]))
    if scan.given is not None:
        for part in GIVEN:
            if (values := getattr(scan.given, part)) is not None:
                beside[f'given_{part}'] = values
    if scan.free is not None:
        beside['free_pose'] = np.asarray(scan.free.map_T_grid, np.float64)
        beside['free_size'] = np.array(scan.free.is_free.shape, np.int64)
        beside['free_cell'] = np.float64(scan.free.cell)
        beside['free_bits'] = scan.free.bits
    return beside


def _from_beside(fields: Mapping[str, np.ndarray]) -> dict[str, Any]:
    beside: dict[str, Any] = {}
    if 'origin' in fields:
        beside['origin'] = triple(fields['origin'])
    if 'findings' in fields:
        found = json.loads(str(fields['findings']))
        beside['findings'] = tuple(Finding.from_dict(values) for values in found)
    if 'given_instance' in fields:
        given = {p: fields[f'given_{p}'] for p in GIVEN if f'given_{p}' in fields}
        beside['given'] = GivenInstances(**given)
    if 'free_bits' in fields:
        from rescene4d_ros.structures.free_space import FreeSpace

        pose, size = fields['free_pose'], tuple(fields['free_size'].tolist())
        beside['free'] = FreeSpace.of_bits(
            pose, fields['free_bits'], size, float(fields['free_cell'])
        )
    return beside
