"""The segmenter as other rooms use it: scans in, instances out, features of visits kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from importlib import import_module
import logging
import os
from pathlib import Path

import numpy as np
from rescene4d_ros.errors import ConfigError, WeightsError
from rescene4d_ros.geometry.point_sets import covers_more
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.visit_encoder import (
    EncodedVisit,
    FeatureFiles,
    turned,
    TurnedVisit,
    unwatched,
    VisitEncoder,
    Watch,
)
from rescene4d_ros.inference.weights_file import (
    default_weights,
    load_weights,
    weights_hash,
    WeightsInfo,
)
from rescene4d_ros.models.config import PUBLISHED
from rescene4d_ros.models.inputs import sequence_origin
from rescene4d_ros.models.outputs import VisitFeatures
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.structures import Prediction, Scan, Segmentation
import torch

logger = logging.getLogger(__name__)

# Makes instances of the queries of T visits.
Select = Callable[[Prediction, Sequence[Scan], InferenceConfig], Segmentation]
MOST_TILES = 3.5  # whose area is segmented in one pass
STAGES = ('normals', 'superpoints', 'voxelize', 'encode', 'share_time', 'decode', 'masks')


class Segmenter:
    """
    Segment visits of one place jointly.

    Each visit is encoded alone, so its features can be kept and are the same whatever it is
    segmented with; under `compat: official` a Point Transformer's depend on the origin of the
    sequence and are kept for that origin. On the CPU the same input gives the same bits.

    Attributes
    ----------
    class_names : tuple of K str
        Class i of the results: of the weights, or of `classes` in the config.
    network_classes : tuple of str
        Class i of the network.
    weights_hash : str
        Names the weights.
    config : InferenceConfig

    """

    def __init__(
        self,
        model: ReScene4D,
        info: WeightsInfo,
        config: InferenceConfig,
        name: str = '',
        watch: Watch = unwatched,
        select: Select | None = None,
    ):
        self.config = config
        self._select = select or _selection(config.selection, '', name)
        self._watch = watch
        self.network_classes = info.class_names
        self.class_names = info.class_names
        if config.classes:
            from rescene4d_ros.class_lists import read_class_list

            self.class_names = read_class_list(config.classes).names
            self._translated(np.zeros((0, len(info.class_names)), np.float32))  # or refuse
        self.weights_hash = name
        self._device = _device(config.device)
        self._model = model.eval().to(self._device)
        not_met = self._model.choose_backend(config.sparse_backend, self._device.type)
        if not_met:
            logger.warning(not_met)
        bits = f'{name}-{self._device.type}-{config.sparse_backend}'
        self._visits = VisitEncoder(self._model, info.superpoints, self._device, bits, watch)
        torch.set_num_threads(config.torch_threads or max(1, (os.cpu_count() or 2) - 1))

    @classmethod
    def load(cls, config: InferenceConfig | None = None, watch: Watch = unwatched) -> Segmenter:
        """
        Load the weights onto the device.

        Parameters
        ----------
        config : InferenceConfig, optional
        watch : Watch, optional
            Entered around each stage of the work, to time it.

        Raises
        ------
        WeightsError
            The weights file is missing, damaged or of another version.
        ConfigError
            The device is not there.

        """
        config = config or InferenceConfig()
        path = _weights_path(config.weights)
        model, info = load_weights(path)
        if info.training.get('family') == 'encoder':
            raise WeightsError(
                f'weights {path}: expected a trained network, got one of which only the encoder '
                'is trained; train the rest with `rescene4d train --init`'
            )
        # Queries start where the cloud says, nothing of them is learned one by one.
        if config.queries and model.config.compat not in PUBLISHED:
            model.decoder.config = replace(model.decoder.config, n_queries=config.queries)
        name = weights_hash(path)
        return cls(model, info, config, name, watch, _selection(config.selection, path, name))

    def keep_features(self, files: FeatureFiles | None) -> None:
        """
        Keep the features of named visits in files too, and look there before computing them.

        From now on the names of visits are names of points in these files. None = stop it.
        """
        self._visits.files = files

    def tune(self, config: InferenceConfig) -> None:
        """Take the thresholds of another config; what is read or set at the start stays."""
        self.config = replace(
            config,
            weights=self.config.weights,
            device=self.config.device,
            torch_threads=self.config.torch_threads,
            classes=self.config.classes,
            sparse_backend=self.config.sparse_backend,
            queries=self.config.queries,
            orientations=self.config.orientations,
            selection=self.config.selection,
            choice=self.config.choice,
        )

    @property
    def device_name(self) -> str:
        """Return where the network runs: cpu, or the name of the GPU."""
        is_cuda = self._device.type == 'cuda'
        return torch.cuda.get_device_name(self._device) if is_cuda else self._device.type

    def encode(self, scans: Sequence[Scan], keys: Sequence[Hashable]) -> None:
        """Compute the features of named visits ahead; `cache_visits` of them are kept."""
        origin = sequence_origin(scans, self._model.config)
        with torch.no_grad():
            for scan, key in zip(scans, keys, strict=True):
                self._encode(TurnedVisit(scan), key, origin)
        if self._device.type == 'cuda':
            torch.cuda.synchronize(self._device)  # else the next call would seem to take longer

    def segment(
        self, scans: Sequence[Scan], keys: Sequence[Hashable] | None = None
    ) -> Segmentation:
        """
        Find the instances of T visits: one instance is one object in all of them.

        Parameters
        ----------
        scans : sequence of T Scan
            In one map frame, oldest first; any may be empty.
        keys : sequence of T hashable, optional
            Names of the visits. The features of a named visit are kept; one name must always
            mean the same points. None or '' = keep nothing.

        Returns
        -------
        Segmentation
            Of visits of more floor than 3.5 tiles of `tile_size` have, only what lies in the
            tiles of the last visit.

        """
        edge = self.config.tile_size
        if edge > 0 and covers_more([scan.xyz for scan in scans], MOST_TILES * edge**2):
            from rescene4d_ros.inference.tiles.segment_tiles import segment_tiles

            return segment_tiles(
                scans, keys, edge, self.config.min_points, self._segment_once, self._visits.files
            )
        return self._segment_once(scans, keys)

    def _segment_once(
        self, scans: Sequence[Scan], keys: Sequence[Hashable] | None = None
    ) -> Segmentation:
        """Find the instances of T visits in one pass."""
        prediction = self.predict(scans, keys)
        with self._watch('masks'):
            found = self._select(prediction, scans, self.config)
        return replace(found, class_probs=self._translated(found.class_probs))

    def predict(
        self,
        scans: Sequence[Scan],
        keys: Sequence[Hashable] | None = None,
        superpoint: Sequence[np.ndarray] | None = None,
    ) -> Prediction:
        """
        Return the raw queries of T visits, classes as of `network_classes`.

        Parameters
        ----------
        scans, keys
            As of `segment`.
        superpoint : sequence of T ndarrays (N_t,), int, optional
            Superpoint of each point, in place of cutting the clouds; without keys only.

        """
        if not scans:
            raise ValueError('segmenter: expected at least one visit, got none')
        if superpoint is not None and keys is not None:
            raise ValueError('segmenter: expected no keys with given superpoints, got both')
        visits = [TurnedVisit(scan) for scan in scans]
        passes = [self._predict_turned(scans, visits, keys, superpoint, 0)]
        for turn in range(1, self.config.orientations if any(map(len, scans)) else 1):
            passes.append(self._predict_turned(scans, visits, keys, passes[0].superpoint, turn))
        if len(passes) == 1:
            return passes[0]
        from rescene4d_ros.inference.orientations import join_orientations

        return join_orientations(passes)

    def _predict_turned(
        self,
        scans: Sequence[Scan],
        turned_visits: Sequence[TurnedVisit],
        keys: Sequence[Hashable] | None,
        superpoint: Sequence[np.ndarray] | None,
        turn: int,
    ) -> Prediction:
        """Return the raw queries of one pass, with the map turned by `turn` steps."""
        origin = sequence_origin([turned(scan, turn) for scan in scans], self._model.config)
        # Not inference_mode: its tensors would later refuse training in the same process.
        with torch.no_grad():
            unnamed, uncut = [None] * len(scans), [None] * len(scans)
            visits = [
                self._encode(visit, key, origin, turn, given)
                for visit, key, given in zip(
                    turned_visits, keys or unnamed, superpoint or uncut, strict=True
                )
            ]
            own = tuple(v.point_superpoint for v in visits)
            if not any(map(len, scans)):
                return self._nothing(own)
            with self._watch('share_time'):
                features = self._model.share_time([v.features for v in visits])
            with self._watch('decode'):
                output = self._model.decode(features, only_final=True)
            mask_probs = output.mask_logits[-1].sigmoid()
            if output.structure_logits.shape[-1]:
                structure = output.structure_logits[-1].sigmoid().amax(1, keepdim=True)
                mask_probs = mask_probs.masked_fill(structure > mask_probs, 0)
            classes = output.superpoint_logits.softmax(-1)
            known = torch.cat([output.superpoint_features, classes], dim=1)
            counts = torch.bincount(output.visit, minlength=len(visits)).tolist()
            return Prediction(
                class_probs=output.class_logits[-1].softmax(-1).cpu().numpy(),
                mask_probs=tuple(m.cpu().numpy() for m in mask_probs.split(counts)),
                superpoint=own,
                features=output.features.cpu().numpy(),
                objectness=tuple(o.cpu().numpy() for o in (1 - classes[:, -1]).split(counts)),
                superpoint_features=tuple(k.cpu().numpy() for k in known.split(counts)),
                voxels=_voxel_counts(features),
            )

    def _translated(self, class_probs: np.ndarray) -> np.ndarray:
        """Return class probabilities of the weights' classes in those of the results."""
        if self.class_names == self.network_classes:
            return class_probs
        from rescene4d_ros.class_lists import translate_probabilities

        return translate_probabilities(class_probs, self.network_classes, self.class_names)

    def _encode(
        self,
        visit: TurnedVisit,
        key: Hashable,
        origin: np.ndarray | None,
        turn: int = 0,
        superpoint: np.ndarray | None = None,
    ) -> EncodedVisit:
        """Return the visit's features, from the kept ones where possible."""
        in_memory = self.config.cache_visits * self.config.orientations
        return self._visits.encode(
            visit, key, origin, in_memory, self.config.cache_files, turn, superpoint
        )

    def _nothing(self, superpoint: tuple[np.ndarray, ...]) -> Prediction:
        """Return a prediction without queries, for visits without points."""
        config = self._model.config
        return Prediction(
            class_probs=np.zeros((0, config.n_classes + 1), np.float32),
            mask_probs=tuple(np.zeros((0, 0), np.float32) for _ in superpoint),
            superpoint=superpoint,
            features=np.zeros((0, config.hidden_dim), np.float32),
        )


def _voxel_counts(visits: Sequence[VisitFeatures]) -> tuple[np.ndarray, ...] | None:
    """Return the voxels of each superpoint of each visit, None where they are not kept."""
    if any(v.finest is None for v in visits):
        return None
    return tuple(
        np.bincount(v.finest.superpoint.cpu().numpy(), minlength=len(v.superpoint_features))
        for v in visits
        if v.finest is not None
    )


def _selection(name: str, weights: str | Path, fitted_to: str) -> Select:
    """Return what makes instances of queries; the merge tree is loaded if it may be used."""
    if name in ('auto', 'tree'):
        module = import_module('rescene4d_ros.inference.selection.tree_selection')
        if name == 'tree' or module.has_quality(weights):
            select: Select = module.tree_selection(weights, fitted_to)
            return select
    from rescene4d_ros.inference.postprocess import segment_as_published, segment_queries

    if name == 'published':
        return lambda prediction, scans, config: segment_as_published(prediction, config)
    return segment_queries


def _weights_path(wanted: str) -> Path:
    """Return the file of the weights that a setting means; empty = those of the package."""
    if not wanted:
        return default_weights()
    from rescene4d_ros.inference.weights_folder import find_weights

    return find_weights(wanted)


def _device(wanted: str) -> torch.device:
    """Return the torch device, or say that it is not there."""
    if wanted == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    if wanted == 'cuda' and not torch.cuda.is_available():
        raise ConfigError(
            'InferenceConfig.device: expected a CUDA device that torch can use, '
            'got none; use cpu or auto'
        )
    return torch.device(wanted)
