"""Data exchanged between backbone, decoder and losses, and features of a visit as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from rescene4d_ros.models.inputs import VisitInput
from rescene4d_ros.sparse.voxels import Voxels
from safetensors.torch import load, save
import torch
from torch import Tensor
from torch.nn import functional

FEATURES_FORMAT = 2  # raise with every change of what the bytes of features mean


@dataclass(frozen=True)
class DecoderState:
    """
    Features with which the decoder continues, of one visit or of several.

    Attributes
    ----------
    skips : tuple of Tensor (V_l, Cl), float32
        Encoder features of the remaining levels, finest first.
    levels : tuple of Tensor (V_l, Cl), float32
        Finished levels, coarsest first.
    feats : Tensor (V_l, Cl), float32, optional
        Features of the current level, before its first block that attends to other visits.

    """

    skips: tuple[Tensor, ...] = ()
    levels: tuple[Tensor, ...] = ()
    feats: Tensor | None = None

    @classmethod
    def join(cls, parts: Sequence[DecoderState]) -> DecoderState:
        """Join the features of several visits at the same stage of decoding."""
        return cls(
            tuple(map(torch.cat, zip(*(p.skips for p in parts)))),
            tuple(map(torch.cat, zip(*(p.levels for p in parts)))),
            None
            if parts[0].feats is None
            else torch.cat([p.feats for p in parts if p.feats is not None]),
        )

    def split(self, voxels: Voxels, n_visits: int) -> list[DecoderState]:
        """Return the features of each visit; `voxels` are the finest of all."""
        work = () if self.feats is None else (self.feats,)
        rows = (*self.skips, *work, *reversed(self.levels))  # finest first
        cut = []
        for feats in rows:
            cut.append(feats.split(voxels.visit_splits(n_visits)))
            voxels = voxels.down()
        n = len(self.skips)
        return [
            DecoderState(parts[:n], parts[: n + len(work) - 1 : -1], *parts[n : n + len(work)])
            for parts in zip(*cut)
        ]


@dataclass(frozen=True)
class LevelFeatures:
    """
    One resolution of one visit.

    Attributes
    ----------
    coords : Tensor (V, 3), int64
        Cells of the absolute grid of this level.
    xyz : Tensor (V, 3), float32, m, in map
        Mean position of the points in the cell.
    feats : Tensor (V, Cl), float32
        Backbone features.
    mask_feats : Tensor (V, C), float32
        Superpoint features averaged over the cell; their dot product with a query embedding is
        the average of the query's mask logits.

    """

    coords: Tensor
    xyz: Tensor
    feats: Tensor
    mask_feats: Tensor


@dataclass(frozen=True)
class FinestVoxels:
    """
    Voxels of one visit at full resolution.

    Attributes
    ----------
    coords : Tensor (V, 3), int64
    xyz : Tensor (V, 3), float32, m, in map
    superpoint : Tensor (V,), int64

    """

    coords: Tensor
    xyz: Tensor
    superpoint: Tensor


@dataclass(frozen=True)
class VisitFeatures:
    """
    Input of the decoder for one visit; independent of the other visits.

    Attributes
    ----------
    levels : tuple of LevelFeatures
        Coarsest first, without the finest, to which the decoder never attends.
    superpoint_features : Tensor (S, C), float32
        Mean of the finest mask features over the superpoint's voxels.
    superpoint_xyz : Tensor (S, 3), float32, m, in map
        Mean position of the superpoint's voxels.
    finest : FinestVoxels, optional
        For the published seeds only.

    """

    levels: tuple[LevelFeatures, ...]
    superpoint_features: Tensor
    superpoint_xyz: Tensor
    finest: FinestVoxels | None = None

    @property
    def published_voxels(self) -> FinestVoxels:
        """Return `finest`, or say that the model does not keep it."""
        if self.finest is None:
            raise ValueError(
                'visit features: expected the finest voxels, got none; only a model of '
                'compat: official or mask3d keeps them'
            )
        return self.finest


@dataclass(frozen=True)
class VisitPyramid:
    """
    Backbone features of one visit before it attends to the others.

    It replaces `VisitFeatures` if the backbone's decoder attends to all visits.

    Attributes
    ----------
    visit : VisitInput
    voxels : Voxels
        Of the visit alone; their caches are kept.
    begun : DecoderState
        Rows in the order of `voxels` and its coarser levels.

    """

    visit: VisitInput
    voxels: Voxels
    begun: DecoderState

    @classmethod
    def of(cls, visit: VisitInput, begun: DecoderState) -> VisitPyramid:
        """Return a pyramid with empty voxel caches."""
        return cls(visit, Voxels.build(functional.pad(visit.coords, (1, 0))), begun)


@dataclass(frozen=True)
class QueryOutput:
    """
    Queries of one joint pass over T visits, after each of L decoder layers.

    Attributes
    ----------
    class_logits : Tensor (L + 1, Q, K + 1), float32
        The last class is "no object"; set 0 is before the first layer, -1 the final one.
    mask_logits : Tensor (L + 1, S, Q), float32
        Superpoints of all visits, visit after visit.
    features : Tensor (Q, C), float32
        Final queries: appearance of the object over all visits.
    superpoint_features : Tensor (S, C), float32
        Before the decoder; for the contrastive loss.
    superpoint_logits : Tensor (S, K + 1), float32
        Class of each superpoint, predicted by the backbone; the last is "no object".
    visit : Tensor (S,), int64
        Visit of each superpoint, 0..T - 1.
    seed : Tensor (Q,), int64
        Seed superpoint of each query.
    structure_logits : Tensor (L + 1, S, R), float32
        Masks of wall, floor and ceiling; R = 0 without queries for them.

    """

    class_logits: Tensor
    mask_logits: Tensor
    features: Tensor
    superpoint_features: Tensor
    superpoint_logits: Tensor
    visit: Tensor
    seed: Tensor
    structure_logits: Tensor


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
        given: dict[str, Any] = dict(_group(tensors, 'visit'))
        given['n_superpoints'] = int(tensors['visit.n_superpoints'])
        visit = VisitInput(**given | {'point_superpoint': point_superpoint})
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
