"""Features of single visits: computed once, kept in memory and, as bytes, in files."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from rescene4d_ros.geometry.superpoints import SuperpointConfig, superpoints
from rescene4d_ros.inference.orientations import TurnedVisit
from rescene4d_ros.models.inputs import make_visit_input, VisitInput
from rescene4d_ros.models.outputs import (
    DecoderState,
    FinestVoxels,
    LevelFeatures,
    VisitFeatures,
    VisitPyramid,
)
from rescene4d_ros.models.segmenter import ReScene4D
from safetensors.torch import load, save
import torch
from torch import Tensor

FORMAT = 2  # raise with every change of what the bytes mean

# Given the name of a stage (one of `STAGES` of the segmenter), what is entered around it.
Watch = Callable[[str], AbstractContextManager]


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


def unwatched(stage: str) -> AbstractContextManager:
    """Do nothing around a stage."""
    return nullcontext()


@dataclass(frozen=True)
class EncodedVisit:
    """One visit's superpoint per point, and its features."""

    point_superpoint: np.ndarray
    features: VisitFeatures | VisitPyramid


class VisitEncoder:
    """
    Encode visits and keep what was computed of the latest ones.

    Parameters
    ----------
    model : ReScene4D
    cutting : SuperpointConfig
        How clouds are cut into superpoints.
    device : torch.device
    bits : str
        What the bits of features depend on beside points and weights.
    watch : Watch

    """

    def __init__(
        self,
        model: ReScene4D,
        cutting: SuperpointConfig,
        device: torch.device,
        bits: str,
        watch: Watch = unwatched,
    ):
        self._model, self._cutting, self._device, self._watch = model, cutting, device, watch
        self._kind = f'features-{FORMAT}-{bits}'
        self._kept: OrderedDict[tuple[Hashable, int, bytes | None], EncodedVisit] = OrderedDict()
        self.files: FeatureFiles | None = None

    def encode(
        self,
        visit: TurnedVisit,
        key: Hashable,
        origin: np.ndarray | None,
        cache_visits: int,
        cache_files: int,
        turn: int = 0,
        superpoint: np.ndarray | None = None,
    ) -> EncodedVisit:
        """
        Return the visit's features, from the kept ones where possible.

        Parameters
        ----------
        visit : TurnedVisit
        key : hashable
            Name of its points; None = keep nothing.
        origin : ndarray (3,), optional
            See `sequence_origin`; features of other origins are others, and not kept in files.
        cache_visits, cache_files : int
            How many results to keep in memory, each for a visit, turn and origin, and how many
            visits in files per turn.
        turn : int
            Orientation, part of the name; see `turned`.
        superpoint : ndarray (N,), int, optional
            In place of cutting the cloud.

        """
        kept_as = (key, turn, None if origin is None else origin.tobytes())
        if key is not None and kept_as in self._kept:
            self._kept.move_to_end(kept_as)
            return self._kept[kept_as]
        if origin is None and key is not None and cache_files > 0 and self.files is not None:
            encoded = self._from_file(self.files, visit, key, cache_files, turn, superpoint)
        else:
            encoded = self._compute(visit, turn, origin, superpoint)
        if key is not None and cache_visits > 0:
            self._kept[kept_as] = encoded
            while len(self._kept) > cache_visits:
                self._kept.popitem(last=False)
        return encoded

    def _from_file(
        self,
        files: FeatureFiles,
        visit: TurnedVisit,
        key: Hashable,
        keep: int,
        turn: int,
        superpoint: np.ndarray | None,
    ) -> EncodedVisit:
        """Return the visit's features from a file; computed and written where there is none."""
        kind = f'{self._kind}-turn{turn}' if turn else self._kind
        data = files.read(str(key), kind)
        if data is not None:
            return EncodedVisit(*decode_features(data, self._device))
        encoded = self._compute(visit, turn, None, superpoint)
        data = encode_features(encoded.point_superpoint, encoded.features)
        files.write(str(key), kind, data, keep)
        return encoded

    def _compute(
        self,
        visit: TurnedVisit,
        turn: int,
        origin: np.ndarray | None,
        superpoint: np.ndarray | None,
    ) -> EncodedVisit:
        """Return the visit's features, from its points, cut into superpoints unless given."""
        with nullcontext() if visit.has_normals else self._watch('normals'):
            scan = visit.at(turn)
        with self._watch('superpoints'):
            if superpoint is None:
                superpoint = superpoints(scan.xyz, scan.normals, scan.rgb, self._cutting)
        with self._watch('voxelize'):
            given = make_visit_input(scan, superpoint, self._model.config, origin)
            given = given.to(self._device)
        with self._watch('encode'):
            (features,) = self._model.encode([given])
        return EncodedVisit(given.point_superpoint, features)
