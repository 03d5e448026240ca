"""Annotated scans, and label formats that data sets share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rescene4d_ros.data.datasets.mesh_files import Mesh
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.geometry.superpoints.mesh import mesh_superpoints
from rescene4d_ros.structures import UNLABELED

# What a JSON document of another form raises while it is read; 1e400 is read as infinity.
MALFORMED = (KeyError, TypeError, ValueError, OverflowError)
LARGEST_ID = 2**31 - 2


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
    sensor_path : ndarray (P, 3), float32, m, or None
        Places of the camera, where the data set has them.
    remarks : tuple of str
        What a reader corrected or left out within the scan, for people.

    """

    name: str
    xyz: np.ndarray
    rgb: np.ndarray | None
    normals: np.ndarray
    superpoint: np.ndarray
    semantic: np.ndarray
    instance: np.ndarray
    has_labels: bool = True
    sensor_path: np.ndarray | None = None
    remarks: tuple[str, ...] = ()


def unlabeled_scan(mesh: Mesh, name: str, *, weld: bool = True) -> AnnotatedScan:
    """
    Return a test scan, which has no labels: superpoints are computed here.

    Parameters
    ----------
    mesh : Mesh
    name : str
    weld : bool
        As in `mesh_superpoints`.

    """
    none = np.zeros(len(mesh.xyz), dtype=np.int32)
    pieces = mesh_superpoints(mesh.xyz, mesh.faces, weld=weld)
    return AnnotatedScan(
        name, mesh.xyz, mesh.rgb, mesh.normals, pieces, none + UNLABELED, none, has_labels=False
    )


def refuse_large_ids(ids: Iterable[int]) -> None:
    """Raise OverflowError where an id, plus one, does not fit the int32 of the points."""
    for i in ids:
        if abs(i) >= LARGEST_ID:
            raise OverflowError(f'the id {i}')


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
    except MALFORMED as error:
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
        refuse_large_ids(group for group, _ in groups)
    except MALFORMED as error:
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
