"""Augmentation of a sequence: variation between homes, scanners and visits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.structures import Scan
from scipy.ndimage import uniform_filter


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the augmentation; 0 turns a variation off."""

    yaw: bool = param(True, 'Rotate the room about z by any angle')
    flip: bool = param(True, 'Mirror x and y, each half of the time')
    scale: float = param(0.1, 'Largest change of size, per axis', ge=0, le=0.9)
    tilt: float = param(0.05, 'Largest rotation about x and y', unit='rad', ge=0, le=1)
    floor_shift: float = param(0.3, 'Largest shift of the map along z', unit='m', ge=0, le=10)
    p_elastic: float = param(0.5, 'Chance of a smooth distortion of space', ge=0, le=1)
    elastic_magnitude: float = param(
        0.15, 'Deviation of the distortion before it is smoothed, per granule', ge=0, le=5
    )
    elastic_fine: float = param(
        0.3, 'Granule of the first distortion; 0 = none', unit='m', ge=0, le=10
    )
    elastic_coarse: float = param(
        1.0, 'Granule of the second distortion; 0 = none', unit='m', ge=0, le=10
    )
    max_drop: float = param(0.7, 'Largest share of points left out, per visit', ge=0, le=0.99)
    max_points: int = param(
        0,
        'Approximate maximum of points of a visit, sampled at random; 0 = no limit',
        ge=0,
        le=100_000_000,
    )
    p_hidden: float = param(0.3, 'Chance that a visit misses one upright cylinder', ge=0, le=1)
    hidden_radius: float = param(
        1.2, 'Largest radius of the missed cylinder', unit='m', ge=0, le=10
    )
    p_partial: float = param(
        0.0, 'Chance that a visit sees one side of a random upright plane only', ge=0, le=1
    )
    jitter: float = param(
        0.004, 'Largest deviation of noise on the points, per visit', unit='m', ge=0, le=0.5
    )
    registration_m: float = param(
        0.02, 'Deviation of the shift of a visit against the first', unit='m', ge=0, le=1
    )
    registration_rad: float = param(
        0.006,
        'Standard deviation of the rotation of a visit against the first',
        unit='rad',
        ge=0,
        le=1,
    )
    contrast: float = param(0.2, 'Largest change of contrast, for all visits', ge=0, le=1)
    color_shift: float = param(
        0.1,
        'Deviation of the shift per channel, for all visits and again per visit at a third of it',
        ge=0,
        le=1,
    )
    color_noise: float = param(0.03, 'Deviation of noise per point', ge=0, le=1)
    p_no_color: float = param(0.15, 'Chance that no visit has color', ge=0, le=1)
    p_no_normals: float = param(0.1, 'Chance that no visit has normals', ge=0, le=1)
    normal_noise: float = param(
        0.1, 'Largest deviation of noise on the normals, per visit', ge=0, le=1
    )


def augment(
    scans: tuple[Scan, ...], rng: np.random.Generator, config: AugmentConfig
) -> tuple[tuple[Scan, ...], tuple[np.ndarray, ...]]:
    """
    Augment a sequence: one transform of the room for all visits, then one per visit.

    Normals are transformed too. Sensor paths are removed, because they would no longer fit.

    Parameters
    ----------
    scans : tuple of T Scan
    rng : Generator
        The only source of randomness.
    config : AugmentConfig

    Returns
    -------
    scans : tuple of T Scan
    kept : tuple of T ndarrays (N_t',), int64
        Remaining input points, in the order of the new scans.

    """
    kept = tuple(_kept_points(scan.xyz, rng, config) for scan in scans)
    scans = tuple(replace(scan.take(k), sensor_path=None) for scan, k in zip(scans, kept))
    scans = _change_room(scans, rng, config)
    has_color = rng.random() >= config.p_no_color
    has_normals = rng.random() >= config.p_no_normals
    light = _Light.draw(rng, config)
    changed = []
    for number, scan in enumerate(scans):
        scan = _change_visit(scan, number, rng, config)
        rgb = light.shine(scan.rgb, rng, config) if has_color else None
        changed.append(replace(scan, rgb=rgb, normals=scan.normals if has_normals else None))
    return tuple(changed), kept


def _kept_points(xyz: np.ndarray, rng: np.random.Generator, config: AugmentConfig) -> np.ndarray:
    """Return the points of a sparser scan with a blind spot; at least one point."""
    share = 1 - rng.uniform(0, config.max_drop)
    if config.max_points:
        share = min(share, config.max_points / max(len(xyz), 1))
    keep = rng.random(len(xyz)) < share
    if len(xyz) and rng.random() < config.p_hidden:
        center = xyz[rng.integers(len(xyz)), :2]
        radius = rng.uniform(0, config.hidden_radius)
        keep &= np.linalg.norm(xyz[:, :2] - center, axis=1) > radius
    if len(xyz) and config.p_partial and rng.random() < config.p_partial:
        angle = rng.uniform(-np.pi, np.pi)
        away = (xyz[:, :2] - xyz[rng.integers(len(xyz)), :2]) @ (np.cos(angle), np.sin(angle))
        # At least 30 % of the visit remain, whichever point the plane passes through.
        keep &= away <= max(0.0, np.quantile(away, 0.3))
    return np.flatnonzero(keep) if keep.any() else np.arange(len(xyz))


def _change_room(
    scans: tuple[Scan, ...], rng: np.random.Generator, config: AugmentConfig
) -> tuple[Scan, ...]:
    """Rotate, mirror, scale, tilt and distort the room with its content."""
    linear = np.diag(1 + rng.uniform(-config.scale, config.scale, 3))
    if config.flip:
        linear = np.diag([*rng.choice([-1.0, 1.0], 2), 1.0]) @ linear
    for axis in (0, 1):
        linear = _rotation(axis, rng.uniform(-config.tilt, config.tilt)) @ linear
    linear = _rotation(2, rng.uniform(-np.pi, np.pi) if config.yaw else 0) @ linear
    shift = np.array([*rng.uniform(-0.5, 0.5, 2), rng.uniform(-1, 1) * config.floor_shift])
    everything = np.concatenate([s.xyz for s in scans])
    center = everything.mean(axis=0) if len(everything) else np.zeros(3)
    scans = tuple(_moved(s, linear, shift + center - linear @ center) for s in scans)
    if config.elastic_magnitude > 0 and rng.random() < config.p_elastic:
        for granule in filter(None, (config.elastic_fine, config.elastic_coarse)):
            scans = _bent(scans, granule, config.elastic_magnitude * granule, rng)
    return scans


def _change_visit(
    scan: Scan, number: int, rng: np.random.Generator, config: AugmentConfig
) -> Scan:
    """Add the registration error and noise of one scan."""
    if number > 0:
        turn = rng.normal(0, config.registration_rad, 3)
        linear = _rotation(0, turn[0]) @ _rotation(1, turn[1]) @ _rotation(2, turn[2])
        center = scan.xyz.mean(axis=0) if len(scan) else np.zeros(3)
        shift = rng.normal(0, config.registration_m, 3)
        scan = _moved(scan, linear, shift + center - linear @ center)
    noise = rng.uniform(0, config.jitter) * rng.standard_normal(scan.xyz.shape, np.float32)
    normals = scan.normals
    if normals is not None and config.normal_noise > 0:
        deviation = rng.uniform(0, config.normal_noise)
        normals = _unit(normals + deviation * rng.standard_normal(normals.shape, np.float32))
    return replace(scan, xyz=scan.xyz + noise.astype(np.float32), normals=normals)


@dataclass(frozen=True)
class _Light:
    """The change of light that all visits share."""

    contrast: float
    shift: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, config: AugmentConfig) -> _Light:
        """Draw contrast and shift."""
        return cls(
            1 + rng.uniform(-config.contrast, config.contrast),
            rng.normal(0, config.color_shift, 3),
        )

    def shine(
        self, rgb: np.ndarray | None, rng: np.random.Generator, config: AugmentConfig
    ) -> np.ndarray | None:
        """Return the colors of one visit under this light, with its own small shift."""
        if rgb is None:
            return None
        shift = self.shift + rng.normal(0, config.color_shift / 3, 3)
        colors = (rgb.astype(np.float32) - 127.5) * np.float32(self.contrast) + 127.5
        colors += (255 * shift).astype(np.float32)
        colors += rng.standard_normal(colors.shape, np.float32) * (255 * config.color_noise)
        return np.clip(np.rint(colors), 0, 255).astype(np.uint8)


def _moved(scan: Scan, linear: np.ndarray, shift: np.ndarray) -> Scan:
    """Return the scan under x -> linear x + shift; normals under the inverse transpose."""
    xyz = scan.xyz.astype(np.float64) @ linear.T + shift
    normals = scan.normals
    if normals is not None:
        # The inverse transpose keeps normals on their side of the surface, also for a mirror.
        normals = _unit(normals @ np.linalg.inv(linear))
    return replace(scan, xyz=xyz.astype(np.float32), normals=normals)


def _bent(
    scans: tuple[Scan, ...], granule: float, magnitude: float, rng: np.random.Generator
) -> tuple[Scan, ...]:
    """Move the points by one smooth random displacement field."""
    everything = [s.xyz for s in scans if len(s)]
    if not everything:
        return scans
    low = np.min([x.min(axis=0) for x in everything], axis=0).astype(np.float64) - granule
    high = np.max([x.max(axis=0) for x in everything], axis=0)
    shape = np.ceil((high - low) / granule).astype(int) + 2
    field = rng.normal(0, magnitude, (*shape, 3))
    for _ in range(2):
        field = uniform_filter(field, size=(3, 3, 3, 1), mode='constant')
    bent = []
    for scan in scans:
        moved, jacobian = _displace(scan.xyz, field, low, granule)
        normals = scan.normals
        if normals is not None:
            # For J = I + D with small D, the inverse transpose is I - D^T to first order.
            normals = _unit(normals - np.einsum('nij,ni->nj', jacobian, normals))
        bent.append(replace(scan, xyz=moved, normals=normals))
    return tuple(bent)


@numba.njit(cache=True)
def _displace(xyz, field, low, granule):
    """
    Interpolate the field at the points.

    Returns
    -------
    moved : ndarray (N, 3), float32, m
    jacobian : ndarray (N, 3, 3), float32
        Of the displacement: row = component, column = direction.

    """
    moved = np.empty_like(xyz)
    jacobian = np.zeros((len(xyz), 3, 3), dtype=np.float32)
    cell = np.empty(3, dtype=np.int64)
    part = np.empty(3)
    share = np.empty(3)
    slope = np.empty(3)
    for n in range(len(xyz)):
        for c in range(3):
            place = (xyz[n, c] - low[c]) / granule
            cell[c] = min(max(int(np.floor(place)), 0), field.shape[c] - 2)
            part[c] = place - cell[c]
            moved[n, c] = xyz[n, c]
        for corner in range(8):
            for c in range(3):
                upper = corner >> c & 1
                share[c] = part[c] if upper else 1 - part[c]
                slope[c] = (1 if upper else -1) / granule
            for c in range(3):
                value = field[
                    cell[0] + (corner & 1),
                    cell[1] + (corner >> 1 & 1),
                    cell[2] + (corner >> 2 & 1),
                    c,
                ]
                moved[n, c] += value * share[0] * share[1] * share[2]
                jacobian[n, c, 0] += value * slope[0] * share[1] * share[2]
                jacobian[n, c, 1] += value * share[0] * slope[1] * share[2]
                jacobian[n, c, 2] += value * share[0] * share[1] * slope[2]
    return moved, jacobian


def _rotation(axis: int, angle: float) -> np.ndarray:
    """Return the (3, 3) rotation about one axis."""
    c, s = np.cos(angle), np.sin(angle)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[[i, i, j, j], [i, j, i, j]] = c, -s, s, c
    return matrix


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Return float32 vectors of length 1; zeros stay zeros."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(length, 1e-9)).astype(np.float32)
