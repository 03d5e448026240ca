"""
Read `3RScan.json`: scenes, alignment of scans, changes.

The file has no times: the order of its scans is not that of the visits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.data.datasets.mesh_files import read_json
from rescene4d_ros.errors import FileFormatError

FILE = '3RScan.json'
SPLITS = ('train', 'validation', 'test')
LARGEST_SHIFT = 200.0  # m; larger ones are in another unit


@dataclass(frozen=True)
class Motion:
    """
    Motion of an object from the reference scan to a rescan.

    Attributes
    ----------
    moved : ndarray (4, 4), float64, m
        Maps the object's points in the reference scan to the rescan, both in the frame of the
        reference.
    symmetry : int
        About z: 0 none, 1 half a turn, 2 a quarter turn, 3 any turn looks the same.

    """

    moved: np.ndarray
    symmetry: int = 0


@dataclass(frozen=True)
class RioScan:
    """
    Metadata of one scan, against the reference of its scene.

    Attributes
    ----------
    scan_id : str
        Name of its folder.
    name : str
        `sceneSSSS_RR`: position of the scene in the file, of the scan in the scene.
    reference_T_scan : ndarray (4, 4), float64, m, or None
        None if the file has no alignment.
    nonrigid, removed : frozenset of int
        Instance ids.
    rigid : mapping of int to Motion or None
        By instance id; None if the motion is not published (test scenes).

    """

    scan_id: str
    name: str
    reference_T_scan: np.ndarray | None
    nonrigid: frozenset[int] = frozenset()
    removed: frozenset[int] = frozenset()
    rigid: Mapping[int, Motion | None] = field(default_factory=dict)


@dataclass(frozen=True)
class RioScene:
    """
    Scans of one place.

    Attributes
    ----------
    index : int
        Position in the file.
    split : str
        train, validation or test.
    scans : tuple of RioScan
        The reference first.
    look_alikes : tuple of tuples of (int, int)
        Pairs of look-alikes, one tuple per list of the file.

    """

    index: int
    split: str
    scans: tuple[RioScan, ...]
    look_alikes: tuple[tuple[tuple[int, int], ...], ...] = ()

    @property
    def name(self) -> str:
        """Return `sceneSSSS`."""
        return f'scene{self.index:04d}'


def read_metadata(root: Path) -> tuple[RioScene, ...]:
    """
    Read all scenes.

    Parameters
    ----------
    root : Path
        Folder with `3RScan.json` and one folder per scan.

    Raises
    ------
    FileFormatError
        Missing, truncated, or not of this format; names the scene.

    """
    document = read_json(Path(root) / FILE, FILE, list)
    return tuple(_scene(i, entry) for i, entry in enumerate(document))


def _scene(index: int, entry: Mapping[str, Any]) -> RioScene:
    try:
        split = entry['type']
        if split not in SPLITS:
            raise ValueError(f'type {split!r}')
        scans = [RioScan(entry['reference'], f'scene{index:04d}_00', np.eye(4))]
        for number, scan in enumerate(entry['scans'], 1):
            scans.append(_rescan(scan, f'scene{index:04d}_{number:02d}'))
        look_alikes = tuple(tuple(_pairs(item)) for item in entry.get('ambiguity') or ())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(
            f'{FILE}: scene {index} is not as expected ({error!r}); download the file again'
        ) from error
    return RioScene(index, split, tuple(scans), look_alikes)


def _rescan(entry: Mapping[str, Any], name: str) -> RioScan:
    alignment = entry.get('transform')
    reference_T_scan = None if alignment is None else column_major(alignment)
    rigid = {}
    for item in entry.get('rigid') or ():
        motion = None
        if isinstance(item, Mapping) and reference_T_scan is not None:
            motion = Motion(
                reference_T_scan @ column_major(item['transform']), int(item.get('symmetry') or 0)
            )
        rigid[_instance(item)] = motion
    return RioScan(
        entry['reference'],
        name,
        reference_T_scan,
        frozenset(map(_instance, entry.get('nonrigid') or ())),
        frozenset(map(_instance, entry.get('removed') or ())),
        rigid,
    )


def column_major(numbers: Any) -> np.ndarray:
    """
    Return the (4, 4) matrix of 16 numbers that are written column by column.

    Raises
    ------
    ValueError
        Not 16 numbers, no rigid bottom row, or a shift too large to be in meters.

    """
    matrix = np.asarray(numbers, dtype=np.float64)
    if matrix.shape != (16,) or not np.isfinite(matrix).all():
        raise ValueError(f'a transform of shape {matrix.shape} instead of 16 numbers')
    matrix = matrix.reshape(4, 4).T
    if not np.allclose(matrix[3], (0, 0, 0, 1), atol=1e-4):
        raise ValueError(f'a transform with the last row {matrix[3].tolist()}')
    if np.abs(matrix[:3, 3]).max() > LARGEST_SHIFT:
        raise ValueError(f'a shift of {np.abs(matrix[:3, 3]).max():.0f}, expected metres')
    return matrix


def _instance(item: Any) -> int:
    """Return the id of an entry that is either bare or an object."""
    return int(item['instance_reference'] if isinstance(item, Mapping) else item)


def _pairs(item: Any) -> Iterator[tuple[int, int]]:
    """Yield the pairs of a list of any nesting depth."""
    if isinstance(item, Mapping):
        yield int(item['instance_source']), int(item['instance_target'])
    else:
        for part in item:
            yield from _pairs(part)
