"""
One file per sequence: scans, truth and superpoints, in about 9 bytes per point.

A zip of npy arrays (NumPy's npz, deflated, no pickles):

=============  ==================  ==========================================================
array          type                meaning
=============  ==================  ==========================================================
header         uint8 (n,)          JSON: format, version, name, per visit stamp, frame, name,
                                   origin (m) and true objects; optional "notes" of the
                                   source: any JSON
xyz_T          int16 (N, 3)        millimetres from the visit's origin
rgb_T          uint8 (N, 3)        absent without color
normal_T       uint8 (N, 2)        octahedral unit normal, absent without normals
instance_T     uint8, uint16 or    instance id, 0 = none
               int32 (N,)
semantic_T     int8 (N,)           index in SEMANTIC_CLASSES, -1 = unlabeled
path_T         float32 (P, 3)      sensor positions, absent if unknown
superpoint_T   uint8, uint16 or    piece of each point, 0..S - 1; may be absent
               int32 (N,)
=============  ==================  ==========================================================

Before compression a point takes 11 bytes, its truth 2 and its superpoint 2, in rooms of fewer
than 256 objects and 65536 pieces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
import json
from pathlib import Path
from typing import Any
import zipfile
import zlib

import numpy as np
from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.data.sequences.octahedral import decode_normals, encode_normals
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures import Box, ChangeKind, ObjectState, Scan, ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject, VisitTruth

FORMAT = 'rescene4d-sequence'
VERSION = 1
MM = 0.001


@dataclass(frozen=True)
class SequenceExtras:
    """
    Additional data of some sources.

    Attributes
    ----------
    superpoint : tuple of T ndarrays (N_t,), int32, or None
        Superpoints of a mesh that is not stored or, for procedural rooms, of the quantized points;
        the latter can be computed again, see `cut_sequences`.
    notes : mapping
        Notes on the source, JSON values; for example artificial stamps, or the settings of the
        superpoints.

    """

    superpoint: tuple[np.ndarray, ...] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


def write_sequence(
    path: Path,
    sequence: ScanSequence,
    truth: SequenceTruth,
    *,
    superpoint: Sequence[np.ndarray] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """
    Write a sequence and its truth; the file is replaced atomically.

    Parameters
    ----------
    path : Path
    sequence : ScanSequence
    truth : SequenceTruth
    superpoint, notes : optional
        As in `SequenceExtras`; read back by `read_extras`.

    Raises
    ------
    FileFormatError
        A scan is larger than 65 m, the range of millimeters in 16 bits.

    """
    arrays: dict[str, Any] = {}
    visits = []
    for t, (scan, visit) in enumerate(zip(sequence.scans, truth.visits)):
        mm, origin = _in_millimeters(scan.xyz)
        if np.abs(mm).max() > np.iinfo(np.int16).max:
            raise FileFormatError(
                f'{path}: visit {t} spans {np.ptp(scan.xyz, axis=0).max():.1f} '
                'm, the format holds 65 m; crop the scan'
            )
        arrays[f'xyz_{t}'] = mm.astype(np.int16)
        if scan.rgb is not None:
            arrays[f'rgb_{t}'] = scan.rgb
        if scan.normals is not None:
            arrays[f'normal_{t}'] = encode_normals(scan.normals)
        if scan.sensor_path is not None:
            arrays[f'path_{t}'] = scan.sensor_path
        arrays[f'instance_{t}'] = _small(visit.instance)
        arrays[f'semantic_{t}'] = visit.semantic.astype(np.int8)
        if superpoint is not None:
            arrays[f'superpoint_{t}'] = _small(superpoint[t])
        visits.append(
            {
                'stamp_ns': scan.stamp_ns,
                'frame_id': scan.frame_id,
                'name': scan.name,
                'origin': origin.tolist(),
                'objects': [_to_json(o) for o in visit.objects],
            }
        )
    header = {'format': FORMAT, 'version': VERSION, 'name': sequence.name, 'visits': visits}
    if notes is not None:
        header['notes'] = notes
    arrays['header'] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with atomic_write(path, durable=True) as file:
        np.savez_compressed(file, **arrays)


def read_sequence(path: Path) -> tuple[ScanSequence, SequenceTruth]:
    """
    Read what `write_sequence` wrote; positions are exact to half a millimeter.

    Raises
    ------
    FileFormatError
        Truncated, of another kind, or of a version that this package does not read.

    """
    header, arrays = _read(path, '')
    scans, visits = [], []
    for t, visit in enumerate(header['visits']):
        normals = arrays.get(f'normal_{t}')
        xyz = _in_meters(arrays[f'xyz_{t}'], visit['origin'])
        scans.append(
            Scan(
                xyz,
                visit['stamp_ns'],
                arrays.get(f'rgb_{t}'),
                None if normals is None else decode_normals(normals),
                arrays.get(f'path_{t}'),
                visit['frame_id'],
                visit['name'],
            )
        )
        visits.append(
            VisitTruth(
                arrays[f'instance_{t}'].astype(np.int32),
                arrays[f'semantic_{t}'].astype(np.int32),
                tuple(_from_json(o) for o in visit['objects']),
            )
        )
    return ScanSequence(tuple(scans), header['name']), SequenceTruth(tuple(visits))


def as_stored(scan: Scan) -> Scan:
    """Return a scan as `write_sequence` and `read_sequence` would, without a file."""
    xyz = _in_meters(*_in_millimeters(scan.xyz))
    normals = None if scan.normals is None else decode_normals(encode_normals(scan.normals))
    return replace(scan, xyz=xyz, normals=normals)


def _in_millimeters(xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whole millimeters (N, 3) from an origin in the middle, and the origin (3,), m."""
    xyz = xyz.astype(np.float64)
    origin = np.rint((xyz.min(axis=0) + xyz.max(axis=0)) / 2 / MM) * MM
    return np.rint((xyz - origin) / MM), origin


def _in_meters(mm: np.ndarray, origin: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return positions (N, 3), float32, m."""
    return (mm * MM + np.array(origin)).astype(np.float32)


def read_extras(path: Path) -> SequenceExtras:
    """
    Read the additional data of a sequence file; the rest is not loaded.

    Raises
    ------
    FileFormatError
        As `read_sequence`.

    """
    header, arrays = _read(path, 'superpoint_')
    superpoint = (
        tuple(arrays[f'superpoint_{t}'].astype(np.int32) for t in range(len(header['visits'])))
        if arrays
        else None
    )
    return SequenceExtras(superpoint, header.get('notes', {}))


def count_visits(path: Path) -> int:
    """Return the number of visits of a file; reads only its header."""
    return len(_read(path, 'header')[0]['visits'])


def room_of(path: Path) -> str:
    """Return the name of the room of a file: its own name, or the scene of a public data set."""
    notes = read_extras(path).notes
    if 'room' in notes:
        return str(notes['room'])
    return path.stem.split('_')[0] if 'source' in notes else path.stem


def _read(path: Path, prefix: str) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the header and the arrays whose names begin with `prefix`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(file['header'].tobytes())
            _check(header, path)
            return header, {name: file[name] for name in file.files if name.startswith(prefix)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise FileFormatError(
            f'{path}: expected a whole {FORMAT} file, got a damaged or other '
            f'one ({error}); make it again with `rescene4d rooms make`'
        ) from error


def _check(header: Any, path: Path) -> None:
    if not isinstance(header, dict) or header.get('format') != FORMAT:
        raise FileFormatError(
            f'{path}: expected format {FORMAT!r}; make it again with `rescene4d rooms make`'
        )
    if header.get('version') != VERSION:
        raise FileFormatError(
            f'{path}: expected version {VERSION}, got {header.get("version")}; '
            'update rescene4d_ros or make the file again'
        )


def _small(ids: np.ndarray) -> np.ndarray:
    top = int(ids.max(initial=0))
    return ids.astype(np.uint8 if top < 256 else np.uint16 if top < 65536 else np.int32)


def _to_json(o: TrueObject) -> dict:
    return {
        'id': o.instance_id,
        'class': o.class_id,
        'state': int(o.state),
        'in_room': o.in_room,
        'pose': np.asarray(o.map_T_object).tolist(),
        'box': [*o.box.center, *o.box.size, o.box.yaw],
        'change': int(o.change),
        'group': o.ambiguity_group,
        'share': o.visible_share,
    }


def _from_json(o: dict) -> TrueObject:
    box = o['box']
    return TrueObject(
        o['id'],
        o['class'],
        ObjectState(o['state']),
        o['in_room'],
        np.array(o['pose'], np.float64),
        Box(tuple(box[:3]), tuple(box[3:6]), box[6]),
        ChangeKind(o['change']),
        o['group'],
        o['share'],
    )
