"""Where queries start: at seeds of the cloud, or from what was learned of structure."""

from __future__ import annotations

from collections.abc import Sequence

from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.outputs import VisitFeatures
from rescene4d_ros.structures import STRUCTURE_CLASSES
import torch
from torch import nn, Tensor


class StructureQueries(nn.Module):
    """
    Hold one learned query for each class in STRUCTURE_CLASSES.

    They attend to the voxels and to each other, objects do not attend to them: what a model finds
    does not change when they are added.

    Attributes
    ----------
    content, position : Parameter (R, C)

    """

    def __init__(self, channels: int):
        super().__init__()
        self.content = nn.Parameter(torch.randn(len(STRUCTURE_CLASSES), channels))
        self.position = nn.Parameter(torch.zeros(len(STRUCTURE_CLASSES), channels))


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
def published_seeds(
    visits: Sequence[VisitFeatures], times: Sequence[float], config: ModelConfig
) -> tuple[Tensor, Tensor]:
    """
    Sample the voxels that seed the queries as the published code does.

    The published sampler is three-dimensional. Mask3D gives it the cells of its one visit; here
    those of all visits, with time as a fourth dimension. ReScene4D gives it (x, y, z, t), of which
    it reads three numbers per point from an array of four, that is mixed coordinates of the first
    three quarters of the voxels. It never samples a point within 0.03 of the origin, except as
    the first.

    Parameters
    ----------
    visits : sequence of T VisitFeatures
        With `finest`; at least one voxel in all.
    times : sequence of T float
    config : ModelConfig
        Of a published `compat`.

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
    if config.compat == 'mask3d':
        cells_per_time = config.seed_time_scale / config.voxel_size
        seen = coords * coords.new_tensor([1, 1, 1, cells_per_time])
    else:
        seen = coords.flatten()[: 3 * len(coords)].view(-1, 3)
    usable = seen[:, :3].square().sum(1) > 1e-3
    usable[0] = True
    rows = usable.nonzero()[:, 0]
    voxels = rows[farthest_points(seen[rows], config.n_queries)]
    starts = torch.tensor([0] + [len(v.superpoint_features) for v in visits]).cumsum(0).tolist()
    superpoint = torch.cat([f.superpoint + start for f, start in zip(finest, starts)])
    return voxels, superpoint[voxels]
