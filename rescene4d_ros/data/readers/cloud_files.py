"""Point cloud files to scans: .ply, .pcd, .npz."""

from __future__ import annotations

from pathlib import Path
import re
import zipfile
import zlib

import numpy as np
from rescene4d_ros.errors import FileFormatError, ScanError
from rescene4d_ros.structures import Scan

# What each format's header calls the number of points, and its fields.
COUNT = {'.ply': rb'element vertex (\d+)', '.pcd': rb'POINTS (\d+)'}
HEADER_BYTES = 65536
PLY_BYTES = {
    'char': 1,
    'uchar': 1,
    'int8': 1,
    'uint8': 1,
    'short': 2,
    'ushort': 2,
    'int16': 2,
    'uint16': 2,
    'int': 4,
    'uint': 4,
    'int32': 4,
    'uint32': 4,
    'float': 4,
    'float32': 4,
    'double': 8,
    'float64': 8,
}


def read_cloud(
    path: Path, stamp_ns: int, name: str = '', frame_id: str = 'map'
) -> tuple[Scan, np.ndarray]:
    """
    Read one registered cloud.

    Parameters
    ----------
    path : Path
        .ply or .pcd with x, y, z in metres and optional colors and normals, or .npz with `xyz`
        (N, 3) in metres and optional `rgb` (N, 3), 0..255.
    stamp_ns : int, ns since the Unix epoch
    name : str
        For messages to people; default: the file's name.
    frame_id : str

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
        Another format, or a damaged file.

    """
    path = Path(path)
    name = name or path.name
    if path.suffix == '.npz':
        xyz, rgb, normals = _read_npz(path)
    elif path.suffix in COUNT:
        xyz, rgb, normals = _read_open3d(path)
    else:
        raise FileFormatError(
            f'{path}: expected .ply, .pcd or .npz, got {path.suffix!r}; convert the cloud'
        )
    if not len(xyz):
        raise ScanError(f'{name}: expected points, got an empty cloud; export it again')
    xyz = xyz.astype(np.float32)
    kept = np.isfinite(xyz).all(axis=1)
    if not kept.any():
        raise ScanError(
            f'{name}: expected finite points, got {len(xyz)} that are NaN or '
            'infinite; export the cloud again'
        )
    scan = Scan(
        xyz[kept],
        stamp_ns,
        None if rgb is None else rgb[kept],
        None if normals is None else normals[kept].astype(np.float32),
        frame_id=frame_id,
        name=name,
    )
    return scan, kept


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ('xyz', 'rgb', 'normals') if key in file.files}
            got = ', '.join(file.files)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise FileFormatError(
            f'{path}: expected a whole .npz file, got a damaged one ({error}); write it again'
        ) from error
    if 'xyz' not in arrays:
        raise ScanError(
            f"{path.name}: expected an array 'xyz' (N, 3), got: {got or 'none'}; "
            'name the coordinates xyz'
        )
    for key, array in arrays.items():
        if array.ndim != 2 or array.shape[1] != 3 or len(array) != len(arrays['xyz']):
            raise ScanError(
                f'{path.name}: expected {key} of shape ({len(arrays["xyz"])}, 3), '
                f'got {array.shape}; write one row per point'
            )
    rgb = arrays.get('rgb')
    if rgb is not None and rgb.dtype != np.uint8:
        if not (np.isfinite(rgb).all() and rgb.min(initial=0) >= 0 and rgb.max(initial=0) <= 255):
            raise ScanError(
                f'{path.name}: expected rgb from 0 to 255, got '
                f'{rgb.min()} to {rgb.max()}; scale the colors'
            )
        rgb = np.rint(rgb).astype(np.uint8)
    return arrays['xyz'], rgb, arrays.get('normals')


def _read_open3d(path: Path) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    with open(path, 'rb') as file:
        header = file.read(HEADER_BYTES)
    promised = re.search(COUNT[path.suffix], header)
    if not promised:
        raise FileFormatError(
            f'{path}: expected a {path.suffix} header with a number of points, '
            'got another format; export the cloud again'
        )
    fields = _header_fields(path.suffix, header)
    if not {'x', 'y', 'z'} <= fields:
        raise ScanError(
            f'{path.name}: expected fields x, y, z, got: '
            f'{", ".join(sorted(fields)) or "none"}; export the coordinates'
        )
    if int(promised[1]) == 0:
        return np.zeros((0, 3)), None, None
    if path.suffix == '.ply':
        _check_ply_length(path, header, int(promised[1]))
    # Open3D takes a second to load; npz files and bags do without it.
    import open3d as o3d

    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        cloud = o3d.io.read_point_cloud(
            str(path), remove_nan_points=False, remove_infinite_points=False
        )
    if len(cloud.points) != int(promised[1]):
        raise FileFormatError(
            f'{path}: expected {int(promised[1])} points as its header says, '
            f'got {len(cloud.points)}; the file is truncated, copy it again'
        )
    rgb = None
    if cloud.has_colors():
        rgb = np.rint(np.clip(np.asarray(cloud.colors), 0, 1) * 255).astype(np.uint8)
    normals = np.asarray(cloud.normals) if cloud.has_normals() else None
    return np.asarray(cloud.points), rgb, normals


def _check_ply_length(path: Path, header: bytes, count: int) -> None:
    """Refuse a cut file: Open3D would fill what is missing with whatever is in memory."""
    start = re.search(rb'end_header\r?\n', header)
    kind = re.search(rb'format (\w+)', header)
    if start and kind and kind[1] == b'ascii':
        with open(path, 'rb') as file:
            got = sum(1 for line in file if line.endswith(b'\n')) - header[: start.end()].count(
                b'\n'
            )
    elif start:
        step = sum(PLY_BYTES.get(line.split()[1], 0) for line in _vertex_lines(header))
        got = (path.stat().st_size - start.end()) // max(step, 1)
    if not start or got < count:
        raise FileFormatError(
            f'{path}: expected {count} points as its header says, got '
            f'{got if start else 0}; the file is truncated, copy it again'
        )


def _vertex_lines(header: bytes) -> list[str]:
    """Return the property lines of a .ply header's points."""
    vertex = re.search(rb'element vertex \d+\s+((?:property [^\n]*\n|comment [^\n]*\n)*)', header)
    lines = vertex[1].decode('ascii', 'replace').splitlines() if vertex else []
    return [line for line in lines if line.startswith('property')]


def _header_fields(suffix: str, header: bytes) -> set[str]:
    """Return the names of the fields that a .ply or .pcd header declares for points."""
    if suffix == '.pcd':
        declared = re.search(rb'^FIELDS (.*)$', header, re.MULTILINE)
        return set(declared[1].decode('ascii', 'replace').split()) if declared else set()
    return {line.split()[-1] for line in _vertex_lines(header)}
