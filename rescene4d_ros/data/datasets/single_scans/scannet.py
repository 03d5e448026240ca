"""
Read ScanNet v2: annotated meshes of single visits.

Scans of one place are not aligned with each other, so every scan is a sequence of one visit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rescene4d_ros.data.datasets.annotated_truth import (
    AnnotationConfig,
    sequence_truth,
    VisitNotes,
)
from rescene4d_ros.data.datasets.annotations import (
    AnnotatedScan,
    dense,
    paint_groups,
    segment_ids,
    unlabeled_scan,
)
from rescene4d_ros.data.datasets.mesh_files import read_json, read_mesh
from rescene4d_ros.data.datasets.prepare import Job
from rescene4d_ros.data.datasets.written_scans import color_moments, write_annotated
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures.segmentation import class_of_nyu40

SPLITS = {'train': 'train', 'validation': 'val', 'test': 'test'}
FOLDERS = {'train': 'scans', 'validation': 'scans', 'test': 'scans_test'}
# Groups with annotation errors, also excluded by Mask3D and ReScene4D.
WRONG_GROUPS = {'scene0270_00': (50,), 'scene0270_02': (50,), 'scene0384_00': (149,)}


@dataclass(frozen=True)
class ScanNetConfig(AnnotationConfig):
    """Settings of the ScanNet reader."""


def scannet_jobs(
    root: Path,
    config: ScanNetConfig,
    splits: Sequence[str] = tuple(SPLITS),
    lists: Path | None = None,
) -> list[Job]:
    """
    Return the work of preparing ScanNet, one job per scan.

    Parameters
    ----------
    root : Path
        Folder with `scans/` and `scans_test/`.
    config : ScanNetConfig
    splits : sequence of str
        Of train, validation, test.
    lists : Path, optional
        Folder with `scannetv2_train.txt` and so on, from `Tasks/Benchmark` of ScanNet's
        repository; default: `root`, or that folder below it.

    Raises
    ------
    FileFormatError
        A list is missing or empty.

    """
    jobs = []
    for split in splits:
        folder = root / FOLDERS[split]
        jobs += [
            Job(name, split, partial(prepare_scan, folder / name, split, config.official))
            for name in _names(split, lists, root)
        ]
    return jobs


def _names(split: str, lists: Path | None, root: Path) -> list[str]:
    file = f'scannetv2_{SPLITS[split]}.txt'
    places = [lists] if lists else [root, root / 'Tasks' / 'Benchmark']
    path = next((p / file for p in places if (p / file).is_file()), None)
    names = path.read_text().split() if path else []
    if not names:
        raise FileFormatError(
            f'expected the names of the {split} scans in {file}, found '
            f'{"an empty file" if path else "none"} in '
            f'{" or ".join(map(str, places))}; copy it from Tasks/Benchmark of '
            'the ScanNet repository or name its folder with --lists'
        )
    return names


def prepare_scan(scan_folder: Path, split: str, official: bool, folder: Path) -> dict[str, Any]:
    """
    Read one scan and write it as a sequence of one visit.

    Returns
    -------
    dict
        The record of the scan.

    Raises
    ------
    FileFormatError
        Names the scan whose files are missing or damaged.

    """
    scan = read_scan(scan_folder, labels=split != 'test', official=official)
    truth = sequence_truth([scan], [VisitNotes()], official=official)
    notes = {
        'source': 'ScanNet',
        'compat': 'official' if official else 'corrected',
        'split': split,
        'scans': [scan.name],
        'color_scale': 1.0,
        'scene_type': scene_type(scan_folder),
    }
    written = write_annotated(folder, scan.name, [scan], truth, notes)
    return {'scene': scan.name, 'sequences': [written], 'colors': [color_moments(scan)]}


def read_scan(folder: Path, *, labels: bool = True, official: bool = False) -> AnnotatedScan:
    """
    Read the folder of one scan; the scan's name is that of the folder.

    Ids of instances are those of the annotation plus one.

    Parameters
    ----------
    folder : Path
    labels : bool
        False for test scans: they have no labels, and their superpoints are computed here.
    official : bool
        Where superpoints are computed here: do not merge vertices at one place first.

    Raises
    ------
    FileFormatError
        A file is missing, truncated, or does not fit the others; names the scan.

    """
    name = folder.name
    path = folder / f'{name}_vh_clean_2.ply'
    mesh = read_mesh(path, name)
    if not labels:
        return unlabeled_scan(mesh, name, weld=not official)
    path = folder / f'{name}_vh_clean_2.labels.ply'
    nyu40 = read_mesh(path, name).property('label', path, name)
    if len(nyu40) != len(mesh.xyz):
        raise FileFormatError(
            f'scan {name}: expected one label per vertex ({len(mesh.xyz)}) in '
            f'{path.name}, got {len(nyu40)}; download the scan again'
        )
    path = _only(folder, '*[0-9].segs.json')
    segments = segment_ids(read_json(path, name, dict), len(nyu40), path.name, name)
    # That of the full mesh, `_vh_clean.aggregation.json`, refers to other segments.
    path = folder / f'{name}.aggregation.json'
    instance = paint_groups(
        read_json(path, name, dict),
        segments,
        path.name,
        name,
        offset=1,
        dropped=WRONG_GROUPS.get(name, ()),
    )
    return AnnotatedScan(
        name, mesh.xyz, mesh.rgb, mesh.normals, dense(segments), class_of_nyu40(nyu40), instance
    )


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise FileFormatError(
            f'scan {folder.name}: expected one {pattern} in {folder}, found '
            f'{", ".join(p.name for p in found) or "none"}; download the scan '
            'again'
        )
    return found[0]


def scene_type(folder: Path) -> str:
    """Return the kind of room in `SCAN.txt`, or '' if there is none."""
    path = folder / f'{folder.name}.txt'
    lines = path.read_text().splitlines() if path.is_file() else []
    pairs = (line.partition('=') for line in lines)
    return next((value.strip() for key, _, value in pairs if key.strip() == 'sceneType'), '')
