"""Seeds of the queries: farthest point sampling, corrected and as published."""

from __future__ import annotations

from collections.abc import Sequence

from rescene4d_ros.models.outputs import VisitFeatures
import torch
from torch import Tensor


@torch.no_grad()
def farthest_points(points: Tensor, n: int) -> Tensor:
    """
    Farthest point sampling.

    Starts at the first point, then takes the point farthest from all sampled ones, the first on a
    tie. With fewer points than requested the sample repeats.

    Parameters
    ----------
    points : Tensor (N, D), float
        N at least 1.
    n : int

    Returns
    -------
    Tensor (n,), int64

    """
    n_distinct = min(n, len(points))
    taken = torch.zeros(n_distinct, dtype=torch.int64, device=points.device)
    columns = points.T.contiguous()
    distance = torch.full_like(columns[0], torch.inf)
    for k in range(1, n_distinct):
        offset = columns - columns[:, taken[k - 1], None]
        distance = torch.minimum(distance, offset.square_().sum(0))
        taken[k] = distance.argmax()
    return taken.repeat(-(-n // n_distinct))[:n]


@torch.no_grad()
def official_seed_sampling(
    visits: Sequence[VisitFeatures], times: Sequence[float], n: int
) -> tuple[Tensor, Tensor]:
    """
    Sample voxels as the published call of a three-dimensional sampler does on (x, y, z, t).

    The sampler reads three numbers per point from an array of four, that is mixed coordinates of
    the first three quarters of the voxels. It also never samples a point within 0.03 of the
    origin, except as the first.

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
        Superpoints of these voxels, numbered the same way.

    """
    finest = [v.published_voxels for v in visits]
    coords = torch.cat(
        [
            torch.nn.functional.pad(f.coords.float(), (0, 1), value=float(t))
            for f, t in zip(finest, times, strict=True)
        ]
    )
    seen = coords.flatten()[: 3 * len(coords)].view(-1, 3)
    usable = seen.square().sum(1) > 1e-3
    usable[0] = True
    rows = usable.nonzero()[:, 0]
    voxels = rows[farthest_points(seen[rows], n)]
    starts = torch.tensor([0] + [len(v.superpoint_features) for v in visits]).cumsum(0).tolist()
    superpoint = torch.cat([f.superpoint + start for f, start in zip(finest, starts)])
    return voxels, superpoint[voxels]
