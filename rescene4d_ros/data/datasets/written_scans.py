"""Write annotated scans as a sequence file, with artificial stamps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.data.datasets.annotations import AnnotatedScan
from rescene4d_ros.data.sequences.sequence_file import write_sequence
from rescene4d_ros.structures import Scan, ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth

FIRST_VISIT_NS = 946_684_800 * 10**9  # 2000-01-01: before any of these scans
DAY_NS = 86_400 * 10**9
STAMPS = 'synthetic: the data set has no times; visits are one day apart from 2000-01-01'


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
        Scan(
            s.xyz,
            FIRST_VISIT_NS + t * DAY_NS,
            s.rgb,
            s.normals,
            sensor_path=s.sensor_path,
            name=s.name,
        )
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
