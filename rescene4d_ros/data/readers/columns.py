"""Columns of numbers, as files and messages hold them, to scans with the places of the sensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rescene4d_ros.data.readers.point_fields import colors_of, given_of, without_black
from rescene4d_ros.errors import ScanError
from rescene4d_ros.geometry.se3 import transform
from rescene4d_ros.structures import Finding, Scan, Severity
from rescene4d_ros.structures.objects import triple

if TYPE_CHECKING:
    from rescene4d_ros.structures.free_space import FreeSpace

MAX_POINTS = 50_000_000  # per visit; a room scanned at 5 mm has a tenth of it
FARTHEST = 1e8  # m; the earth's center is nearer than this to every point on it
TINIEST = 1e-30  # m; a coordinate that is not zero and smaller comes of misread bytes
MISREAD = 0.01  # share of such coordinates that damaged data has and a scan has not
NEAR = 10_000.0  # m; up to here float32 holds steps of 1 mm
GRID = 1_000.0  # m; origins are multiples of it
COARSE = (0.002, 0.02)  # m; steps of coordinates that are told, and that are refused
NORMALS = (('normal_x', 'normal_y', 'normal_z'), ('nx', 'ny', 'nz'))
LOCAL = (0.0, 0.0, 0.0)
VIEWPOINT = ('vp_x', 'vp_y', 'vp_z')  # where each point was measured from, as PCL names it
SENSOR_REACH = 1_000.0  # m; from the points to a sensor that can have measured them
SENSOR_ROOM = 2.0  # m; from the points to a sensor that saw them from outside


def scan_of_columns(
    columns: Mapping[str, np.ndarray],
    stamp_ns: int,
    name: str,
    frame_id: str = 'map',
    *,
    origin: tuple[float, float, float] | None = None,
    sensor_path: np.ndarray | None = None,
    free: FreeSpace | None = None,
    map_T_source: np.ndarray | None = None,
    exact_text: bool = False,
    findings: tuple[Finding, ...] = (),
    marked: np.ndarray | None = None,
) -> tuple[Scan, np.ndarray]:
    """
    Make a scan of what a file or message holds per point.

    Parameters
    ----------
    columns : mapping of str to ndarray (M,) or (M, k)
        By name, case as in the source.
    stamp_ns : int, ns since the Unix epoch
    name : str
        For messages to people.
    frame_id : str
    origin : tuple of 3 float, m, optional
        Of the map that the scan belongs to, which is to be near the points. Default: zero, or a
        multiple of 1 km near the points where they are so far from zero that float32 does not
        hold them.
    sensor_path : ndarray (P, 3), m, in the frame of the source, optional
        Default: the places that the columns vp_x, vp_y, vp_z name, if they are there.
    free : FreeSpace, optional
        In the frame of the source.
    map_T_source : ndarray (4, 4), optional
        Motion to apply, where the source is in another frame than the map: then the sensor was
        at the source's zero if that is among the points, unless `sensor_path` says otherwise.
    exact_text : bool
        Whether the coordinates were read from text, which has digits that float32 has not.
    findings : tuple of Finding
        What the caller found already.
    marked : ndarray (M,), bool, optional
        Points that the source marks as withheld or noise; they are left out.

    Returns
    -------
    scan : Scan
        The other finite points in the order of the source.
    kept : ndarray (M,), bool
        Which of the M points of the source are in the scan.

    Raises
    ------
    ScanError
        No coordinates or no finite ones, such as no scan has, or too far from the origin.

    """
    columns = _lower_names(columns)
    xyz = _coordinates(columns, name)
    if len(xyz) == 0:
        raise ScanError(f'{name}: expected points, got an empty cloud; export it again')
    if len(xyz) > MAX_POINTS:
        raise ScanError(
            f'{name}: expected at most {MAX_POINTS} points, got {len(xyz)}; thin the cloud, one '
            'point per cm is enough'
        )
    kept = np.isfinite(xyz).all(axis=1)
    if not kept.any():
        raise ScanError(
            f'{name}: expected finite points, got {len(xyz)} that are NaN or infinite; check what '
            'made the cloud'
        )
    told_of_marks: tuple[Finding, ...] = ()
    lost = _dropped(kept)
    if marked is not None and marked.any():
        kept, told_of_marks = kept & ~marked, (_told_of_marks(marked),)
        if not kept.any():
            raise ScanError(f'{name}: {told_of_marks[0]}')
    xyz = xyz[kept]
    _check_magnitudes(xyz, name)
    told = _precision(xyz, name, exact_text)
    normals = _normals(columns, kept)
    if sensor_path is None:
        sensor_path = _viewpoints(columns, kept)
    sensor_path, away = _near_points(sensor_path, xyz)
    if map_T_source is not None:
        if sensor_path is None and _is_around_zero(xyz):
            sensor_path = np.zeros((1, 3))
        if sensor_path is not None:
            sensor_path = transform(map_T_source, sensor_path)
        xyz = transform(map_T_source, xyz)
        free = None if free is None else free.moved(map_T_source)
        if normals is not None:
            normals = (normals @ map_T_source[:3, :3].T).astype(np.float32)
    if origin is not None:
        _check_near(np.median(xyz, axis=0) - origin, origin, name)
    shift = np.asarray(origin_of(xyz) if origin is None else origin, np.float64)
    rgb, more = without_black(*colors_of(columns, kept, name, exact_text))
    scan = Scan(
        (xyz - shift if shift.any() else xyz).astype(np.float32),
        stamp_ns,
        rgb,
        normals,
        None if sensor_path is None else (sensor_path - shift).astype(np.float32),
        frame_id,
        name,
        triple(shift),
        (*findings, *lost, *told_of_marks, *told, *away, *more),
        given_of(columns, kept, name),
        None if free is None else free.shifted(-shift),
    )
    return scan, kept


def origin_of(xyz: np.ndarray) -> tuple[float, float, float]:
    """Return what is to be subtracted from coordinates (N, 3) in m so that float32 holds them."""
    middle = np.median(xyz, axis=0).astype(np.float64)
    far = np.abs(middle) > NEAR
    return triple(np.where(far, np.round(middle / GRID) * GRID, 0.0))


def with_origin(scan: Scan, origin: tuple[float, float, float]) -> Scan:
    """
    Return a scan with its coordinates less another origin, that of the map.

    Raises
    ------
    ScanError
        Its points are too far from there for float32.

    """
    shift = np.subtract(scan.origin, origin)
    if not shift.any():
        return scan
    _check_near(np.median(scan.xyz, axis=0) + shift, origin, scan.name)
    path = scan.sensor_path
    return replace(
        scan,
        xyz=(scan.xyz + shift).astype(np.float32),
        sensor_path=None if path is None else (path + shift).astype(np.float32),
        free=None if scan.free is None else scan.free.shifted(shift),
        origin=origin,
    )


def _check_near(middle: np.ndarray, origin: tuple[float, float, float], name: str) -> None:
    """Refuse points around a place (3,), m, that is too far from the origin for float32."""
    if np.abs(middle).max() > NEAR:
        raise ScanError(
            f'{name}: expected coordinates within {NEAR:g} m of the origin {origin} m of '
            f'this map, got such around ({", ".join(f"{v:.0f}" for v in middle + origin)}) m; '
            'another place is another map with a memory of its own'
        )


def _lower_names(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the columns by names in lower case; one that is so already goes first."""
    ordered = sorted(columns, key=lambda n: n != n.lower())
    lower: dict[str, np.ndarray] = {}
    for name in ordered:
        lower.setdefault(name.lower(), columns[name])
    return lower


def _coordinates(columns: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Return (M, 3) float32 or float64."""
    some = [f'{n[:40]} ({c.dtype.name})' for n, c in columns.items()][:20]
    got = ', '.join(some) + ', ...' * (len(columns) > len(some)) or 'none'
    if not all(axis in columns for axis in 'xyz'):
        raise ScanError(f'{name}: expected fields x, y, z, got: {got}; export the coordinates')
    axes = [columns[axis] for axis in 'xyz']
    if any(axis.dtype.kind != 'f' or axis.ndim != 1 for axis in axes):
        raise ScanError(
            f'{name}: expected x, y, z as one float32 or float64 each, in meters, got: {got}; '
            'whole numbers hold millimeters or worse: scale them to meters'
        )
    double = any(axis.dtype.itemsize > 4 for axis in axes)
    return np.stack(axes, axis=1).astype(np.float64 if double else np.float32)


def _check_magnitudes(xyz: np.ndarray, name: str) -> None:
    """Refuse coordinates that no scan in meters has."""
    size = np.abs(xyz)
    most = size.max()
    if most > FARTHEST:
        raise ScanError(
            f'{name}: expected coordinates in meters, got {int((size > FARTHEST).any(1).sum())} '
            f'points of up to {most:.3g}; the byte order or type in the header is wrong, or '
            'outliers were not removed: export the cloud again'
        )
    tiny = ((size > 0) & (size < TINIEST)).mean()
    if tiny > MISREAD:
        raise ScanError(
            f'{name}: expected coordinates in meters, got {tiny:.0%} below {TINIEST:g}; the byte '
            'order or type in the header is wrong: export the cloud again'
        )


def _precision(xyz: np.ndarray, name: str, exact_text: bool) -> tuple[Finding, ...]:
    """Say how coarse float32 coordinates are that came far from zero."""
    if exact_text or not len(xyz):
        return ()
    far = float(np.median(np.abs(xyz), axis=0).max())
    step = float(np.spacing(np.float32(far)))
    # Some formats and exporters hold in float64 what was float32 before.
    if step <= COARSE[0] or (xyz.dtype != np.float32 and (xyz.astype(np.float32) != xyz).any()):
        return ()
    found = Finding(
        'precision',
        Severity.WARNING,
        f'float32 coordinates of {far:.0f} m, which have steps of {step:.3g} m',
        f'steps below {COARSE[0]} m',
        'export the coordinates as float64, or subtract an offset before they become float32',
    )
    if step > COARSE[1]:
        raise ScanError(f'{name}: {found}')
    return (found,)


def _dropped(kept: np.ndarray) -> tuple[Finding, ...]:
    """Say how many points were not finite."""
    share = 1 - kept.mean()
    if not share:
        return ()
    return (
        Finding(
            'not_finite',
            Severity.WARNING if share > 0.9 else Severity.INFO,
            f'{int((~kept).sum())} of {len(kept)} points ({share:.1%}) that are NaN or infinite',
            'finite points',
            'they are dropped' + ('; check the depth input' if share > 0.9 else ''),
        ),
    )


def _told_of_marks(marked: np.ndarray) -> Finding:
    """Say how many points the source marks."""
    return Finding(
        'marked',
        Severity.INFO,
        f'{int(marked.sum())} of {len(marked)} points that the file marks as withheld or noise',
        'points of surfaces',
        'they are dropped; clear the mark of what should stay',
    )


def _normals(columns: Mapping[str, np.ndarray], kept: np.ndarray) -> np.ndarray | None:
    """Return (N, 3) float32 unit normals, None where there are none or one has no direction."""
    for names in NORMALS:
        if all(n in columns and columns[n].dtype.kind == 'f' for n in names):
            normals = np.stack([columns[n][kept] for n in names], axis=1).astype(np.float32)
            length = np.linalg.norm(normals.astype(np.float64), axis=1, keepdims=True)
            if not (length > 1e-6).all() or not np.isfinite(length).all():
                return None
            if np.abs(length - 1).max() > 1e-3:
                normals = (normals / length).astype(np.float32)
            return normals
    return None


def _near_points(
    path: np.ndarray | None, xyz: np.ndarray
) -> tuple[np.ndarray | None, tuple[Finding, ...]]:
    """Return the places (P, 3) from which points (N, 3) can be seen, and what is left out."""
    if path is None or not len(path):
        return None, ()
    middle = np.median(xyz, axis=0)
    near = (np.abs(path - middle) <= np.abs(xyz - middle).max() + SENSOR_REACH).all(axis=1)
    if near.all():
        return path, ()
    found = Finding(
        'sensor_path',
        Severity.WARNING,
        f'{int((~near).sum())} of {len(near)} places of the sensor that are no numbers or farther '
        f'than {SENSOR_REACH:g} m from all points',
        'the path of the sensor in meters, in the frame of the points',
        'they are left out; mend the path',
    )
    return (path[near] if near.any() else None), (found,)


def _is_around_zero(xyz: np.ndarray) -> bool:
    """Return whether a sensor at zero may have seen points (N, 3): that of UTM saw none."""
    low, high = np.quantile(xyz, [0.01, 0.99], axis=0)
    return bool((low < SENSOR_ROOM).all() and (high > -SENSOR_ROOM).all())


def _viewpoints(columns: Mapping[str, np.ndarray], kept: np.ndarray) -> np.ndarray | None:
    """Return the places (P, 3), m, from which points were measured, in order of their points."""
    if not all(n in columns and columns[n].dtype.kind == 'f' for n in VIEWPOINT):
        return None
    places = np.stack([columns[n][kept] for n in VIEWPOINT], axis=1).astype(np.float64)
    places = places[np.isfinite(places).all(axis=1)]
    changes = np.flatnonzero(np.r_[True, (places[1:] != places[:-1]).any(axis=1)][: len(places)])
    places = places[changes]
    first = np.unique(places, axis=0, return_index=True)[1]
    return places[np.sort(first)] if len(first) else None
