"""Size of a sequence file and of its superpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import zipfile


@dataclass(frozen=True)
class StoredBytes:
    """
    Sizes of one file, or sums over several, in bytes.

    Attributes
    ----------
    packed : int
        Of the whole file on disk.
    packed_superpoints : int
        Of that, superpoints.
    plain : int
        Of the arrays before compression; without the header, which does not grow with the points.
    plain_superpoints : int
        Of that, superpoints.

    """

    packed: int
    packed_superpoints: int
    plain: int
    plain_superpoints: int

    def __add__(self, other: StoredBytes) -> StoredBytes:
        """Return the sizes of both together."""
        return StoredBytes(
            self.packed + other.packed,
            self.packed_superpoints + other.packed_superpoints,
            self.plain + other.plain,
            self.plain_superpoints + other.plain_superpoints,
        )


def stored_bytes(path: Path) -> StoredBytes:
    """Return the sizes of a file that `write_sequence` wrote."""
    with zipfile.ZipFile(path) as file:
        arrays = [info for info in file.infolist() if not info.filename.startswith('header')]
    pieces = [info for info in arrays if info.filename.startswith('superpoint_')]
    return StoredBytes(
        path.stat().st_size,
        sum(info.compress_size for info in pieces),
        sum(info.file_size for info in arrays),
        sum(info.file_size for info in pieces),
    )
