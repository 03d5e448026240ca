"""Read ScanNet++: laser-scanned rooms with annotated meshes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.data.datasets.annotations import (
    AnnotatedScan,
    dense,
    MALFORMED,
    paint_groups,
    segment_ids,
    unlabeled_scan,
)
from rescene4d_ros.data.datasets.class_names import semantic_of
from rescene4d_ros.data.datasets.mesh_files import Mesh, read_json, read_mesh
from rescene4d_ros.data.datasets.prepare import Job
from rescene4d_ros.data.datasets.single_scans.scan_job import scan_job
from rescene4d_ros.errors import FileFormatError

LISTS = {'train': 'nvs_sem_train.txt', 'validation': 'nvs_sem_val.txt', 'test': 'sem_test.txt'}
MESH = 'mesh_aligned_0.05.ply'
SEGMENTS = 'segments.json'
GROUPS = 'segments_anno.json'
HIDDEN = 'mesh_aligned_0.05_mask.txt'  # vertices that were made unrecognizable
NO_OBJECT = 'remove'  # label of stray surface


@dataclass(frozen=True)
class ScanNetPPConfig:
    """Settings of the ScanNet++ reader; it has none."""


def scannetpp_jobs(root: Path, config: ScanNetPPConfig, splits: Sequence[str]) -> list[Job]:
    """
    Return the work of preparing ScanNet++, one job per scene.

    Parameters
    ----------
    root : Path
        Folder with `data/` and `splits/`.
    config : ScanNetPPConfig
    splits : sequence of str
        Of train, validation, test.

    Raises
    ------
    FileFormatError
        A list of scenes is missing or empty.

    """
    return [
        scan_job(
            partial(read_scannetpp, root / 'data' / name, labels=split != 'test'),
            name,
            split,
            {'source': 'ScanNet++'},
        )
        for split in splits
        for name in _names(root / 'splits' / LISTS[split])
    ]


def _names(path: Path) -> list[str]:
    names = path.read_text().split() if path.is_file() else []
    if not names:
        raise FileFormatError(
            f'expected the names of scenes in {path}, found '
            f'{"an empty file" if path.is_file() else "none"}; download the splits of ScanNet++, '
            'or leave that split out with --splits'
        )
    return names


def read_scannetpp(folder: Path, *, labels: bool = True) -> AnnotatedScan:
    """
    Read the folder of one scene; the name of the scan is that of the folder.

    Ids are `objectId`. Where annotated objects share a segment, the smallest one has it, as in
    the publisher's own preparation.

    Parameters
    ----------
    folder : Path
        With `scans/`.
    labels : bool
        False for test scenes: they have no labels, and their superpoints are computed here.

    Raises
    ------
    FileFormatError
        A file is missing, truncated, or does not fit the others; names the scene.

    """
    name, scans = folder.name, folder / 'scans'
    mesh = read_mesh(scans / MESH, name)
    if not labels:
        return unlabeled_scan(mesh, name)
    segments = segment_ids(read_json(scans / SEGMENTS, name, dict), len(mesh.xyz), SEGMENTS, name)
    instance, names = _objects(read_json(scans / GROUPS, name, dict), segments, name)
    scan = AnnotatedScan(
        name,
        mesh.xyz,
        mesh.rgb,
        mesh.normals,
        dense(segments),
        semantic_of(instance, names),
        instance,
    )
    return _without_hidden(scan, mesh, scans / HIDDEN)


def _objects(
    document: Mapping[str, Any], segments: np.ndarray, name: str
) -> tuple[np.ndarray, dict[int, str]]:
    """Return the object of each vertex, and the label of each object."""
    try:
        groups = [
            {'id': int(g['objectId']), 'segments': g['segments'], 'label': str(g['label'])}
            for g in document['segGroups']
        ]
        known, count = np.unique(segments, return_counts=True)
        sizes = {g['id']: int(count[np.isin(known, g['segments'])].sum()) for g in groups}
    except MALFORMED as error:
        raise FileFormatError(
            f'scan {name}: expected "segGroups" with "objectId", "label" and "segments" in '
            f'{GROUPS}, got {error!r}; download it again'
        ) from error
    if any(g['id'] < 1 for g in groups) or len(sizes) != len(groups):
        raise FileFormatError(
            f'scan {name}: expected every "objectId" of {GROUPS} once and from 1, got '
            f'{sorted(g["id"] for g in groups)[:3]} ...; download it again'
        )
    kept = [g for g in groups if g['label'].lower() != NO_OBJECT]
    kept.sort(key=lambda g: (-sizes[g['id']], -g['id']))  # the last of a segment counts
    instance = paint_groups({'segGroups': kept}, segments, GROUPS, name)
    return instance, {g['id']: g['label'] for g in kept}


def _without_hidden(scan: AnnotatedScan, mesh: Mesh, path: Path) -> AnnotatedScan:
    """Return the scan without labels at the vertices that the mask file lists, if there is one."""
    if not path.is_file():
        return scan
    try:
        hidden = np.array(path.read_text().split(), dtype=np.int64)
    except ValueError as error:
        raise FileFormatError(
            f'scan {scan.name}: expected numbers of vertices in {path.name}, got {error}; '
            'download it again'
        ) from error
    if len(hidden) and not 0 <= hidden.min() <= hidden.max() < len(mesh.xyz):
        raise FileFormatError(
            f'scan {scan.name}: expected vertices below {len(mesh.xyz)} in {path.name}, got '
            f'{hidden.max()}; download the scan again'
        )
    labeled = np.ones(len(mesh.xyz), bool)
    labeled[hidden] = False
    return replace(
        scan,
        semantic=np.where(labeled, scan.semantic, -1).astype(np.int32),
        instance=np.where(labeled, scan.instance, 0).astype(np.int32),
    )
