"""The kinds of scanners: image, range, errors of depth, and how their views become one cloud."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


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
    has_color: bool = True


SENSORS = (
    Sensor(
        'structured light, near',
        'train',
        (240, 180),
        (58, 45),
        (0.45, 3.6),
        (0.0003, 0.0022),
        (0.0002, 0.003),
        2.0,
        0.0025,
        0.3,
        0.25,
        1.0,
        (0.0007, 0.012),
        (44, 60),
        (0.010, 0.018),
        (0.018, 0.050),
    ),
    Sensor(
        'structured light, far',
        'test',
        (256, 192),
        (62, 48.6),
        (0.6, 4.2),
        (0.0003, 0.0025),
        (0.0002, 0.0034),
        2.0,
        0.003,
        0.35,
        0.3,
        1.1,
        (0.0007, 0.012),
        (42, 56),
        (0.011, 0.018),
        (0.018, 0.050),
    ),
    Sensor(
        'phone lidar',
        'train',
        (256, 192),
        (62, 49),
        (0.25, 5.0),
        (0.0015, 0.003),
        (0.003, 0.010),
        1.0,
        0.0005,
        0.6,
        0.45,
        0.6,
        (0.004, 0.016),
        (40, 56),
        (0.014, 0.024),
        (0.024, 0.050),
    ),
    Sensor(
        'tablet lidar',
        'test',
        (256, 192),
        (58, 45),
        (0.3, 4.6),
        (0.002, 0.0035),
        (0.004, 0.011),
        1.0,
        0.001,
        0.55,
        0.5,
        0.7,
        (0.005, 0.016),
        (42, 58),
        (0.014, 0.022),
        (0.025, 0.050),
    ),
    Sensor(
        'stereo',
        'train',
        (212, 120),
        (87, 58),
        (0.3, 5.0),
        (0.0012, 0.003),
        (0.002, 0.006),
        2.0,
        0.004,
        0.75,
        0.35,
        1.4,
        (0.003, 0.012),
        (50, 70),
        (0.012, 0.020),
        (0.020, 0.050),
    ),
    Sensor(
        'wide stereo',
        'test',
        (240, 136),
        (80, 50.5),
        (0.4, 5.5),
        (0.0015, 0.003),
        (0.0025, 0.006),
        2.0,
        0.003,
        0.7,
        0.4,
        1.3,
        (0.003, 0.013),
        (46, 64),
        (0.012, 0.020),
        (0.022, 0.050),
    ),
    Sensor(
        'time of flight',
        'train',
        (240, 200),
        (70, 60),
        (0.25, 4.5),
        (0.002, 0.004),
        (0.001, 0.003),
        1.2,
        0.0,
        0.15,
        0.6,
        1.2,
        (0.003, 0.010),
        (38, 52),
        (0.0, 0.0),
        (0.018, 0.050),
    ),
)


# Of a visit; people thin what they hand on.
MOST_POINTS = (35_000, 130_000)
# Lengths of the waves of depth errors.
WAVE_PIXELS = (4, 6, 9, 14)
# Share of scanners that fuse in coarse voxels.
COARSE = 0.35
# A part of a room is scanned from nearer and kept finer than a whole room.
CLOSER = 0.55
PART_REACH_M = 1.9


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

    @property
    def closer(self) -> Setup:
        """Return the setup with which the same scanner takes a part of a room."""
        near, far = self.sensor.reach
        sensor = replace(self.sensor, reach=(near, min(far, PART_REACH_M)))
        return replace(
            self,
            sensor=sensor,
            spacing=CLOSER * self.spacing,
            voxel=CLOSER * self.voxel,
            drift=CLOSER * self.drift,
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
    pool = [
        s for s in SENSORS if split == 'any' or s.split == ('test' if split == 'test' else 'train')
    ]
    sensor = pool[int(rng.integers(len(pool)))]

    def between(pair: tuple[float, float]) -> float:
        return float(rng.uniform(*pair))

    # Roughness of real scans spans a factor of five: errors are even in their logarithm.
    def even(pair: tuple[float, float]) -> float:
        return float(np.exp(np.round(rng.uniform(*np.log(pair)), 9)))

    return Setup(
        sensor,
        even(sensor.grain),
        even(sensor.waves),
        even(sensor.drift),
        between(sensor.voxel),
        between(sensor.spacing),
        int(rng.integers(sensor.views[0], sensor.views[1] + 1)),
        int(rng.integers(*MOST_POINTS)),
        bool(rng.random() < COARSE),
        int(rng.choice(WAVE_PIXELS)),
    )
