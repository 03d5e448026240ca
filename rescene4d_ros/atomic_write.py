"""Files that are replaced at once: a reader and a kill see the old content or the new one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import os
from pathlib import Path
from typing import BinaryIO

DRAFT = '.part'  # how the name of a file ends that is not complete


@contextmanager
def atomic_write(path: str | Path, durable: bool = False) -> Iterator[BinaryIO]:
    """
    Give a file to write to, which takes the place of another one when it is complete.

    Parameters
    ----------
    path : path
        File to replace or to make; its folder exists.
    durable : bool
        Whether a power cut after the return keeps the new content: the data, and then the folder
        that holds the name, are flushed to the disk.

    Raises
    ------
    OSError
        The disk refused; what was under this name before is still there.

    """
    path = Path(path)
    # The number keeps apart processes that write the same file.
    draft = path.with_name(f'{path.name}.{os.getpid()}{DRAFT}')
    try:
        with open(draft, 'wb') as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    if durable:
        flush_folder(path.parent)


def flush_folder(path: Path) -> None:
    """
    Flush the names in a folder to the disk.

    Raises
    ------
    OSError
        The disk refused.

    """
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
