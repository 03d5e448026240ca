"""
Checksums of sequences: of what the file holds, not of how it is compressed.

Two checksums per sequence, so that a difference can be told apart. What is in the room and what
changes (`life`) is arithmetic on few numbers, rounded here to 0.1 mm. The points are made of
millions of numbers, and one last bit that differs can move a point across the border of a cell or
of a millimetre. `content` covers everything as stored: millimetres, colors in 8 bits,
normals in 2 bytes, ids and classes. Nothing finer than the file is in it, and nothing that
follows from the rest: superpoints are not.
"""

from __future__ import annotations

from dataclasses import dataclass
import hashlib
import json

import numpy as np
from rescene4d_ros.data.sequences.octahedral import encode_normals
from rescene4d_ros.structures import ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject

_MM = 0.001
_BYTES = 16


@dataclass(frozen=True)
class Digest:
    """
    Hold the checksums of one sequence.

    Attributes
    ----------
    content : str
        Of all that is stored.
    life : str
        Of stamps, objects, their classes, poses and changes; not of points, nor of what depends
        on them.
    points : tuple of T int
        Per visit.

    """

    content: str
    life: str
    points: tuple[int, ...]


def digest_of(sequence: ScanSequence, truth: SequenceTruth) -> Digest:
    """
    Return the checksums of a sequence as `read_sequence` gives it.

    A sequence that was never written is finer than its file and has another `content`.
    """
    life = [
        [scan.stamp_ns, [_life_of(o) for o in visit.objects]]
        for scan, visit in zip(sequence.scans, truth.visits)
    ]
    whole = hashlib.blake2b(digest_size=_BYTES)
    _feed(whole, [sequence.name, life])
    for scan, visit in zip(sequence.scans, truth.visits):
        arrays = [
            np.rint(scan.xyz.astype(np.float64) / _MM).astype('<i4'),
            scan.rgb,
            None if scan.normals is None else encode_normals(scan.normals),
            None
            if scan.sensor_path is None
            else np.rint(scan.sensor_path.astype(np.float64) / _MM).astype('<i4'),
            visit.instance.astype('<i4'),
            visit.semantic.astype('<i4'),
        ]
        for array in arrays:
            _feed(whole, None if array is None else list(array.shape))
            whole.update(b'' if array is None else np.ascontiguousarray(array).tobytes())
        _feed(
            whole,
            [[o.instance_id, int(o.state), round(o.visible_share, 3)] for o in visit.objects],
        )
    lives = hashlib.blake2b(digest_size=_BYTES)
    _feed(lives, life)
    return Digest(whole.hexdigest(), lives.hexdigest(), tuple(len(s) for s in sequence.scans))


def _feed(digest, document) -> None:
    digest.update(json.dumps(document).encode() + b'\n')


def _life_of(o: TrueObject) -> list:
    pose = np.rint(np.asarray(o.map_T_object, np.float64) * 1e4).astype(int)
    box = np.rint(np.array([*o.box.center, *o.box.size, o.box.yaw]) * 1e4).astype(int)
    return [
        o.instance_id,
        o.class_id,
        o.in_room,
        int(o.change),
        o.ambiguity_group,
        pose.tolist(),
        box.tolist(),
    ]
