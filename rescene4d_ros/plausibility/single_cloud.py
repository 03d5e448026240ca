"""Checks of one cloud by itself: unit, extent, density, rounding, up axis, tilt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.normals import plane_normals
from rescene4d_ros.geometry.point_sets import evenly, quick_tree, thin
from rescene4d_ros.plausibility.config import PlausibilityConfig
from rescene4d_ros.structures import Finding, Scan, Severity

ASKED = 1000  # points whose neighbors are looked for
NEIGHBORS = 16  # within the disk that this many fill; the nearest may be the same point twice
OUTER = 0.01  # share of points left out at each end of an extent
# Per meter.
UNITS = {'millimeters': 1000.0, 'centimeters': 100.0, 'inches': 39.37}
FOOT = 0.3048  # m
HEIGHT_IN_FEET = (7.0, 11.0)  # of a room
WIDEST = 50.0  # feet; of a room
USUAL_EXTENT, USUAL_HEIGHT = 6.0, 2.5  # m
FLAT = 0.1  # of the extent; a lower cloud shows no height of a room
HIGHEST_PLACE = 60.0  # m; where a cloud is larger in all directions it is in another unit
LARGEST_PLACE = 200.0  # m
ROOM_HEIGHT = (1.8, 3.4)  # m
TOO_HIGH = 3.8  # m; a height above it makes one look for another up axis
SLAB = 0.15  # m; half the thickness of a floor
CELL = 0.2  # m
WHOLE_FLOOR = 0.5  # share of the cells below a room that a floor covers
FLOOR_TO_WALL = 2.0  # least ratio of the shares that a floor covers and a wall
FEW = 1000  # points
GRID = (0.02, 1.0)  # m; steps of rounded coordinates that are told
LEVELS = 8  # of an axis that are told from a few flat surfaces
NOTHING = 0.1  # of the smallest extent; as rooms in kilometers have it, or one place

# Tilt: floor and walls together lean by the same angle.
TILT_POINTS = 60_000
TILT_SPACING = 0.05  # m
TILT_FEW = 300  # points that tell nothing
TILT_ASKED, CANDIDATES = (
    2000,
    500,
)  # points whose normals are fitted, and directions that are tried
TILT_NEIGHBORS = 24
LEAST_TILT, MOST_TILT = (
    np.deg2rad(4),
    np.deg2rad(40),
)  # tilt; walls lean further than `MOST_TILT` nowhere
ALONG = np.deg2rad(4)  # from a direction or from across it
LYING = 0.02  # least share of the points on surfaces across the tilted axis
LEVEL = 0.5  # of these, most that are level as the cloud comes
WALLS = 0.2  # least share of the points on surfaces along the tilted axis
GAIN = 1.3  # least ratio of these to the ones that are upright as the cloud comes


@dataclass(frozen=True)
class Measures:
    """
    Hold what is measured of a cloud.

    Attributes
    ----------
    low, high : ndarray (3,), m
        Its bounds without the outer 1 % at each end.
    spacing : float, m
        Between neighbors on a surface, if they were spread evenly; median.

    """

    low: np.ndarray
    high: np.ndarray
    spacing: float

    @property
    def extent(self) -> np.ndarray:
        """Return the size (3,) in m."""
        return self.high - self.low


def measure(xyz: np.ndarray) -> Measures:
    """Measure points (N, 3) in m; N is 1 at least."""
    some = xyz[evenly(len(xyz), 50_000)]
    low, high = np.quantile(some, [OUTER, 1 - OUTER], axis=0)
    neighbors = min(NEIGHBORS, len(xyz) - 1)
    if not neighbors:
        return Measures(low, high, 0.0)
    asked = xyz[evenly(len(xyz), ASKED)].astype(np.float64)
    distance = quick_tree(xyz).query(asked, k=[neighbors + 1])[0]
    return Measures(low, high, float(np.median(distance) * np.sqrt(np.pi / neighbors)))


def check_cloud(scan: Scan, measures: Measures, config: PlausibilityConfig) -> list[Finding]:
    """Return what is odd about a cloud by itself; a refusal stands alone."""
    findings = [*_offset(scan)]
    unit = _unit(measures, config)
    if unit is not None:
        return [*findings, unit]
    return [
        *findings,
        *_feet(measures),
        *_extent(measures),
        *_density(scan, measures, config),
        *_rounded(scan),
        *_up(scan, measures),
    ]


def _offset(scan: Scan) -> list[Finding]:
    if not any(scan.origin):
        return []
    return [
        Finding(
            'offset',
            Severity.INFO,
            f'coordinates around ({", ".join(f"{v:.0f}" for v in scan.origin)}) m',
            'coordinates near zero',
            'this origin is subtracted from them and belongs to the map',
        )
    ]


def _unit(measures: Measures, config: PlausibilityConfig) -> Finding | None:
    extent, spacing = float(measures.extent.max()), measures.spacing
    measured = f'{_size(measures)} with points {spacing:.3g} m apart'
    height = float(measures.extent.min())  # whichever axis is up
    is_sparse = extent > config.largest_extent and spacing > config.largest_spacing
    if is_sparse or height > HIGHEST_PLACE:
        size, usual = (height, USUAL_HEIGHT) if height > FLAT * extent else (extent, USUAL_EXTENT)
        likely, scale = min(UNITS.items(), key=lambda item: abs(np.log(size / item[1] / usual)))
        return Finding(
            'unit',
            Severity.REFUSED,
            measured,
            f'meters: rooms of up to {config.largest_extent:g} m, or points less than '
            f'{config.largest_spacing:g} m apart',
            f'these look like {likely}: divide the coordinates by {scale:g}; --accept unit '
            'takes them as they are',
        )
    # Of the two longer sides: a wall or a floor has both, degrees of latitude have none.
    across = float(np.sort(measures.extent)[1])
    if across < config.smallest_extent:
        is_nothing = across < NOTHING * config.smallest_extent
        return Finding(
            'unit',
            Severity.REFUSED if is_nothing else Severity.WARNING,
            measured,
            f'rooms of {config.smallest_extent:g} m and more along two axes',
            'project degrees of latitude and longitude, scale the coordinates to meters, or '
            'record more of the room',
        )
    return None


def _feet(measures: Measures) -> list[Finding]:
    """Tell of places that have the height and width of rooms in feet."""
    low, high = HEIGHT_IN_FEET
    across = measures.extent[:2]
    if not (low <= measures.extent[2] <= high and low <= across.min() <= across.max() <= WIDEST):
        return []
    return [
        Finding(
            'unit',
            Severity.WARNING,
            f'{_size(measures)}, the size of a room in feet',
            'meters',
            f'if these are feet, multiply the coordinates by {FOOT}; a hall of that height is '
            'taken as it is',
        )
    ]


def _extent(measures: Measures) -> list[Finding]:
    if measures.extent.max() <= LARGEST_PLACE:
        return []
    return [
        Finding(
            'extent',
            Severity.WARNING,
            _size(measures),
            f'a place of up to {LARGEST_PLACE:g} m',
            'split it into places with a memory each: time and memory grow with the extent',
        )
    ]


def _density(scan: Scan, measures: Measures, config: PlausibilityConfig) -> list[Finding]:
    if measures.spacing <= config.dense_enough and len(scan) >= FEW:
        return []
    return [
        Finding(
            'density',
            Severity.WARNING,
            f'{len(scan)} points, {measures.spacing:.3g} m apart',
            f'{FEW} points and more, at most {config.dense_enough:g} m apart',
            'objects will be missed; scan more densely, or join scans before the visit',
        )
    ]


def _rounded(scan: Scan) -> list[Finding]:
    """Tell of coordinates that are multiples of a step, as of maps of voxels."""
    steps = [_step(scan.xyz[:, k]) for k in range(3)]
    if sum(s > 0 for s in steps) < 2:
        return []
    step = max(steps)
    return [
        Finding(
            'rounded',
            Severity.WARNING,
            f'coordinates rounded to {100 * step:.3g} cm',
            f'steps below {100 * GRID[0]:g} cm',
            'points that share a place are copies and count once, and smaller things are lost; '
            'export the coordinates with three decimals of a meter, or use a cloud that is '
            'not yet thinned to voxels',
        )
    ]


def _step(values: np.ndarray) -> float:
    """Return the step that all values (N,) of an axis are apart by, m; 0 where there is none."""
    some = np.unique(values[evenly(len(values), 5000)].astype(np.float64))
    if len(some) < LEVELS:
        return 0.0
    rounding = 4 * float(np.spacing(np.float32(np.abs(some).max())))
    gaps = np.diff(some)
    gaps = gaps[gaps > rounding]  # float32 may write one value in two ways
    if len(gaps) < LEVELS - 1 or not GRID[0] * 0.99 <= gaps.min() <= GRID[1]:
        return 0.0
    # The mean is more exact than the smallest gap.
    counts = np.round(gaps / gaps.min())
    step = float(gaps.sum() / counts.sum())
    return step if np.abs(gaps - counts * step).max() < rounding + 0.01 * step else 0.0


def _up(scan: Scan, measures: Measures) -> list[Finding]:
    """
    Find rooms that lie on their side: z is the height, and no room is the other way round.

    Either the sizes are those of a lying room, or more of it lies on one end of another axis than
    on one of z.
    """
    height = float(measures.extent[2])
    k = int(measures.extent[:2].argmin())
    least, other = float(measures.extent[k]), float(measures.extent[1 - k])
    if least >= height or least > ROOM_HEIGHT[1]:
        return []
    # Where the other side is short, it is a shaft or a stairwell.
    lies = least >= ROOM_HEIGHT[0] and min(height, other) >= TOO_HIGH
    floor = _widest_cover(scan, measures, k)
    if floor < WHOLE_FLOOR:
        return []
    if not lies and floor < FLOOR_TO_WALL * _widest_cover(scan, measures, 2):
        return []
    axis = 'xyz'[k]
    return [
        Finding(
            'up_axis',
            Severity.WARNING,
            f'{_size(measures)}, with the floor and the height of a room along {axis}',
            'z up: rooms are wider than high',
            f'turn the cloud so that its {axis} axis points along z',
        )
    ]


def _widest_cover(scan: Scan, measures: Measures, axis: int) -> float:
    """Return the share of the columns along an axis that have points at the same end of it."""
    return max(_cover(scan.xyz, axis, float(e[axis])) for e in (measures.low, measures.high))


def _cover(xyz: np.ndarray, axis: int, at: float) -> float:
    """Return the share of the columns along an axis that have points at its end `at`."""
    others = [k for k in range(3) if k != axis]
    cells = np.floor(xyz[:, others] / CELL).astype(np.int64)
    cells -= cells.min(0)
    keys = cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1]
    return len(np.unique(keys[np.abs(xyz[:, axis] - at) < SLAB])) / max(len(np.unique(keys)), 1)


def check_tilt(xyz: np.ndarray) -> list[Finding]:
    """
    Tell of a cloud whose walls stand on a floor that is not level.

    A ramp or a roof alone is not told: the walls beside it are upright.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m
        z up.

    """
    up = measure_up(xyz)
    if up is None or up[2] > np.cos(LEAST_TILT):
        return []
    angle = np.rad2deg(np.arccos(up[2]))
    axis = np.cross(up, (0, 0, 1)) / np.sin(np.deg2rad(angle))
    return [
        Finding(
            'tilt',
            Severity.WARNING,
            f'floor and walls tilted by {angle:.1f} degrees',
            'z up: a level floor and upright walls',
            f'turn the cloud by {angle:.1f} degrees about the axis ({axis[0]:.2f}, {axis[1]:.2f}, '
            '0), or align its frame with gravity where it is made; the frame of a camera is none '
            'of the map',
        )
    ]


def measure_up(xyz: np.ndarray) -> np.ndarray | None:
    """Return the unit normal (3,) of a tilted floor that walls stand on; None without one."""
    some = xyz[evenly(len(xyz), TILT_POINTS)]
    even = some[thin(some, TILT_SPACING)].astype(np.float64)
    if len(even) < TILT_FEW:
        return None
    asked = even[evenly(len(even), TILT_ASKED)]
    normals = plane_normals(even, quick_tree(even).query(asked, k=TILT_NEIGHBORS)[1])
    normals *= np.where(normals[:, 2:] < 0, -1, 1)
    tried = normals[normals[:, 2] > np.cos(MOST_TILT)]
    if not len(tried):
        return None
    tried = tried[evenly(len(tried), CANDIDATES)]
    up = tried[(np.abs(tried @ normals.T) > np.cos(ALONG)).sum(1).argmax()]
    for _ in range(3):
        up = normals[normals @ up > np.cos(ALONG)].mean(0)
        up /= np.linalg.norm(up)
    leaning, upright = np.abs(normals @ up), normals[:, 2]
    lying, level = (float((c > np.cos(ALONG)).mean()) for c in (leaning, upright))
    walls, upright_walls = (float((c < np.sin(ALONG)).mean()) for c in (leaning, upright))
    is_tilted = lying > LYING and level < LEVEL * lying
    return up if is_tilted and walls > max(WALLS, GAIN * upright_walls) else None


def _size(measures: Measures) -> str:
    return ' x '.join(f'{v:.3g}' for v in measures.extent) + ' m'
