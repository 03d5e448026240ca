"""
Predictions in the text format of ScanNet's instance benchmark.

`NAME.txt` has one line `MASK_FILE CLASS_ID SCORE` per mask; a mask file has one line per point, 0
or 1. A sequence of several visits is one file over the points of all of them, visit after visit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.class_lists import ClassList, translation
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.metrics.sequences import PredictedSequence
from rescene4d_ros.structures import INSTANCE_CLASSES

MASKS = 'predicted_masks'
LEAST_SCORE = 1e-4  # published: masks below are not exported


def write_scannet_files(
    folder: Path, name: str, prediction: PredictedSequence, n_points: int, classes: ClassList
) -> None:
    """
    Write `NAME.txt` and its mask files.

    Parameters
    ----------
    folder : Path
        Made if it is missing.
    name : str
        Of the scan or sequence.
    prediction : PredictedSequence
        Masks that are classes of `classes` are written.
    n_points : int
    classes : ClassList
        Gives the ids of the file.

    """
    (folder / MASKS).mkdir(parents=True, exist_ok=True)
    table = translation(INSTANCE_CLASSES, classes.names)
    lines = []
    for k, (class_id, score) in enumerate(zip(prediction.classes, prediction.scores)):
        if table[class_id] < 0 or score < LEAST_SCORE:
            continue
        mask = np.zeros(n_points, dtype=np.uint8)
        mask[prediction.points[prediction.starts[k] : prediction.starts[k + 1]]] = 1
        file = f'{MASKS}/{name}_{k:03d}.txt'
        with atomic_write(folder / file) as text:
            text.write(b'\n'.join(b'01'[m : m + 1] for m in mask) + b'\n')
        lines.append(f'{file} {classes.ids[table[class_id]]} {score:.6f}\n')
    with atomic_write(folder / f'{name}.txt') as text:
        text.write(''.join(lines).encode())


def read_scannet_files(path: Path, n_points: int, classes: ClassList) -> PredictedSequence:
    """
    Read `NAME.txt` and its mask files; masks of classes that the truth does not have are left out.

    Parameters
    ----------
    path : Path
    n_points : int
        Points of the truth.
    classes : ClassList
        Says what the ids of the file mean.

    Raises
    ------
    FileFormatError
        A line or mask file is missing or malformed, or a mask has another number of points.

    """
    table = dict(zip(classes.ids, translation(classes.names, INSTANCE_CLASSES)))
    points, kinds, scores = [], [], []
    for number, line in enumerate(_lines(path), start=1):
        file, class_id, score = _parsed(path, number, line)
        if class_id not in table:
            raise FileFormatError(
                f'{path}, line {number}: expected a class id of {classes.name}, got {class_id}; '
                'name the list of the ids with --classes'
            )
        if table[class_id] < 0:
            continue
        points.append(_mask(path.parent / file, n_points))
        kinds.append(table[class_id])
        scores.append(score)
    starts = np.concatenate([[0], np.cumsum([len(p) for p in points])]).astype(np.int64)
    return PredictedSequence(
        np.concatenate([np.empty(0, np.int64), *points]),
        starts,
        np.array(kinds, dtype=np.int64),
        np.array(scores, dtype=np.float64),
        np.arange(1, len(points) + 1),
    )


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file."""
    try:
        return path.read_text(encoding='ascii').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f'{path}: expected lines of ASCII text, got {error}') from error


def _parsed(path: Path, number: int, line: str) -> tuple[str, int, float]:
    """Return mask file, class id and score of a line."""
    parts = line.split()
    try:
        file, class_id, score = parts[0], int(parts[1]), float(parts[2])
    except (IndexError, ValueError):
        parts = []
    if len(parts) != 3 or not np.isfinite(score) or Path(file).is_absolute() or '..' in file:
        raise FileFormatError(
            f'{path}, line {number}: expected MASK_FILE CLASS_ID SCORE with a file beside '
            f'this one, got {line[:80]!r}'
        )
    return file, class_id, score


def _mask(path: Path, n_points: int) -> np.ndarray:
    """Return the points (M,) of a mask file."""
    lines = _lines(path)
    inside = np.array([line.strip() not in ('0', '') for line in lines])
    strange = next((line for line in lines if line.strip() not in ('0', '1', '')), None)
    while len(inside) > n_points and not lines[len(inside) - 1].strip():
        inside = inside[:-1]
    if len(inside) != n_points or strange is not None:
        among = '' if strange is None else f', one of them {strange[:20]!r}'
        raise FileFormatError(
            f'{path}: expected {n_points} lines of 0 or 1, one per point of the truth, got '
            f'{len(inside)} lines{among}'
        )
    return np.flatnonzero(inside)
