"""Boxes of a detector, another program or a person as the instances of a cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from rescene4d_ros.class_lists import translation
from rescene4d_ros.errors import ScanError
from rescene4d_ros.geometry.boxes import contains
from rescene4d_ros.geometry.floor.structure import floor_height, on_walls, SLICE
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.structures import Box, GivenInstances, INSTANCE_CLASSES, Scan, UNLABELED
from rescene4d_ros.structures.objects import triple
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

FLOOR_LAYER = 0.04  # m; a point this near to the height of the floor is floor
FLAT = 0.15  # m; a box this thin is of a picture, board or door, or of a rug: nothing is cut away
ON_WALL = 0.045  # m; a point this near to a point of a wall lies on it
WALL_COLUMN = 0.1  # m; edge of the columns in which a wall goes on above a box
LARGEST = 100.0  # m; of a side of a box


@dataclass(frozen=True)
class GivenBoxes:
    """
    Hold upright boxes of one visit.

    Attributes
    ----------
    boxes : tuple of B Box
        In map.
    class_id : ndarray (B,), int32
        Index in INSTANCE_CLASSES; others are of unknown class.
    score : ndarray (B,), float32, 0..1
        Confidence.

    """

    boxes: tuple[Box, ...]
    class_id: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        """Return the number of boxes B."""
        return len(self.boxes)


def boxes_of_rows(
    rows: np.ndarray, classes: Sequence[object] | None, scores: np.ndarray | None, name: str
) -> GivenBoxes:
    """
    Check boxes that are rows of numbers.

    Parameters
    ----------
    rows : ndarray (B, 7), float, m and rad
        Center x, y, z, full size along the box's own x, y, z, and yaw about z.
    classes : sequence of B int or str, optional
        Index in INSTANCE_CLASSES, or a name of a published class list; unknown names are allowed.
    scores : ndarray (B,), float, 0..1, optional
        Default 1.
    name : str
        For messages to people.

    Raises
    ------
    ScanError
        Other shapes, values that are not finite, or sizes that are no box's.

    """
    rows = np.asarray(rows, np.float64)
    if rows.size == 0:
        rows = rows.reshape(0, 7)
    if rows.ndim != 2 or rows.shape[1] != 7 or not np.isfinite(rows).all():
        raise ScanError(
            f'{name}: expected boxes as finite rows of 7 numbers (center x, y, z, size x, y, z in '
            f'm, yaw in rad), got shape {rows.shape}; write one row per box'
        )
    size = rows[:, 3:6]
    if len(rows) and not (0 < size.min() and size.max() <= LARGEST):
        raise ScanError(
            f'{name}: expected sizes of boxes above 0 and up to {LARGEST:g} m, got '
            f'{size.min():g} to {size.max():g}; write full extents in meters'
        )
    for values, field in ((classes, 'class'), (scores, 'score')):
        if values is not None and len(values) != len(rows):
            raise ScanError(
                f'{name}: expected one {field} for each of {len(rows)} boxes, got {len(values)}'
            )
    score = np.ones(len(rows)) if scores is None else np.asarray(scores, np.float64)
    if not ((score >= 0) & (score <= 1)).all():
        raise ScanError(f'{name}: expected scores of boxes from 0 to 1, got {score.tolist()[:5]}')
    yaw = (rows[:, 6] + np.pi) % (2 * np.pi) - np.pi
    return GivenBoxes(
        tuple(Box(triple(r[:3]), triple(r[3:6]), float(a)) for r, a in zip(rows, yaw)),
        _class_ids(classes, len(rows)),
        score.astype(np.float32),
    )


def _class_ids(classes: Sequence[object] | None, count: int) -> np.ndarray:
    """Return an index in INSTANCE_CLASSES per box, -1 where a name or number is unknown."""
    if classes is None:
        return np.full(count, UNLABELED, np.int32)
    names = [str(c).strip().lower() for c in classes]
    known = translation(sorted(set(names)), INSTANCE_CLASSES)
    of_name = dict(zip(sorted(set(names)), known.tolist()))
    numbers = [int(n) if n.isdecimal() and len(n) < 9 else of_name[n] for n in names]
    return np.array([n if n < len(INSTANCE_CLASSES) else UNLABELED for n in numbers], np.int32)


def with_boxes(scan: Scan, given: GivenBoxes) -> Scan:
    """
    Return a scan whose instances are the points in boxes, less floor and walls.

    A point in several boxes belongs to the smallest. The floor, and walls that go on above a
    box, are cut away, but for boxes thinner than `FLAT`: those of rugs, pictures and doors.

    Parameters
    ----------
    scan : Scan
        In map, z up.
    given : GivenBoxes
        In the map; `Scan.origin` is subtracted here.

    """
    instance = np.zeros(len(scan), np.int64)
    origin = np.array(scan.origin)
    volume = [float(np.prod(box.size)) for box in given.boxes]
    structure = _Structure(scan) if len(given) else None
    for k in sorted(range(len(given)), key=volume.__getitem__, reverse=True):
        box = given.boxes[k]
        box = replace(box, center=triple(np.array(box.center) - origin))
        inside = np.flatnonzero(contains(box, scan.xyz))
        if structure is not None:
            inside = inside[~structure.within(box, inside)]
        instance[inside] = k + 1
    member = instance - 1  # -1 = none: takes the value that is appended
    return replace(
        scan,
        given=GivenInstances(
            instance,
            np.append(given.class_id, UNLABELED)[member].astype(np.int32),
            np.append(given.score, 0.0)[member].astype(np.float32),
        ),
    )


class _Structure:
    """Floor and walls of a scan, as far as they are no part of what stands in a box."""

    def __init__(self, scan: Scan):
        rows = thin(scan.xyz, SLICE)
        xyz = scan.xyz[rows]
        if scan.normals is None:
            # Not above: Numba takes a second to import, and a node starts without boxes.
            from rescene4d_ros.geometry.normals import estimate_normals

            normals = estimate_normals(xyz, k=12, sensor_path=scan.sensor_path)
        else:
            normals = scan.normals[rows]
        self._xyz = scan.xyz
        self._floor_z = floor_height(xyz, normals)
        self._wall = xyz[on_walls(xyz, normals)]
        self._tree = cKDTree(self._wall) if len(self._wall) else None

    def within(self, box: Box, rows: np.ndarray) -> np.ndarray:
        """Say which of the points (K,) in a box are floor or wall (K,), bool."""
        xyz = self._xyz[rows]
        cut = np.zeros(len(rows), dtype=bool)
        if box.size[2] > FLAT:
            cut |= np.abs(xyz[:, 2] - self._floor_z) < FLOOR_LAYER
        if min(box.size[:2]) > FLAT and self._tree is not None and len(rows):
            top = box.center[2] + box.size[2] / 2
            above = self._wall[self._wall[:, 2] > top]
            on_wall = np.isfinite(self._tree.query(xyz, distance_upper_bound=ON_WALL)[0])
            cut |= on_wall & np.isin(_column(xyz), np.unique(_column(above)))
        return cut


def _column(xyz: np.ndarray) -> np.ndarray:
    """Return one integer per point (N, 3): the upright column that it falls in."""
    cell = np.floor(np.asarray(xyz[:, :2], np.float64) / WALL_COLUMN).astype(np.int64)
    return (cell[:, 0] << 32) + cell[:, 1]


CORNERS = np.array(list(product((-0.5, 0.5), repeat=3)))  # (8, 3) of a box of size 1


def boxes_of_detections(message: Any, map_T_frame: np.ndarray | None = None) -> GivenBoxes:
    """
    Return the boxes of a message; of each detection the best hypothesis counts.

    A tilted box becomes the upright one around it, turned about z as the tilted one is.

    Parameters
    ----------
    message : Detection3DArray
    map_T_frame : ndarray (4, 4), optional
        Takes the frame of the message to the map; default: it is the map.

    Raises
    ------
    ScanError
        Values that are no box's, class or score.

    """
    name = f'detections of {stamp_of(message) / 1e9:.3f} s'
    motion = np.eye(4) if map_T_frame is None else map_T_frame
    rows, classes, scores = [], [], []
    for detection in message.detections:
        rows.append(_upright(detection.bbox, motion, name))
        best = max((r.hypothesis for r in detection.results), key=_score, default=None)
        classes.append('' if best is None else best.class_id)
        scores.append(1.0 if best is None else best.score)
    return boxes_of_rows(np.array(rows), classes, np.array(scores), name)


def stamp_of(message: Any) -> int:
    """Return the stamp of a message's header, ns."""
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def _score(hypothesis: Any) -> float:
    return float(hypothesis.score)


def _upright(bbox: Any, motion: np.ndarray, name: str) -> list[float]:
    """Return center, size and yaw of the upright box in map around one in another frame."""
    place, turn, size = bbox.center.position, bbox.center.orientation, bbox.size
    quaternion = np.array([turn.x, turn.y, turn.z, turn.w], np.float64)
    middle = np.array([place.x, place.y, place.z], np.float64)
    extent = np.array([size.x, size.y, size.z], np.float64)
    if not (np.isfinite(quaternion).all() and np.isfinite(middle).all()):
        raise ScanError(f'{name}: expected finite poses of boxes, got NaN or infinity; mend them')
    if not (extent > 0).all():
        raise ScanError(f'{name}: expected sizes of boxes above 0 m, got {extent.tolist()}')
    axes = motion[:3, :3] @ (
        Rotation.from_quat(quaternion).as_matrix() if quaternion.any() else np.eye(3)
    )
    lying = axes[:, np.hypot(axes[0], axes[1]).argmax()]  # the axis that is most level
    yaw = float(np.arctan2(lying[1], lying[0]))
    corners = (CORNERS * extent) @ axes.T + motion[:3, :3] @ middle + motion[:3, 3]
    level = Rotation.from_euler('z', yaw).as_matrix()
    own = corners @ level
    low, high = own.min(0), own.max(0)
    return [*(level @ ((low + high) / 2)), *(high - low), yaw]
