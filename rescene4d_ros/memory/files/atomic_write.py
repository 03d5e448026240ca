"""Files that a power cut keeps: written aside, flushed, then named."""

from __future__ import annotations

import os
from pathlib import Path


def write_durably(path: Path, data: bytes) -> None:
    """
    Write, flush to the disk, rename, and flush the folder that holds the name.

    Raises
    ------
    OSError
        The disk refused; what was under this name before is still there.

    """
    draft = path.with_suffix('.tmp')
    try:
        with open(draft, 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def flush_folder(path: Path) -> None:
    """Flush the names in a folder to the disk."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
