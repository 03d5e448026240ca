"""How far a Point Transformer's decoder has come: what can be kept of a visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch import Tensor


@dataclass(frozen=True)
class Decoding:
    """
    Hold the features that the decoder goes on with, of one visit or of several.

    Attributes
    ----------
    skips : tuple of Tensor (V_l, Cl), float32
        What the encoder says of the levels to come, finest first.
    levels : tuple of Tensor (V_l, Cl), float32
        Finished levels, coarsest first.
    feats : Tensor (V_l, Cl), float32, optional
        Of the level in work, where its first block that looks at other visits is about to
        attend.

    """

    skips: tuple[Tensor, ...] = ()
    levels: tuple[Tensor, ...] = ()
    feats: Tensor | None = None

    @classmethod
    def join(cls, parts: Sequence[Decoding]) -> Decoding:
        """Return the features of several visits that have come equally far, as one."""
        return cls(
            tuple(map(torch.cat, zip(*(p.skips for p in parts)))),
            tuple(map(torch.cat, zip(*(p.levels for p in parts)))),
            None if parts[0].feats is None else torch.cat([p.feats for p in parts]),
        )

    def split(self, voxels: Voxels, n_visits: int) -> list[Decoding]:
        """Return the features of each visit; `voxels` are the finest of all."""
        work = () if self.feats is None else (self.feats,)
        rows = (*self.skips, *work, *reversed(self.levels))  # finest first
        cut = []
        for feats in rows:
            cut.append(feats.split(voxels.visit_splits(n_visits)))
            voxels = voxels.down()
        n = len(self.skips)
        return [
            Decoding(parts[:n], parts[: n + len(work) - 1 : -1], *parts[n : n + len(work)])
            for parts in zip(*cut)
        ]
