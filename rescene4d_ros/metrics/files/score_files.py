"""
Files of truth and predictions: one NumPy `.npz` per sequence, each.

docs/reference/score_card.md lists the arrays. Truth and prediction of a sequence have one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.metrics.files.checked_arrays import CheckedArrays
from rescene4d_ros.metrics.sequences import PredictedChange, PredictedSequence, TrueSequence
from rescene4d_ros.structures import ChangeKind, ObjectState

N_KINDS = {'change': len(ChangeKind), 'state': len(ObjectState)}
CHANGE_ARRAYS = ('change_visit', 'change_kind', 'change_object_id')


def write_truth_file(path: Path, truth: TrueSequence) -> None:
    """Write the truth of one sequence; `path` ends with .npz."""
    arrays = {
        'stage': truth.visit,
        'instance': truth.instance,
        'class_id': truth.classes,
        'instance_id': truth.instance_ids,
        'group': truth.groups,
        'change': truth.changes,
        'state': truth.states,
        'pose': truth.poses,
        'room': np.array(truth.room),
    }
    _write(path, {name: a for name, a in arrays.items() if a is not None})


def read_truth_file(path: Path) -> TrueSequence:
    """
    Read the truth of one sequence.

    Raises
    ------
    FileFormatError
        Not such a file, or an array is missing, of another type or shape, or inconsistent.

    """
    arrays = CheckedArrays(path)
    visit = arrays.integers('stage', None)
    instance = arrays.integers('instance', len(visit))
    ids = arrays.integers('instance_id', None)
    classes = arrays.integers('class_id', len(ids))
    groups = arrays.integers('group', len(ids)) if 'group' in arrays else np.zeros_like(classes)
    n_visits = int(visit.max(initial=-1)) + 1
    arrays.check(visit.min(initial=0) >= 0, 'stage', 'numbers from 0', int(visit.min(initial=0)))
    arrays.check((ids > 0).all(), 'instance_id', 'positive ids', int(ids.min(initial=1)))
    arrays.check(len(np.unique(ids)) == len(ids), 'instance_id', 'each id once', 'repeated ones')
    extra = np.setdiff1d(np.unique(instance), np.append(ids, 0))
    arrays.check(not len(extra), 'instance', '0 or an id of instance_id', extra[:5].tolist())
    tables = {}
    for name, n_kinds in N_KINDS.items():
        if name in arrays:
            table = arrays.integers(name, len(ids), None)
            arrays.check(
                table.shape[1] >= n_visits,
                name,
                f'a column for each of {n_visits} visits',
                table.shape[1],
            )
            arrays.check(
                ((table >= 0) & (table < n_kinds)).all(),
                name,
                f'values 0..{n_kinds - 1}',
                [int(table.min()), int(table.max())],
            )
            tables[name] = table
    poses = arrays.floats('pose', len(ids), None, 4, 4) if 'pose' in arrays else None
    lengths = {t.shape[1] for t in (*tables.values(), poses) if t is not None}
    arrays.check(len(lengths) < 2, 'change, state, pose', 'one number of visits', sorted(lengths))
    arrays.check(
        poses is None or poses.shape[1] >= n_visits, 'pose', f'{n_visits} visits', 'fewer'
    )
    room = str(arrays['room']) if 'room' in arrays else path.stem
    return TrueSequence(
        path.stem,
        room,
        visit,
        instance,
        ids,
        classes,
        groups,
        tables.get('change'),
        tables.get('state'),
        poses,
    )


def write_prediction_file(path: Path, prediction: PredictedSequence) -> None:
    """Write the predicted masks and, if present, the changes of one sequence."""
    arrays = {
        'mask_points': prediction.points,
        'mask_starts': prediction.starts,
        'class_id': prediction.classes,
        'score': prediction.scores,
        'object_id': prediction.object_ids,
    }
    if prediction.changes is not None:
        unknown = np.full((4, 4), np.nan)
        arrays |= {
            'change_visit': np.array([c.visit for c in prediction.changes], np.int64),
            'change_kind': np.array([c.kind for c in prediction.changes], np.int64),
            'change_object_id': np.array([c.object_id for c in prediction.changes], np.int64),
            'change_confidence': np.array([c.confidence for c in prediction.changes]),
            'change_motion': np.array(
                [
                    unknown if c.after_T_before is None else c.after_T_before
                    for c in prediction.changes
                ]
            ).reshape(-1, 4, 4),
        }
    _write(path, arrays)


def read_prediction_file(path: Path, truth: TrueSequence) -> PredictedSequence:
    """
    Read the predictions for the sequence whose truth is given.

    Raises
    ------
    FileFormatError
        As `read_truth_file`, or the masks do not fit the points of the truth.

    """
    arrays = CheckedArrays(path)
    points, starts = arrays.integers('mask_points', None), arrays.integers('mask_starts', None)
    n_masks, n_points = len(starts) - 1, len(truth.visit)
    arrays.check(
        n_masks >= 0
        and starts[0] == 0
        and starts[-1] == len(points)
        and (np.diff(starts) >= 0).all(),
        'mask_starts',
        f'P + 1 numbers that rise from 0 to the {len(points)} mask_points',
        starts[:5].tolist(),
    )
    arrays.check(
        ((points >= 0) & (points < n_points)).all(),
        'mask_points',
        f'points 0..{n_points - 1} of the truth',
        [int(points.min(initial=0)), int(points.max(initial=0))],
    )
    falls = np.flatnonzero(np.diff(points) <= 0) + 1
    inside = np.setdiff1d(falls, starts)
    arrays.check(
        not len(inside),
        'mask_points',
        'ascending points within each mask',
        f'a fall at {inside[:3].tolist()}',
    )
    classes = arrays.integers('class_id', n_masks)
    scores = arrays.floats('score', n_masks)
    arrays.check(np.isfinite(scores).all(), 'score', 'finite numbers', 'NaN or infinity')
    ids = np.arange(1, n_masks + 1)
    if 'object_id' in arrays:
        ids = arrays.integers('object_id', n_masks)
        arrays.check((ids > 0).all(), 'object_id', 'positive ids', int(ids.min(initial=1)))
        _check_one_mask_per_visit(arrays, truth, points, starts, ids)
    return PredictedSequence(
        points, starts, classes, scores, ids, _read_changes(arrays, truth.n_visits)
    )


def _check_one_mask_per_visit(
    arrays: CheckedArrays,
    truth: TrueSequence,
    points: np.ndarray,
    starts: np.ndarray,
    ids: np.ndarray,
) -> None:
    """Refuse two masks of one object in one visit."""
    mask = np.repeat(np.arange(len(ids)), np.diff(starts))
    cells = np.unique(mask * truth.n_visits + truth.visit[points])
    owner = np.column_stack([ids[cells // truth.n_visits], cells % truth.n_visits])
    found, count = np.unique(owner, axis=0, return_counts=True)
    twice = found[count > 1]
    arrays.check(
        not len(twice),
        'object_id',
        'one mask per object and visit',
        ', '.join(f'object {i} twice in visit {t}' for i, t in twice[:3].tolist()),
    )


def _read_changes(arrays: CheckedArrays, n_visits: int) -> tuple[PredictedChange, ...] | None:
    """Return the reported changes; None if the file has no such arrays."""
    if not any(name in arrays for name in CHANGE_ARRAYS):
        return None
    visit = arrays.integers('change_visit', None)
    kind = arrays.integers('change_kind', len(visit))
    ids = arrays.integers('change_object_id', len(visit))
    arrays.check(
        ((visit >= 0) & (visit < n_visits)).all(),
        'change_visit',
        f'visits 0..{n_visits - 1}',
        visit.tolist()[:5],
    )
    arrays.check(
        ((kind >= 0) & (kind < len(ChangeKind))).all(),
        'change_kind',
        f'values 0..{len(ChangeKind) - 1}',
        kind.tolist()[:5],
    )
    sure = (
        arrays.floats('change_confidence', len(visit))
        if 'change_confidence' in arrays
        else np.ones(len(visit))
    )
    arrays.check(
        ((sure >= 0) & (sure <= 1)).all(), 'change_confidence', 'numbers 0..1', sure.tolist()[:5]
    )
    motion = (
        arrays.floats('change_motion', len(visit), 4, 4)
        if 'change_motion' in arrays
        else np.full((len(visit), 4, 4), np.nan)
    )
    return tuple(
        PredictedChange(
            int(t), ChangeKind(int(k)), int(i), float(c), m if np.isfinite(m).all() else None
        )
        for t, k, i, c, m in zip(visit, kind, ids, sure, motion)
    )


def _write(path: Path, arrays: Mapping[str, Any]) -> None:
    with atomic_write(path) as file:
        np.savez_compressed(file, **arrays)
