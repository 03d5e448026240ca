"""
Read the meshes and JSON files of annotated data sets, with errors that name the scan.

Meshes are read by trimesh without processing, which defines the order of vertices: that of the
file for PLY; for OBJ, one vertex per texture coordinate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.errors import FileFormatError
import trimesh
from trimesh.visual import ColorVisuals, TextureVisuals

JSON_KINDS: dict[type, str] = {dict: 'an object', list: 'a list'}


@dataclass(frozen=True)
class Mesh:
    """
    A mesh as stored in a file.

    Attributes
    ----------
    xyz : ndarray (N, 3), float32, m
    faces : ndarray (F, 3), int64
    normals : ndarray (N, 3), float32
        Unit; zero at vertices without a triangle.
    rgb : ndarray (N, 3), uint8, or None
        From the texture if present, else from the vertices.
    properties : mapping of str to ndarray (N,)
        Further properties of the vertices of a PLY file, by name.
    face_properties : mapping of str to ndarray (F,)
        Those of its triangles.

    """

    xyz: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    rgb: np.ndarray | None
    properties: Mapping[str, np.ndarray] = field(default_factory=dict)
    face_properties: Mapping[str, np.ndarray] = field(default_factory=dict)

    def property(self, name: str, path: Path, scan: str) -> np.ndarray:
        """Return one further property (N,); the error lists the existing ones."""
        return _named(self.properties, 'vertex', name, path, scan)

    def face_property(self, name: str, path: Path, scan: str) -> np.ndarray:
        """Return one property of the triangles (F,); the error lists the existing ones."""
        values = _named(self.face_properties, 'face', name, path, scan)
        if len(values) != len(self.faces):
            raise FileFormatError(
                f'scan {scan}: expected only triangles in {path.name}, got {len(values)} faces '
                f'that are {len(self.faces)} triangles; download the file again'
            )
        return values


def _named(
    properties: Mapping[str, np.ndarray], of: str, name: str, path: Path, scan: str
) -> np.ndarray:
    if name not in properties:
        raise FileFormatError(
            f'scan {scan}: expected the {of} property {name!r} in '
            f'{path.name}, got {", ".join(properties) or "none"}; '
            'download the file again'
        )
    return properties[name]


def read_mesh(path: Path, scan: str) -> Mesh:
    """
    Read an OBJ file with its texture, or a PLY file.

    Parameters
    ----------
    path : Path
    scan : str
        Name of the scan, for errors.

    Raises
    ------
    FileFormatError
        Missing, truncated, empty, or with vertices that are not finite.

    """
    _expect(path, scan)
    for material in _materials(path):
        _expect(path.with_name(material), scan)  # trimesh would substitute a gray one
    try:
        mesh = trimesh.load_mesh(path, process=False)
        elements = mesh.metadata.get('_ply_raw', {})
        count = elements.get('vertex', {}).get('length', len(mesh.vertices))
        properties = _properties(elements, 'vertex')
        of_faces = _properties(elements, 'face')
    except Exception as error:  # trimesh raises various exceptions for damaged files
        raise FileFormatError(
            f'scan {scan}: {path.name}, or its texture, is damaged or '
            f'truncated ({error}); download both again'
        ) from error
    if not len(mesh.vertices) or len(mesh.vertices) != count:
        raise FileFormatError(
            f'scan {scan}: expected a mesh with {count or "some"} vertices in '
            f'{path.name}, got {len(mesh.vertices)}; it may be truncated: '
            'download it again'
        )
    if not np.isfinite(mesh.vertices).all():
        raise FileFormatError(
            f'scan {scan}: {path.name} has vertices that are not finite; download it again'
        )
    return Mesh(
        np.asarray(mesh.vertices, np.float32),
        np.asarray(mesh.faces, np.int64),
        np.array(mesh.vertex_normals, np.float32),
        _colors(mesh, path, scan),
        properties,
        of_faces,
    )


def _properties(elements: Mapping[str, Any], of: str) -> dict[str, np.ndarray]:
    """Return the scalar properties of an element of a PLY file, as trimesh keeps it."""
    element = elements.get(of, {})
    data = element.get('data')
    if data is None:
        return {}
    return {
        name: np.ravel(data[name])
        for name, kind in element['properties'].items()
        if '(' not in str(kind)  # a list
    }


def _materials(path: Path) -> list[str]:
    """Return the material files named in the header of an OBJ file."""
    if path.suffix.lower() != '.obj':
        return []
    with open(path, errors='replace') as file:
        head = file.read(4096).splitlines()
    return [line.split(maxsplit=1)[1].strip() for line in head if line.startswith('mtllib ')]


def _colors(mesh: trimesh.Trimesh, path: Path, scan: str) -> np.ndarray | None:
    """Return (N, 3) uint8: the texture at each vertex, or the vertex colors."""
    visual = mesh.visual
    if isinstance(visual, TextureVisuals):
        if getattr(visual.material, 'image', None) is None:
            raise FileFormatError(
                f'scan {scan}: the texture that {path.name} names is missing '
                'or damaged; download it and the .mtl file again'
            )
        return np.array(visual.to_color().vertex_colors[:, :3], np.uint8)
    if isinstance(visual, ColorVisuals) and visual.kind == 'vertex':
        return np.array(visual.vertex_colors[:, :3], np.uint8)
    return None


def read_json(path: Path, scan: str, kind: type) -> Any:
    """
    Read a JSON file whose outermost value is of the given kind (dict or list).

    Raises
    ------
    FileFormatError
        Missing, truncated, or of another kind.

    """
    _expect(path, scan)
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise FileFormatError(
            f'scan {scan}: {path.name} is damaged or truncated ({error}); download it again'
        ) from error
    if not isinstance(value, kind):
        raise FileFormatError(
            f'scan {scan}: expected {JSON_KINDS[kind]} in {path.name}, got '
            f'{type(value).__name__}; download it again'
        )
    return value


def _expect(path: Path, scan: str) -> None:
    if not path.is_file():
        raise FileFormatError(
            f'scan {scan}: expected {path.name} in {path.parent}, found none; '
            'download the scan again'
        )
