"""Read ARKitScenes: meshes of tablets, with boxes around furniture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.data.datasets.annotations import AnnotatedScan, MALFORMED
from rescene4d_ros.data.datasets.class_names import semantic_of
from rescene4d_ros.data.datasets.mesh_files import read_json, read_mesh
from rescene4d_ros.data.datasets.prepare import Job
from rescene4d_ros.data.datasets.single_scans.scan_job import scan_job
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.geometry.superpoints.mesh import mesh_superpoints

FOLDERS = {'train': 'Training', 'validation': 'Validation'}
PLACES = ('3dod', 'raw', '.')  # below the root, as the publisher's script downloads


@dataclass(frozen=True)
class ARKitConfig:
    """Settings of the ARKitScenes reader; it has none."""


def arkitscenes_jobs(root: Path, config: ARKitConfig, splits: Sequence[str]) -> list[Job]:
    """
    Return the work of preparing ARKitScenes, one job per scan; there are no test scans.

    Parameters
    ----------
    root : Path
        Folder with `Training/` and `Validation/`, or with `3dod/` or `raw/` that has them.
    config : ARKitConfig
    splits : sequence of str
        Of train, validation, test.

    Raises
    ------
    FileFormatError
        No scans.

    """
    tops = [root / p for p in PLACES if any((root / p / f).is_dir() for f in FOLDERS.values())]
    jobs = [
        scan_job(partial(read_arkit, folder), folder.name, split, {'source': 'ARKitScenes'})
        for split in splits
        if split in FOLDERS
        for top in tops[:1]
        for folder in sorted((top / FOLDERS[split]).glob('[0-9]*'))
        if folder.is_dir()
    ]
    if not jobs:
        raise FileFormatError(
            f'expected scans in {" and ".join(FOLDERS.values())} of {root}, or of its '
            f'{PLACES[0]} or {PLACES[1]}, for the splits {", ".join(splits)}, found none; give '
            'the folder of the download'
        )
    return jobs


def read_arkit(folder: Path) -> AnnotatedScan:
    """
    Read the folder of one scan; the name of the scan is that of the folder.

    Only boxes are annotated: an object is what its box contains, the smallest of several boxes
    has a point, and the floor under an object is in its box. Ids count the boxes from 1.

    Raises
    ------
    FileFormatError
        A file is missing, truncated or not of this format; names the scan.

    """
    name = folder.name
    mesh = read_mesh(folder / f'{name}_3dod_mesh.ply', name)
    path = folder / f'{name}_3dod_annotation.json'
    document = read_json(path, name, dict)
    try:
        boxes = [_box(item) for item in document['data']]
        names = {i: str(item['label']) for i, item in enumerate(document['data'], 1)}
    except MALFORMED as error:
        raise FileFormatError(
            f'scan {name}: expected "data" with "label" and "segments"/"obbAligned" in '
            f'{path.name}, got {error!r}; download it again'
        ) from error
    instance = np.zeros(len(mesh.xyz), np.int32)
    for i in sorted(range(len(boxes)), key=lambda i: -float(np.prod(boxes[i][1]))):
        center, size, axes = boxes[i]
        inside = np.abs((mesh.xyz - center) @ axes.T) <= size / 2
        instance[inside.all(axis=1)] = i + 1
    pieces = mesh_superpoints(mesh.xyz, mesh.faces)
    return AnnotatedScan(
        name, mesh.xyz, mesh.rgb, mesh.normals, pieces, semantic_of(instance, names), instance
    )


def _box(item: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return center (3,) and size (3,) in meters, and the axes as rows (3, 3)."""
    box = item['segments']['obbAligned']
    center, size = (np.asarray(box[k], dtype=np.float64) for k in ('centroid', 'axesLengths'))
    axes = np.asarray(box['normalizedAxes'], dtype=np.float64).reshape(3, 3)
    if center.shape != (3,) or size.shape != (3,) or not np.isfinite([center, size]).all():
        raise ValueError(f'a box with center {center.tolist()} and size {size.tolist()}')
    if not np.allclose(axes @ axes.T, np.eye(3), atol=1e-3):
        raise ValueError(f'a box with the axes {axes.tolist()}')
    return center, size, axes
