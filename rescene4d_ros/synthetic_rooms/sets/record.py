"""The recorded checksums of the sets, one file per set, and the comparison with what was made."""

from __future__ import annotations

from collections.abc import Mapping
import csv
from dataclasses import dataclass
import io
from pathlib import Path

from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.errors import FileFormatError, StorageError
from rescene4d_ros.synthetic_rooms.sets.digest import Digest

RECORDS = Path(__file__).with_name('records')
_COLUMNS = ['seed', 'content', 'life', 'points']
_TOLD = 5
# The same rooms scanned with other rounding have nearly the same number of points.
_POINTS_RATIO = 0.01


def read_record(name: str, folder: Path = RECORDS) -> dict[int, Digest]:
    """
    Read the checksums of a set, by seed.

    Raises
    ------
    FileFormatError
        There is no record, or it is damaged.

    """
    path = folder / f'{name}.csv'
    try:
        with open(path, encoding='utf-8', newline='') as file:
            return {
                int(row['seed']): Digest(
                    row['content'], row['life'], tuple(map(int, row['points'].split()))
                )
                for row in csv.DictReader(file)
            }
    except FileNotFoundError as error:
        raise FileFormatError(
            f'{path}: expected the recorded checksums of {name}, got no file; '
            f'record them with `rescene4d rooms set {name} --out DIR --record`'
        ) from error
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise FileFormatError(
            f'{path}: expected the columns {", ".join(_COLUMNS)} with whole '
            f'numbers, got a damaged file ({error!r}); restore it'
        ) from error


def write_record(name: str, digests: Mapping[int, Digest], folder: Path = RECORDS) -> Path:
    """
    Write the checksums of a set, sorted by seed; the file appears whole or not at all.

    Raises
    ------
    StorageError
        The folder cannot be written.

    """
    path = folder / f'{name}.csv'
    text = io.StringIO()
    table = csv.writer(text, lineterminator='\n')
    table.writerow(_COLUMNS)
    for seed, digest in sorted(digests.items()):
        table.writerow([seed, digest.content, digest.life, ' '.join(map(str, digest.points))])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(text.getvalue().encode())
    except OSError as error:
        raise StorageError(
            f'{path}: expected a folder that can be written, got {error}; '
            'record into another one with --records'
        ) from error
    return path


@dataclass(frozen=True)
class Comparison:
    """
    Hold which sequences are as recorded; all by seed.

    Attributes
    ----------
    equal : tuple of int
    rounded : tuple of int
        The same rooms, objects and changes, but not the same points; another processor, or files
        that were changed.
    different, unrecorded : tuple of int
    text : str
        For people: what was expected, what came, what to do.

    """

    equal: tuple[int, ...]
    rounded: tuple[int, ...]
    different: tuple[int, ...]
    unrecorded: tuple[int, ...]
    text: str

    @property
    def is_equal(self) -> bool:
        """Return whether every sequence is as recorded."""
        return not (self.rounded or self.different or self.unrecorded)


def compare(name: str, made: Mapping[int, Digest], record: Mapping[int, Digest]) -> Comparison:
    """
    Compare what was made with the record.

    Parameters
    ----------
    name : str
        Of the set.
    made, record : mapping of seed to Digest

    """
    groups: dict[str, list[int]] = {k: [] for k in ('equal', 'rounded', 'different', 'unrecorded')}
    for seed in sorted(made):
        groups[_relation(made[seed], record.get(seed))].append(seed)
    found = {k: tuple(v) for k, v in groups.items()}
    return Comparison(**found, text=_explain(name, made, record, found))


def _relation(made: Digest, recorded: Digest | None) -> str:
    if recorded is None:
        return 'unrecorded'
    if made == recorded:
        return 'equal'
    alike = made.life == recorded.life and all(
        abs(a - b) <= _POINTS_RATIO * b for a, b in zip(made.points, recorded.points, strict=True)
    )
    return 'rounded' if alike else 'different'


def _explain(
    name: str,
    made: Mapping[int, Digest],
    record: Mapping[int, Digest],
    found: Mapping[str, tuple[int, ...]],
) -> str:
    lines = [f'{name}: {len(found["equal"])} of {len(made)} sequences are as recorded']
    for seed in found['different'][:_TOLD]:
        lines.append(f'  seed {seed}: expected {_told(record[seed])}, got {_told(made[seed])}')
    if found['different']:
        lines.append(
            f'{len(found["different"])} differ: the files were changed or made by '
            'another version; delete them and run again. If this version makes other '
            'rooms on purpose, record the set anew with --record'
        )
    for seed in found['rounded'][:_TOLD]:
        lines.append(
            f'  seed {seed}: expected content {record[seed].content}, got {made[seed].content}'
        )
    if found['rounded']:
        lines.append(
            f'{len(found["rounded"])} have the same rooms, objects and changes as '
            'recorded but not the same points: the files were changed, or this '
            'processor rounds otherwise. Delete them and run again; if the numbers '
            'above stay the same, scores are comparable but not equal, and '
            '--allow-rounding accepts that'
        )
    if found['unrecorded']:
        lines.append(
            f'{len(found["unrecorded"])} have no record (seeds '
            f'{", ".join(map(str, found["unrecorded"][:_TOLD]))}, ...): record the whole '
            'set with --record'
        )
    return '\n'.join(lines)


def _told(digest: Digest) -> str:
    return f'{digest.content} with {" + ".join(map(str, digest.points))} points'
