"""
Truth beside a bag: `truth.json` for people and programs, `truth_points.npz` per point.

`truth.json` holds per visit the stamp and per object id, class, state, whether it is in the room,
box (center, size, yaw), pose, change kind, moved distance, ambiguity group and visible share.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures import Box, ChangeKind, ObjectState, ScanSequence, SEMANTIC_CLASSES
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject, VisitTruth

FORMAT = 'rescene4d-truth'
VERSION = 1


def write_truth_files(folder: Path, sequence: ScanSequence, truth: SequenceTruth) -> None:
    """
    Write the truth of a sequence into the folder of its bag.

    Parameters
    ----------
    folder : Path
    sequence : ScanSequence
    truth : SequenceTruth

    """
    visits: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}
    last: dict[int, tuple[float, float, float]] = {}
    for t, (scan, visit) in enumerate(zip(sequence.scans, truth.visits)):
        objects = []
        for o in visit.objects:
            moved = 0.0
            # The middle of a curtain moves when it is drawn; the curtain does not.
            if o.in_room and o.instance_id in last and o.change != ChangeKind.DEFORMED:
                moved = float(np.linalg.norm(np.subtract(o.box.center, last[o.instance_id])))
            if o.in_room:
                last[o.instance_id] = o.box.center
            objects.append(
                {
                    'id': o.instance_id,
                    'class': SEMANTIC_CLASSES[o.class_id],
                    'state': o.state.name,
                    'in_room': o.in_room,
                    'change': o.change.name,
                    'moved_m': round(moved, 4),
                    'box': {
                        'center': _rounded(o.box.center),
                        'size': _rounded(o.box.size),
                        'yaw': round(o.box.yaw, 5),
                    },
                    'map_T_object': [_rounded(row) for row in o.map_T_object],
                    'ambiguity_group': o.ambiguity_group,
                    'visible_share': round(o.visible_share, 3),
                }
            )
        visits.append({'stamp_ns': scan.stamp_ns, 'points': len(scan), 'objects': objects})
        arrays[f'instance_{t}'] = visit.instance.astype(np.uint16)
        arrays[f'semantic_{t}'] = visit.semantic.astype(np.int8)
    document = {'format': FORMAT, 'version': VERSION, 'name': sequence.name, 'visits': visits}
    (folder / 'truth.json').write_text(json.dumps(document, indent=1) + '\n')
    with open(folder / 'truth_points.npz', 'wb') as file:
        np.savez_compressed(file, **arrays)


def _rounded(values) -> list[float]:
    return [round(float(v), 5) for v in values]


def read_truth(folder: Path) -> SequenceTruth:
    """
    Read the truth that lies beside a bag.

    Raises
    ------
    FileFormatError
        Not there, damaged, or of another version.

    """
    folder = Path(folder)
    try:
        document = json.loads((folder / 'truth.json').read_text())
        if (document.get('format'), document.get('version')) != (FORMAT, VERSION):
            raise FileFormatError(
                f'{folder}/truth.json: expected {FORMAT} version {VERSION}, got '
                f'{document.get("format")} {document.get("version")}; make it '
                'again with `rescene4d rooms sample`'
            )
        with np.load(folder / 'truth_points.npz', allow_pickle=False) as points:
            visits = tuple(
                VisitTruth(
                    points[f'instance_{t}'].astype(np.int32),
                    points[f'semantic_{t}'].astype(np.int32),
                    tuple(_object(o) for o in visit['objects']),
                )
                for t, visit in enumerate(document['visits'])
            )
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise FileFormatError(
            f'{folder}: expected truth.json and truth_points.npz, got '
            f'{error!r}; make them again with `rescene4d rooms sample`'
        ) from error
    return SequenceTruth(visits)


def _object(o: dict) -> TrueObject:
    box = o['box']
    return TrueObject(
        o['id'],
        SEMANTIC_CLASSES.index(o['class']),
        ObjectState[o['state']],
        o['in_room'],
        np.array(o['map_T_object'], np.float64),
        Box(tuple(box['center']), tuple(box['size']), box['yaw']),
        ChangeKind[o['change']],
        o['ambiguity_group'],
        o['visible_share'],
    )
