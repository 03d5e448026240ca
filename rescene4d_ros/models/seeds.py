"""Where the queries start."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def farthest_points(points: Tensor, n: int) -> Tensor:
    """
    Sample points that lie as far from each other as possible.

    Starts at the first point, then always takes the point farthest from all taken ones, the
    first of them on a tie. With fewer points than asked for the sample starts over.

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
