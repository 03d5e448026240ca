"""Class lists of data sets, by name or from a file, and one in terms of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.structures import INSTANCE_CLASSES

# Lists of class_labels.csv as they are; the others are made of them.
_IN_FILE = (
    'scannet20',
    'scannet200',
    's3dis',
    'stpls3d',
    '3rscan',
    '3rscan160',
    'rio27',
    'rio7',
    'nyu40',
)
KNOWN_LISTS = ('scannet18', *_IN_FILE, 'rescene4d', 'agnostic')

# Classes for whatever a list does not name, the first one that a list has.
REST = ('object', 'otherprop', 'otherfurniture', 'clutter', 'items')


@dataclass(frozen=True)
class ClassList:
    """
    Classes in the order of a network's outputs.

    Attributes
    ----------
    name : str
    names : tuple of K str
    ids : tuple of K int
        Their ids in files of the data set, such as ScanNet's benchmark files.

    """

    name: str
    names: tuple[str, ...]
    ids: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of classes."""
        return len(self.names)


@dataclass(frozen=True)
class Label:
    """
    One row of the table of published labels.

    Attributes
    ----------
    of : str
        Name of the list.
    id : int
    name : str
    coarser : dict of str to str
        Name of the class in nyu40, rio27 and rio7, where the publisher gives one.

    """

    of: str
    id: int
    name: str
    coarser: dict[str, str]


@cache
def published_labels() -> tuple[Label, ...]:
    """Return all labels of the published lists, in their order."""
    table = resources.files('rescene4d_ros') / 'class_labels.csv'
    return tuple(
        Label(
            row['list'],
            int(row['id']),
            row['name'],
            {k: row[k] for k in ('nyu40', 'rio27', 'rio7') if row[k]},
        )
        for row in csv.DictReader(table.read_text(encoding='utf-8').splitlines())
    )


@cache
def class_list(name: str) -> ClassList:
    """
    Return a published list by its name, one of `KNOWN_LISTS`.

    `scannet18` are the instance classes of ScanNet's benchmark, those of 3RScan's annotations in
    NYU40 too; `3rscan160` are the classes of 3DSSG's subset (Wald et al., 2020), with 3RScan's
    ids; `rescene4d` are those of the shipped weights and of the fixed sets; `agnostic` has the
    one class `object`.

    Raises
    ------
    ConfigError
        No list of that name.

    """
    if name == 'agnostic':
        return ClassList(name, ('object',), (1,))
    if name == 'rescene4d':
        return ClassList(name, INSTANCE_CLASSES, tuple(range(1, len(INSTANCE_CLASSES) + 1)))
    if name not in KNOWN_LISTS:
        raise ConfigError(
            f'class list: expected one of {", ".join(KNOWN_LISTS)}, or a file, got {name!r}'
        )
    own = [x for x in published_labels() if x.of == ('scannet20' if name == 'scannet18' else name)]
    if name == 'scannet18':
        own = [label for label in own if label.name not in ('wall', 'floor')]
    return ClassList(name, tuple(x.name for x in own), tuple(x.id for x in own))


def list_of_names(names: Sequence[str]) -> str:
    """Return the name of the known list with these class names in this order, '' for none."""
    fitting = (name for name in KNOWN_LISTS if class_list(name).names == tuple(names))
    return next(fitting, '')


def read_class_list(source: str | Path) -> ClassList:
    """
    Return a known list by name, or the list of a text file.

    Parameters
    ----------
    source : str or Path
        One of `KNOWN_LISTS`, or a file with one class per line: `NAME`, or `ID NAME` with a space,
        tab or comma between; empty lines and lines that begin with # are skipped.

    Raises
    ------
    ConfigError
        Neither a known name nor a file.
    FileFormatError
        The file is no text, empty, or names a class twice.

    """
    if str(source) in KNOWN_LISTS:
        return class_list(str(source))
    path = Path(source)
    if not path.is_file():
        return class_list(str(source))  # raises
    try:
        rows = list(_rows(path.read_text(encoding='utf-8')))
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f'class list {path}: expected UTF-8 text with one class per line, got other bytes'
        ) from error
    ids, names = [r[0] for r in rows], [r[1] for r in rows]
    if '' in names:
        raise FileFormatError(f'class list {path}: expected a name after each id, got none')
    twice = sorted(
        str(name)
        for of in (ids, names)
        for name, count in Counter[int | str](of).items()
        if count > 1
    )
    if not rows or twice:
        raise FileFormatError(
            f'class list {path}: expected every class once, got '
            f'{"no class" if not rows else "twice " + ", ".join(twice[:5])}; give one per line'
        )
    return ClassList(path.stem, tuple(names), tuple(ids))


def _rows(text: str) -> Iterator[tuple[int, str]]:
    """Yield id and name of each line; without ids they count from 1."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith('#')]
    split = [line.replace(',', ' ', 1).replace('\t', ' ', 1).split(maxsplit=1) for line in lines]
    has_ids = all(parts[0].lstrip('-').isdigit() for parts in split)
    for number, (line, parts) in enumerate(zip(lines, split), start=1):
        yield (int(parts[0]), ''.join(parts[1:])) if has_ids else (number, line)


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
