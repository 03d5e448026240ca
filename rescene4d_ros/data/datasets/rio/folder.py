"""Read the folder of one 3RScan scan: textured mesh, labels, segments, annotated groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.data.datasets.annotations import (
    AnnotatedScan,
    dense,
    paint_groups,
    segment_ids,
    unlabeled_scan,
)
from rescene4d_ros.data.datasets.mesh_files import Mesh, read_json, read_mesh
from rescene4d_ros.data.datasets.rio.camera_path import read_camera_path
from rescene4d_ros.data.datasets.rio.metadata import RioScan
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.geometry.se3 import transform
from rescene4d_ros.structures.segmentation import class_of_nyu40
from scipy.spatial import cKDTree

MESH = 'mesh.refined.v2.obj'
LABELS = 'labels.instances.annotated.v2.ply'
SEGMENTS = 'mesh.refined.0.010000.segs.v2.json'
GROUPS = 'semseg.v2.json'
SAME_PLACE_M = 0.05  # m; distance of annotated vertices to those of the mesh
MOST_LOST = 0.02


@dataclass(frozen=True)
class RioFolder:
    """
    One scan in its own frame.

    Attributes
    ----------
    scan : AnnotatedScan
    centers : mapping of int to ndarray (3,), m
        Center of each annotated object's box.

    """

    scan: AnnotatedScan
    centers: Mapping[int, np.ndarray]


def read_folder(
    root: Path, info: RioScan, *, labels: bool = True, official: bool = False
) -> RioFolder:
    """
    Read one scan.

    Vertices are those of the textured mesh; labels come from the nearest vertex of the annotated
    file. The places of the camera are those of `sequence/` or `sequence.zip`, if the scan has
    either.

    Parameters
    ----------
    root : Path
        Folder with one folder per scan.
    info : RioScan
    labels : bool
        False for test scans: they have no labels, and their superpoints are computed here.
    official : bool
        Compute superpoints as published, with texture seams as borders.

    Raises
    ------
    FileFormatError
        A file is missing, truncated, or does not fit the others; names the scan.

    """
    folder = Path(root) / info.scan_id
    name = f'{info.name} ({info.scan_id})'
    mesh = read_mesh(folder / MESH, name)
    path = read_camera_path(folder, name)
    if not labels:
        scan = unlabeled_scan(mesh, info.name, weld=not official)
        return RioFolder(replace(scan, sensor_path=path), {})
    annotated = read_mesh(folder / LABELS, name)
    nyu40 = annotated.property('NYU40', folder / LABELS, name)
    segments = segment_ids(read_json(folder / SEGMENTS, name, dict), len(nyu40), SEGMENTS, name)
    groups = read_json(folder / GROUPS, name, dict)
    instance = paint_groups(groups, segments, GROUPS, name)
    nearest = _nearest(mesh, annotated, name)
    scan = AnnotatedScan(
        info.name,
        mesh.xyz,
        mesh.rgb,
        mesh.normals,
        dense(segments[nearest]),
        class_of_nyu40(nyu40)[nearest],
        instance[nearest],
        sensor_path=path,
    )
    return RioFolder(scan, _centers(groups))


def _nearest(mesh: Mesh, annotated: Mesh, name: str) -> np.ndarray:
    """Return the nearest annotated vertex of each mesh vertex; refuse files that do not fit."""
    apart = cKDTree(mesh.xyz).query(annotated.xyz, distance_upper_bound=SAME_PLACE_M)[0]
    lost = float(np.isinf(apart).mean())
    if lost > MOST_LOST:
        raise FileFormatError(
            f'scan {name}: expected {MESH} and {LABELS} to show the same mesh, '
            f'but {lost:.0%} of the labels are more than {SAME_PLACE_M} m from '
            'it; one may be truncated: download both again'
        )
    return cKDTree(annotated.xyz).query(mesh.xyz)[1]


def _centers(groups: Mapping[str, Any]) -> dict[int, np.ndarray]:
    """Return the center of each object's box; objects without a box are left out."""
    centers = {}
    for group in groups['segGroups']:
        center = np.asarray((group.get('obb') or {}).get('centroid', ()), dtype=np.float64)
        if center.shape == (3,):
            centers[int(group['id'])] = center
    return centers


def aligned(scan: AnnotatedScan, info: RioScan, *, official: bool = False) -> AnnotatedScan:
    """
    Return the scan in the frame of its scene's reference.

    Parameters
    ----------
    scan : AnnotatedScan
        In its own frame.
    info : RioScan
    official : bool
        As published: normals are not rotated.

    Raises
    ------
    FileFormatError
        The metadata have no alignment for the scan.

    """
    if info.reference_T_scan is None:
        raise FileFormatError(
            f'scan {info.name} ({info.scan_id}): expected a "transform" in the '
            'metadata, found none; the scan cannot be aligned, leave it out'
        )
    xyz = transform(info.reference_T_scan, scan.xyz).astype(np.float32)
    normals = scan.normals
    if not official:
        normals = (normals @ info.reference_T_scan[:3, :3].T).astype(np.float32)
    path = scan.sensor_path
    if path is not None:
        path = transform(info.reference_T_scan, path).astype(np.float32)
    return replace(scan, xyz=xyz, normals=normals, sensor_path=path)
