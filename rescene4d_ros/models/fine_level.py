"""A level of half the voxel size around a U-Net, for objects of a few voxels."""

from __future__ import annotations

from collections.abc import Sequence

from rescene4d_ros.models.backbones.unet import ResidualBlock, SparseUNet, Step
from rescene4d_ros.models.inputs import FineVoxels, VisitInput
from rescene4d_ros.sparse.convolutions import avg_pool, DownConv3d, SubmConv3d, UpConv3d
from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch import nn, Tensor
from torch.nn import functional


class FineLevel(nn.Module):
    """
    Add detail to the first features of a U-Net, to its mask features and to its finest tokens.

    The way down computes features of fine voxels and adds them to the stem of the U-Net. On the
    way up its mask features are brought back to the fine voxels, joined with their own, and
    averaged over superpoints. The three joints start at zero: weights that were trained without
    the level give the same results with it, until it is trained.

    Parameters
    ----------
    in_channels : int
        Input features per voxel, fine or coarse.
    channels : int
        Features per fine voxel.
    backbone : SparseUNet
        Gives the numbers of channels at the joints; it is not kept.
    hidden_dim : int
        Channels C of mask features.

    """

    def __init__(self, in_channels: int, channels: int, backbone: SparseUNet, hidden_dim: int):
        super().__init__()
        *_, attended, finest = backbone.out_channels
        self.stem = Step(SubmConv3d(in_channels, channels, 3), channels)
        self.block = ResidualBlock(channels, channels)
        self.down = Step(DownConv3d(channels, channels), channels)
        self.to_stem = _zero_linear(channels, backbone.stem_channels)
        self.up = Step(UpConv3d(finest, channels), channels)
        self.joined = ResidualBlock(2 * channels, channels)
        self.to_masks = _zero_linear(channels, hidden_dim)
        self.to_tokens = _zero_linear(channels, attended)

    def forward(
        self, visits: Sequence[VisitInput], feats: Tensor, voxels: Voxels, backbone: SparseUNet
    ) -> tuple[list[Tensor], Tensor]:
        """
        Run the U-Net between the way down and the way up.

        Parameters
        ----------
        visits : sequence of VisitInput
            With fine voxels.
        feats : Tensor (V, Cin), float32
            In the order of `voxels`.
        voxels : Voxels
            Coarse voxels of all visits.
        backbone : SparseUNet

        Returns
        -------
        levels : list of 5 Tensor (V_l, Cl)
            Of the U-Net, coarsest first; the finest one that queries attend to with detail.
        detail : Tensor (S, C), float32
            What the mask features of the superpoints of all visits gain; zero where a superpoint
            is the majority in no fine voxel.

        """
        given = [_fine_of(v) for v in visits]
        slots = [nn.functional.pad(f.coords, (1, 0), value=k) for k, f in enumerate(given)]
        fine = Voxels.build(torch.cat(slots), voxels.backend)
        skip = self.stem(fine.sort(torch.cat([f.feats for f in given])), fine)
        skip = self.block(skip, fine)
        # Parents are sorted as `voxels` are, so they are the same rows.
        *levels, finest = backbone(feats, voxels, self.to_stem(self.down(skip, fine)))
        out = self.joined(torch.cat([self.up(finest, fine), skip], dim=1), fine)
        pooled = avg_pool(avg_pool(out.float(), fine), voxels)
        levels[-1] = levels[-1] + self.to_tokens(pooled)
        superpoint = fine.sort(rows_of_superpoints(visits, [f.superpoint for f in given]))
        means = mean_over(superpoint, out, sum(v.n_superpoints for v in visits))
        with torch.autocast(means.device.type, enabled=False):
            return [*levels, finest], self.to_masks(means)


def rows_of_superpoints(visits: Sequence[VisitInput], superpoints: Sequence[Tensor]) -> Tensor:
    """Return superpoints of visits (V_t,), as rows of those of all visits, (V,)."""
    starts = torch.tensor([0, *(v.n_superpoints for v in visits)]).cumsum(0).tolist()
    return torch.cat([s + start for s, start in zip(superpoints, starts)])


def take_fine(visit: VisitInput, fine: FineVoxels, keep: Tensor) -> FineVoxels:
    """
    Return the fine voxels in the kept voxels of a visit.

    Parameters
    ----------
    visit : VisitInput
        Whole.
    fine : FineVoxels
        Of this visit. One whose own superpoint is not kept gets that of the voxel it lies in.
    keep : Tensor (S,), bool
        Superpoints that are kept; these are renumbered.

    """
    keep = keep.to(visit.coords.device)
    small, large = (Voxels.build(functional.pad(c, (1, 0))) for c in (fine.coords, visit.coords))
    around = visit.superpoint[large.order][small.parent]  # of the voxel, in the order of `small`
    own = fine.superpoint[small.order]
    rows = keep[around].nonzero()[:, 0]
    superpoint = torch.where(keep[own], own, around)[rows]
    return FineVoxels(
        small.coords[rows, 1:], fine.feats[small.order[rows]], (keep.cumsum(0) - 1)[superpoint]
    )


def mean_over(superpoint: Tensor, rows: Tensor, n: int) -> Tensor:
    """Return the (n, C) float32 means of rows (V, C) by superpoint (V,); 0 where there is none."""
    rows = rows.float()
    sums = rows.new_zeros(n, rows.shape[1]).index_add(0, superpoint, rows)
    return sums / torch.bincount(superpoint, minlength=n).clamp(min=1)[:, None]


def _zero_linear(ci: int, co: int) -> nn.Linear:
    """Return a linear layer without bias that gives zero until it is trained."""
    linear = nn.Linear(ci, co, bias=False)
    nn.init.zeros_(linear.weight)
    return linear


def _fine_of(visit: VisitInput) -> FineVoxels:
    """Return the fine voxels, or say that the input was made without them."""
    if visit.fine is None:
        raise ValueError(
            'visit input: expected fine voxels, got none; make it with the configuration of '
            'the network, which has fine_level_channels'
        )
    return visit.fine
