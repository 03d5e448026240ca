"""What the published code computes where we hold it to be a mistake; for `compat: official`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.outputs import VisitFeatures
from rescene4d_ros.models.seeds import farthest_points
import torch
from torch import Tensor


def effective(config: ModelConfig) -> ModelConfig:
    """
    Return the configuration with all switches where `compat` wants them.

    `official` sets those that have a published value; the rest it does by itself: visits on
    their own grids, seeds of `misread_seeds`, bounds of the Fourier encoding per level, patches
    of merged orders cut at the visits' sizes.
    """
    if config.compat != 'official':
        return config
    pooling = 'off' if config.temporal_mask_pooling == 'off' else 'mean'
    return replace(
        config,
        query_content='zeros',
        mask_reach=0.0,
        seed_objectness=0.0,
        temporal_mask_pooling=pooling,
    )


@torch.no_grad()
def misread_seeds(
    visits: Sequence[VisitFeatures], times: Sequence[float], n: int
) -> tuple[Tensor, Tensor]:
    """
    Sample voxels as the published call of a three-dimensional sampler does on (x, y, z, t).

    The sampler takes three numbers per point out of an array of four, so that it sees mixed
    coordinates of the first three quarters of the voxels. It also never takes a point within
    0.03 of the origin, except as the first.

    Parameters
    ----------
    visits : sequence of T VisitFeatures
        With `finest`; at least one voxel in all.
    times : sequence of T float
    n : int

    Returns
    -------
    voxels : Tensor (n,), int64
        Of all visits, visit after visit.
    superpoints : Tensor (n,), int64
        That they belong to, counted the same way.

    """
    coords = torch.cat(
        [
            torch.nn.functional.pad(v.finest.coords.float(), (0, 1), value=float(t))
            for v, t in zip(visits, times, strict=True)
        ]
    )
    seen = coords.flatten()[: 3 * len(coords)].view(-1, 3)
    usable = seen.square().sum(1) > 1e-3
    usable[0] = True
    rows = usable.nonzero()[:, 0]
    voxels = rows[farthest_points(seen[rows], n)]
    starts = torch.tensor([0] + [len(v.superpoint_features) for v in visits]).cumsum(0).tolist()
    superpoint = torch.cat([v.finest.superpoint + start for v, start in zip(visits, starts)])
    return voxels, superpoint[voxels]
