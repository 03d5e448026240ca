"""What the points outside all instances belong to: wall, floor, ceiling, nothing known."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.structures import FLOOR, Scan, STRUCTURE_CLASSES, UNLABELED, WALL
from rescene4d_ros.structures.truth import VisitTruth

UNKNOWN, NONE = -1, 0  # structure class r of STRUCTURE_CLASSES is r + 1
CEILING_M = 1.8  # m above the floor; level parts of the wall class from here on are ceiling
LEVEL = 0.8  # least vertical part of the normal of a level surface


def background_of(scan: Scan, truth: VisitTruth) -> np.ndarray:
    """
    Tell what each point belongs to that is in no instance.

    A truth that names neither wall nor floor leaves them unlabeled, so that nothing is unknown
    there. The truth calls the ceiling a wall; it is told from it by height and normal.

    Parameters
    ----------
    scan : Scan
        With normals, in a map frame whose z points up.
    truth : VisitTruth

    Returns
    -------
    ndarray (N,), int8
        `UNKNOWN` where the truth says nothing, r + 1 for class r of STRUCTURE_CLASSES, `NONE` for
        points of instances and of all else.

    """
    outside = truth.instance <= 0
    background = np.full(len(scan), NONE, dtype=np.int8)
    if np.isin(truth.semantic, (WALL, FLOOR)).any():
        background[outside & (truth.semantic == UNLABELED)] = UNKNOWN
    for name, semantic in (('wall', WALL), ('floor', FLOOR)):
        background[outside & (truth.semantic == semantic)] = STRUCTURE_CLASSES.index(name) + 1
    if len(scan) and scan.normals is not None:
        is_floor = truth.semantic == FLOOR
        floor = np.median(scan.xyz[is_floor, 2]) if is_floor.any() else scan.xyz[:, 2].min()
        is_ceiling = (scan.xyz[:, 2] > floor + CEILING_M) & (np.abs(scan.normals[:, 2]) > LEVEL)
        is_wall = background == STRUCTURE_CLASSES.index('wall') + 1
        background[is_wall & is_ceiling] = STRUCTURE_CLASSES.index('ceiling') + 1
    return background
