"""
Read `.sh3f` furniture libraries: zip files of OBJ models and a list of them.

The list is `PluginFurnitureCatalog.properties`: keys `width#12=59.4` and so on, lengths in
centimetres, y up, front at +z; written by Sweet Home 3D (http://www.sweethome3d.com).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
import re
import zipfile

import numpy as np
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures.objects import triple

LIST = 'PluginFurnitureCatalog.properties'


@dataclass(frozen=True)
class Entry:
    """
    Hold what a library says about one model.

    Attributes
    ----------
    library : Path
        The `.sh3f` file.
    model_id : str
        'LIBRARY#NAME', the same in all versions of the library.
    name, category : str
        In English, for people.
    creator, license : str
        Who made the model, and the license of its library.
    member : str
        The OBJ file in the zip.
    crc : int
        Checksum of that file.
    size : tuple of 3 float, m
        Width, depth, height in reality.
    elevation : float, m
        Of its lowest point above the floor.
    rotation : ndarray (3, 3)
        Turns the vertices of the file upright, y up.
    top : float or None, m
        Height at which things stand on it, above its lowest point.
    wall : tuple of 2 float, m
        Of a door or window: how far from its back the two faces of the wall are.

    """

    library: Path
    model_id: str
    name: str
    category: str
    creator: str
    license: str
    member: str
    crc: int
    size: tuple[float, float, float]
    elevation: float
    rotation: np.ndarray
    top: float | None
    wall: tuple[float, float]


def read_library(path: Path) -> list[Entry]:
    """
    Return the models that a library lists, in its order.

    Raises
    ------
    FileFormatError
        Not a zip file, no list in it, or an entry without model or size.

    """
    try:
        with zipfile.ZipFile(path) as library:
            text = library.read(LIST).decode('latin-1')
            crc = {info.filename: info.CRC for info in library.infolist()}
    except (zipfile.BadZipFile, KeyError) as error:
        raise FileFormatError(
            f'{path}: expected a zip file with {LIST}, got {error}; '
            'install the package again or remove the file'
        ) from error
    shared, numbered = _properties(text)
    return [_entry(path, fields, shared, crc) for _, fields in sorted(numbered.items())]


def extract(entry: Entry, folder: Path) -> Path:
    """Unpack the folder of a model, with its materials and textures; return the OBJ file."""
    home = str(PurePosixPath(entry.member).parent) + '/'
    with zipfile.ZipFile(entry.library) as library:
        library.extractall(folder, [n for n in library.namelist() if n.startswith(home)])
    return folder / entry.member


def _properties(text: str) -> tuple[dict[str, str], dict[int, dict[str, str]]]:
    """Split a Java properties text into keys of the library and keys `name#NUMBER`."""
    shared: dict[str, str] = {}
    numbered: dict[int, dict[str, str]] = {}
    for line in text.splitlines():
        found = re.match(r'\s*(\w+)(?:#(\d+))?\s*[=:]\s*(.*?)\s*$', line)
        if found is None:
            continue
        key, number, value = found.groups()
        value = re.sub(r'\\u([0-9a-fA-F]{4})', lambda m: chr(int(m[1], 16)), value)
        into = shared if number is None else numbered.setdefault(int(number), {})
        into[key] = value
    return shared, numbered


def _entry(
    path: Path, fields: Mapping[str, str], shared: Mapping[str, str], crc: Mapping[str, int]
) -> Entry:
    member = fields.get('model', '').lstrip('/')
    try:
        size = triple(float(fields[key]) / 100 for key in ('width', 'depth', 'height'))
        rotation = np.array(fields.get('modelRotation', '1 0 0 0 1 0 0 0 1').split(), float)
        top = float(fields.get('dropOnTopElevation', -1)) / 100
        behind = float(fields.get('doorOrWindowWallDistance', 0)) / 100
        thick = float(fields.get('doorOrWindowWallThickness', fields['depth'])) / 100
        return Entry(
            path,
            fields.get('id', f'{path.stem}#{PurePosixPath(member).stem}'),
            fields.get('name', ''),
            fields.get('category', ''),
            fields.get('creator', 'unknown'),
            shared.get('license', 'unknown'),
            member,
            crc[member],
            size,
            float(fields.get('elevation', 0)) / 100,
            rotation.reshape(3, 3),
            top if top > 0 else None,
            (behind, behind + thick),
        )
    except (KeyError, ValueError) as error:
        raise FileFormatError(
            f'{path}: model {fields.get("name")!r}: expected width, depth, '
            f'height in cm and an OBJ file, got {error}; remove the file or '
            'correct its list'
        ) from error
