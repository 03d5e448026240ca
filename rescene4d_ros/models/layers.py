"""The three layers of the query decoder, each with its shortcut and its norm behind it."""
from __future__ import annotations

import torch
from torch import nn, Tensor
from torch.nn import functional


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

    def forward(self, queries: Tensor, query_position: Tensor, keys: Tensor, values: Tensor,
                attend: Tensor | None = None) -> Tensor:
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
        found = functional.scaled_dot_product_attention(
            heads[None], keys[None], values[None],
            attn_mask=None if attend is None else _as_mask(attend, heads)[None, None])[0]
        return self.norm(queries + self.out(found.transpose(0, 1).flatten(1)))

    def _split(self, rows: Tensor) -> Tensor:
        """Return (N, C) as (H, N, C / H)."""
        return rows.view(len(rows), self.n_heads, -1).transpose(0, 1)


def _as_mask(attend: Tensor, heads: Tensor) -> Tensor:
    """
    Return a mask (Q, V) that attention with queries (H, Q, C / H) reads without another copy.

    On the CPU it reads what is added to the logits; made here by a product, that costs a
    quarter of what attention takes to make it of a boolean one. What is hidden need not be
    infinitely small: it vanishes beside the one place at least that each query sees.
    """
    if heads.device.type != 'cpu':
        return attend
    return (~attend).to(heads.dtype).mul_(torch.finfo(heads.dtype).min / 2)


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
