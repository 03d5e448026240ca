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
    structure : Tensor (R, S), bool, optional
        Superpoints of each class in STRUCTURE_CLASSES.
    unknown : Tensor (S,), bool, optional
        Superpoints of which the truth says nothing.

    """

    masks: Tensor
    classes: Tensor
    n_points: Tensor | None = None
    structure: Tensor | None = None
    unknown: Tensor | None = None

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
        return Targets(**{name: t.to(device) for name, t in self._tensors()})

    def of_superpoints(self, keep: Tensor) -> Targets:
        """Return the truth of a selection (S,), bool, of superpoints, without absent instances."""
        keep = keep.to(self.masks.device)
        kept = {name: t[..., keep] for name, t in self._tensors() if name != 'classes'}
        seen = kept['masks'].any(1)
        kept |= {'masks': kept['masks'][seen], 'classes': self.classes[seen]}
        return Targets(**kept)

    def _tensors(self) -> list[tuple[str, Tensor]]:
        """Return the tensors that are there, by name."""
        return [(name, tensor) for name, tensor in vars(self).items() if tensor is not None]
