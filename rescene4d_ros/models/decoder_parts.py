"""What the query decoder is made of: starts of queries, tokens of a level, one layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.outputs import VisitFeatures
from rescene4d_ros.models.space_time import farthest_points, PlaceGroups
from rescene4d_ros.structures import STRUCTURE_CLASSES
import torch
from torch import nn, Tensor
from torch.nn import functional

# Masked attention on a CPU: largest share of voxels seen by the median query at which queries are
# grouped, size of a group, stride of the sampled share; elements of a mask computed at a time
# otherwise.
SPARSE_SHARE = 0.3
QUERIES_PER_GROUP = 64
PLACES_PER_PROBE = 16
MASK_AT_A_TIME = 2**23
# Mask logits computed at a time on a CPU, so that they stay in its cache.
LOGITS_AT_A_TIME = 2**18


class StructureQueries(nn.Module):
    """
    Hold one learned query for each class in STRUCTURE_CLASSES.

    They attend to the voxels and to each other, objects do not attend to them: what a model finds
    does not change when they are added.

    Attributes
    ----------
    content, position : Parameter (R, C)

    """

    def __init__(self, channels: int):
        super().__init__()
        self.content = nn.Parameter(torch.randn(len(STRUCTURE_CLASSES), channels))
        self.position = nn.Parameter(torch.zeros(len(STRUCTURE_CLASSES), channels))


@torch.no_grad()
def published_seeds(
    visits: Sequence[VisitFeatures], times: Sequence[float], config: ModelConfig
) -> tuple[Tensor, Tensor]:
    """
    Sample the voxels that seed the queries as the published code does.

    The published sampler is three-dimensional. Mask3D gives it the cells of its one visit; here
    those of all visits, with time as a fourth dimension. ReScene4D gives it (x, y, z, t), of which
    it reads three numbers per point from an array of four, that is mixed coordinates of the first
    three quarters of the voxels. It never samples a point within 0.03 of the origin, except as
    the first.

    Parameters
    ----------
    visits : sequence of T VisitFeatures
        With `finest`; at least one voxel in all.
    times : sequence of T float
    config : ModelConfig
        Of a published `compat`.

    Returns
    -------
    voxels : Tensor (n,), int64
        Of all visits, visit after visit.
    superpoints : Tensor (n,), int64
        Superpoints of these voxels, numbered the same way.

    """
    finest = [v.published_voxels for v in visits]
    coords = torch.cat(
        [
            torch.nn.functional.pad(f.coords.float(), (0, 1), value=float(t))
            for f, t in zip(finest, times, strict=True)
        ]
    )
    if config.compat == 'mask3d':
        cells_per_time = config.seed_time_scale / config.voxel_size
        seen = coords * coords.new_tensor([1, 1, 1, cells_per_time])
    else:
        seen = coords.flatten()[: 3 * len(coords)].view(-1, 3)
    usable = seen[:, :3].square().sum(1) > 1e-3
    usable[0] = True
    rows = usable.nonzero()[:, 0]
    voxels = rows[farthest_points(seen[rows], config.n_queries)]
    starts = torch.tensor([0] + [len(v.superpoint_features) for v in visits]).cumsum(0).tolist()
    superpoint = torch.cat([f.superpoint + start for f, start in zip(finest, starts)])
    return voxels, superpoint[voxels]


class Attention(nn.Module):
    """
    Multi-head attention; keys and values are computed separately, so that they can be cached.

    Parameters
    ----------
    channels : int
    n_heads : int
        Divides `channels`.

    """

    def __init__(self, channels: int, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)
        for linear in (self.query, self.key, self.value, self.out):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def keys_values(self, memory: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values, each (H, V, C / H), of a memory (V, C)."""
        return self._split(self.key(memory + position)), self._split(self.value(memory))

    def forward(
        self,
        queries: Tensor,
        query_position: Tensor,
        keys: Tensor,
        values: Tensor,
        attend: Tensor | None = None,
    ) -> Tensor:
        """
        Update the queries by attention.

        Parameters
        ----------
        queries, query_position : Tensor (Q, C)
        keys, values : Tensor (H, V, C / H)
        attend : Tensor (Q, V), bool, optional
            Allowed positions; at least one per query.

        Returns
        -------
        Tensor (Q, C)

        """
        heads = self._split(self.query(queries + query_position))
        if attend is None:
            found = functional.scaled_dot_product_attention(heads[None], keys[None], values[None])[
                0
            ]
        else:
            found = attend_where(heads, keys, values, attend)
        return self.norm(queries + self.out(found.transpose(0, 1).flatten(1)))

    def _split(self, rows: Tensor) -> Tensor:
        """Return (N, C) as (H, N, C / H)."""
        return rows.view(len(rows), self.n_heads, -1).transpose(0, 1)


def attend_where(heads: Tensor, keys: Tensor, values: Tensor, attend: Tensor) -> Tensor:
    """
    Attend with a mask; on the CPU voxels that no query of a group sees are skipped.

    Masks of trained queries are small, those of untrained ones large; queries with small masks are
    grouped, so that their union is small. The result equals one pass for all, up to the order of
    sums.

    Parameters
    ----------
    heads : Tensor (H, Q, C / H)
    keys, values : Tensor (H, V, C / H)
    attend : Tensor (Q, V), bool
        At least one position per query.

    Returns
    -------
    Tensor (H, Q, C / H)

    """
    if heads.device.type != 'cpu':
        return _attend(heads, keys, values, attend)
    if torch.is_grad_enabled():
        return _attend(heads, keys, values, _as_mask(attend, heads.dtype))
    found = torch.empty_like(heads)
    share = attend[:, ::PLACES_PER_PROBE].float().mean(1)
    if share.median() > SPARSE_SHARE:
        size = max(QUERIES_PER_GROUP, MASK_AT_A_TIME // attend.shape[1])
        for own, query, seen in zip(
            found.split(size, dim=1), heads.split(size, dim=1), attend.split(size)
        ):
            own.copy_(_attend(query, keys, values, _as_mask(seen, heads.dtype)))
        return found
    for group in share.argsort(stable=True).split(QUERIES_PER_GROUP):
        seen = attend[group]
        places = seen.view(torch.uint8).amax(0).nonzero()[:, 0]
        mask = _as_mask(seen.index_select(1, places), heads.dtype)
        found[:, group] = _attend(
            heads[:, group], keys.index_select(1, places), values.index_select(1, places), mask
        )
    return found


def _attend(heads: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Return the attention output of each head, (H, Q, C / H)."""
    return functional.scaled_dot_product_attention(
        heads[None], keys[None], values[None], attn_mask=mask[None, None]
    )[0]


def _as_mask(attend: Tensor, dtype: torch.dtype) -> Tensor:
    """
    Return the additive attention mask for the CPU, (Q, V).

    Computing it by a product takes a quarter of the time of converting booleans in attention. A
    large finite value suffices, because each query sees at least one position.
    """
    return (~attend).to(dtype).mul_(torch.finfo(dtype).min / 2)


class FeedForward(nn.Module):
    """Transform each query on its own."""

    def __init__(self, channels: int, inner: int):
        super().__init__()
        self.inner = nn.Linear(channels, inner)
        self.outer = nn.Linear(inner, channels)
        self.norm = nn.LayerNorm(channels)
        for linear in (self.inner, self.outer):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, queries: Tensor) -> Tensor:
        """Return the updated queries (Q, C)."""
        return self.norm(queries + self.outer(functional.relu(self.inner(queries))))


class DecoderLayer(nn.Module):
    """Cross attention to one level, self attention, feed-forward."""

    def __init__(self, config: ModelConfig, level_channels: int):
        super().__init__()
        dim = config.hidden_dim
        self.squeeze = nn.Linear(level_channels, dim)
        self.cross_attention = Attention(dim, config.n_heads)
        self.self_attention = Attention(dim, config.n_heads)
        self.feed_forward = FeedForward(dim, config.ffn_dim)

    def forward(
        self, queries: Tensor, position: Tensor, keys: Tensor, values: Tensor, attend: Tensor
    ) -> Tensor:
        """Return the updated queries (Q, C)."""
        queries = self.cross_attention(queries, position, keys, values, attend)
        own = self.self_attention.keys_values(queries, position)
        queries = self.self_attention(queries, position, *own)
        return self.feed_forward(queries)


@dataclass(frozen=True)
class LevelTokens:
    """
    Tokens of one level of all visits, to which queries attend.

    `keys`, `values` and `kept` cover the tokens sampled for this pass; `mask_feats` and `places`
    cover all voxels, because masks are shared before sampling. Voxels are in the order of
    `places`.
    """

    keys: Tensor
    values: Tensor
    kept: Tensor | None
    mask_feats: Tensor
    places: PlaceGroups | None

    def attend(self, embedding: Tensor) -> Tensor:
        """Return (Q, V) bool: the voxels that each query (Q, C) attends to, at least one."""
        feats = self.mask_feats
        attend = torch.empty(len(embedding), len(feats), dtype=torch.bool, device=feats.device)
        size = len(feats)
        if feats.device.type == 'cpu':
            size = max(1, LOGITS_AT_A_TIME // len(embedding))
        for logits_of, seen in zip(feats.split(size), attend.split(size, dim=1)):
            torch.ge(embedding @ logits_of.T, 0, out=seen)
        if self.places is not None:
            self.places.share_any(attend)
        if self.kept is not None:
            attend = attend[:, self.kept]
        # The maximum of bytes is many times faster than `any` of booleans.
        is_blind = attend.view(torch.uint8).amax(1) == 0
        attend[is_blind] = True
        return attend
