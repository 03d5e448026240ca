"""Features of a visit as bytes, so that the next start need not compute them again."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Protocol

import numpy as np
from rescene4d_ros.models.inputs import VisitInput
from rescene4d_ros.models.outputs import (
    DecoderState,
    FinestVoxels,
    LevelFeatures,
    VisitFeatures,
    VisitPyramid,
)
from safetensors.torch import load, save
import torch
from torch import Tensor

FORMAT = 2  # raise with every change of what the bytes mean


class FeatureFiles(Protocol):
    """Anything that keeps bytes under the name of a visit's points; it may lose them."""

    def read(self, key: str, kind: str) -> bytes | None:
        """Return what was kept of a kind, None where there is nothing whole."""

    def write(self, key: str, kind: str, data: bytes, keep: int) -> None:
        """Keep bytes, and of their kind only those `keep` that were used last."""


def encode_features(point_superpoint: np.ndarray, features: VisitFeatures | VisitPyramid) -> bytes:
    """
    Return what the segmenter keeps of a visit as a safetensors file.

    Parameters
    ----------
    point_superpoint : ndarray (N,), int
    features : VisitFeatures or VisitPyramid

    """
    tensors = {'point_superpoint': torch.from_numpy(np.ascontiguousarray(point_superpoint))}
    if isinstance(features, VisitPyramid):
        tensors |= _fields('visit', features.visit)
        tensors['visit.n_superpoints'] = torch.tensor(features.visit.n_superpoints)
        tensors |= _fields('begun', features.begun)
        for name in ('skips', 'levels'):
            tensors |= {
                f'begun.{name}.{n}': feats for n, feats in enumerate(getattr(features.begun, name))
            }
    else:
        for n, level in enumerate(features.levels):
            tensors |= _fields(f'levels.{n}', level)
        tensors |= _fields('', features)
        if features.finest is not None:
            tensors |= _fields('finest', features.finest)
    # Copies: the tensors of several visits may be parts of one.
    return save(
        {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in tensors.items()
        }
    )


def decode_features(
    data: bytes, device: torch.device
) -> tuple[np.ndarray, VisitFeatures | VisitPyramid]:
    """Return superpoint per point and features of `encode_features`, bit for bit."""
    # Copies: what lies unaligned in the file could be added up in another order.
    tensors = {name: tensor.clone() for name, tensor in load(data).items()}
    point_superpoint = tensors.pop('point_superpoint').numpy()
    tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
    if 'visit.n_superpoints' in tensors:
        fields: dict[str, Any] = dict(_group(tensors, 'visit'))
        fields['n_superpoints'] = int(tensors['visit.n_superpoints'])
        visit = VisitInput(**fields | {'point_superpoint': point_superpoint})
        begun = _group(tensors, 'begun')
        skips, levels = (
            tuple(begun[f'{name}.{n}'] for n in range(_count(begun, name)))
            for name in ('skips', 'levels')
        )
        state = DecoderState(skips, levels, begun.get('feats'))
        return point_superpoint, VisitPyramid.of(visit, state)
    finest = _group(tensors, 'finest')
    return point_superpoint, VisitFeatures(
        tuple(
            LevelFeatures(**_group(tensors, f'levels.{n}'))
            for n in range(_count(tensors, 'levels'))
        ),
        tensors['superpoint_features'],
        tensors['superpoint_xyz'],
        FinestVoxels(**finest) if finest else None,
    )


def _fields(prefix: str, item) -> dict[str, Tensor]:
    """Return the tensors of a dataclass under the names of its fields."""
    values = {field.name: getattr(item, field.name) for field in fields(item)}
    return {
        f'{prefix}.{name}' if prefix else name: value
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def _group(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors of one dataclass by field."""
    return {
        name.removeprefix(f'{prefix}.'): tensor
        for name, tensor in tensors.items()
        if name.startswith(f'{prefix}.')
    }


def _count(tensors: dict[str, Tensor], prefix: str) -> int:
    """Return how many items of a tuple there are."""
    return len({name.split('.')[1] for name in tensors if name.startswith(f'{prefix}.')})
