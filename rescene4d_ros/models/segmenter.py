"""ReScene4D: encodes each visit alone, then finds the objects of all visits together."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, cast

from rescene4d_ros.errors import ConfigError
from rescene4d_ros.models.backbones.unet import Norm
from rescene4d_ros.models.config import effective, ModelConfig, PUBLISHED, UNETS
from rescene4d_ros.models.decoder import QueryDecoder
from rescene4d_ros.models.fine_level import FineLevel, mean_over, rows_of_superpoints
from rescene4d_ros.models.inputs import N_CHANNELS, VisitInput
from rescene4d_ros.models.outputs import (
    DecoderState,
    FinestVoxels,
    LevelFeatures,
    QueryOutput,
    VisitFeatures,
    VisitPyramid,
)
from rescene4d_ros.sparse.convolutions import avg_pool, choose_backend
from rescene4d_ros.sparse.voxels import JoinedVoxels, Voxels
import torch
from torch import nn, Tensor


class ReScene4D(nn.Module):
    """
    Segment T visits of one place jointly: one query is one object in all of them.

    Parameters
    ----------
    config : ModelConfig

    Notes
    -----
    Source: "ReScene4D: Temporally Consistent Semantic Instance Segmentation of Evolving Indoor
    3D Scenes", 2026.

    """

    backbone: Any  # of one of the modules of backbones/, loaded by name

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config = effective(config)
        _check(config)
        name = 'unet' if config.backbone in UNETS else 'point_transformer'
        if config.backbone_decoder == 'upcast':
            name = 'upcast_transformer'
        self.backbone = import_module(f'rescene4d_ros.models.backbones.{name}').make(
            config.in_channels, config.backbone, config.temporal_serialization
        )
        channels = self.backbone.out_channels
        self.mask_features = nn.Linear(channels[-1], config.hidden_dim)
        self.superpoint_pooling = None
        if config.superpoint_pooling != 'mean':
            pooling = import_module('rescene4d_ros.models.superpoint_pooling')
            self.superpoint_pooling = pooling.SuperpointPooling(config.superpoint_pooling)
        self.decoder = QueryDecoder(config, channels[:-1])
        self.fine_level = None
        if config.fine_level_channels:
            self.fine_level = FineLevel(
                config.in_channels, config.fine_level_channels, self.backbone, config.hidden_dim
            )
        for module in self.modules():
            if isinstance(module, Norm):
                module.of_visit = config.normalization == 'visit'
        self._backend = 'native'

    def forward(
        self, visits: Sequence[VisitInput], times: Sequence[float] | None = None
    ) -> QueryOutput:
        """Encode and decode one sequence of T visits; see `encode` and `decode`."""
        return self.decode(self.encode(visits), times)

    def decode(
        self,
        visits: Sequence[VisitFeatures | VisitPyramid],
        times: Sequence[float] | None = None,
        only_final: bool = False,
    ) -> QueryOutput:
        """
        Find the objects of one sequence.

        Parameters
        ----------
        visits : sequence of T VisitFeatures or VisitPyramid
            Of `encode`, from one call or several.
        times : sequence of T float, optional
            Time of each visit; default 0, 1, 2, ...
        only_final : bool
            Omit the predictions before the last layer, which only losses need.

        """
        return self.decoder(self.share_time(visits), times, only_final)

    def encode(self, visits: Sequence[VisitInput]) -> list[VisitFeatures] | list[VisitPyramid]:
        """
        Compute the features of visits, of one sequence or of several, in one sparse pass.

        In evaluation mode the features of a visit do not depend on the others, so they may be
        cached and decoded with other visits later. If the backbone's decoder attends across
        visits, they are the features before that, and `decode` computes the rest.
        """
        if len(visits) > 1 and self.config.normalization == 'visit':
            return cast(list[VisitFeatures], [self.encode([visit])[0] for visit in visits])
        voxels, sharing = self._voxels(visits), self._sharing_backbone()
        if not len(voxels):
            if sharing is not None:
                return [VisitPyramid(v, voxels, DecoderState()) for v in visits]
            return [self._no_features(v) for v in visits]
        feats = voxels.sort(torch.cat([v.feats for v in visits]))
        if sharing is not None:
            begun = sharing.begin(sharing.encode(feats, voxels), voxels)
            return self._pyramids(visits, voxels, begun)
        if self.fine_level is not None:
            levels, detail = self.fine_level(visits, feats, voxels, self.backbone)
            return self._features(visits, voxels, levels, detail)
        return self._features(visits, voxels, self.backbone(feats, voxels))

    def share_time(self, visits: Sequence[VisitFeatures | VisitPyramid]) -> list[VisitFeatures]:
        """
        Compute the rest of the backbone, for the visits of one sequence together.

        The first part of `decode`, which also accepts the result. Final features are unchanged.
        """
        finished = [v for v in visits if isinstance(v, VisitFeatures)]
        pyramids = [v for v in visits if isinstance(v, VisitPyramid)]
        sharing = self._sharing_backbone()
        if sharing is None or not pyramids:
            return finished
        inputs = [p.visit for p in pyramids]
        voxels = JoinedVoxels([p.voxels for p in pyramids], self._backend)
        if not len(voxels):
            return [self._no_features(v) for v in inputs]
        begun = DecoderState.join([p.begun for p in pyramids if len(p.voxels)])
        ties = None
        if self.config.compat != 'official':  # published: voxels of one cell in any order
            xyz, rows = (torch.cat(parts) for parts in zip(*((v.xyz, v.feats) for v in inputs)))
            ties = sharing.tie_break(voxels, voxels.sort(xyz), voxels.sort(rows), len(inputs))
        feats = sharing.decode(begun, voxels, ties)
        return self._features(inputs, voxels, feats)

    def _sharing_backbone(self) -> Any:
        """Return the backbone where its decoder looks at all visits of a sequence, else None."""
        return self.backbone if self.backbone.shares_time else None

    def choose_backend(self, wanted: str, device_type: str) -> str:
        """Choose the backend of convolutions; return why it is not the requested one, or ''."""
        self._backend, reason = choose_backend(wanted, device_type)
        return reason

    def _voxels(self, visits: Sequence[VisitInput]) -> Voxels:
        """Return the voxels of all visits, visit k in slot k."""
        slots = [
            torch.nn.functional.pad(v.coords, (1, 0), value=slot) for slot, v in enumerate(visits)
        ]
        return Voxels.build(torch.cat(slots), self._backend)

    def _pyramids(
        self, visits: Sequence[VisitInput], voxels: Voxels, begun: DecoderState
    ) -> list[VisitPyramid]:
        """Split the backbone features of all visits by visit."""
        if len(visits) == 1:
            return [VisitPyramid(visits[0], voxels, begun)]
        return list(map(VisitPyramid.of, visits, begun.split(voxels, len(visits))))

    def _features(
        self,
        visits: Sequence[VisitInput],
        voxels: Voxels,
        feats: list[Tensor],
        detail: Tensor | None = None,
    ) -> list[VisitFeatures]:
        """
        Return the decoder input of each visit.

        Parameters
        ----------
        visits : sequence of VisitInput
        voxels : Voxels
        feats : list of Tensor (V_l, Cl)
            Of all levels, coarsest first.
        detail : Tensor (S, C), optional
            Added to the mask features of the superpoints.

        """
        xyz = voxels.sort(torch.cat([v.xyz for v in visits]))
        superpoint = voxels.sort(rows_of_superpoints(visits, [v.superpoint for v in visits]))
        counts = [v.n_superpoints for v in visits]
        means = mean_over(superpoint, torch.cat([feats[-1], xyz], dim=1), sum(counts))
        superpoint_xyz = means[:, -3:]
        with torch.autocast(xyz.device.type, enabled=False):
            if self.superpoint_pooling is None:
                # The layer is linear, so the mean of the outputs is the output of the mean.
                superpoint_features = self.mask_features(means[:, :-3])
            else:
                superpoint_features = self.superpoint_pooling(
                    superpoint, self.mask_features(feats[-1].float()), sum(counts)
                )
        if detail is not None:
            superpoint_features = superpoint_features + detail
        levels = self._levels(visits, voxels, feats, xyz, superpoint, superpoint_features.detach())
        return [
            VisitFeatures(*parts)
            for parts in zip(
                levels,
                superpoint_features.split(counts),
                superpoint_xyz.split(counts),
                map(self._finest, visits),
            )
        ]

    def _finest(self, visit: VisitInput) -> FinestVoxels | None:
        """Return the input of the published seed sampling if it is used."""
        if self.config.compat not in PUBLISHED:
            return None
        return FinestVoxels(visit.coords, visit.xyz, visit.superpoint)

    def _levels(
        self,
        visits: Sequence[VisitInput],
        voxels: Voxels,
        feats: list[Tensor],
        xyz: Tensor,
        superpoint: Tensor | None,
        mask_feats: Tensor,
    ) -> list[tuple[LevelFeatures, ...]]:
        """
        Return the levels of each visit, coarsest first, without the finest.

        Parameters
        ----------
        visits : sequence of VisitInput
        voxels : Voxels
            The finest level.
        feats : list of Tensor (V_l, Cl)
            Of all levels, coarsest first.
        xyz : Tensor (V, 3), m
        superpoint : Tensor (V,), int64
            Row of `mask_feats` that each voxel has.
        mask_feats : Tensor (S, C)

        """
        levels = []
        for level_feats in reversed(feats[:-1]):
            xyz, mask_feats = avg_pool(xyz, voxels), avg_pool(mask_feats, voxels, superpoint)
            voxels, superpoint = voxels.down(), None
            splits = voxels.visit_splits(len(visits))
            parts = (
                rows.split(splits) for rows in (voxels.coords[:, 1:], xyz, level_feats, mask_feats)
            )
            levels.append([LevelFeatures(*rows) for rows in zip(*parts)])
        return list(zip(*reversed(levels)))

    def _no_features(self, visit: VisitInput) -> VisitFeatures:
        """Return the features of an empty visit."""
        dim = self.config.hidden_dim
        levels = tuple(
            LevelFeatures(
                visit.coords, visit.xyz, visit.feats.new_zeros(0, c), visit.feats.new_zeros(0, dim)
            )
            for c in self.backbone.out_channels[:-1]
        )
        return VisitFeatures(levels, visit.feats.new_zeros(0, dim), visit.xyz, self._finest(visit))


def _check(config: ModelConfig) -> None:
    """Refuse input channels that the features do not have, and parts of a U-Net without one."""
    if config.normalization != 'running' and config.backbone not in UNETS:
        raise ConfigError(
            f"ModelConfig.normalization: expected 'running' for the backbone {config.backbone!r}, "
            f'got {config.normalization!r}; only {", ".join(UNETS)} normalize over voxels'
        )
    if config.backbone_decoder != 'own' and config.backbone in UNETS:
        raise ConfigError(
            f"ModelConfig.backbone_decoder: expected 'own' for the backbone {config.backbone!r}, "
            f'got {config.backbone_decoder!r}; only Point Transformers do without'
        )
    if config.fine_level_channels and config.backbone not in UNETS:
        raise ConfigError(
            f'ModelConfig.fine_level_channels: expected 0 for the backbone {config.backbone!r}, '
            f'got {config.fine_level_channels}; the fine level needs one of {", ".join(UNETS)}'
        )
    wanted = N_CHANNELS[config.features]
    if config.in_channels != wanted:
        raise ConfigError(
            f'ModelConfig.in_channels: expected {wanted} for features '
            f'{config.features!r}, got {config.in_channels}; set both to fit'
        )
