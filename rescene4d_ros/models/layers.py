"""What one layer of the query decoder is made of; each part has its shortcut and its norm."""

from __future__ import annotations

from rescene4d_ros.models.config import ModelConfig
import torch
from torch import nn, Tensor
from torch.nn import functional

# Of the masked attention on a CPU: up to which share of the places seen by the median query the
# queries are put together by it, how many, and of one in how many places the share is taken;
# elements of a mask otherwise made at a time.
SPARSE_SHARE = 0.3
QUERIES_PER_GROUP = 64
PLACES_PER_PROBE = 16
MASK_AT_A_TIME = 2**23


class Attention(nn.Module):
    """
    Attend with several heads; keys and values are made apart, so that they can be kept.

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
        Update the queries with what they attend to.

        Parameters
        ----------
        queries, query_position : Tensor (Q, C)
        keys, values : Tensor (H, V, C / H)
        attend : Tensor (Q, V), bool, optional
            Where each query may look; at least one place per query.

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
    Attend with a mask; on the CPU what a group of queries does not see costs it nothing.

    The masks of trained queries hold few places each, those of young ones many; queries that
    see little are put together, so that together they see little, too. Values are those of one
    pass for all, up to the order of sums.

    Parameters
    ----------
    heads : Tensor (H, Q, C / H)
    keys, values : Tensor (H, V, C / H)
    attend : Tensor (Q, V), bool
        At least one place per query.

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
    """Return what each head's queries find, (H, Q, C / H)."""
    return functional.scaled_dot_product_attention(
        heads[None], keys[None], values[None], attn_mask=mask[None, None]
    )[0]


def _as_mask(attend: Tensor, dtype: torch.dtype) -> Tensor:
    """
    Return what attention on the CPU adds to its logits, (Q, V).

    Made here by a product, that costs a quarter of what attention takes to make it of booleans.
    What is hidden need not be infinitely small: it vanishes beside the one place at least that
    each query sees.
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
    """Look at one level, then at the other queries, then think."""

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
