"""Learning rate over a run, and the average of weights that is shipped."""

from __future__ import annotations

import math

import torch
from torch import nn

START_DIVISOR = 25.0
END_DIVISOR = 1e4


def one_cycle(step: int, steps: int, peak: float, warmup: float) -> float:
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

    Notes
    -----
    Source: Smith and Topin, "Super-convergence", 2017; a pure function of the step, so that a
    resumed run needs no state and may be given another length.

    """
    top = warmup * max(steps - 1, 1)
    if step < top:
        low, share = peak / START_DIVISOR, 1 - step / top
    else:
        low, share = peak / END_DIVISOR, (step - top) / max(steps - 1 - top, 1)
    return low + (peak - low) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


class AveragedWeights:
    """
    Keep the exponential moving average of a model's tensors.

    Parameters
    ----------
    model : Module
        The running model; its tensors are copied.
    average : Module
        A model of the same shape that holds the averages.
    decay : float
        Memory of the average; shorter in the first steps, when there is little to remember.

    """

    def __init__(self, model: nn.Module, average: nn.Module, decay: float):
        self.model, self.average, self.decay = model, average, decay
        average.requires_grad_(False).eval()
        self.restart()

    def restart(self) -> None:
        """Begin the average anew with the weights as they are."""
        self.average.load_state_dict(self.model.state_dict())

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for held, now in zip(self.average.state_dict().values(), self.model.state_dict().values()):
            if held.is_floating_point():
                held.lerp_(now, 1 - decay)
            else:
                held.copy_(now)
