"""Point cloud files to scans: .ply, .pcd, .npz, .las, .laz, .e57."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rescene4d_ros.data.readers.columns import scan_of_columns
from rescene4d_ros.data.readers.given_boxes import GivenBoxes, with_boxes
from rescene4d_ros.data.readers.whole_files import check_file, largest_in_memory, unreadable
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures import Finding, Scan
from rescene4d_ros.structures.free_space import FreeSpace

SUFFIXES = ('.ply', '.pcd', '.npz', '.las', '.laz', '.e57')


def read_cloud(
    path: Path,
    stamp_ns: int,
    name: str = '',
    frame_id: str = 'map',
    origin: tuple[float, float, float] | None = None,
) -> tuple[Scan, np.ndarray]:
    """
    Read one registered cloud.

    Parameters
    ----------
    path : Path
        Of one of `SUFFIXES`, with x, y, z in meters and optional colors and normals; .npz with
        `xyz` (N, 3) in meters and optional `rgb` (N, 3), `normals` (N, 3) and `path` (P, 3), the
        positions of the sensor in meters, and instances or boxes, see `given_boxes`.
    stamp_ns : int, ns since the Unix epoch
    name : str
        For messages to people; default: the file's name.
    frame_id : str
    origin : tuple of 3 float, m, optional
        Of the map; see `scan_of_columns`.

    Returns
    -------
    scan : Scan
        The finite points in the order of the file.
    kept : ndarray (M,), bool
        Which of the M points of the file are in the scan.

    Raises
    ------
    ScanError
        No coordinates, no point, or none that is finite.
    FileFormatError
        Another format, a damaged file, or one that cannot be read or is too large.

    """
    path = Path(path)
    try:
        check_file(path, largest_in_memory())
        content = _content(path)
    except (OSError, MemoryError) as error:
        raise unreadable(path, error) from error
    scan, kept = scan_of_columns(
        content.columns,
        stamp_ns,
        name or path.name,
        frame_id,
        origin=origin,
        sensor_path=content.sensor_path,
        free=content.free,
        exact_text=content.is_text,
        findings=content.findings,
        marked=content.marked,
    )
    return (scan if content.boxes is None else with_boxes(scan, content.boxes)), kept


@dataclass(frozen=True)
class _Content:
    """Hold what a file says: columns, path of the sensor, free space, boxes, findings."""

    columns: dict[str, np.ndarray]
    sensor_path: np.ndarray | None = None
    findings: tuple[Finding, ...] = ()
    is_text: bool = False
    boxes: GivenBoxes | None = None
    free: FreeSpace | None = None
    marked: np.ndarray | None = None  # (M,), points that are to be left out


def _content(path: Path) -> _Content:
    """Read a file of any of `SUFFIXES`."""
    # Each format's libraries are loaded for the files that need them.
    suffix = path.suffix.lower()
    if suffix == '.ply':
        from rescene4d_ros.data.readers.formats.ply import read_ply

        columns, is_text = read_ply(path)
        return _Content(columns, is_text=is_text)
    if suffix == '.pcd':
        from rescene4d_ros.data.readers.formats.pcd import read_pcd

        columns, is_text, findings = read_pcd(path)
        return _Content(columns, findings=findings, is_text=is_text)
    if suffix == '.npz':
        from rescene4d_ros.data.readers.formats.npz import read_npz

        columns, sensor_path, free, findings, boxes = read_npz(path)
        return _Content(columns, sensor_path, findings, boxes=boxes, free=free)
    if suffix in ('.las', '.laz'):
        from rescene4d_ros.data.readers.formats.las import read_las

        columns, marked = read_las(path)
        return _Content(columns, marked=marked)
    if suffix == '.e57':
        try:
            from rescene4d_ros.data.readers.formats.e57 import read_e57
        except ModuleNotFoundError as error:
            raise FileFormatError(
                f'{path}: expected pye57 to read E57, which has wheels for x86_64 only '
                f'({error}); convert the cloud to LAZ or PLY, or build pye57'
            ) from error
        return _Content(*read_e57(path))
    raise FileFormatError(
        f'{path}: expected {", ".join(SUFFIXES)}, got {path.suffix!r}; convert the cloud'
    )
