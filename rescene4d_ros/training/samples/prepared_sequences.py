"""
Prepared sequences: superpoints computed once, small numbers, visits read one by one.

Superpoints take longer than a training step, so they are computed once per file; a prepared file
is replaced when its source or the superpoint settings change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
import hashlib
import json
from pathlib import Path
from typing import Any
import zipfile

import numpy as np
from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.data.sequences.sequence_file import read_sequence
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.geometry.normals import estimate_normals
from rescene4d_ros.geometry.superpoints.cut import SuperpointConfig, superpoints
from rescene4d_ros.processes import each_result
from rescene4d_ros.structures import Scan, ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth
from rescene4d_ros.training.samples.background import background_of

SCHEMA = 2
STEP = 0.001  # m; coordinates are rounded to the millimeter


@dataclass(frozen=True)
class PreparedVisit:
    """
    One visit with superpoints and truth.

    Attributes
    ----------
    scan : Scan
        With normals, estimated where the source had none.
    superpoint : ndarray (N,), int32
        0..S - 1.
    instance : ndarray (N,), int32
        Instance id per point, equal at every visit; 0 = none.
    background : ndarray (N,), int8
        What a point outside the instances belongs to, see `background_of`.

    """

    scan: Scan
    superpoint: np.ndarray
    instance: np.ndarray
    background: np.ndarray


@dataclass(frozen=True)
class PreparedSequence:
    """
    Visits of one place and the class of each instance.

    Attributes
    ----------
    visits : tuple of T PreparedVisit
    classes : dict of int to int
        Instance id to index in SEMANTIC_CLASSES; -1 = unlabeled.
    name : str

    """

    visits: tuple[PreparedVisit, ...]
    classes: dict[int, int]
    name: str = ''


def prepare(
    sequence: ScanSequence, truth: SequenceTruth, config: SuperpointConfig, normals: str = 'given'
) -> PreparedSequence:
    """
    Compute the superpoints of every visit as the segmenter does, and collect the truth.

    Parameters
    ----------
    sequence : ScanSequence
    truth : SequenceTruth
    config : SuperpointConfig
    normals : {'given', 'estimated'}
        given: estimate only missing ones.

    """
    visits, classes = [], {}
    for scan, visit_truth in zip(sequence.scans, truth.visits, strict=True):
        if scan.normals is None or normals == 'estimated':
            scan = replace(scan, normals=estimate_normals(scan.xyz, sensor_path=scan.sensor_path))
        pieces = superpoints(scan.xyz, scan.normals, scan.rgb, config)
        background = background_of(scan, visit_truth)
        visits.append(PreparedVisit(scan, pieces, visit_truth.instance, background))
        classes.update(_classes(visit_truth))
    return PreparedSequence(tuple(visits), classes, sequence.name)


def _classes(truth) -> dict[int, int]:
    """Return the class of each instance: as given, else that of the majority of its points."""
    classes = {}
    for instance in np.unique(truth.instance[truth.instance > 0]):
        values, counts = np.unique(truth.semantic[truth.instance == instance], return_counts=True)
        classes[int(instance)] = int(values[counts.argmax()])
    classes.update({o.instance_id: o.class_id for o in truth.objects})
    return classes


def save_prepared(path: str | Path, sequence: PreparedSequence) -> None:
    """Write a prepared sequence atomically."""
    arrays: dict[str, Any] = {
        'schema': np.array(SCHEMA),
        'name': np.array(sequence.name),
        'visits': np.array(len(sequence.visits)),
        'classes': np.array(sorted(sequence.classes.items()), np.int64).reshape(-1, 2),
    }
    for t, visit in enumerate(sequence.visits):
        scan = visit.scan
        if scan.normals is None:
            raise ValueError(
                f'{sequence.name}: expected normals in every visit, got none in visit {t}; '
                'estimate them before'
            )
        origin = scan.xyz.mean(axis=0, dtype=np.float64) if len(scan) else np.zeros(3)
        steps = np.rint((scan.xyz - origin) / STEP)
        arrays |= {
            f'origin_{t}': origin,
            f'xyz_{t}': _smallest(steps.astype(np.int64)),
            f'stamp_{t}': np.array(scan.stamp_ns),
            f'normals_{t}': np.rint(scan.normals * 127).astype(np.int8),
            f'superpoint_{t}': _smallest(visit.superpoint),
            f'instance_{t}': _smallest(visit.instance),
            f'background_{t}': visit.background,
        }
        if scan.rgb is not None:
            arrays[f'rgb_{t}'] = scan.rgb
    with atomic_write(path) as file:
        np.savez(file, **arrays)


def _smallest(values: np.ndarray) -> np.ndarray:
    """Return integers in 16 bits if they fit, else in 32."""
    fits = not values.size or (values.min() >= -(2**15) and values.max() < 2**15)
    return values.astype(np.int16 if fits else np.int32)


class PreparedFile:
    """Read visits of a prepared sequence one at a time."""

    def __init__(self, path: str | Path):
        try:
            self._arrays = np.load(path)
            schema = int(self._arrays['schema'])
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise FileFormatError(
                f'prepared sequence {path}: expected a complete file, got '
                f'{error}; delete it, it is computed again'
            ) from error
        if schema != SCHEMA:
            raise FileFormatError(
                f'prepared sequence {path}: expected schema {SCHEMA}, got '
                f'{schema}; delete it, it is computed again'
            )
        self.name = str(self._arrays['name'])
        self.classes = {int(i): int(c) for i, c in self._arrays['classes']}

    def __enter__(self) -> PreparedFile:
        """Return the open file."""
        return self

    def __exit__(self, *_) -> None:
        """Close the file."""
        self._arrays.close()

    def __len__(self) -> int:
        """Return the number of visits T."""
        return int(self._arrays['visits'])

    def visit(self, t: int) -> PreparedVisit:
        """Read visit t."""
        a = self._arrays
        xyz = a[f'xyz_{t}'] * STEP + a[f'origin_{t}']
        normals = a[f'normals_{t}'].astype(np.float32)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
        rgb = a[f'rgb_{t}'] if f'rgb_{t}' in a else None
        scan = Scan(
            xyz.astype(np.float32), int(a[f'stamp_{t}']), rgb, normals, name=f'{self.name}/{t}'
        )
        return PreparedVisit(
            scan,
            a[f'superpoint_{t}'].astype(np.int32),
            a[f'instance_{t}'].astype(np.int32),
            a[f'background_{t}'],
        )


def load_prepared(path: str | Path, visits: Sequence[int] | None = None) -> PreparedSequence:
    """
    Read a prepared sequence.

    Parameters
    ----------
    path : str or Path
    visits : sequence of int, optional
        Visits in the requested order; default all.

    Raises
    ------
    FileFormatError
        Damaged, or of another schema.

    """
    with PreparedFile(path) as file:
        selected = range(len(file)) if visits is None else visits
        return PreparedSequence(tuple(file.visit(t) for t in selected), file.classes, file.name)


def prepare_folder(
    sources: Sequence[Path],
    folder: Path,
    config: SuperpointConfig,
    *,
    normals: str = 'given',
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[Path]:
    """
    Prepare sequence files that are not prepared yet.

    Parameters
    ----------
    sources : sequence of Path
        Sequence files with truth.
    folder : Path
        Folder of prepared files.
    config : SuperpointConfig
    normals : {'given', 'estimated'}
        As for `prepare`.
    workers : int
        Processes; 1 = this one.
    progress : callable
        Called with the number of finished files and the total.

    Returns
    -------
    list of Path
        Prepared files, in the order of the sources.

    Raises
    ------
    FileFormatError
        A source cannot be read.

    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / _prepared_name(source, config, normals) for source in sources]
    todo = [(s, p, config, normals) for s, p in zip(sources, paths) if not p.exists()]
    done = len(paths) - len(todo)
    progress(done, len(paths))
    for _ in each_result(_prepare_file, todo, workers):
        done += 1
        progress(done, len(paths))
    return paths


def _prepare_file(source: Path, path: Path, config: SuperpointConfig, normals: str) -> None:
    """Prepare one sequence file."""
    save_prepared(path, prepare(*read_sequence(source), config, normals))


def _prepared_name(source: Path, config: SuperpointConfig, normals: str) -> str:
    """Return a file name that changes with the source's content and the settings."""
    stat = source.stat()
    settings = json.dumps(
        [SCHEMA, str(source.resolve()), stat.st_size, stat.st_mtime_ns, asdict(config), normals]
    )
    return f'{source.stem}-{hashlib.sha256(settings.encode()).hexdigest()[:12]}.npz'
