"""Sequence files of clouds without a mesh, with reproducible superpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rescene4d_ros.data.sequences.sequence_file import as_stored, write_sequence
from rescene4d_ros.geometry.superpoints.cut import SuperpointConfig, superpoints
from rescene4d_ros.structures import ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth


def write_cut_sequence(
    path: Path,
    sequence: ScanSequence,
    truth: SequenceTruth,
    config: SuperpointConfig | None = None,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """
    Write a sequence, its truth and its superpoints.

    Superpoints are computed from the quantized points of the file: computing them again with the
    settings in its notes (`superpoints`) gives the same result.

    Parameters
    ----------
    path : Path
    sequence : ScanSequence
    truth : SequenceTruth
    config : SuperpointConfig, optional
    notes : mapping, optional
        Written beside those of the superpoints.

    Raises
    ------
    FileFormatError
        As `write_sequence`.

    """
    config = config or SuperpointConfig()
    stored = [as_stored(scan) for scan in sequence.scans]
    pieces = [
        superpoints(s.xyz, s.normals, s.rgb, config, sensor_path=s.sensor_path) for s in stored
    ]
    told = {**(notes or {}), 'superpoints': asdict(config)}
    write_sequence(path, sequence, truth, superpoint=pieces, notes=told)
