"""
Convert a data set to sequence files, in parallel, continuing a stopped run.

Resulting folder:

* `settings.json`: settings of the files; other settings need another folder
* `SPLIT/NAME.npz`: sequence files, see `sequence_file`
* `SPLIT/records/PLACE.json`: written last of each place; what has one is done
* `SPLIT/index.json`: all sequences of the split and the statistics of their colors
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.data.datasets.annotations import AnnotatedScan
from rescene4d_ros.data.sequences.sequence_file import write_sequence
from rescene4d_ros.errors import ConfigError, RescenError, StorageError
from rescene4d_ros.processes import each_result
from rescene4d_ros.structures import Scan, ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth

READER = 1  # increase it when files of older readers must be replaced
FIRST_VISIT_NS = 946_684_800 * 10**9  # 2000-01-01: before any of these scans
DAY_NS = 86_400 * 10**9
STAMPS = 'synthetic: the data set has no times; visits are one day apart from 2000-01-01'


@dataclass(frozen=True)
class Job:
    """
    Conversion of one place.

    Attributes
    ----------
    name : str
        Unique within its split.
    split : str
    make : callable
        Folder of the split -> record of what was written; must be picklable.

    """

    name: str
    split: str
    make: Callable[[Path], dict[str, Any]]


def prepare(
    jobs: Sequence[Job],
    out: Path,
    settings: Mapping[str, Any],
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, str]:
    """
    Run unfinished jobs, and write the index of their splits.

    A job that fails does not stop the others.

    Parameters
    ----------
    jobs : sequence of Job
    out : Path
    settings : mapping
        Settings of the files, as JSON values.
    workers : int
        Processes; 1 = this one.
    progress : callable
        Called with the number of finished files and the total.

    Returns
    -------
    dict of str to str
        Errors of failed jobs, by name.

    Raises
    ------
    ConfigError
        The folder holds files made with other settings.
    StorageError
        The folder cannot be written, or a process was killed.

    """
    _claim(out, {**settings, 'reader': READER})
    todo = [job for job in jobs if not _is_done(job, out)]
    done, failures = len(jobs) - len(todo), {}
    progress(done, len(jobs))
    for (job, _), failure in each_result(_do, [(job, out) for job in todo], workers):
        if failure:
            failures[job.name] = failure
        done += 1
        progress(done, len(jobs))
    for split in dict.fromkeys(job.split for job in jobs):
        _write_index(out / split, settings)
    return failures


def left_out(jobs: Sequence[Job], out: Path) -> dict[str, str]:
    """Return the scans that finished jobs left out, by name, with the reason."""
    found: dict[str, str] = {}
    for job in jobs:
        path = _record_path(job, out)
        if path.exists():
            found |= json.loads(path.read_text()).get('left_out', {})
    return found


def _claim(out: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings, or compare with those written before."""
    path = out / 'settings.json'
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _write_json(path, settings)
        before = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise StorageError(
            f'{path}: expected a folder that can be written and whole settings, '
            f'got {error}; use another --out'
        ) from error
    if before != json.loads(json.dumps(settings)):
        raise ConfigError(
            f'{out}: expected sequences made with {dict(settings)}, got a folder '
            f'made with {before}; use another --out'
        )


def _record_path(job: Job, out: Path) -> Path:
    return out / job.split / 'records' / f'{job.name}.json'


def _is_done(job: Job, out: Path) -> bool:
    path = _record_path(job, out)
    if not path.exists():
        return False
    try:
        record = json.loads(path.read_text())
        if record.get('left_out'):
            return False  # the scan may be mended by now
        return all((out / job.split / s['file']).exists() for s in record['sequences'])
    except (ValueError, KeyError):
        return False


def _do(job: Job, out: Path) -> str:
    """Run one job; return its error, or ''."""
    record = _record_path(job, out)
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        _write_json(record, job.make(out / job.split))
    except RescenError as error:
        return str(error)
    except OSError as error:
        return f'{job.name}: cannot read or write ({error}); check the disk and run again'
    return ''


def write_annotated(
    folder: Path,
    name: str,
    scans: Sequence[AnnotatedScan],
    truth: SequenceTruth,
    notes: Mapping[str, Any],
) -> dict[str, Any]:
    """
    Write one sequence of annotated scans, with artificial stamps and superpoints of its meshes.

    Returns
    -------
    dict
        Entry of the index.

    """
    visits = tuple(
        Scan(s.xyz, FIRST_VISIT_NS + t * DAY_NS, s.rgb, s.normals, name=s.name)
        for t, s in enumerate(scans)
    )
    write_sequence(
        folder / f'{name}.npz',
        ScanSequence(visits, name),
        truth,
        superpoint=[s.superpoint for s in scans],
        notes={**notes, 'stamps': STAMPS},
    )
    objects = {o.instance_id for visit in truth.visits for o in visit.objects}
    return {
        'name': name,
        'file': f'{name}.npz',
        'scans': [s.name for s in scans],
        'points': [len(s.xyz) for s in scans],
        'objects': len(objects),
        'has_labels': all(s.has_labels for s in scans),
    }


def color_moments(scan: AnnotatedScan) -> list[list[float]]:
    """Return mean and mean square of the colors, each (3,), colors in 0..1; [] without color."""
    if scan.rgb is None:
        return []
    rgb = scan.rgb.astype(np.float64) / 255
    return [rgb.mean(axis=0).tolist(), (rgb**2).mean(axis=0).tolist()]


def _write_index(folder: Path, settings: Mapping[str, Any]) -> None:
    """Join the records of a split; color statistics weight scans equally."""
    records = [json.loads(p.read_text()) for p in sorted(folder.glob('records/*.json'))]
    moments = np.array([m for r in records for m in r['colors'] if m]).reshape(-1, 2, 3)
    mean, square = moments.mean(axis=0) if len(moments) else np.full((2, 3), np.nan)
    index = {
        'settings': dict(settings),
        'stamps': STAMPS,
        'color_mean': mean.tolist() if len(moments) else None,
        'color_std': np.sqrt(square - mean**2).tolist() if len(moments) else None,
        'sequences': [s for r in records for s in r['sequences']],
    }
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / 'index.json', index)


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document; the file appears whole or not at all."""
    with atomic_write(path) as file:
        file.write(json.dumps(document, indent=1).encode() + b'\n')
