"""Several processes that learn one model together, as torchrun starts them."""
from __future__ import annotations

import torch
from torch import distributed, nn


def world() -> tuple[int, int]:
    """Return rank and number of the processes; (0, 1) outside of torchrun."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def share_weights(model: nn.Module) -> None:
    """Give every process the tensors of the first."""
    if world()[1] > 1:
        for tensor in model.state_dict().values():
            distributed.broadcast(tensor, 0)


def average_gradients(model: nn.Module) -> None:
    """
    Replace each gradient by its mean over the processes, in one transfer.

    Queries and visits differ per process, so a parameter may have no gradient in some of them;
    it counts as zero there.
    """
    if world()[1] == 1:
        return
    parameters = [p for p in model.parameters() if p.requires_grad]
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten()
                      for p in parameters])
    distributed.all_reduce(flat)
    flat /= world()[1]
    for p, grad in zip(parameters, flat.split([p.numel() for p in parameters])):
        p.grad = grad.view_as(p)
