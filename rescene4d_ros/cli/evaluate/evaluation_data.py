"""Data of an evaluation: a folder of sequence files, or a fixed set by name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rescene4d_ros.cli.rooms.make_set import digests_of, files_of, make_missing
from rescene4d_ros.data.sequences.sequence_file import count_visits
from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.synthetic_rooms.sets import compare, read_record, SETS


@dataclass(frozen=True)
class EvaluationData:
    """
    Files of an evaluation and their origin.

    Attributes
    ----------
    name : str
        Name of the set, or the given folder.
    paths : tuple of Path
        Sorted.
    is_as_recorded : bool, or None
        Whether a fixed set equals its record; None = not a fixed set.
    message : str
        Result of the comparison with the record, for people.

    """

    name: str
    paths: tuple[Path, ...]
    is_as_recorded: bool | None = None
    message: str = ''


def find_data(
    given: str, sets: Path, limit: int | None, visits: int, processes: int
) -> EvaluationData:
    """
    Find the sequence files of a folder or set; missing files of a set are made.

    Parameters
    ----------
    given : str
        An existing folder, or the name of one of `SETS`, which is a folder in `sets`.
    sets : Path
    limit : int or None
        Only the first sequences.
    visits : int
        Sequences with fewer are left out, before `limit` counts.
    processes : int
        For making and checking.

    Raises
    ------
    ConfigError, FileFormatError
        No files, or a limit below one.

    """
    if limit is not None and limit < 1:
        raise ConfigError(
            f'--limit: expected at least 1 sequence, got {limit}; leave it out for all'
        )
    folder = Path(given)
    if folder.is_dir() or given not in SETS:
        found = sorted(folder.glob('*.npz'))
        if not found:
            raise FileFormatError(
                f'{folder}: expected a folder of sequence files (*.npz), or one of the sets '
                f'{", ".join(SETS)}; got neither; make files with `rescene4d rooms make` or '
                '`rescene4d prepare`'
            )
        long_enough = (p for p in found if not visits or count_visits(p) >= visits)
        paths = tuple(islice(long_enough, limit))
        _check_any(paths, given, visits)
        return EvaluationData(given, paths)
    by_seed = files_of(given, sets / given, limit, visits)
    _check_any(by_seed, given, visits)
    make_missing(given, by_seed, processes)
    same = compare(given, digests_of(by_seed, processes), read_record(given))
    return EvaluationData(given, tuple(by_seed.values()), same.is_equal, same.text)


def _check_any(found: Collection, given: str, visits: int) -> None:
    """Raise an error if no sequence is long enough."""
    if not found:
        raise ConfigError(
            f'--visits: expected sequences with {visits} visits in {given}, got '
            'none; ask for fewer'
        )
