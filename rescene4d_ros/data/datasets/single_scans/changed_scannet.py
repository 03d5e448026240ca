"""
Make sequences of two visits of single ScanNet scans: objects move, leave and come in a copy.

The shares and the noise are those of the published training on ScanNet change sequences. How far
objects move is not published: here anywhere within the reach of a room's furniture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
import zlib

import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.data.datasets.annotated_truth import (
    instance_classes,
    sequence_truth,
    VisitNotes,
)
from rescene4d_ros.data.datasets.annotations import AnnotatedScan, dense
from rescene4d_ros.data.datasets.prepare import Job
from rescene4d_ros.data.datasets.single_scans.scannet import read_scan, scannet_jobs, ScanNetConfig
from rescene4d_ros.data.datasets.written_scans import color_moments, write_annotated
from rescene4d_ros.geometry.se3 import transform, turn_about, upright
from rescene4d_ros.structures import ChangeKind, INSTANCE_CLASSES

LABELED = ('train', 'validation')
# Largest shares of the objects; each copy draws its own up to these.
MOVED, REMOVED, ADDED, DUPLICATED = 0.4, 0.1, 0.1, 0.05
MOST_DUPLICATES = 3
POINT_NOISE, NORMAL_NOISE, COLOR_SHIFT, THINNED = 0.005, 0.1, 10, 0.1  # m, -, of 255, share
TURN, SHIFT = 0.02, 0.05  # of the whole visit: deviation in rad and m
REACH = 1.0  # m, deviation of a motion along x and y


@dataclass(frozen=True)
class ChangedScanNetConfig(ScanNetConfig):
    """Settings of the sequences."""

    copies: int = param(10, 'Sequences of two visits that are made of each scan', ge=1, le=1000)
    seed: int = param(59, 'Seed of the changes', ge=0)


@dataclass(frozen=True)
class Plan:
    """
    What happens to the objects between the two visits.

    Attributes
    ----------
    motions : dict of int to ndarray (4, 4), m
        Of the objects that move.
    removed, added : frozenset of int
        Missing at the second visit, at the first.
    duplicates : dict of int to tuple of (int, ndarray (4, 4))
        New ids, and the motions from the object to each of them, by object.

    """

    motions: Mapping[int, np.ndarray] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    added: frozenset[int] = frozenset()
    duplicates: Mapping[int, tuple[tuple[int, np.ndarray], ...]] = field(default_factory=dict)


def changed_scannet_jobs(
    root: Path,
    config: ChangedScanNetConfig,
    splits: Sequence[str] = LABELED,
    lists: Path | None = None,
) -> list[Job]:
    """
    Return the work of making the sequences, one job per scan with labels.

    Parameters and errors are those of `scannet_jobs`; scans of the test split have no labels and
    are left out.
    """
    labeled = [split for split in LABELED if split in splits]
    return [
        Job(
            job.name,
            job.split,
            partial(prepare_copies, root / 'scans' / job.name, job.split, config),
        )
        for job in scannet_jobs(root, config, labeled, lists)
    ]


def prepare_copies(
    scan_folder: Path, split: str, config: ChangedScanNetConfig, folder: Path
) -> dict[str, Any]:
    """Read one scan, write its sequences `SCAN_changed_K`, and return the record of the scan."""
    scan = read_scan(scan_folder, official=config.official)
    written = []
    for copy in range(config.copies):
        rng = np.random.default_rng((config.seed, zlib.crc32(scan.name.encode()), copy))
        visits, notes, groups = changed_visits(scan, rng)
        truth = sequence_truth(visits, notes, groups, official=config.official)
        told = {
            'source': 'ScanNet, changes made',
            'compat': config.compat,
            'split': split,
            'scans': [v.name for v in visits],
            'color_scale': 1.0,
        }
        name = f'{scan.name}_changed_{copy:02d}'
        written.append(write_annotated(folder, name, visits, truth, told))
    return {'scene': scan.name, 'sequences': written, 'colors': [color_moments(scan)]}


def changed_visits(
    scan: AnnotatedScan, rng: np.random.Generator
) -> tuple[list[AnnotatedScan], list[VisitNotes], list[list[int]]]:
    """
    Return a scan as two visits between which objects change.

    Parameters
    ----------
    scan : AnnotatedScan
    rng : Generator

    Returns
    -------
    visits : list of 2 AnnotatedScan
        The scan without what comes later, and a copy with noise, turned and shifted a little.
    notes : list of 2 VisitNotes
    groups : list of list of int
        Objects and their duplicates.

    """
    ids = [i for i, c in instance_classes([scan]).items() if c in range(len(INSTANCE_CLASSES))]
    plan = planned(scan, ids, rng)
    first = _of_points(scan, ~np.isin(scan.instance, list(plan.added)))
    map_T_copy = upright(rng.normal(0, TURN), rng.normal(0, SHIFT, 3))
    second = _with_noise(_second(scan, plan), map_T_copy, rng)
    new = {i for copies in plan.duplicates.values() for i, _ in copies}
    changes = {
        **dict.fromkeys(plan.motions, ChangeKind.MOVED),
        **dict.fromkeys(plan.removed, ChangeKind.REMOVED),
        **dict.fromkeys(plan.added | new, ChangeKind.ADDED),
    }
    motions = {i: map_T_copy @ plan.motions.get(i, np.eye(4)) for i in ids}
    notes = [VisitNotes(), VisitNotes(changes, plan.removed, motions)]
    groups = [[i, *(n for n, _ in copies)] for i, copies in plan.duplicates.items()]
    visits = [first, replace(second, name=f'{scan.name}_changed')]
    return [replace(v, superpoint=dense(v.superpoint)) for v in visits], notes, groups


def planned(scan: AnnotatedScan, ids: Sequence[int], rng: np.random.Generator) -> Plan:
    """Draw what happens to the objects of a scan; to each object one thing at most."""
    order = iter(rng.permutation(ids).tolist())

    def some(most: float) -> list[int]:
        count = round(rng.uniform(0, most) * len(ids))
        return [i for _, i in zip(range(count), order)]

    moved, removed, added, doubled = map(some, (MOVED, REMOVED, ADDED, DUPLICATED))
    free = int(scan.instance.max(initial=0)) + 1
    duplicates = {}
    for i in doubled:
        count = int(rng.integers(1, MOST_DUPLICATES + 1))
        duplicates[i] = tuple((free + k, _motion(scan, i, rng)) for k in range(count))
        free += count
    return Plan(
        {i: _motion(scan, i, rng) for i in moved}, frozenset(removed), frozenset(added), duplicates
    )


def _motion(scan: AnnotatedScan, instance: int, rng: np.random.Generator) -> np.ndarray:
    """Return a turn about the vertical through the object and a shift along the floor."""
    middle = scan.xyz[scan.instance == instance].mean(axis=0).astype(np.float64)
    to = middle + np.array([*rng.normal(0, REACH, 2), 0.0])
    return turn_about(middle, rng.uniform(-np.pi, np.pi), to)


def _second(scan: AnnotatedScan, plan: Plan) -> AnnotatedScan:
    """Return the scan after the changes, without noise."""
    parts = [_of_points(scan, ~np.isin(scan.instance, [*plan.motions, *plan.removed]))]
    for i, motion in plan.motions.items():
        parts.append(_moved(_of_points(scan, scan.instance == i), motion))
    pieces = int(scan.superpoint.max(initial=0)) + 1
    for i, copies in plan.duplicates.items():
        for new, motion in copies:
            copy = _moved(_of_points(scan, scan.instance == i), motion)
            parts.append(
                replace(
                    copy,
                    instance=np.full_like(copy.instance, new),
                    superpoint=copy.superpoint + np.int64(pieces * new),
                )
            )
    colors = [part.rgb for part in parts if part.rgb is not None]
    return replace(
        scan,
        xyz=np.concatenate([part.xyz for part in parts]),
        rgb=np.concatenate(colors) if colors else None,
        normals=np.concatenate([part.normals for part in parts]),
        superpoint=np.concatenate([part.superpoint for part in parts]),
        semantic=np.concatenate([part.semantic for part in parts]),
        instance=np.concatenate([part.instance for part in parts]),
    )


def _of_points(scan: AnnotatedScan, rows: np.ndarray) -> AnnotatedScan:
    """Return some points of a scan, by mask or number."""
    return replace(
        scan,
        xyz=scan.xyz[rows],
        rgb=None if scan.rgb is None else scan.rgb[rows],
        normals=scan.normals[rows],
        superpoint=scan.superpoint[rows],
        semantic=scan.semantic[rows],
        instance=scan.instance[rows],
    )


def _moved(scan: AnnotatedScan, motion: np.ndarray) -> AnnotatedScan:
    """Return a scan moved, normals too."""
    return replace(
        scan,
        xyz=transform(motion, scan.xyz).astype(np.float32),
        normals=(scan.normals @ motion[:3, :3].T).astype(np.float32),
    )


def _with_noise(
    scan: AnnotatedScan, motion: np.ndarray, rng: np.random.Generator
) -> AnnotatedScan:
    """Return a scan as another recording of the place: moved, other points, normals and colors."""
    n = len(scan.xyz)
    rows = np.flatnonzero(rng.random(n) >= rng.uniform(0, THINNED))
    again = rng.choice(rows, int(rng.uniform(0, THINNED) * len(rows))) if len(rows) else rows
    moved = _moved(_of_points(scan, np.concatenate([rows, again])), motion)
    normals = moved.normals + rng.normal(0, NORMAL_NOISE, moved.normals.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-6)
    shift = rng.integers(-COLOR_SHIFT, COLOR_SHIFT + 1, 3)
    return replace(
        moved,
        xyz=(moved.xyz + rng.normal(0, POINT_NOISE, moved.xyz.shape)).astype(np.float32),
        normals=normals.astype(np.float32),
        rgb=None if moved.rgb is None else (moved.rgb + shift).clip(0, 255).astype(np.uint8),
    )
