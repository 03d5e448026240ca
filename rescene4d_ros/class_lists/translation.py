"""Classes of one list in terms of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rescene4d_ros.class_lists.lists import Label, published_labels
from rescene4d_ros.errors import ConfigError

# Classes for whatever a list does not name, the first one that a list has.
REST = ('object', 'otherprop', 'otherfurniture', 'clutter', 'items')


def translation(source: Sequence[str], target: Sequence[str]) -> np.ndarray:
    """
    Return the class of `target` that each class of `source` belongs to.

    A class keeps its name where the target has it. Else the coarser class that the publisher of
    the source gives decides: ScanNet200 and S3DIS in NYU40, 3RScan in NYU40, RIO27 and RIO7. A
    class that the target does not distinguish from others, or does not have, has none; nothing is
    guessed. A target with one class `object` has all classes.

    Parameters
    ----------
    source, target : sequence of str
        Class names.

    Returns
    -------
    ndarray (len(source),), int32
        Index in `target`, -1 for none.

    """
    if tuple(target) == ('object',):
        return np.zeros(len(source), np.int32)
    place = {name: k for k, name in enumerate(target)}
    coarser = _coarser(source)
    found = []
    for name in source:
        choices = (name, *coarser.get(name, {}).values())
        found.append(next((place[c] for c in choices if c in place), -1))
    return np.array(found, np.int32)


def translate(class_ids: np.ndarray, table: np.ndarray) -> np.ndarray:
    """
    Return class ids in the target list, int32; those below 0 or beyond the table become -1.

    Parameters
    ----------
    class_ids : ndarray of int
        Index in the source list, -1 = unlabeled.
    table : ndarray (K,), int
        Of `translation`.

    """
    class_ids = np.asarray(class_ids, dtype=np.int64)
    known = (class_ids >= 0) & (class_ids < len(table))
    return np.append(table, -1).astype(np.int32)[np.where(known, class_ids, len(table))]


def translate_probabilities(
    probabilities: np.ndarray, source: Sequence[str], target: Sequence[str]
) -> np.ndarray:
    """
    Return class probabilities in the target list.

    Classes of the source that are one class of the target are added up. What has no class there
    goes to the target's class for the rest, one of `REST`.

    Parameters
    ----------
    probabilities : ndarray (N, len(source)), float
    source, target : sequence of str

    Returns
    -------
    ndarray (N, len(target)), of the same type

    Raises
    ------
    ConfigError
        The target has neither a class for some of the source nor one for the rest.

    """
    table = translation(source, target)
    rest = next((target.index(name) for name in REST if name in target), None)
    lost = [name for name, k in zip(source, table) if k < 0]
    if lost and rest is None:
        raise ConfigError(
            f'class list: expected a class for {", ".join(lost[:5])}, or one for the rest '
            f'({", ".join(REST)}), got none; add `object` to the list'
        )
    matrix = np.zeros((len(source), len(target)), probabilities.dtype)
    matrix[np.arange(len(source)), np.where(table < 0, rest or 0, table)] = 1
    return probabilities @ matrix


def _coarser(source: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the coarser classes of names, from the list that most of them are in."""
    wanted = set(source)
    lists: dict[str, list[Label]] = {}
    for label in published_labels():
        if label.name in wanted:
            lists.setdefault(label.of, []).append(label)
    labels = max(lists.values(), key=len, default=[])
    return {label.name: label.coarser for label in labels}
