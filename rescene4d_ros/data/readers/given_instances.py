"""Instances that a cloud brings with it: another network's, a simulator's or a person's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rescene4d_ros.data.datasets.annotations import class_of_nyu40
from rescene4d_ros.errors import ScanError
from rescene4d_ros.structures import GivenInstances

INSTANCE = ('instance', 'instance_id', 'objectid')  # the last one is 3RScan's
CLASS = ('class', 'class_id')
NYU40 = 'nyu40'  # class ids of 3RScan
LARGEST = 2**53  # whole numbers up to here are exact in float64


def given_of(
    columns: Mapping[str, np.ndarray], kept: np.ndarray, name: str
) -> GivenInstances | None:
    """
    Return the instances of a cloud; None where it has no field for them.

    Parameters
    ----------
    columns : mapping of str to ndarray (M,)
        By name in lower case.
    kept : ndarray (M,), bool
        Which points the scan has.
    name : str
        For messages to people.

    Raises
    ------
    ScanError
        A field of another kind, or instances that are no whole numbers.

    """
    field = next((n for n in INSTANCE if n in columns), None)
    if field is None:
        return None
    instance = _whole(columns[field][kept], field, name)
    class_id = None
    for key in (*CLASS, NYU40):
        if key in columns:
            ids = _whole(columns[key][kept], key, name)
            class_id = class_of_nyu40(ids) if key == NYU40 else ids
            class_id = np.clip(class_id, -1, np.iinfo(np.int32).max).astype(np.int32)
            break
    score = None
    if 'score' in columns:
        score = columns['score'][kept]
        if score.ndim != 1 or score.dtype.kind not in 'fiu' or not np.isfinite(score).all():
            raise ScanError(
                f'{name}: expected score as one finite number per point, 0 to 1, got '
                f'{score.dtype.name} of shape {score.shape}; write float32 or leave it out'
            )
        score = score.astype(np.float32)
    return GivenInstances(instance, class_id, score)


def _whole(values: np.ndarray, field: str, name: str) -> np.ndarray:
    """Return a field as int64."""
    good = values.ndim == 1 and values.dtype.kind in 'iuf'
    if good and values.dtype.kind == 'f':
        good = bool(
            np.isfinite(values).all()
            and (np.abs(values) < LARGEST).all()
            and (values == np.floor(values)).all()
        )
    if not good:
        raise ScanError(
            f'{name}: expected {field} as one whole number per point, got {values.dtype.name} of '
            f'shape {values.shape}; write int32, 0 where there is no instance'
        )
    return values.astype(np.int64)
