"""Point Transformer V3 of Sonata and Concerto, with a decoder that may attend across visits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from rescene4d_ros.models.backbones.ptv3_layers import (
    Embedding,
    GridPooling,
    GridUnpooling,
    initialize,
    make_blocks,
    Stage,
)
from rescene4d_ros.models.backbones.serialization_order import (
    AttentionPattern,
    level_patterns,
    order_of,
    TieBreak,
    visit_ranks,
)
from rescene4d_ros.models.outputs import DecoderState
from rescene4d_ros.sparse.voxels import Voxels
from torch import nn, Tensor

N_LEVELS = 5


@dataclass(frozen=True)
class PTv3Preset:
    """
    Sizes of one member of the family; levels finest first.

    Attributes
    ----------
    encoder_channels, encoder_depths, encoder_heads : tuple of 5 int
        Channels, blocks and attention heads of each level of the encoder.
    decoder_channels, decoder_depths, decoder_heads : tuple of 4 int
        The same of the decoder, whose coarsest level is the encoder's.
    patch_size : int
        Most voxels that attend to each other.
    drop_path : float
        Stochastic depth of the last block in training; increases from 0 in the first.

    """

    encoder_channels: tuple[int, ...]
    encoder_depths: tuple[int, ...]
    encoder_heads: tuple[int, ...]
    decoder_channels: tuple[int, ...]
    decoder_depths: tuple[int, ...]
    decoder_heads: tuple[int, ...]
    patch_size: int = 1024
    drop_path: float = 0.3


_BASE = PTv3Preset(
    (48, 96, 192, 384, 512),
    (3, 3, 3, 12, 3),
    (3, 6, 12, 24, 32),
    (96, 96, 192, 384),
    (3, 3, 3, 3),
    (6, 6, 12, 32),
)
PRESETS = {
    'ptv3-tiny': PTv3Preset(
        (16, 16, 32, 32, 48),
        (1, 1, 1, 2, 1),
        (2, 2, 4, 4, 4),
        (16, 16, 32, 32),
        (2, 2, 2, 2),
        (2, 2, 4, 4),
        patch_size=128,
        drop_path=0.0,
    ),
    'sonata': _BASE,
    'concerto': _BASE,  # concerto_base: the same sizes, other training
    # No decoders are published for these sizes; they get that of the others. Sonata's small
    # encoder has the size of Concerto's.
    'concerto-tiny': replace(
        _BASE,
        encoder_channels=(16, 32, 64, 128, 256),
        encoder_depths=(1, 1, 1, 3, 1),
        encoder_heads=(1, 2, 4, 8, 16),
    ),
    'concerto-small': replace(
        _BASE,
        encoder_channels=(32, 64, 128, 256, 512),
        encoder_depths=(2, 2, 2, 6, 2),
        encoder_heads=(2, 4, 8, 16, 32),
    ),
    'concerto-large': replace(
        _BASE, encoder_channels=(64, 128, 256, 512, 768), encoder_heads=(4, 8, 16, 32, 48)
    ),
}


class PointTransformer(nn.Module):
    """
    Compute voxel features at five resolutions, strides 16, 8, 4, 2 and 1.

    The encoder processes each visit alone. The decoder uses serializations that may run through
    all visits of a sequence, so that a place attends to itself at other times.

    Parameters
    ----------
    in_channels : int
    preset : PTv3Preset
    serialization : str
        Of the decoder: 'off' (each visit alone), 'merged', 'mixed' or 'late'; see
        `level_patterns`. 'late' means the finest level, the others are 'off'.

    Notes
    -----
    Sources: Wu et al., "Point Transformer V3", 2024; "Sonata", 2025; "Concerto", 2025; the
    serialization through time: ReScene4D, 2026. Names and shapes of parameters are those of the
    published checkpoints, except the convolutions' kernels; see `checkpoints`.

    """

    def __init__(self, in_channels: int, preset: PTv3Preset, serialization: str = 'off'):
        super().__init__()
        self.preset, self.serialization = preset, serialization
        channels = preset.encoder_channels
        self.embedding = Embedding(in_channels, channels[0])
        blocks = make_blocks(
            channels,
            preset.encoder_heads,
            preset.encoder_depths,
            preset.patch_size,
            preset.drop_path,
        )
        self.enc = nn.ModuleDict(
            {
                f'enc{s}': Stage(
                    ('down', GridPooling(channels[s - 1], channels[s])) if s else None, blocks[s]
                )
                for s in range(N_LEVELS)
            }
        )
        below = (*preset.decoder_channels[1:], channels[-1])
        blocks = make_blocks(
            preset.decoder_channels,
            preset.decoder_heads,
            preset.decoder_depths,
            preset.patch_size,
            preset.drop_path,
        )
        self.dec = nn.ModuleDict(
            {
                f'dec{s}': Stage(
                    ('up', GridUnpooling(below[s], channels[s], preset.decoder_channels[s])),
                    blocks[s][::-1],
                )
                for s in reversed(range(N_LEVELS - 1))
            }
        )
        self.out_channels = (channels[-1], *reversed(preset.decoder_channels))
        self.apply(initialize)

    @property
    def shares_time(self) -> bool:
        """Return whether `decode` needs exactly the visits of one sequence."""
        return self.serialization != 'off'

    def forward(self, feats: Tensor, voxels: Voxels) -> list[Tensor]:
        """
        Compute the features of all five levels, coarsest first.

        Parameters
        ----------
        feats : Tensor (V, Cin), float32
            In the order of `voxels.coords`.
        voxels : Voxels
            Of any number of visits; of one sequence where the decoder shares time.

        Returns
        -------
        list of 5 Tensor (V_l, out_channels[l]), float32

        """
        return self.decode(self.begin(self.encode(feats, voxels), voxels), voxels)

    def encode(self, feats: Tensor, voxels: Voxels) -> list[Tensor]:
        """Return the encoder's features, finest first; those of a visit depend on it alone."""
        pyramid = []
        feats = self.embedding(feats)
        for level, stage in enumerate(cast(Iterable[Stage], self.enc.values())):
            if level:
                feats = stage.down(feats, voxels)
                voxels = voxels.down()
            patterns = self._patterns(stage, 'off')
            orders = {
                pattern: order_of(pattern, voxels, _stride_bits(level), None)
                for pattern in set(patterns)
            }
            for block, pattern in zip(stage.blocks(), patterns):
                feats = block(feats, voxels, orders[pattern])
            pyramid.append(feats)
        return pyramid

    def begin(self, pyramid: Sequence[Tensor], voxels: Voxels) -> DecoderState:
        """
        Decode up to the first block that attends to other visits.

        Parameters
        ----------
        pyramid : sequence of 5 Tensor (V_l, Cl), float32
            Of `encode`.
        voxels : Voxels
            The finest level.

        """
        start = DecoderState(tuple(pyramid[:-1]), (pyramid[-1],))
        if self.training or not self.shares_time:
            return start  # in training the blocks that attend to other visits are random
        return self._decode(start, voxels, None, alone=True)

    def decode(
        self, begun: DecoderState, voxels: Voxels, ties: TieBreak | None = None
    ) -> list[Tensor]:
        """
        Bring the encoder's features back to full resolution.

        Parameters
        ----------
        begun : DecoderState
            Of `begin`; visits may come from several calls, visit after visit.
        voxels : Voxels
            The finest level.
        ties : TieBreak, optional
            See `merged_order`.

        Returns
        -------
        list of 5 Tensor (V_l, out_channels[l]), float32
            Coarsest first.

        """
        return list(self._decode(begun, voxels, ties, alone=False).levels)

    def _decode(
        self, begun: DecoderState, voxels: Voxels, ties: TieBreak | None, alone: bool
    ) -> DecoderState:
        """Decode to the end, or to the first block that attends to other visits."""
        levels, feats = list(begun.levels), begun.feats
        n_levels = len(begun.skips) + (feats is not None)
        grids = _grids(voxels, ties, n_levels)
        for level in reversed(range(n_levels)):
            stage, (voxels, ties) = cast(Stage, self.dec[f'dec{level}']), grids[level]
            patterns = self._patterns(stage, self._serialization(level))
            first, is_placed = 0, feats is not None
            if feats is None:
                feats = stage.up(levels[-1], begun.skips[level], voxels)
            else:
                first = [pattern.is_merged for pattern in patterns].index(True)
            for block, pattern in list(zip(stage.blocks(), patterns))[first:]:
                feats = feats if is_placed else block.placed(feats, voxels)
                is_placed = False
                if alone and pattern.is_merged:
                    return DecoderState(begun.skips[:level], tuple(levels), feats)
                feats = block.attended(feats, order_of(pattern, voxels, _stride_bits(level), ties))
            levels.append(feats)
            feats = None
        return DecoderState((), tuple(levels))

    def tie_break(self, voxels: Voxels, xyz: Tensor, feats: Tensor, n_visits: int) -> TieBreak:
        """
        Return the order of voxels of one cell that does not depend on the order of visits.

        Parameters
        ----------
        voxels : Voxels
            Of the visits of one sequence, finest level.
        xyz : Tensor (V, 3), float32, m
            Mean position of the points in each voxel.
        feats : Tensor (V, C), float32
            Input of the network.
        n_visits : int

        """
        return TieBreak(xyz, visit_ranks(voxels, feats, n_visits))

    def _serialization(self, level: int) -> str:
        """Return the serialization of the decoder at one level, 0 the finest."""
        return 'off' if self.serialization == 'late' and level else self.serialization

    def _patterns(self, stage: Stage, serialization: str) -> list[AttentionPattern]:
        """Return the attention patterns of the blocks of a stage; random in training."""
        return level_patterns(serialization, stage.n_blocks, self.training)


def _stride_bits(level: int) -> int:
    """Return the number of further poolings of a level, 0 the finest."""
    return N_LEVELS - 1 - level


def _grids(
    voxels: Voxels, ties: TieBreak | None, n_levels: int
) -> list[tuple[Voxels, TieBreak | None]]:
    """Return voxels and tie breaks of the finest levels."""
    grids = [(voxels, ties)]
    for _ in range(n_levels - 1):
        voxels, ties = voxels.down(), None if ties is None else ties.down(voxels)
        grids.append((voxels, ties))
    return grids


def make(in_channels: int, name: str, temporal_serialization: str) -> PointTransformer:
    """Make the backbone of a preset."""
    return PointTransformer(in_channels, PRESETS[name], temporal_serialization)
