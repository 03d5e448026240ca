"""Where the sensor was, as the columns of a cloud or its source say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rescene4d_ros.structures import Finding, Severity

VIEWPOINT = ('vp_x', 'vp_y', 'vp_z')  # where each point was measured from, as PCL names it
SENSOR_REACH = 1_000.0  # m; from the points to a sensor that can have measured them
SENSOR_ROOM = 2.0  # m; from the points to a sensor that saw them from outside


def near_points(
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


def is_around_zero(xyz: np.ndarray) -> bool:
    """Return whether a sensor at zero may have seen points (N, 3): that of UTM saw none."""
    low, high = np.quantile(xyz, [0.01, 0.99], axis=0)
    return bool((low < SENSOR_ROOM).all() and (high > -SENSOR_ROOM).all())


def viewpoints(columns: Mapping[str, np.ndarray], kept: np.ndarray) -> np.ndarray | None:
    """Return the places (P, 3), m, from which points were measured, in order of their points."""
    if not all(n in columns and columns[n].dtype.kind == 'f' for n in VIEWPOINT):
        return None
    places = np.stack([columns[n][kept] for n in VIEWPOINT], axis=1).astype(np.float64)
    places = places[np.isfinite(places).all(axis=1)]
    changes = np.flatnonzero(np.r_[True, (places[1:] != places[:-1]).any(axis=1)][: len(places)])
    places = places[changes]
    first = np.unique(places, axis=0, return_index=True)[1]
    return places[np.sort(first)] if len(first) else None
