"""Features of single visits: computed once, kept in memory and in files."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.geometry.point_sets import estimate_normals
from rescene4d_ros.inference.feature_files import (
    decode_features,
    encode_features,
    FeatureFiles,
    FORMAT,
)
from rescene4d_ros.models.inputs import make_visit_input
from rescene4d_ros.models.outputs import VisitFeatures, VisitPyramid
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.structures import Scan
from rescene4d_ros.superpoints import SuperpointConfig, superpoints
import torch

# Given the name of a stage (one of `STAGES` of the segmenter), what is entered around it.
Watch = Callable[[str], AbstractContextManager]


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
        scan: Scan,
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
        scan : Scan
        key : hashable
            Name of its points; None = keep nothing.
        origin : ndarray (3,), optional
            See `sequence_origin`; features of other origins are others, and not kept in files.
        cache_visits, cache_files : int
            How many visits to keep in memory and in files, each once per orientation.
        turn : int
            Orientation of the scan, part of its name; see `turned`.
        superpoint : ndarray (N,), int, optional
            In place of cutting the cloud.

        """
        kept_as = (key, turn, None if origin is None else origin.tobytes())
        if key is not None and kept_as in self._kept:
            self._kept.move_to_end(kept_as)
            return self._kept[kept_as]
        if origin is None and key is not None and cache_files > 0 and self.files is not None:
            encoded = self._from_file(self.files, scan, key, cache_files, turn, superpoint)
        else:
            encoded = self.compute(scan, origin, superpoint)
        if key is not None and cache_visits > 0:
            self._kept[kept_as] = encoded
            while len({name[0] for name in self._kept}) > cache_visits:
                self._kept.popitem(last=False)
        return encoded

    def _from_file(
        self,
        files: FeatureFiles,
        scan: Scan,
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
        encoded = self.compute(scan, superpoint=superpoint)
        data = encode_features(encoded.point_superpoint, encoded.features)
        files.write(str(key), kind, data, keep)
        return encoded

    def compute(
        self, scan: Scan, origin: np.ndarray | None = None, superpoint: np.ndarray | None = None
    ) -> EncodedVisit:
        """Return the visit's features, from its points, cut into superpoints unless given."""
        if scan.normals is None:
            with self._watch('normals'):
                normals = estimate_normals(scan.xyz, sensor_path=scan.sensor_path)
            scan = replace(scan, normals=normals)
        with self._watch('superpoints'):
            if superpoint is None:
                superpoint = superpoints(scan.xyz, scan.normals, scan.rgb, self._cutting)
        with self._watch('voxelize'):
            visit = make_visit_input(scan, superpoint, self._model.config, origin)
            visit = visit.to(self._device)
        with self._watch('encode'):
            (features,) = self._model.encode([visit])
        return EncodedVisit(visit.point_superpoint, features)
