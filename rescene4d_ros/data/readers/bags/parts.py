"""Which files make a bag, and their messages one after the other."""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import re

from rescene4d_ros.data.readers.bags.compression import unpacked_file
from rescene4d_ros.data.readers.bags.mcap_file import read_mcap
from rescene4d_ros.data.readers.bags.messages import Damage, Recorded
from rescene4d_ros.data.readers.bags.ros1_file import read_ros1
from rescene4d_ros.data.readers.bags.sqlite_file import read_sqlite
from rescene4d_ros.data.readers.whole_files import check_file, unreadable
from rescene4d_ros.errors import FileFormatError
import yaml

READERS = {'.mcap': read_mcap, '.db3': read_sqlite, '.bag': read_ros1}
METADATA = 'metadata.yaml'
MOST_METADATA = 16 << 20  # characters


def natural(path: Path) -> list:
    """Return a key that sorts scan2 before scan10."""
    parts = re.split(r'(\d+)', path.name.lower())
    return [(int(p), '') if p.isdecimal() and p.isascii() else (-1, p) for p in parts]


def kind_of(path: Path) -> str | None:
    """Return the suffix of a bag's file, None of another file."""
    plain = Path(path.name[:-5]) if path.name.lower().endswith('.zstd') else path
    name = plain.name.lower().removesuffix('.active')
    return next((suffix for suffix in READERS if name.endswith(suffix)), None)


def is_bag(path: Path) -> bool:
    """Return whether a path is a file of a bag, or a folder with one."""
    if path.is_dir():
        return (path / METADATA).exists() or any(kind_of(p) for p in path.iterdir())
    return kind_of(path) is not None


def parts_of(path: Path) -> tuple[list[Path], list[Damage]]:
    """
    Return the files of a bag in the order of recording, and what its folder lacks.

    Parameters
    ----------
    path : Path
        A folder, or one file, which then stands for itself alone.

    Raises
    ------
    FileFormatError
        No file of a bag.

    """
    if not path.exists():
        raise FileFormatError(f'{path}: expected a bag, found none; check the path')
    if not path.is_dir():
        if kind_of(path) is None:
            raise FileFormatError(
                f'{path}: expected a bag (a folder, {", ".join(READERS)}), got {path.suffix!r}'
            )
        return [path], []
    there = sorted((p for p in path.iterdir() if kind_of(p)), key=natural)
    listed, damage = _listed(path)
    lost = [p for p in listed if not os.path.exists(p)]
    damage += [
        Damage(f'{p}: expected this part of the bag, found none; copy it from the robot')
        for p in lost
    ]
    others = [p for p in there if p not in listed]
    if others and listed and not lost:
        names = ', '.join(p.name for p in others[:5])
        told = f'{path}: expected the files that {METADATA} names, found also {names}; left out'
        damage.append(Damage(told, at_end=True))
    # Where a part is missing, a file of another name may be that part.
    files = there if lost or not listed else listed
    if not files:
        raise FileFormatError(
            f'{path}: expected a bag with files {", ".join(READERS)}, found none; copy the whole '
            'folder'
        )
    return files, damage


def _listed(folder: Path) -> tuple[list[Path], list[Damage]]:
    """Return the files that metadata.yaml names, all inside the folder."""
    if not (folder / METADATA).is_file():
        return [], [
            Damage(
                f'{folder}: expected {METADATA}, found none (the recording was killed); its files '
                'are read in natural order',
                at_end=True,
            )
        ]
    try:
        with (folder / METADATA).open(encoding='utf-8') as file:
            text = file.read(MOST_METADATA)
        names = yaml.safe_load(text)['rosbag2_bagfile_information']['relative_file_paths']
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError('no list of names')
        return [folder / Path(name).name for name in names], []
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, RecursionError):
        return [], [
            Damage(
                f'{folder}/{METADATA}: expected metadata of rosbag2, got none; the files of the '
                'folder are read in natural order'
            )
        ]


def read_messages(files: list[Path], types: frozenset[str]) -> Iterator[Recorded | Damage]:
    """
    Read the messages of some types of a bag's files, one file after the other.

    Raises
    ------
    FileFormatError
        The only file is none of a bag; of several, such a one is a `Damage`.

    """
    for path in files:
        try:
            check_file(path)
            kind = kind_of(path)
            if kind is None:
                raise FileFormatError(
                    f'{path}: expected a file of a bag ({", ".join(READERS)}), got '
                    f'{path.suffix!r}; copy the bag again'
                )
            with unpacked_file(path) as plain:
                yield from READERS[kind](plain, types)
        except (FileFormatError, OSError) as error:
            told = unreadable(path, error) if isinstance(error, OSError) else error
            if len(files) == 1:
                raise told from error
            yield Damage(str(told))
