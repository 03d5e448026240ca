"""Features of single visits: computed once, kept in memory and, as bytes, in files."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from rescene4d_ros.geometry.normals import estimate_normals
from rescene4d_ros.geometry.se3 import transform, upright
from rescene4d_ros.geometry.superpoints.cut import SuperpointConfig, superpoints
from rescene4d_ros.models.inputs import make_visit_input
from rescene4d_ros.models.outputs import (
    decode_features,
    encode_features,
    FEATURES_FORMAT,
    VisitFeatures,
    VisitPyramid,
)
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.structures import Scan, TileName
import torch

# Given the name of a stage (one of `STAGES` of the segmenter), what is entered around it.
Watch = Callable[[str], AbstractContextManager]
# Multiples of it come back after eight; two differ by a quarter turn at most once in four.
TURN_RAD = 0.75 * np.pi


class FeatureFiles(Protocol):
    """Anything that keeps bytes under the name of a visit's points; it may lose them."""

    def read(self, key: str, kind: str) -> bytes | None:
        """Return what was kept of a kind, None where there is nothing whole."""

    def write(self, key: str, kind: str, data: bytes, keep: int | None = None) -> None:
        """Keep bytes, and of their kind only those `keep` that were used last; None = all."""


def unwatched(stage: str) -> AbstractContextManager:
    """Do nothing around a stage."""
    return nullcontext()


def turned(scan: Scan, number: int) -> Scan:
    """
    Return a visit with the map turned about its z axis; normals and sensor path turn with it.

    Parameters
    ----------
    scan : Scan
    number : int
        Turns by 135 degrees; 0 returns the visit itself.

    """
    if number == 0:
        return scan
    motion = upright(number * TURN_RAD, np.zeros(3))  # no shift, so normals turn as points do

    def turn(vectors: np.ndarray) -> np.ndarray:
        return transform(motion, vectors).astype(np.float32)

    return replace(
        scan,
        xyz=turn(scan.xyz),
        normals=None if scan.normals is None else turn(scan.normals),
        sensor_path=None if scan.sensor_path is None else turn(scan.sensor_path),
        free=None,  # not looked at by the network
    )


class TurnedVisit:
    """
    One visit in any orientation; missing normals are estimated once and turned.

    Parameters
    ----------
    scan : Scan

    """

    def __init__(self, scan: Scan):
        self._scan = scan

    @property
    def has_normals(self) -> bool:
        """Return whether normals need no estimation, or no more."""
        return self._scan.normals is not None

    def at(self, turn: int) -> Scan:
        """Return the visit with normals, turned; see `turned`."""
        if self._scan.normals is None:
            normals = estimate_normals(self._scan.xyz, sensor_path=self._scan.sensor_path)
            self._scan = replace(self._scan, normals=normals)
        return turned(self._scan, turn)


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
        self._kind = f'features-{FEATURES_FORMAT}-{bits}'
        # By visit, turn and origin; then by tile, None = the whole visit.
        self._kept: OrderedDict[Hashable, dict[Hashable, EncodedVisit]] = OrderedDict()
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
            Name of its points, of a part of them a `TileName`; None or '' (of the visit) = keep
            nothing. Where tiles are kept in files, they are not kept in memory too.
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
        visit_name, tile = key if isinstance(key, TileName) else (key, None)
        is_named = visit_name not in (None, '')
        kept_as = (visit_name, turn, None if origin is None else origin.tobytes())
        if is_named and tile in self._kept.get(kept_as, ()):
            self._kept.move_to_end(kept_as)
            return self._kept[kept_as][tile]
        if origin is None and is_named and cache_files > 0 and self.files is not None:
            encoded = self._from_file(self.files, visit, key, cache_files, turn, superpoint)
            keeps = tile is None
        else:
            encoded, keeps = self._compute(visit, turn, origin, superpoint), is_named
        if keeps and cache_visits > 0:
            self._kept.setdefault(kept_as, {})[tile] = encoded
            self._kept.move_to_end(kept_as)
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
        if isinstance(key, TileName):
            key, tile = key
            kind = f'tile_{tile}_of_{kind}'
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
