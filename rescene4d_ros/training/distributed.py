"""Data-parallel training in several processes, as started by torchrun."""

from __future__ import annotations

import torch
from torch import distributed, nn


def world() -> tuple[int, int]:
    """Return rank and number of the processes; (0, 1) outside of torchrun."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def share_weights(model: nn.Module) -> None:
    """Broadcast the tensors of the first process."""
    if world()[1] > 1:
        for tensor in model.state_dict().values():
            distributed.broadcast(tensor, 0)


def any_process(here: bool, device: torch.device) -> bool:
    """Return whether a condition holds in any process; equal in all of them."""
    if world()[1] == 1:
        return here
    flag = torch.tensor(float(here), device=device)
    distributed.all_reduce(flag, distributed.ReduceOp.MAX)
    return bool(flag)


def average_gradients(model: nn.Module, has_some: bool = True) -> int:
    """
    Replace each gradient by its mean over the processes that have gradients, in one transfer.

    Queries and visits differ per process, so a parameter may have no gradient in some of them;
    it counts as zero there.

    Parameters
    ----------
    model : Module
    has_some : bool
        Whether this process has gradients; a process whose batch did not fit into memory has none.

    Returns
    -------
    int
        Number of processes with gradients; equal in all of them; 0 = no step is possible.

    """
    if world()[1] == 1:
        return int(has_some)
    parameters = [p for p in model.parameters() if p.requires_grad]
    flat = torch.cat(
        [
            (p.grad if has_some and p.grad is not None else torch.zeros_like(p)).flatten()
            for p in parameters
        ]
        + [parameters[0].new_full((1,), float(has_some))]
    )
    distributed.all_reduce(flat)
    n_with = round(float(flat[-1]))
    flat = flat[:-1] / max(n_with, 1)
    for p, grad in zip(parameters, flat.split([p.numel() for p in parameters])):
        p.grad = grad.view_as(p)
    return n_with
