"""Read Structured3D: panoramas of designed rooms, as clouds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from rescene4d_ros.config import param
from rescene4d_ros.data.datasets.annotations import AnnotatedScan
from rescene4d_ros.data.datasets.prepare import Job
from rescene4d_ros.data.datasets.single_scans.cloud_scan import cloud_scan
from rescene4d_ros.data.datasets.single_scans.scan_job import scan_job
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures.segmentation import class_of_nyu40

PLACES = ('Structured3D', 'data', '.')
FIRST = {'train': 0, 'validation': 3000, 'test': 3250}  # number of the first scene
# Scenes that the publisher's errata call invalid.
INVALID = frozenset({1155, 1192, 1714, 1816, 1852, 3398})
BACKGROUND = 65535  # of instance.png
MM = 0.001


@dataclass(frozen=True)
class Structured3DConfig:
    """Settings of the Structured3D reader."""

    spacing: float = param(
        0.01, 'One point per cell of this edge; 0 = every pixel', unit='m', ge=0.0, le=0.5
    )


def structured3d_jobs(root: Path, config: Structured3DConfig, splits: Sequence[str]) -> list[Job]:
    """
    Return the work of preparing Structured3D, one job per room with a panorama.

    Scenes 0 to 2999 are for training, to 3249 for validation, the rest for tests, as published.
    Test rooms have labels. Scenes that the errata call invalid are left out.

    Parameters
    ----------
    root : Path
        Folder with `scene_00000` and so on, or with `Structured3D` that has them.
    config : Structured3DConfig
    splits : sequence of str
        Of train, validation, test.

    Raises
    ------
    FileFormatError
        No rooms.

    """
    top = next((root / p for p in PLACES if any((root / p).glob('scene_[0-9]*'))), root)
    jobs = [
        scan_job(
            partial(read_structured3d, room, config.spacing),
            f'{scene.name}_{room.name}',
            split,
            {'source': 'Structured3D'},
        )
        for scene in sorted(top.glob('scene_[0-9][0-9][0-9][0-9][0-9]'))
        for split in [_split(int(scene.name[-5:]))]
        if split in splits and int(scene.name[-5:]) not in INVALID
        for room in sorted((scene / '2D_rendering').glob('[0-9]*'))
    ]
    if not jobs:
        raise FileFormatError(
            f'expected rooms in scene_NNNNN/2D_rendering of {root}, or of its {PLACES[0]}, for '
            f'the splits {", ".join(splits)}, found none; unpack the panoramas there'
        )
    return jobs


def _split(scene: int) -> str:
    return max((first, split) for split, first in FIRST.items() if first <= scene)[1]


def read_structured3d(folder: Path, spacing: float = 0.0) -> AnnotatedScan:
    """
    Read the fully furnished panorama of one room.

    Ids are those of `instance.png` plus one. The frame is that of the scene, z up, in meters.

    Parameters
    ----------
    folder : Path
        `scene_NNNNN/2D_rendering/ROOM`.
    spacing : float, m
        One point per cell of this edge; 0 = every pixel.

    Raises
    ------
    FileFormatError
        A file is missing, truncated or not of this format; names the room.

    """
    name = f'{folder.parent.parent.name}_{folder.name}'
    camera = _camera(folder / 'panorama' / 'camera_xyz.txt', name)
    images = folder / 'panorama' / 'full'
    depth = _image(images / 'depth.png', name, 2)
    rgb = _image(images / 'rgb_rawlight.png', name, 3)
    semantic = _image(images / 'semantic.png', name, 2)
    instance = _image(images / 'instance.png', name, 2)
    if not depth.shape == rgb.shape[:2] == semantic.shape == instance.shape:
        raise FileFormatError(
            f'scan {name}: expected images of one size, got depth {depth.shape}, color '
            f'{rgb.shape[:2]}, semantic {semantic.shape}, instance {instance.shape}; unpack them '
            'again'
        )
    hit = depth > 0
    if not hit.any():
        raise FileFormatError(f'scan {name}: expected depth in depth.png, got none; leave it out')
    distance = depth.astype(np.float64)[..., None] * MM
    instance = np.where(instance == BACKGROUND, 0, instance.astype(np.int32) + 1)
    return cloud_scan(
        name,
        (_directions(*depth.shape) * distance + camera)[hit],
        rgb[..., :3][hit].astype(np.uint8),
        class_of_nyu40(semantic[hit]),
        instance[hit],
        spacing,
        sensor_path=camera[None],
    )


def _directions(height: int, width: int) -> np.ndarray:
    """Return (height, width, 3) unit vectors: the middle of a panorama is +y, its top +z."""
    turn = ((np.arange(width) + 0.5) / width * 2 - 1) * np.pi
    rise = ((0.5 - (np.arange(height) + 0.5) / height) * np.pi)[:, None]
    flat, up = np.cos(rise), np.broadcast_to(np.sin(rise), (height, width))
    return np.stack([flat * np.sin(turn), flat * np.cos(turn), up], axis=-1)


def _camera(path: Path, name: str) -> np.ndarray:
    """Return the position (3,) of the camera, in meters."""
    try:
        position = np.array(path.read_text().split(), dtype=np.float64)
    except (OSError, ValueError) as error:
        raise FileFormatError(
            f'scan {name}: expected three numbers in {path.name}, got {error}; unpack it again'
        ) from error
    if position.shape != (3,) or not np.isfinite(position).all():
        raise FileFormatError(
            f'scan {name}: expected three numbers in {path.name}, got {position.tolist()}; '
            'unpack it again'
        )
    return position * MM


def _image(path: Path, name: str, ndim: int) -> np.ndarray:
    """Return the pixels as stored: palette images as indices."""
    if not path.is_file():
        raise FileFormatError(
            f'scan {name}: expected {path.name} in {path.parent}, found none; download the '
            'panoramas with instances'
        )
    try:
        pixels = np.array(Image.open(path))
    except (OSError, ValueError, SyntaxError) as error:
        raise FileFormatError(
            f'scan {name}: {path.name} is damaged or truncated ({error}); unpack it again'
        ) from error
    if pixels.ndim != ndim:
        raise FileFormatError(
            f'scan {name}: expected {"one value" if ndim == 2 else "colors"} per pixel in '
            f'{path.name}, got {pixels.shape}; unpack it again'
        )
    return pixels
