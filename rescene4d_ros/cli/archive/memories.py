"""The memories of an archive: found in folders, each with a name that no other one has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import hashlib
import os
from pathlib import Path

from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.memory.database.manifest import FILE_NAME, LOCATION


@dataclass(frozen=True)
class ArchivedMemory:
    """
    Hold where a memory is.

    Attributes
    ----------
    folder : Path
        Absolute; every worker must reach it under this name.
    name : str
        Of its record and its export.

    """

    folder: Path
    name: str


def find_memories(sources: Iterable[Path]) -> tuple[ArchivedMemory, ...]:
    """
    Return the memories of some folders: a memory itself, or those below a folder; each once.

    What lies within a memory is none: its points, and databases that `repair` has set aside.

    Raises
    ------
    MemoryFormatError
        A source holds none.

    """
    folders: dict[Path, None] = {}
    for source in sources:
        named = []
        for folder, below, files in os.walk(source):
            if not {FILE_NAME, LOCATION}.isdisjoint(files):
                named.append(Path(folder))
                below.clear()
        if not named:
            raise MemoryFormatError(
                f'{source}: expected a memory or a folder of memories, found none; check the path'
            )
        folders |= dict.fromkeys(sorted(path.resolve() for path in named))
    return tuple(ArchivedMemory(folder, _name(folder)) for folder in folders)


def _name(folder: Path) -> str:
    """Return the name of a folder with a hash of its path: others may be called the same."""
    return f'{folder.name}-{hashlib.blake2b(str(folder).encode(), digest_size=4).hexdigest()}'
