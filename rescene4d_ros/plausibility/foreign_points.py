"""Points that are not of the room: repeated ones, stray ones, and people who stand in it."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.geometry.floor.structure import floor_without_normals
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.plausibility.config import PlausibilityConfig
from rescene4d_ros.plausibility.single_cloud import Measures
from rescene4d_ros.structures import Finding, Severity
from scipy import ndimage

# Repeated points: one place given again and again, as zeros for lost returns.
MOST_COPIES = 20  # of one place; scanners and joined scans give some points a few times

# People.
CELL = 0.08  # m; people who stand nearer to something are not told from it
CLEAR = 0.12  # m above the floor that is left out, so that the floor joins nothing
TALLEST = 2.1  # m
HEIGHT = (1.35, 2.05)  # m
WIDTH = (0.28, 0.95)  # m across, from above, wider and narrower side
SHOULDERS, HEAD = (0.62, 0.82), (0.90, 1.0)  # shares of the height
TRUNK = (0.3, 0.5, 0.6, 0.7)  # shares of the height where slices of a tenth begin
TRUNK_WIDTH = (0.18, 0.10)  # m; lamps have poles there, and what is of a wall is flat
HEAD_WIDTH = (0.12, 0.40)  # m
SHOULDER_WIDTH = (0.28, 0.80)  # m
NARROWER = 0.75  # width of the head, in widths of the shoulders
LEAST_POINTS = 60
EVEN = 0.05  # m; points are thinned to this before widths are measured

# Groups.
MAX_CELLS = 40_000_000  # of a grid; larger clouds get larger cells
TOUCHING = np.ones((3, 3, 3), dtype=bool)

# Stray points.
SPARSE = 6.0  # median distances between neighbors; a gap is wider
REACH = 2.0  # extents of the cloud; what is farther off is stray whatever its shape
MANY = 0.05  # share of stray points that is told as a warning
FEWEST = 3  # points of a group that is not stray in a small cloud


def find_repeated(xyz: np.ndarray) -> np.ndarray:
    """
    Find the copies of places that a cloud holds more than 20 times.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m

    Returns
    -------
    ndarray (N,), bool
        True for all but the first point of such a place.

    """
    rows = np.ascontiguousarray(xyz + np.float32(0))  # zeros have one sign
    keys = rows.view([('', rows.dtype)] * 3)[:, 0]
    _, first, inverse, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    repeated = counts[inverse] > MOST_COPIES
    repeated[first] = False
    return repeated


def told_of_repeated(repeated: np.ndarray) -> list[Finding]:
    """Return what to say of such copies in a cloud whose coordinates are not rounded."""
    count = int(repeated.sum())
    if not count:
        return []
    return [
        Finding(
            'repeated_points',
            Severity.WARNING,
            f'{count} of {len(repeated)} points that repeat a place over {MOST_COPIES} times',
            'a point once, and none where the sensor got no return',
            'the copies are dropped; leave out invalid points where the cloud is made',
        )
    ]


def find_people(xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Find what has the shape of a standing person and touches nothing but the floor.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m
        z up.

    Returns
    -------
    ndarray (N,), bool
        Points of people, down to the floor.
    ndarray (P, 3), m
        Where they stand.

    """
    people = np.zeros(len(xyz), dtype=bool)
    floor = floor_without_normals(xyz)
    above = np.flatnonzero((xyz[:, 2] > floor + CLEAR) & (xyz[:, 2] < floor + 3.0))
    groups, count = label_groups(xyz[above], CELL)
    if not count:
        return people, np.zeros((0, 3))
    places = []
    sizes = np.bincount(groups, minlength=count)
    order = np.argsort(groups, kind='stable')
    ends = np.cumsum(sizes)
    for group in np.flatnonzero(sizes >= LEAST_POINTS):
        members = above[order[ends[group] - sizes[group] : ends[group]]]
        if not _is_person(xyz[members], floor):
            continue
        low, high = xyz[members].min(0), xyz[members].max(0)
        feet = (xyz[:, 2] > floor + 0.03) & (xyz[:, 2] <= floor + CLEAR)
        feet &= ((xyz[:, :2] >= low[:2]) & (xyz[:, :2] <= high[:2])).all(1)
        people[members] = True
        people |= feet
        places.append([*(low + high)[:2] / 2, floor])
    return people, np.array(places).reshape(-1, 3)


def _is_person(xyz: np.ndarray, floor: float) -> bool:
    height = float(xyz[:, 2].max()) - floor
    if not HEIGHT[0] <= height <= HEIGHT[1] or xyz[:, 2].min() > floor + 0.4:
        return False
    xyz = xyz[thin(xyz, EVEN)]
    across = _widths(xyz)
    if not (across[0] <= WIDTH[1] and across[1] >= WIDTH[0] * 0.5):
        return False
    share = (xyz[:, 2] - floor) / height
    for low in TRUNK:
        part = xyz[(share >= low) & (share < low + 0.1)]
        if len(part) < 4 or not all(w >= least for w, least in zip(_widths(part), TRUNK_WIDTH)):
            return False
    shoulders = xyz[(share >= SHOULDERS[0]) & (share <= SHOULDERS[1])]
    head = xyz[(share >= HEAD[0]) & (share <= HEAD[1])]
    if min(len(shoulders), len(head)) < 4:
        return False
    shoulder, top = _widths(shoulders)[0], _widths(head)[0]
    return bool(
        SHOULDER_WIDTH[0] <= shoulder <= SHOULDER_WIDTH[1]
        and HEAD_WIDTH[0] <= top <= HEAD_WIDTH[1]
        and top <= NARROWER * shoulder
    )


def _widths(xyz: np.ndarray) -> tuple[float, float]:
    """Return the wider and the narrower extent from above, along the points' main axes, m."""
    flat = xyz[:, :2].astype(np.float64) - xyz[:, :2].mean(0)
    axes = np.linalg.eigh(flat.T @ flat)[1]
    extent = np.ptp(flat @ axes, axis=0)
    return float(extent.max()), float(extent.min())


def told_of_people(places: np.ndarray, dropped: bool) -> list[Finding]:
    """Say where people stand."""
    if not len(places):
        return []
    where = ', '.join(f'({x:.1f}, {y:.1f})' for x, y, _ in places)
    return [
        Finding(
            'people',
            Severity.INFO if dropped else Severity.WARNING,
            f'{len(places)} shaped like a standing person, at {where} m',
            'a room without people',
            'their points are dropped' if dropped else 'they may become objects that move',
        )
    ]


def label_groups(xyz: np.ndarray, cell: float) -> tuple[np.ndarray, int]:
    """
    Give each group of points that empty cells part a number.

    Parameters
    ----------
    xyz : ndarray (N, 3), m
    cell : float, m
        Cells that touch, also at corners, are one group.

    Returns
    -------
    ndarray (N,), int64
        Group of each point, from 0.
    int
        Number of groups.

    """
    if len(xyz) == 0:
        return np.zeros(0, np.int64), 0
    low = xyz.min(0).astype(np.float64)
    while True:
        cells = np.floor((xyz - low) / cell).astype(np.int64)
        shape = cells.max(0) + 1
        if np.prod(shape.astype(np.float64)) <= MAX_CELLS:
            break
        cell *= 2
    grid = np.zeros(tuple(shape), dtype=bool)
    grid[tuple(cells.T)] = True
    labels, count = ndimage.label(grid, TOUCHING)
    return labels[tuple(cells.T)].astype(np.int64) - 1, count


def find_stray(xyz: np.ndarray, measures: Measures, config: PlausibilityConfig) -> np.ndarray:
    """
    Find stray points.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m
    measures : Measures
    config : PlausibilityConfig

    Returns
    -------
    ndarray (N,), bool

    """
    reach = REACH * measures.extent.max() + 10 * config.stray_gap
    far = ((xyz < measures.low - reach) | (xyz > measures.high + reach)).any(axis=1)
    near = np.flatnonzero(~far)
    cell = max(config.stray_gap, SPARSE * measures.spacing)
    groups, count = label_groups(xyz[near], cell)
    sizes = np.bincount(groups, minlength=count)
    few = sizes < max(config.stray_share * len(xyz), FEWEST)
    few[sizes.argmax()] = False
    stray = far.copy()
    stray[near] = few[groups]
    return stray


def told_of_stray(
    xyz: np.ndarray, stray: np.ndarray, measures: Measures, dropped: bool
) -> list[Finding]:
    """Say how many points are stray, and how far off."""
    count = int(stray.sum())
    if not count:
        return []
    outside = np.maximum(measures.low - xyz[stray], xyz[stray] - measures.high).max()
    # Between other points, or within the outer share that the bounds leave out.
    where = (
        f'up to {outside:.3g} m outside of the cloud' if outside > 0 else 'apart from the others'
    )
    many = count > MANY * len(xyz)
    return [
        Finding(
            'stray_points',
            Severity.WARNING if many else Severity.INFO,
            f'{count} of {len(xyz)} points ({count / len(xyz):.2%}) {where}',
            'points that hang together',
            ('they are dropped' if dropped else 'they are kept as asked for')
            + ('; check windows, mirrors and the range of the sensor' if many else ''),
        )
    ]
