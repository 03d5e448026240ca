"""Statistics of one visit that can be taken of made and of real scans alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.structures import FLOOR, Scan, UNLABELED, WALL
from rescene4d_ros.structures.truth import VisitTruth
from scipy.spatial import cKDTree

SAMPLES = 2500
PLANE_POINTS = 16
CONTRAST_RADIUS_M = 0.05
CONTACT_M = 0.06
# Of vertical: less is up; of horizontal: less is upright. All else is oblique.
UP_DEG = 25.0
UPRIGHT_DEG = 7.0
FEWEST_POINTS = 10


@dataclass(frozen=True)
class Statistic:
    """
    Hold what one number of a scan means.

    Attributes
    ----------
    name : str
        As in the table of real scans.
    text : str
        Definition for people.
    unit : str

    """

    name: str
    text: str
    unit: str = ''


STATISTICS = (
    Statistic('things', 'annotated things of at least 10 points'),
    Statistic('structure_share', 'share of points on wall, floor or ceiling'),
    Statistic('thing_points_median', 'points per thing, median'),
    Statistic('thing_size_q1', 'longest side of the upright box of a thing, first quartile', 'm'),
    Statistic('thing_size_median', 'longest side of the upright box of a thing, median', 'm'),
    Statistic('thing_size_q3', 'longest side of the upright box of a thing, third quartile', 'm'),
    Statistic('spacing_median', 'distance to the nearest point, median', 'm'),
    Statistic('spacing_p95', 'distance to the nearest point, 95 %', 'm'),
    Statistic('roughness_median', 'deviation of 16 neighbors from their plane (rms), median', 'm'),
    Statistic('roughness_p90', 'deviation of 16 neighbors from their plane (rms), 90 %', 'm'),
    Statistic('normals_up', 'share of normals less than 25 degrees off vertical'),
    Statistic(
        'normals_oblique', 'share more than 25 degrees off vertical and more than 7 off horizontal'
    ),
    *(Statistic(f'{c}_mean', f'{c}, mean of 0..255') for c in ('red', 'green', 'blue')),
    *(Statistic(f'{c}_std', f'{c}, standard deviation') for c in ('red', 'green', 'blue')),
    Statistic('saturation_mean', '(max - min) / max of red, green and blue, mean'),
    Statistic('contrast_median', 'deviation of gray levels within 5 cm, median'),
    Statistic('contrast_p90', 'deviation of gray levels within 5 cm, 90 %'),
    Statistic(
        'contact_median', 'share of the points of a thing within 6 cm of another one, median'
    ),
    Statistic('unlabeled_share', 'share of points without a label'),
)


def scan_statistics(scan: Scan, truth: VisitTruth, rng: np.random.Generator) -> dict[str, float]:
    """
    Return the statistics of one visit by name; NaN where a scan has no color or no things.

    Parameters
    ----------
    scan : Scan
    truth : VisitTruth
        Instance and class per point are used.
    rng : Generator
        Draws the points at which local statistics are taken.

    """
    xyz = scan.xyz.astype(np.float64)
    tree = cKDTree(xyz)
    some = rng.choice(len(xyz), min(SAMPLES, len(xyz)), replace=False)
    return {
        **_things(xyz, truth),
        **_surface(xyz, tree, some),
        **_color(scan.rgb, xyz, tree, some),
    }


def _things(xyz: np.ndarray, truth: VisitTruth) -> dict[str, float]:
    ids, counts = np.unique(truth.instance[truth.instance > 0], return_counts=True)
    ids, counts = ids[counts >= FEWEST_POINTS], counts[counts >= FEWEST_POINTS]
    sizes = [_longest_side(xyz[truth.instance == k]) for k in ids]
    quartiles = np.percentile(sizes, (25, 50, 75)) if sizes else (np.nan,) * 3
    outside = truth.instance == 0
    return {
        'things': float(len(ids)),
        'structure_share': float(np.isin(truth.semantic, (WALL, FLOOR)).mean()),
        'thing_points_median': float(np.median(counts)) if len(counts) else np.nan,
        'thing_size_q1': float(quartiles[0]),
        'thing_size_median': float(quartiles[1]),
        'thing_size_q3': float(quartiles[2]),
        'contact_median': _contact(xyz, truth.instance, ids),
        'unlabeled_share': float((outside & (truth.semantic == UNLABELED)).mean()),
    }


def _longest_side(points: np.ndarray) -> float:
    """Return the longest side (m) of the upright box of points, turned as they are."""
    flat = points[:, :2] - points[:, :2].mean(axis=0)
    axes = np.linalg.eigh(flat.T @ flat)[1]
    return float(max(np.ptp(flat @ axes, axis=0).max(), np.ptp(points[:, 2])))


def _contact(xyz: np.ndarray, instance: np.ndarray, ids: np.ndarray) -> float:
    """Return the median share of a thing's points near another thing."""
    every = np.flatnonzero(instance > 0)
    if len(ids) < 2:
        return np.nan
    tree = cKDTree(xyz[every])
    shares = []
    for k in ids:
        mine = np.flatnonzero(instance == k)
        mine = mine[:: max(1, len(mine) // 300)]
        near = tree.query_ball_point(xyz[mine], CONTACT_M)
        shares.append(np.mean([(instance[every[n]] != k).any() for n in near]))
    return float(np.median(shares))


def _surface(xyz: np.ndarray, tree: cKDTree, some: np.ndarray) -> dict[str, float]:
    distance, near = tree.query(xyz[some], PLANE_POINTS)
    patches = xyz[near] - xyz[near].mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(np.einsum('nki,nkj->nij', patches, patches))
    rough = np.sqrt(np.maximum(values[:, 0], 0) / PLANE_POINTS)
    tilt = np.degrees(np.arccos(np.clip(np.abs(vectors[:, 2, 0]), 0, 1)))
    return {
        'spacing_median': float(np.median(distance[:, 1])),
        'spacing_p95': float(np.percentile(distance[:, 1], 95)),
        'roughness_median': float(np.median(rough)),
        'roughness_p90': float(np.percentile(rough, 90)),
        'normals_up': float((tilt < UP_DEG).mean()),
        'normals_oblique': float(((tilt >= UP_DEG) & (tilt < 90 - UPRIGHT_DEG)).mean()),
    }


def _color(
    rgb: np.ndarray | None, xyz: np.ndarray, tree: cKDTree, some: np.ndarray
) -> dict[str, float]:
    names = ('red', 'green', 'blue')
    if rgb is None:
        keys = [f'{c}_{k}' for k in ('mean', 'std') for c in names]
        keys += ['saturation_mean', 'contrast_median', 'contrast_p90']
        return dict.fromkeys(keys, np.nan)
    colors = rgb.astype(np.float64)
    gray = colors.mean(axis=1)
    near = tree.query_ball_point(xyz[some], CONTRAST_RADIUS_M)
    contrast = [gray[n].std() for n in near if len(n) > 3] or [np.nan]
    high = np.maximum(colors.max(axis=1), 1)
    return {
        **{f'{c}_mean': float(v) for c, v in zip(names, colors.mean(axis=0))},
        **{f'{c}_std': float(v) for c, v in zip(names, colors.std(axis=0))},
        'saturation_mean': float(((high - colors.min(axis=1)) / high).mean()),
        'contrast_median': float(np.median(contrast)),
        'contrast_p90': float(np.percentile(contrast, 90)),
    }
