"""ReScene4D: encode each visit alone, then find the objects of all of them together."""
from __future__ import annotations

from collections.abc import Sequence

from rescene4d_ros.models.backbones.unet import PRESETS, SparseUNet
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.decoder import QueryDecoder
from rescene4d_ros.models.inputs import VisitInput
from rescene4d_ros.models.outputs import LevelFeatures, QueryOutput, VisitFeatures
from rescene4d_ros.sparse import avg_pool, Voxels
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

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.backbone = SparseUNet(config.in_channels, PRESETS[config.backbone])
        channels = self.backbone.out_channels
        self.mask_features = nn.Linear(channels[-1], config.hidden_dim)
        self.decoder = QueryDecoder(config, channels[:-1])

    def forward(self, visits: Sequence[VisitInput], times: Sequence[float] | None = None,
                ) -> QueryOutput:
        """Encode and decode one sequence of T visits; see `encode` and `decode`."""
        return self.decode(self.encode(visits), times)

    def decode(self, visits: Sequence[VisitFeatures], times: Sequence[float] | None = None,
               ) -> QueryOutput:
        """
        Find the objects of one sequence.

        Parameters
        ----------
        visits : sequence of T VisitFeatures
            Of `encode`, from one call or several.
        times : sequence of T float, optional
            Time of each visit; default 0, 1, 2, ...

        """
        return self.decoder(visits, times)

    def encode(self, visits: Sequence[VisitInput]) -> list[VisitFeatures]:
        """
        Compute the features of visits, of one sequence or of several, in one sparse pass.

        In evaluation mode the features of a visit do not depend on the others, so they may be
        kept and decoded with other visits later.
        """
        if not any(len(v.coords) for v in visits):
            return [self._no_features(v) for v in visits]
        coords = torch.cat([torch.nn.functional.pad(v.coords, (1, 0), value=slot)
                            for slot, v in enumerate(visits)])
        voxels = Voxels.build(coords)
        feats = self.backbone(voxels.sort(torch.cat([v.feats for v in visits])), voxels)
        xyz = voxels.sort(torch.cat([v.xyz for v in visits]))
        superpoint, means = self._superpoints(
            visits, voxels, torch.cat([self.mask_features(feats[-1]), xyz], dim=1))
        superpoint_features, superpoint_xyz = means[:, :-3], means[:, -3:]
        levels = self._levels(visits, voxels, feats, xyz,
                              superpoint_features.detach()[superpoint])
        counts = [v.n_superpoints for v in visits]
        return [VisitFeatures(*parts) for parts in zip(levels, superpoint_features.split(counts),
                                                       superpoint_xyz.split(counts))]

    def _superpoints(self, visits: Sequence[VisitInput], voxels: Voxels, rows: Tensor,
                     ) -> tuple[Tensor, Tensor]:
        """Return each voxel's superpoint over all visits, and the means of their voxels' rows."""
        counts = [v.n_superpoints for v in visits]
        starts = torch.tensor([0, *counts]).cumsum(0).tolist()
        superpoint = voxels.sort(torch.cat(
            [v.superpoint + start for v, start in zip(visits, starts)]))
        sums = rows.new_zeros(starts[-1], rows.shape[1]).index_add(0, superpoint, rows)
        n_voxels = torch.bincount(superpoint, minlength=starts[-1])
        return superpoint, sums / n_voxels[:, None]

    def _levels(self, visits: Sequence[VisitInput], voxels: Voxels, feats: list[Tensor],
                xyz: Tensor, mask_feats: Tensor) -> list[tuple[LevelFeatures, ...]]:
        """Return the levels of each visit, coarsest first, without the finest."""
        levels = []
        for level_feats in reversed(feats[:-1]):
            xyz, mask_feats = avg_pool(xyz, voxels), avg_pool(mask_feats, voxels)
            voxels = voxels.down()
            splits = voxels.visit_splits(len(visits))
            parts = (rows.split(splits)
                     for rows in (voxels.coords[:, 1:], xyz, level_feats, mask_feats))
            levels.append([LevelFeatures(*rows) for rows in zip(*parts)])
        return list(zip(*reversed(levels)))

    def _no_features(self, visit: VisitInput) -> VisitFeatures:
        """Return the features of an empty visit."""
        dim = self.config.hidden_dim
        levels = tuple(LevelFeatures(visit.coords, visit.xyz, visit.feats.new_zeros(0, c),
                                     visit.feats.new_zeros(0, dim))
                       for c in self.backbone.out_channels[:-1])
        return VisitFeatures(levels, visit.feats.new_zeros(0, dim), visit.xyz)
