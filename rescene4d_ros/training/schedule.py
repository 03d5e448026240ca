"""Learning rate schedule and moving average of weights."""

from __future__ import annotations

import math

from rescene4d_ros.models.segmenter import ReScene4D
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

START_DIVISOR = 25.0


def one_cycle(step: int, steps: int, peak: float, warmup: float, end: float = 1e-4) -> float:
    """
    Return the learning rate of a step: a cosine up to the peak, a cosine down to almost 0.

    Parameters
    ----------
    step : int
        0..steps - 1.
    steps : int
    peak : float
    warmup : float
        Share of the steps before the peak, 0..1.
    end : float
        Rate of the last step in multiples of the peak.

    Notes
    -----
    Source: Smith and Topin, "Super-convergence", 2017; a function of the step, so that a resumed
    run needs no state and may have another length.

    """
    low = peak / START_DIVISOR if step < _top(steps, warmup) else peak * end
    return low + (peak - low) * nearness(step, steps, warmup)


def nearness(step: int, steps: int, warmup: float) -> float:
    """Return how near a step is to the peak, 0..1, by the cosines of `one_cycle`."""
    top = _top(steps, warmup)
    share = 1 - step / top if step < top else (step - top) / max(steps - 1 - top, 1)
    return (1 + math.cos(math.pi * min(share, 1.0))) / 2


def _top(steps: int, warmup: float) -> float:
    """Return the step of the peak."""
    return warmup * max(steps - 1, 1)


def average_of(model: ReScene4D, decay: float) -> AveragedModel:
    """
    Begin the exponential moving average of a model's tensors with what they are.

    Parameters
    ----------
    model : ReScene4D
        The running model; its tensors are copied.
    decay : float
        Decay of the average; smaller in the first steps.

    Returns
    -------
    AveragedModel
        Call `update_parameters` after each step; `module` holds the averages.

    """

    def average(held: Tensor, now: Tensor, n_averaged: Tensor | int) -> Tensor:
        if not held.is_floating_point():
            return now
        n = int(n_averaged)
        return held.lerp(now, 1 - min(decay, n / (9 + n)))

    averaged = AveragedModel(model, avg_fn=average, use_buffers=True)
    averaged.requires_grad_(False).eval()
    averaged.n_averaged.fill_(1)  # the start counts: the first step is averaged in, not copied
    return averaged
