"""Dents and wrinkles of upholstery, mattresses and cushions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.synthetic_rooms.furniture import Model
from rescene4d_ros.synthetic_rooms.surfaces.mesh import cushion_faces, Part

RUMPLED = ('bed', 'sofa', 'chair', 'pillow')
DEPTH_M = (0.004, 0.026)
# Wavelengths of dents.
LENGTH_M = (0.1, 0.6)
WAVES = 10
# Triangles are split until their edges are about so long.
EDGE_M = 0.11
MOST_SPLITS = 2


def rumpled(model: Model, rng: np.random.Generator) -> Model:
    """Return a model whose padded parts are dented, each thing by its own depth."""
    if model.joints or model.class_name not in RUMPLED:
        return model
    depth = float(rng.uniform(*DEPTH_M))
    parts = tuple(_dented(p, depth, rng) if _is_padded(p) else p for p in model.parts)
    low = min(float(p.vertices[:, 2].min()) for p in parts)
    return replace(model, parts=tuple(p.moved((0, 0, -low)) for p in parts))


def _is_padded(part: Part) -> bool:
    return part.faces is cushion_faces() and min(np.ptp(part.vertices, axis=0)) > 0.04


def _dented(part: Part, depth: float, rng: np.random.Generator) -> Part:
    vertices, faces = part.vertices, part.faces
    for _ in range(MOST_SPLITS):
        if _edge(vertices, faces) > EDGE_M:
            vertices, faces = _split(vertices, faces)
    wave = rng.normal(size=(WAVES, 3))
    wave *= 2 * np.pi / (np.sqrt((wave**2).sum(axis=1)) * _lengths(rng))[:, None]
    shift = rng.normal(size=(WAVES, 3)) * depth * np.sqrt(2 / WAVES)
    thin = min(1.0, float(min(np.ptp(vertices, axis=0))) / 0.12)
    waves = np.round(np.sin(vertices @ wave.T + rng.uniform(0, 6.28, WAVES)), 9)
    return Part(vertices + thin * waves @ shift, faces, part.material)


def _lengths(rng: np.random.Generator) -> np.ndarray:
    return np.exp(rng.uniform(np.log(LENGTH_M[0]), np.log(LENGTH_M[1]), WAVES))


def _edge(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Return the length (m) of the longest edges of most triangles."""
    sides = vertices[faces] - vertices[np.roll(faces, 1, axis=1)]
    return float(np.percentile(np.sqrt((sides**2).sum(axis=2)).max(axis=1), 90))


def _split(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each triangle as four; corners are not shared, equal places stay equal."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    corners = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], axis=1)
    return corners.reshape(-1, 3), np.arange(12 * len(faces)).reshape(-1, 3)
