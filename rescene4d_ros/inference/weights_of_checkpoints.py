"""Weights files made of published checkpoints: classes, origin, and a check that they run."""

from __future__ import annotations

from collections.abc import Sequence
import hashlib
from pathlib import Path

import numpy as np
from rescene4d_ros.class_lists import class_list, ClassList, read_class_list
from rescene4d_ros.errors import WeightsError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.inference.weights_file import save_weights, WeightsInfo
from rescene4d_ros.models.checkpoints import Converted, data_set
from rescene4d_ros.structures import Scan

# What publishers say of the use of their weights; shown, not enforced.
LICENSES = {
    'mask3d': 'code MIT; trained on a data set with terms of its own (ScanNet, S3DIS, STPLS3D)',
    'rescene4d-unet': 'code MIT; trained on 3RScan and ScanNet, which have terms of their own',
    'rescene4d-ptv3': 'code MIT; trained on 3RScan and ScanNet, which have terms of their own; '
    'its encoder is Sonata or Concerto, CC-BY-NC-4.0',
    'encoder': 'Sonata and Concerto: CC-BY-NC-4.0, not for commercial use',
}
# Number of outputs -> list of the data set; Mask3D trains all outputs but those of walls and
# floors of ScanNet.
_LISTS = {18: 'scannet18', 13: 's3dis', 14: 'stpls3d', 1: 'agnostic'}
_CHECKED_POINTS = 4000


def published_classes(n_outputs: int, wanted: str = '') -> ClassList:
    """
    Return the classes of a network's outputs.

    With 200 outputs, which ScanNet200's labels give, the published preparation moves the labels
    by two over wall and floor and keeps chair, the label between them, as the first; the last two
    outputs are never trained.

    Parameters
    ----------
    n_outputs : int
        Without "no object".
    wanted : str
        Class list by name or file; empty = the published list of that many outputs.

    Raises
    ------
    WeightsError
        The list has another number of classes, or none has that number.

    """
    if wanted in ('', 'scannet200') and n_outputs == 200:
        return _scannet200_outputs()
    if not wanted and n_outputs not in _LISTS:
        raise WeightsError(
            f'classes: expected a published list with {n_outputs} classes, got none; give the '
            'names with --classes FILE, one per line'
        )
    chosen = read_class_list(wanted or _LISTS[n_outputs])
    if len(chosen) != n_outputs:
        raise WeightsError(
            f'classes: expected {n_outputs} classes, one per output, got {len(chosen)} of '
            f'{chosen.name}; give another list with --classes'
        )
    return chosen


def _scannet200_outputs() -> ClassList:
    """Return ScanNet200 in the order of the published outputs."""
    whole = class_list('scannet200')
    kept = [k for k, name in enumerate(whole.names) if name not in ('wall', 'floor')]
    unused = ('unused 198', 'unused 199')
    return ClassList(
        'scannet200',
        (*(whole.names[k] for k in kept), *unused),
        (*(whole.ids[k] for k in kept), -1, -2),
    )


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def write_converted(
    path: Path,
    converted: Converted,
    source: Path,
    classes: ClassList,
    license_note: str = '',
    *,
    half: bool = False,
) -> None:
    """
    Write a converted network with what is known of its origin.

    Parameters
    ----------
    path : Path
        Weights file.
    converted : Converted
    source : Path
        The checkpoint.
    classes : ClassList
        Of the outputs.
    license_note : str
        Default: what the publisher says.
    half : bool
        Store matrices as float16.

    """
    coverage = converted.coverage
    origin = {
        'converted_from': source.name,
        'sha256': file_hash(source),
        'family': converted.family,
        'class_list': classes.name,
        'license': license_note or LICENSES[converted.family],
        'data_set': data_set(converted.training_config),
        'loaded': len(coverage.loaded),
        'left_out': list(coverage.left_out),
        'as_initialized': list(coverage.untrained),
    }
    save_weights(path, converted.model, WeightsInfo(classes.names, training=origin), half=half)


def check_runs(path: Path) -> int:
    """
    Segment two visits of a made-up room and return the number of queries.

    Parameters
    ----------
    path : Path
        Weights file.

    Raises
    ------
    WeightsError
        The network gives values that are not finite.

    """
    segmenter = Segmenter.load(InferenceConfig(weights=str(path), device='cpu'))
    found = segmenter.predict(_visits())
    values: Sequence[np.ndarray] = (found.class_probs, found.features, *found.mask_probs)
    if not all(np.isfinite(v).all() for v in values):
        raise WeightsError(
            f'weights {path.name}: expected finite results on a made-up room, got others; the '
            'tensors of the checkpoint are damaged, fetch it again'
        )
    return len(found.class_probs)


def _visits() -> list[Scan]:
    """Return two visits: a floor of 3 m and a box that moves by 1 m."""
    rng = np.random.default_rng(0)
    visits = []
    for day, x in enumerate((0.5, 1.5)):
        floor = rng.uniform((0, 0, 0), (3, 3, 0.01), (_CHECKED_POINTS, 3))
        box = rng.uniform((x, 1, 0), (x + 0.6, 1.6, 0.7), (_CHECKED_POINTS // 2, 3))
        xyz = np.concatenate([floor, box]).astype(np.float32)
        rgb = rng.integers(0, 256, xyz.shape).astype(np.uint8)
        visits.append(Scan(xyz, day, rgb))
    return visits
