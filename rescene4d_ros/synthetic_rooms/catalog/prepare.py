"""Make a room's model of a library's entry, and keep the result in a cache folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import re
import tempfile
from typing import Any
import zipfile

import numpy as np
from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.structures import INSTANCE_CLASSES
from rescene4d_ros.structures.objects import triple
from rescene4d_ros.synthetic_rooms.catalog.kinds import KINDS
from rescene4d_ros.synthetic_rooms.catalog.paint import Painter, split_where_colorful
from rescene4d_ros.synthetic_rooms.catalog.sh3f import Entry, extract
from rescene4d_ros.synthetic_rooms.catalog.shape import load_shape, simplified
from rescene4d_ros.synthetic_rooms.catalog.tops import find_tops
from rescene4d_ros.synthetic_rooms.furniture.model import Model, Top
from rescene4d_ros.synthetic_rooms.surfaces.material import Material, Pattern
from rescene4d_ros.synthetic_rooms.surfaces.mesh import Part

# Part of every cache name: raise it when the result of `_build` changes.
VERSION = 2
TRIANGLES = 3000
COLORS = 20


def prepare(entry: Entry, kind: str, turn: int, cache: Path | None) -> Model:
    """
    Return a model as furniture makers do: origin under its middle, back at -y, z up, metres.

    Parameters
    ----------
    entry : Entry
    kind : str
        Key of KINDS: how it stands in a room; becomes its name.
    turn : int, deg
        Correction about z where the author's front is not at +y; a multiple of 90.
    cache : Path, optional
        Folder of prepared models; made if missing, None keeps nothing.

    Raises
    ------
    FileFormatError
        The model's file cannot be read.

    """
    slug = re.sub(r'\W+', '-', entry.model_id)
    path = cache and cache / f'{slug}-{entry.crc:08x}-{turn % 360}-v{VERSION}.npz'
    arrays = _read(path) if path and path.exists() else None
    if arrays is None:
        arrays = _build(entry, turn)
        if path:
            _write(path, arrays)
    return _model(entry, kind, arrays)


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays of a cache file, or None where it is damaged and to be made again."""
    try:
        with np.load(path) as stored:
            return dict(stored)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, arrays: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Several processes may prepare the same model.
    with atomic_write(path) as file:
        np.savez_compressed(file, **arrays)


def _build(entry: Entry, turn: int) -> dict[str, np.ndarray]:
    """Read, turn, simplify and color a model; return it as arrays."""
    w, d, h = entry.size
    with tempfile.TemporaryDirectory() as folder:
        shape = load_shape(extract(entry, Path(folder)), entry.rotation, (w, d, h))
    quarter = round(turn / 90) % 4
    c, s = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter]
    # In place: the painter must know the same, turned surface.
    shape.vertices[:, :2] = shape.vertices[:, :2] @ np.array([[c, s], [-s, c]], float)
    vertices, faces = simplified(shape, TRIANGLES * 2 // 3)
    paint = Painter(shape)
    vertices, faces = split_where_colorful(vertices, faces, paint, TRIANGLES)
    color, spread, opacity = paint.faces(vertices[faces])
    # Cut-out textures: what is transparent there is not part of the leaf.
    seen = (color[:, 3] > 0.4) & (opacity > 0.05)
    faces, color, spread, opacity = faces[seen], color[seen, :3], spread[seen], opacity[seen]
    glass = opacity < 0.75
    label, palette = _palette(color)
    # Plain faces stay plain beside patterned ones of the same color.
    group, material = np.unique(label * 4 + 2 * glass + (spread > 0.02), return_inverse=True)
    rough = np.array([np.median(spread[material == k]) for k in range(len(group))])
    tops = find_tops(vertices, faces, entry.top)
    return {
        'vertices': vertices.astype(np.float32),
        'faces': faces.astype(np.int32),
        'material': material.astype(np.int16),
        'color': palette[group // 4],
        'glass': group % 4 >= 2,
        'rough': rough.astype(np.float32),
        'tops': tops,
    }


def _palette(color: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest of at most COLORS colors per face, and those colors."""
    from PIL import Image  # on demand: parametric rooms are made without it

    row = Image.fromarray((np.clip(color, 0, 1) * 255).round().astype(np.uint8)[None])
    label = np.asarray(row.quantize(COLORS, Image.Quantize.MEDIANCUT, kmeans=3))[0].astype(int)
    palette = np.zeros((COLORS, 3), np.float32)
    for k in np.unique(label):
        palette[k] = color[label == k].mean(axis=0)
    return label, palette


def _model(entry: Entry, name: str, arrays: dict[str, np.ndarray]) -> Model:
    kind = KINDS[name]
    vertices = arrays['vertices'].astype(np.float64)
    parts = []
    for k, (color, glass, rough) in enumerate(
        zip(arrays['color'], arrays['glass'], arrays['rough'])
    ):
        faces = arrays['faces'][arrays['material'] == k]
        used, index = np.unique(faces, return_inverse=True)
        parts.append(
            Part(
                vertices[used],
                index.reshape(-1, 3).astype(np.int64),
                _material(color, bool(glass), float(rough)),
            )
        )
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    tops = (
        tuple(
            Top((float(t[0]), float(t[1])), (float(t[2]), float(t[3])), float(t[4]))
            for t in arrays['tops']
        )
        if kind.carries
        else ()
    )
    return Model(
        name,
        INSTANCE_CLASSES.index(kind.class_name),
        tuple(parts),
        triple(high - low),
        kind.place,
        entry.elevation if kind.place in ('wall', 'hang') else 0.0,
        kind.front,
        tops,
        kind.symmetric,
        kind.liveliness,
    )


def _material(color: np.ndarray, glass: bool, rough: float) -> Material:
    first = triple(np.clip(color + rough / 2, 0, 1))
    second = triple(np.clip(color - rough / 2, 0, 1))
    if glass:
        return Material(first, second, Pattern.PLAIN, dropout=0.6)
    return Material(first, second, Pattern.FABRIC if rough > 0.02 else Pattern.PLAIN, 40.0, 0.03)
