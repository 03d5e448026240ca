"""The work of one scan that is a sequence of one visit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rescene4d_ros.data.datasets.annotated_truth import sequence_truth, VisitNotes
from rescene4d_ros.data.datasets.annotations import AnnotatedScan
from rescene4d_ros.data.datasets.prepare import Job
from rescene4d_ros.data.datasets.written_scans import color_moments, write_annotated


def scan_job(
    read: Callable[[], AnnotatedScan], name: str, split: str, notes: Mapping[str, Any]
) -> Job:
    """
    Return the conversion of one scan.

    Parameters
    ----------
    read : callable
        Picklable; returns the scan.
    name, split : str
        Of the sequence.
    notes : mapping
        Of the sequence file: `source`, and `room` where several scans show one place.

    """
    return Job(name, split, partial(_prepare, read, {'split': split, **notes}))


def _prepare(
    read: Callable[[], AnnotatedScan], notes: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    scan = read()
    truth = sequence_truth([scan], [VisitNotes()])
    told = {'room': scan.name, 'scans': [scan.name], 'color_scale': 1.0, **notes}
    if scan.remarks:
        told['remarks'] = list(scan.remarks)
    written = write_annotated(folder, scan.name, [scan], truth, told)
    return {
        'scene': scan.name,
        'sequences': [written],
        'colors': [color_moments(scan)],
        'remarks': list(scan.remarks),
    }
