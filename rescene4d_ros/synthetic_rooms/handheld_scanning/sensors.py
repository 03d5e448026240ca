"""The kinds of scanners: image, range, errors of depth, and how their views become one cloud."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.errors import FileFormatError


@dataclass(frozen=True)
class Sensor:
    """
    Hold one scanner; a pair of numbers is a range of which each sequence draws one value.

    Attributes
    ----------
    name : str
    split : str
        'train' or 'test'; validation uses those of training.
    image : tuple of 2 int
        Columns and rows of a depth image.
    view_deg : tuple of 2 float, deg
        Field of view across and down.
    reach : tuple of 2 float, m
        Nearest and farthest depth.
    grain : tuple of 2 float, m
        Deviation of a single depth at 1 m, independent from pixel to pixel.
    waves : tuple of 2 float, m
        Deviation at 1 m that neighboring pixels share.
    power : float
        Exponent with which both grow with depth.
    step : float, m
        Quantization at 1 m; grows with the square of depth.
    fattening : float
        Share by which a pixel follows its neighbors over small steps of depth.
    flying : float
        Share of pixels at edges that lie between the two surfaces.
    holes : float
        Factor of the returns lost on dark, glossy and grazed surfaces.
    drift : tuple of 2 float, m
        Deviation of the position of the tracking along the path.
    views : tuple of 2 int
    voxel : tuple of 2 float, m
        Of the fused volume; 0 = points are not fused.
    spacing : tuple of 2 float, m
        Cells to which the cloud is thinned.
    row_step : int
        Only every so many rows are measured: the rings of a lidar.
    is_level : bool
        It stands, and turns about an upright axis.
    has_color : bool

    """

    name: str
    split: str
    image: tuple[int, int]
    view_deg: tuple[float, float]
    reach: tuple[float, float]
    grain: tuple[float, float]
    waves: tuple[float, float]
    power: float
    step: float
    fattening: float
    flying: float
    holes: float
    drift: tuple[float, float]
    views: tuple[int, int]
    voxel: tuple[float, float]
    spacing: tuple[float, float]
    row_step: int
    is_level: bool
    has_color: bool


SENSORS = Path(__file__).with_name('sensors.csv')
_PAIRS = ('image', 'view_deg', 'reach', 'grain', 'waves', 'drift', 'views', 'voxel', 'spacing')
_WHOLE = ('row_step', 'is_level', 'has_color')


@cache
def read_sensors(path: Path = SENSORS) -> tuple[Sensor, ...]:
    """
    Return the scanners of a table.

    Raises
    ------
    FileFormatError
        The table is missing or damaged.

    """
    try:
        with open(path, encoding='utf-8', newline='') as file:
            return tuple(_sensor(row) for row in csv.DictReader(file))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f'{path}: expected a table of scanners, got {error!r}; restore the file'
        ) from error


def _sensor(row: dict[str, str]) -> Sensor:
    values: dict[str, Any] = {'name': row['name'], 'split': row['split']}
    for key, text in row.items():
        if key in _PAIRS:
            whole = key in ('image', 'views')
            values[key] = tuple(map(int if whole else float, text.split()))
        elif key not in values:
            values[key] = int(text) if key in _WHOLE else float(text)
    return Sensor(**values)


# Of a visit; people thin what they hand on.
MOST_POINTS = (50_000, 150_000)
# All errors of a careful scan are smaller.
CARE = (0.14, 1.7)
# Lengths of the waves of depth errors.
WAVE_PIXELS = (3, 4, 6, 10)
# Undulation per spacing.
UNDULATION = (0.2, 0.95)
# Share of scanners that fuse in coarse voxels.
COARSE = 0.36
# A part of a room is scanned from nearer and kept finer than a whole room.
CLOSER = (0.28, 0.68)
PART_REACH_M = 1.9
FINEST_M = 0.011


@dataclass(frozen=True)
class Setup:
    """
    Hold a scanner with the values that one sequence has drawn.

    Attributes
    ----------
    sensor : Sensor
    grain, waves, drift, voxel, spacing : float, m
    views : int
    most_points : int
        The cloud is thinned further where it would have more.
    is_coarse : bool
        Fused in voxels as large as the spacing, all of whose points are kept.
    wave_pixels : int
        Length of the waves of depth errors.
    undulation : float, m
        Root mean square by which fusion bends surfaces; see `undulation`.

    """

    sensor: Sensor
    grain: float
    waves: float
    drift: float
    voxel: float
    spacing: float
    views: int
    most_points: int
    is_coarse: bool
    wave_pixels: int
    undulation: float

    def closer(self, share: float) -> Setup:
        """Return the setup with which the same scanner takes a part of a room, as much finer."""
        near, far = self.sensor.reach
        sensor = replace(self.sensor, reach=(near, min(far, PART_REACH_M)))
        return replace(
            self,
            sensor=sensor,
            spacing=max(FINEST_M, share * self.spacing),
            voxel=share * self.voxel,
            drift=share * self.drift,
            undulation=share * self.undulation,
        )

    @property
    def image_plane(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x (W,) of the columns and y (H,) of the rows at a depth of 1, float64."""
        return tuple(
            np.round(np.tan(np.deg2rad(angle) / 2), 12) * np.linspace(-1, 1, count)
            for angle, count in zip(self.sensor.view_deg, self.sensor.image)
        )


def draw_setup(split: str, rng: np.random.Generator) -> Setup:
    """Draw a scanner of a split ('any' draws of all) and how well it is set up."""
    wanted = 'test' if split == 'test' else 'train'
    pool = [s for s in read_sensors() if split == 'any' or s.split == wanted]
    sensor = pool[int(rng.integers(len(pool)))]

    def between(pair: tuple[float, float]) -> float:
        return float(rng.uniform(*pair))

    # Roughness of real scans spans a factor of five: errors are even in their logarithm.
    def even(pair: tuple[float, float]) -> float:
        return float(np.exp(np.round(rng.uniform(*np.log(pair)), 9)))

    care = even(CARE)
    spacing = between(sensor.spacing)
    return Setup(
        sensor,
        care * even(sensor.grain),
        care * even(sensor.waves),
        care * even(sensor.drift),
        between(sensor.voxel),
        spacing,
        int(rng.integers(sensor.views[0], sensor.views[1] + 1)),
        int(rng.integers(*MOST_POINTS)),
        bool(rng.random() < COARSE),
        int(rng.choice(WAVE_PIXELS)),
        spacing * even(UNDULATION),
    )
