"""Point cloud files to scans: .ply, .pcd, .npz, .las, .laz, .e57."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rescene4d_ros.data.readers.columns import scan_of_columns
from rescene4d_ros.data.readers.whole_files import check_file, largest_in_memory, unreadable
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures import Finding, Scan

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
        positions of the sensor in meters.
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
        columns, sensor_path, is_text, findings = _columns(path)
    except (OSError, MemoryError) as error:
        raise unreadable(path, error) from error
    return scan_of_columns(
        columns,
        stamp_ns,
        name or path.name,
        frame_id,
        origin=origin,
        sensor_path=sensor_path,
        exact_text=is_text,
        findings=findings,
    )


def _columns(
    path: Path,
) -> tuple[dict[str, np.ndarray], np.ndarray | None, bool, tuple[Finding, ...]]:
    """Return columns, positions of the sensor, whether the file is text, and findings."""
    # Each format's libraries are loaded for the files that need them.
    suffix = path.suffix.lower()
    if suffix == '.ply':
        from rescene4d_ros.data.readers.formats.ply import read_ply

        columns, is_text = read_ply(path)
        return columns, None, is_text, ()
    if suffix == '.pcd':
        from rescene4d_ros.data.readers.formats.pcd import read_pcd

        columns, is_text = read_pcd(path)
        return columns, None, is_text, ()
    if suffix == '.npz':
        from rescene4d_ros.data.readers.formats.npz import read_npz

        columns, sensor_path, findings = read_npz(path)
        return columns, sensor_path, False, findings
    if suffix in ('.las', '.laz'):
        from rescene4d_ros.data.readers.formats.las import read_las

        return read_las(path), None, False, ()
    if suffix == '.e57':
        from rescene4d_ros.data.readers.formats.e57 import read_e57

        return *read_e57(path), False, ()
    raise FileFormatError(
        f'{path}: expected {", ".join(SUFFIXES)}, got {path.suffix!r}; convert the cloud'
    )
