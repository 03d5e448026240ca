"""What an evaluation runs on: a folder of sequence files, or a fixed set by its name."""

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
    Hold the files of an evaluation, and what they are.

    Attributes
    ----------
    name : str
        Of the set, or the folder as it was given.
    paths : tuple of Path
        Sorted.
    is_as_recorded : bool, or None
        Whether a fixed set holds what its record says; None = not a fixed set.
    told : str
        For people: what the comparison with the record said.

    """

    name: str
    paths: tuple[Path, ...]
    is_as_recorded: bool | None = None
    told: str = ''


def find_data(
    given: str, sets: Path, limit: int | None, visits: int, processes: int
) -> EvaluationData:
    """
    Find the sequence files of a folder or set; what is missing of a set is made.

    Parameters
    ----------
    given : str
        An existing folder, or the name of one of `SETS`: then the folder of that name in `sets`.
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
        Nothing there, or a limit of nothing.

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
    """Say that no sequence is long enough."""
    if not found:
        raise ConfigError(
            f'--visits: expected sequences with {visits} visits in {given}, got '
            'none; ask for fewer'
        )
