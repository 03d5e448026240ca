"""Annotated scans, and label formats that data sets share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures import SEMANTIC_CLASSES, UNLABELED

# Ids of NYU40, the label space of both data sets, for the classes of this package.
NYU40 = {
    1: 'wall',
    2: 'floor',
    3: 'cabinet',
    4: 'bed',
    5: 'chair',
    6: 'sofa',
    7: 'table',
    8: 'door',
    9: 'window',
    10: 'bookshelf',
    11: 'picture',
    12: 'counter',
    14: 'desk',
    16: 'curtain',
    24: 'refrigerator',
    28: 'shower curtain',
    33: 'toilet',
    34: 'sink',
    36: 'bathtub',
    39: 'otherfurniture',
}
_CLASS_OF_NYU40 = np.full(256, UNLABELED, dtype=np.int32)
for _id, _name in NYU40.items():
    _CLASS_OF_NYU40[_id] = SEMANTIC_CLASSES.index(_name)


@dataclass(frozen=True)
class AnnotatedScan:
    """
    One scan of an annotated data set.

    Attributes
    ----------
    name : str
    xyz : ndarray (N, 3), float32, m
    rgb : ndarray (N, 3), uint8, or None
    normals : ndarray (N, 3), float32
    superpoint : ndarray (N,), int32
        0..S - 1.
    semantic : ndarray (N,), int32
        Index in SEMANTIC_CLASSES; -1 = unlabeled.
    instance : ndarray (N,), int32
        Positive id; 0 = none. Walls, floors and clutter may have ids too.
    has_labels : bool
        False for test scans, whose labels are not published.

    """

    name: str
    xyz: np.ndarray
    rgb: np.ndarray | None
    normals: np.ndarray
    superpoint: np.ndarray
    semantic: np.ndarray
    instance: np.ndarray
    has_labels: bool = True


def class_of_nyu40(ids: np.ndarray) -> np.ndarray:
    """Return the index in SEMANTIC_CLASSES of NYU40 ids, int32; -1 for all other ids."""
    ids = np.asarray(ids, dtype=np.int64)
    return _CLASS_OF_NYU40[np.where((ids >= 0) & (ids < len(_CLASS_OF_NYU40)), ids, 0)]


def dense(segments: np.ndarray) -> np.ndarray:
    """Return segment ids as 0..S - 1 in the order of the ids, int32."""
    return np.unique(segments, return_inverse=True)[1].ravel().astype(np.int32)


def segment_ids(document: Mapping[str, Any], count: int, file: str, scan: str) -> np.ndarray:
    """
    Return the segment of each vertex from a `*.segs.json` document.

    Raises
    ------
    FileFormatError
        Not one integer per vertex.

    """
    try:
        segments = np.asarray(document['segIndices'], dtype=np.int64)
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f'scan {scan}: expected "segIndices" with whole numbers in {file}, '
            f'got {error!r}; download it again'
        ) from error
    if segments.shape != (count,):
        raise FileFormatError(
            f'scan {scan}: expected {count} segment ids in {file}, one per '
            f'vertex, got {segments.shape}; download the scan again'
        )
    return segments


def paint_groups(
    document: Mapping[str, Any],
    segments: np.ndarray,
    file: str,
    scan: str,
    *,
    offset: int = 0,
    dropped: Iterable[int] = (),
) -> np.ndarray:
    """
    Assign to every vertex the id of the annotated group of its segment.

    Parameters
    ----------
    document : mapping
        With `segGroups`: a list of `{id, segments}`. If groups share a segment, the last one
        counts.
    segments : ndarray (N,), int
    file, scan : str
        For errors.
    offset : int
        Added to the ids of the file, so that 0 can mean "none".
    dropped : iterable of int
        Ids of the file to leave out.

    Returns
    -------
    ndarray (N,), int32
        0 = none.

    Raises
    ------
    FileFormatError
        No such list in the document.

    """
    try:
        groups = [
            (int(g['id']), np.asarray(g['segments'], dtype=np.int64))
            for g in document['segGroups']
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f'scan {scan}: expected "segGroups" with "id" and "segments" in '
            f'{file}, got {error!r}; download it again'
        ) from error
    known, index = np.unique(segments, return_inverse=True)
    painted = np.zeros(len(known), dtype=np.int32)
    dropped = set(dropped)
    for group, members in groups:
        if group not in dropped:
            painted[np.isin(known, members)] = group + offset
    return painted[index.ravel()]
