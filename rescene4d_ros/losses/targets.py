"""The truth of one sequence, per superpoint."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

IGNORED_CLASS = -1  # an object of a class outside the list: its mask is trained, its class is not


@dataclass(frozen=True)
class Targets:
    """
    Hold the true instances of one sequence; one instance spans all visits it is in.

    Attributes
    ----------
    masks : Tensor (G, S), bool
        Membership of each superpoint, visit after visit.
    classes : Tensor (G,), int64
        0..K - 1, or -1 where the class is unknown.
    n_points : Tensor (S,), float32, optional
        Points of each superpoint, to weight the mask losses by.

    """

    masks: Tensor
    classes: Tensor
    n_points: Tensor | None = None

    def __post_init__(self):
        """Refuse shapes and dtypes that would cause silent errors later."""
        if (
            self.masks.ndim != 2
            or self.masks.dtype != torch.bool
            or self.classes.shape != self.masks.shape[:1]
            or self.classes.dtype != torch.int64
        ):
            raise ValueError(
                'targets: expected masks (G, S) bool and classes (G,) int64, got '
                f'{tuple(self.masks.shape)} {self.masks.dtype} and '
                f'{tuple(self.classes.shape)} {self.classes.dtype}'
            )

    def to(self, device: torch.device | str) -> Targets:
        """Return the same targets on `device`."""
        n_points = None if self.n_points is None else self.n_points.to(device)
        return Targets(self.masks.to(device), self.classes.to(device), n_points)
