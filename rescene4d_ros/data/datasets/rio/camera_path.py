"""Places of the camera of one 3RScan scan, from its sequence of frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import re
import zipfile
import zlib

import numpy as np
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.geometry.point_sets import evenly

FOLDER = 'sequence'
ARCHIVE = 'sequence.zip'
POSE = re.compile(r'(?:.*/)?frame-(\d+)\.pose\.txt')
MOST_PLACES = 400  # of one scan, spread over its frames


def read_camera_path(folder: Path, name: str) -> np.ndarray | None:
    """
    Return the places of the camera in the frame of the scan, in the order of the frames.

    Frames without a pose (not finite) are left out.

    Parameters
    ----------
    folder : Path
        Of the scan, with `sequence/` or `sequence.zip`.
    name : str
        Of the scan, for errors.

    Returns
    -------
    ndarray (P, 3), float32, m, or None
        None if neither is there, or no frame has a pose.

    Raises
    ------
    FileFormatError
        The archive is damaged, or a pose is not of this format.

    """
    places = []
    for file, text in _poses(folder, name):
        try:
            scan_T_camera = np.array(text.split(), dtype=np.float64).reshape(4, 4)
        except ValueError as error:
            raise FileFormatError(
                f'scan {name}: expected a 4 x 4 matrix in {file}, got {error}; download '
                f'{ARCHIVE} again'
            ) from error
        if np.isfinite(scan_T_camera).all():
            places.append(scan_T_camera[:3, 3])
    if not places:
        return None
    return np.array(places)[evenly(len(places), MOST_PLACES)].astype(np.float32)


def _poses(folder: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield name and text of the pose of each frame, by number."""
    if (folder / FOLDER).is_dir():
        files = {p.name: p for p in (folder / FOLDER).iterdir()}
        for file in _in_order(list(files)):
            yield file, files[file].read_text(errors='replace')
    elif (folder / ARCHIVE).is_file():
        try:
            with zipfile.ZipFile(folder / ARCHIVE) as archive:
                for file in _in_order(archive.namelist()):
                    yield file, archive.read(file).decode(errors='replace')
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise FileFormatError(
                f'scan {name}: {ARCHIVE} is damaged or truncated ({error}); download it again, '
                'or remove it to go without the places of the camera'
            ) from error


def _in_order(names: list[str]) -> list[str]:
    numbered = [(int(found[1]), n) for n in names if (found := POSE.fullmatch(n))]
    return [n for _, n in sorted(numbered)]
