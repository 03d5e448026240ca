"""Undulation of fused surfaces: errors that views share locally bend what was flat."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.synthetic_rooms.handheld_scanning.tsdf import FusedSurface

WAVES = 20
# Wavelengths per spacing of the cloud: shorter ones fusion has smoothed away.
SHORTEST, LONGEST = 3.5, 20.0
# Amplitudes and phases are rounded, as the last bits of sines differ between machines.
DECIMALS = 9


def undulated(
    surface: FusedSurface, amplitude: float, spacing: float, rng: np.random.Generator
) -> FusedSurface:
    """
    Displace the points of a fused surface by a smooth random field and turn their normals along.

    Averages of many noisy views keep the errors that these views share: depth distortion, wrong
    poses of a stretch of the path, multipath. They vary over a few voxels, which bends planes
    and rounds edges without scattering single points.

    Parameters
    ----------
    surface : FusedSurface
    amplitude : float, m
        Root mean square of the displacement per axis.
    spacing : float, m
        Of the cloud; wavelengths are multiples of it.
    rng : Generator

    """
    way = rng.normal(size=(WAVES, 3))
    way /= np.sqrt((way**2).sum(axis=1, keepdims=True))
    length = spacing * np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST), WAVES))
    wave = np.round(2 * np.pi * way / length[:, None], DECIMALS)
    # Long waves are higher than short ones, so that slopes are alike.
    shift = rng.normal(size=(WAVES, 3)) * (length / length.mean())[:, None]
    shift *= amplitude * np.sqrt(2 / WAVES)
    phase = rng.uniform(0, 2 * np.pi, WAVES)
    angle = surface.xyz @ wave.T + phase
    xyz = surface.xyz + np.round(np.sin(angle), DECIMALS) @ shift
    bend = np.round(np.cos(angle), DECIMALS) * (surface.normals @ shift.T)
    normals = surface.normals - bend @ wave
    norm = np.sqrt((normals**2).sum(axis=1, keepdims=True))
    return FusedSurface(xyz, normals / np.maximum(norm, 1e-9), surface.sample)
