"""Assignment of queries to true instances."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.losses.targets import IGNORED_CLASS
from scipy.optimize import linear_sum_assignment
import torch
from torch import Tensor


def class_cost(class_logits: Tensor, classes: Tensor) -> Tensor:
    """
    Compute minus the probability that each query gives each instance's class.

    Parameters
    ----------
    class_logits : Tensor (..., Q, K + 1), float32
    classes : Tensor (G,), int64
        An unknown class costs every query the same.

    Returns
    -------
    Tensor (..., Q, G), float32

    """
    cost = -class_logits.softmax(-1)[..., classes.clamp(min=0)]
    return torch.where(classes == IGNORED_CLASS, -1.0, cost)


def match(cost: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """
    Assign one query to each instance with the least total cost (Hungarian method).

    Parameters
    ----------
    cost : Tensor (L, Q, G), float32
        One matrix per prediction set; entries that are not finite are avoided.

    Returns
    -------
    tuple of three Tensor (M,), int64
        Prediction set, query and instance of each matched pair.

    """
    matrices = np.nan_to_num(cost.detach().cpu().double().numpy(), nan=1e6, posinf=1e6, neginf=1e6)
    pairs = [(np.full(min(m.shape), k), *linear_sum_assignment(m)) for k, m in enumerate(matrices)]
    stacked = np.concatenate([np.stack(p) for p in pairs], axis=1).astype(np.int64)
    return tuple(torch.from_numpy(stacked).to(cost.device))
