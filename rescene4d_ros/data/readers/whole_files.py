"""Files from anywhere, before a byte of them is read: whether they are files, and of what size."""

from __future__ import annotations

import os
from pathlib import Path
import stat

from rescene4d_ros.errors import FileFormatError

MOST_BYTES = 16 << 30  # of a cloud; one of 50 million points has a tenth of it

# First bytes in lower case, what they are, and what to do.
OTHER_KINDS = (
    (b'version https://git-lfs', 'a pointer of Git LFS; run `git lfs pull`'),
    (b'<', 'a page of HTML or XML; download the file itself'),
    (b'\x1f\x8b', 'a file packed by gzip; unpack it'),
    (b'pk\x03\x04', 'a zip file; unpack it, or call it .npz if NumPy wrote it'),
    (b'\xff\xfe', 'text of UTF-16; save it as ASCII'),
    (b'\xfe\xff', 'text of UTF-16; save it as ASCII'),
    (b'ply', 'a PLY file; call it .ply'),
    (b'# .pcd', 'a PCD file; call it .pcd'),
    (b'lasf', 'a LAS or LAZ file; call it .las or .laz'),
    (b'astm-e57', 'an E57 file; call it .e57'),
)


def check_file(path: Path, most: int | None = None) -> int:
    """
    Check that a path leads to a file: a pipe or a device would be read without end.

    Parameters
    ----------
    path : Path
    most : int, bytes, optional
        What the file may have.

    Returns
    -------
    int
        Bytes of the file.

    Raises
    ------
    FileFormatError
        There is none, it is none, or it is too large.

    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # of a name with a NUL, the latter
        raise unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise FileFormatError(
            f'{path}: expected a file, got a folder, pipe or device; write the cloud to a file'
        )
    if most is not None and status.st_size > most:
        raise FileFormatError(
            f'{path}: expected at most {most / 1e9:.1f} GB, got {status.st_size / 1e9:.1f} GB; '
            'thin the cloud, one point per cm is enough'
        )
    return status.st_size


def read_whole(path: Path) -> bytes:
    """
    Return all bytes of a file that is to be in memory.

    Raises
    ------
    FileFormatError
        As `check_file`; also where the disk or its rights refuse.

    """
    check_file(path, largest_in_memory())
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def largest_in_memory() -> int:
    """Return how many bytes a cloud may take on this machine: half of its memory."""
    return min(MOST_BYTES, os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // 2)


def what_it_is(head: bytes) -> str:
    """
    Say what a file is that is not what its name says.

    Parameters
    ----------
    head : bytes
        Its first bytes, 16 at least where it has them.

    Returns
    -------
    str
        The kind, and what to do.

    """
    if not head:
        return 'an empty file; copy it again'
    text = head.lstrip().lower()
    for start, kind in OTHER_KINDS:
        if text.startswith(start):
            return kind
    return 'another format; export the cloud again'


def unreadable(path: Path, error: Exception) -> FileFormatError:
    """Return what to say of a file that the system does not give."""
    reason = getattr(error, 'strerror', None) or str(error) or type(error).__name__
    return FileFormatError(
        f'{str(path)[:300]}: expected a file that can be read, got: {reason}; check the path, '
        'its rights and the disk'
    )
