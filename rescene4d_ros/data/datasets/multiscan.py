"""
Read MultiScan: scans of tablets, annotated per triangle, several of some rooms.

The data set does not state which objects of two scans of a room are the same. By default every
scan is a sequence of one visit. Labels such as `chair.3` were given scan by scan; to join scans by
them is a choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.data.datasets.annotated_truth import sequence_truth, VisitNotes
from rescene4d_ros.data.datasets.annotations import AnnotatedScan, MALFORMED, refuse_large_ids
from rescene4d_ros.data.datasets.class_names import semantic_of
from rescene4d_ros.data.datasets.mesh_files import read_json, read_mesh
from rescene4d_ros.data.datasets.prepare import cause_of, Job
from rescene4d_ros.data.datasets.rio.metadata import column_major
from rescene4d_ros.data.datasets.single_scans.scan_job import scan_job
from rescene4d_ros.data.datasets.written_scans import color_moments, write_annotated
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.geometry.se3 import transform
from rescene4d_ros.geometry.superpoints.mesh import mesh_superpoints

LIST = 'scans_split.csv'
SPLITS = {'train': 'train', 'val': 'validation', 'test': 'test'}
IDENTITY = ('none', 'labels')
NO_OBJECT = 'remove'  # label of stray surface


@dataclass(frozen=True)
class MultiScanConfig:
    """Settings of the MultiScan reader."""

    identity: str = param(
        'none',
        'none: each scan is a sequence of one visit; labels: the scans of a room are one '
        'sequence, and objects with the same label (chair.3) are one object',
        one_of=IDENTITY,
    )


def multiscan_jobs(
    root: Path, config: MultiScanConfig, splits: Sequence[str], lists: Path | None = None
) -> list[Job]:
    """
    Return the work of preparing MultiScan, one job per scan or, with `labels`, per room.

    Parameters
    ----------
    root : Path
        Folder with one folder per scan.
    config : MultiScanConfig
    splits : sequence of str
        Of train, validation, test.
    lists : Path, optional
        Folder with `scans_split.csv`, from `dataset/benchmark` of MultiScan's repository;
        default: `root`.

    Raises
    ------
    FileFormatError
        The list is missing or not of this format.

    """
    scans = _scans((lists or root) / LIST, splits)
    if config.identity == 'none':
        return [
            scan_job(
                partial(read_multiscan, root / name),
                name,
                split,
                {'source': 'MultiScan', 'room': _room(name)},
            )
            for name, split in scans
        ]
    rooms: dict[tuple[str, str], list[str]] = {}
    for name, split in sorted(scans):
        rooms.setdefault((_room(name), split), []).append(name)
    return [
        Job(room, split, partial(prepare_room, root, room, split, tuple(names)))
        for (room, split), names in rooms.items()
    ]


def _scans(path: Path, splits: Sequence[str]) -> list[tuple[str, str]]:
    """Return name and split of the scans of the list that are asked for."""
    try:
        with open(path, newline='', encoding='utf-8-sig') as file:
            rows = [(r['scanId'].strip(), r['split'].strip()) for r in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, AttributeError, UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(
            f'expected the columns scanId and split in {path}, got {error!r}; copy it from '
            'dataset/benchmark of the MultiScan repository or name its folder with --lists'
        ) from error
    return [(name, SPLITS[s]) for name, s in rows if SPLITS.get(s) in splits]


def _room(name: str) -> str:
    """Return `scene_NNNNN` of `scene_NNNNN_NN`."""
    return name.rpartition('_')[0]


def read_multiscan(folder: Path) -> AnnotatedScan:
    """
    Read one scan, in its own frame; ids are `objectId`.

    Raises
    ------
    FileFormatError
        A file is missing, truncated, or does not fit the others; names the scan.

    """
    return _read(folder)[0]


def _read(folder: Path) -> tuple[AnnotatedScan, dict[int, str]]:
    """Return the scan, and the label of each object."""
    name = folder.name
    path = folder / f'{name}.ply'
    mesh = read_mesh(path, name)
    of_faces = mesh.face_property('objectId', path, name).astype(np.int64)
    labels = _labels(folder / f'{name}.annotations.json', name)
    of_faces = np.where(np.isin(of_faces, list(labels)), of_faces, 0)
    instance = _at_vertices(of_faces, mesh.faces, len(mesh.xyz))
    pieces = mesh_superpoints(mesh.xyz, mesh.faces)
    scan = AnnotatedScan(
        name, mesh.xyz, mesh.rgb, mesh.normals, pieces, semantic_of(instance, labels), instance
    )
    return scan, labels


def _labels(path: Path, name: str) -> dict[int, str]:
    document = read_json(path, name, dict)
    try:
        labels = {int(o['objectId']): str(o['label']) for o in document['objects']}
        if any(i < 1 for i in labels) or len(labels) != len(document['objects']):
            raise ValueError(f'ids {sorted(labels)[:3]} ... of {len(document["objects"])} objects')
        refuse_large_ids(labels)
    except MALFORMED as error:
        raise FileFormatError(
            f'scan {name}: expected "objects" with "objectId" from 1 and "label" in {path.name}, '
            f'got {error!r}; download it again'
        ) from error
    return {i: t for i, t in labels.items() if t.partition('.')[0].lower() != NO_OBJECT}


def _at_vertices(of_faces: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    """Return (count,) int32, the object of most triangles of each vertex; 0 without triangles."""
    pairs, votes = np.unique(
        np.column_stack([faces.ravel(), np.repeat(of_faces, 3)]), axis=0, return_counts=True
    )
    order = np.lexsort((-pairs[:, 1], votes))  # the last of a vertex counts; of equal, the lowest
    found = np.zeros(count, np.int32)
    found[pairs[order, 0]] = pairs[order, 1]
    return found


def prepare_room(
    root: Path, room: str, split: str, names: Sequence[str], folder: Path
) -> dict[str, Any]:
    """
    Write the scans of a room as one sequence, in the frame of their reference scan.

    Raises
    ------
    FileFormatError
        No scan is whole. Other scans that are damaged or not aligned are left out, and the record
        says why.

    """
    scans: list[AnnotatedScan] = []
    ids: dict[str, int] = {}
    left_out: dict[str, str] = {}
    reference = ''
    for name in names:
        try:
            scan, labels = _read(root / name)
            target, target_T_scan = _to_reference(root, name)
            if reference and target != reference:
                raise FileFormatError(
                    f'scan {name}: expected an alignment to {reference}, got one to {target}; '
                    'leave it out'
                )
        except Exception as error:  # of any kind, as of a library that damaged files upset
            left_out[name] = cause_of(name, error)
            continue
        reference = target
        scans.append(_joined(scan, labels, target_T_scan, ids))
    if not scans:
        raise FileFormatError(
            f'{room}: expected at least one whole scan, got none; {"; ".join(left_out.values())}'
        )
    truth = sequence_truth(scans, [VisitNotes()] * len(scans))
    notes = {
        'source': 'MultiScan',
        'room': room,
        'split': split,
        'scans': [s.name for s in scans],
        'identity': 'labels of the annotators, which the data set does not state to be ids',
        'color_scale': 1.0,
    }
    return {
        'scene': room,
        'sequences': [write_annotated(folder, room, scans, truth, notes)],
        'colors': [color_moments(s) for s in scans],
        'left_out': left_out,
    }


def _to_reference(root: Path, name: str) -> tuple[str, np.ndarray]:
    """Return the reference scan that a scan is aligned to, over others, and the motion to it."""
    reference_T_scan, passed = np.eye(4), [name]
    while True:
        scan = passed[-1]
        path = root / scan / f'{scan}.align.json'
        entry: Mapping[str, Any] | None = read_json(path, name, dict).get(
            'reference_scan_alignment'
        )
        if entry is None:
            return scan, reference_T_scan
        try:
            target, motion = str(entry['target_id']), column_major(entry['transformation'])
            if target in passed:
                raise ValueError(f'a ring of {", ".join(passed)}')
        except MALFORMED as error:
            raise FileFormatError(
                f'scan {name}: expected "reference_scan_alignment" with "target_id" and '
                f'"transformation" in {path.name}, got {error!r}; download it again'
            ) from error
        reference_T_scan = motion @ reference_T_scan
        passed.append(target)


def _joined(
    scan: AnnotatedScan,
    labels: Mapping[int, str],
    reference_T_scan: np.ndarray,
    ids: dict[str, int],
) -> AnnotatedScan:
    """Return the scan in the frame of the reference, with ids by label; new ones join `ids`."""
    table = {i: ids.setdefault(t, len(ids) + 1) for i, t in sorted(labels.items())}
    known, index = np.unique(scan.instance, return_inverse=True)
    joined = np.array([table.get(int(i), 0) for i in known], np.int32)[index.ravel()]
    return replace(
        scan,
        xyz=transform(reference_T_scan, scan.xyz).astype(np.float32),
        normals=(scan.normals @ reference_T_scan[:3, :3].T).astype(np.float32),
        instance=joined,
    )
