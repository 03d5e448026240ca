"""
Convert a data set to sequence files, in parallel, continuing a stopped run.

Resulting folder:

* `settings.json`: settings of the files; other settings need another folder
* `SPLIT/NAME.npz`: sequence files, see `sequence_file`
* `SPLIT/records/PLACE.json`: written last of each place; what has one is done
* `SPLIT/index.json`: all sequences of the split and the statistics of their colors
* `report.json`: what the last run did not prepare or left out, and why
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.data.datasets.written_scans import STAMPS
from rescene4d_ros.errors import ConfigError, RescenError, StorageError
from rescene4d_ros.processes import each_result

log = logging.getLogger(__name__)

READER = 2  # increase it when files of older readers must be replaced


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
    for record in _records(jobs, out):
        found |= record.get('left_out', {})
    return found


def remarks(jobs: Sequence[Job], out: Path) -> list[str]:
    """Return what the readers of finished jobs corrected or left out within scans."""
    return [text for record in _records(jobs, out) for text in record.get('remarks', ())]


def _records(jobs: Sequence[Job], out: Path) -> Iterator[dict[str, Any]]:
    for job in jobs:
        record = _record_of(_record_path(job, out))
        if record is not None:
            yield record


def write_report(
    out: Path,
    total: int,
    failures: Mapping[str, str],
    lost: Mapping[str, str],
    noted: Sequence[str],
) -> Path:
    """
    Write `report.json`: what was not prepared or left out, with the reason, and remarks.

    Parameters
    ----------
    out : Path
    total : int
        Number of jobs.
    failures, lost : mapping of str to str
        Of `prepare` and `left_out`.
    noted : sequence of str
        Of `remarks`.

    """
    path = out / 'report.json'
    document = {
        'prepared': total - len(failures),
        'jobs': total,
        'not_prepared': dict(failures),
        'left_out': dict(lost),
        'remarks': list(noted),
    }
    _write_json(path, document)
    return path


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
    record = _record_of(_record_path(job, out))
    if record is None or record.get('left_out'):
        return False  # the scan may be mended by now
    return all((out / job.split / s['file']).exists() for s in record['sequences'])


def _record_of(path: Path) -> dict[str, Any] | None:
    """Return a place's record; None where there is none, or a damaged one: it is made again."""
    try:
        record = json.loads(path.read_text())
        is_whole = all(isinstance(s['file'], str) for s in record['sequences'])
        return record if is_whole and isinstance(record['colors'], list) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _do(job: Job, out: Path) -> str:
    """Run one job; return its error, or '': no scan may end the run."""
    record = _record_path(job, out)
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        _write_json(record, job.make(out / job.split))
    except Exception as error:
        return cause_of(job.name, error)
    return ''


def cause_of(name: str, error: Exception) -> str:
    """
    Return why a scan or place is left out; the log has the traceback of what nobody foresaw.

    Parameters
    ----------
    name : str
        Of the scan or place.
    error : Exception
        Of any kind: one of a library that a damaged file upsets, or a fault of this program.

    """
    if isinstance(error, RescenError):
        return str(error)
    if isinstance(error, OSError):
        return f'{name}: cannot read or write ({error}); check the disk and run again'
    log.error('%s: left out', name, exc_info=error)
    return (
        f'{name}: expected a scan of this data set, got {type(error).__name__}: {error}; '
        'download it again, or report the traceback in the log'
    )


def _write_index(folder: Path, settings: Mapping[str, Any]) -> None:
    """Join the records of a split; color statistics weight scans equally."""
    found = [_record_of(path) for path in sorted(folder.glob('records/*.json'))]
    records = [record for record in found if record is not None]
    moments = np.array([m for r in records for m in r['colors'] if m]).reshape(-1, 2, 3)
    mean, square = moments.mean(axis=0) if len(moments) else np.full((2, 3), np.nan)
    index = {
        'settings': dict(settings),
        'stamps': STAMPS,
        'color_mean': mean.tolist() if len(moments) else None,
        'color_std': np.sqrt(np.maximum(square - mean**2, 0)).tolist() if len(moments) else None,
        'sequences': [s for r in records for s in r['sequences']],
    }
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / 'index.json', index)


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document; the file appears whole or not at all."""
    with atomic_write(path) as file:
        file.write(json.dumps(document, indent=1).encode() + b'\n')
