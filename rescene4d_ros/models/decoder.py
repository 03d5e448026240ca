"""Shared spatio-temporal queries: one query is one object in all visits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from rescene4d_ros.models.config import ModelConfig, PUBLISHED
from rescene4d_ros.models.decoder_parts import (
    DecoderLayer,
    LevelTokens,
    published_seeds,
    StructureQueries,
)
from rescene4d_ros.models.outputs import QueryOutput, VisitFeatures
from rescene4d_ros.models.space_time import (
    bounds,
    farthest_points,
    FourierEncoding,
    PlaceEncoding,
    PlaceGroups,
    space_time,
    visit_index,
)
import torch
from torch import nn, Tensor

_VOXELS_AT_A_TIME = 2**12  # whose keys and values are computed at a time on a CPU


class QueryDecoder(nn.Module):
    """
    Refine queries against the features of T visits.

    Parameters
    ----------
    config : ModelConfig
    level_channels : sequence of int
        Backbone channels of the levels, coarsest first.

    """

    def __init__(self, config: ModelConfig, level_channels: Sequence[int]):
        super().__init__()
        self.config = config
        dim = config.hidden_dim
        self.encoding = FourierEncoding(dim, config.fourier_scale)
        self.query_position = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU()
        )
        if config.mask_reach:
            self.place = PlaceEncoding(dim, config.mask_reach)
            self.place_features = nn.Linear(dim, dim, bias=False)
        self.query_content = (
            None
            if config.query_content == 'zeros'
            else nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        )
        if config.structure_queries:
            self.structure = StructureQueries(dim)
        self.layers = nn.ModuleList(
            DecoderLayer(config, c) for c in level_channels[: config.n_levels]
        )
        self.norm = nn.LayerNorm(dim)
        self.class_head = nn.Linear(dim, config.n_classes + 1)
        self.semantic_head = nn.Linear(dim, config.n_classes + 1)
        self.mask_head = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))

    def forward(
        self,
        visits: Sequence[VisitFeatures],
        times: Sequence[float] | None = None,
        only_final: bool = False,
    ) -> QueryOutput:
        """
        Find the objects of T visits.

        Parameters
        ----------
        visits : sequence of T VisitFeatures
            At least one voxel in all; single visits may be empty.
        times : sequence of T float, optional
            Time of each visit; default 0, 1, 2, ...
        only_final : bool
            Omit the prediction sets before the last: L + 1 = 1.

        """
        if not any(len(v.superpoint_features) for v in visits):
            raise ValueError(
                'decoder: expected at least one voxel in the visits, got none; '
                'leave sequences of empty visits out'
            )
        times = range(len(visits)) if times is None else times
        points = [
            space_time([v.levels[level].xyz for v in visits], times)
            for level in range(len(visits[0].levels))
        ]
        finest = None
        if self.config.compat in PUBLISHED:
            finest = space_time([v.published_voxels.xyz for v in visits], times)
        low, high = bounds(points[-1] if finest is None else finest)
        tokens = [
            self._tokens(
                visits,
                level,
                points[level],
                *((low, high) if finest is None else bounds(points[level])),
            )
            for level in range(len(self.layers))
        ]
        places = space_time([v.superpoint_xyz for v in visits], times)
        superpoint_features = torch.cat([v.superpoint_features for v in visits])
        mask_features = self._placed(superpoint_features, places, low, high)

        superpoint_logits = self.semantic_head(superpoint_features)
        if finest is None:
            seeds = self._seeds(places, superpoint_logits)
            starts = places[seeds]
        else:
            voxels, seeds = published_seeds(visits, times, self.config)
            starts = finest[voxels]
        position = self.query_position(self.encoding(starts, low, high))
        content = self._content(mask_features[seeds])
        states, embeddings = self._refined(content, position, tokens)
        structure = [rows[:0] for rows in embeddings]
        if self.config.structure_queries:
            start = self.structure
            structure = self._refined(start.content, start.position, tokens)[1]

        if only_final:
            states, embeddings, structure = states[-1:], embeddings[-1:], structure[-1:]
        sets = torch.stack(states)  # (L + 1, Q, C)
        mask_logits = torch.stack(embeddings) @ mask_features.T  # (L + 1, Q, S)
        return QueryOutput(
            class_logits=self.class_head(sets),
            mask_logits=mask_logits.transpose(1, 2),
            features=states[-1],
            superpoint_features=superpoint_features,
            superpoint_logits=superpoint_logits,
            visit=visit_index(
                [len(v.superpoint_features) for v in visits], superpoint_features.device
            ),
            seed=seeds,
            structure_logits=(torch.stack(structure) @ mask_features.T).transpose(1, 2),
        )

    def _refined(
        self, queries: Tensor, position: Tensor, tokens: Sequence[LevelTokens]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the normalized queries and their mask embeddings, before and after each layer."""
        states = [self.norm(queries)]
        embeddings = [self.mask_head(states[0])]
        for _ in range(self.config.n_rounds):
            for layer, level in zip(self.layers, tokens):
                attend = level.attend(embeddings[-1].detach())
                queries = layer(queries, position, level.keys, level.values, attend)
                states.append(self.norm(queries))
                embeddings.append(self._corrected(embeddings[0], self.mask_head(states[-1])))
        return states, embeddings

    @torch.no_grad()
    def _seeds(self, places: Tensor, logits: Tensor) -> Tensor:
        """
        Return the superpoints (Q,) that seed the queries.

        They are far from each other in space and time, and not on walls and floor, which are no
        objects.

        Parameters
        ----------
        places : Tensor (S, 4)
            x, y, z, t.
        logits : Tensor (S, K + 1)

        """
        n_queries = self.config.n_queries
        metric = places * places.new_tensor([1, 1, 1, self.config.seed_time_scale])
        if not self.config.seed_objectness:
            return farthest_points(metric, n_queries)
        objectness = 1 - logits.softmax(-1)[:, -1]
        likely = (objectness >= self.config.seed_objectness).nonzero()[:, 0]
        if len(likely) < n_queries:
            likely = objectness.topk(min(n_queries, len(objectness))).indices.sort().values
        return likely[farthest_points(metric[likely], n_queries)]

    def _corrected(self, of_seed: Tensor, embedding: Tensor) -> Tensor:
        """
        Return the mask embedding of a later layer, (Q, C).

        Queries that start from a seed correct the seed's mask, which is useful from the first
        step; without this residual early training loses it.
        """
        return embedding if self.query_content is None else of_seed + embedding

    def _placed(self, mask_feats: Tensor, points: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """
        Return mask features (N, C) with encoded position.

        The receptive field of a small backbone is too small to separate identical chairs.
        """
        if not self.config.mask_reach:
            return mask_feats
        return mask_feats + self._place_term(points, low, high)

    def _place_term(self, points: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Return the position term (N, C) of mask features at points (N, 4)."""
        return self.place_features(self.place(points, (low + high) / 2))

    def _content(self, mask_features: Tensor) -> Tensor:
        """
        Return the initial queries from the mask features (Q, C) of their seeds.

        A query with the features of its seed finds similar voxels from the first layer on; one
        without must first find its position.
        """
        if self.query_content is None:
            return torch.zeros_like(mask_features)
        return self.query_content(mask_features)

    def _tokens(
        self,
        visits: Sequence[VisitFeatures],
        level: int,
        points: Tensor,
        low: Tensor,
        high: Tensor,
    ) -> LevelTokens:
        """Return the tokens of one level; computed once, because rounds share weights."""
        layer, config = cast(DecoderLayer, self.layers[level]), self.config
        parts = [v.levels[level] for v in visits]
        feats = torch.cat([p.feats for p in parts])
        mask_feats = torch.cat([p.mask_feats for p in parts])
        places = None
        if config.temporal_mask_pooling != 'off' and len(visits) > 1:
            places = PlaceGroups(
                torch.cat([p.coords for p in parts]),
                visit_index([len(p.coords) for p in parts], feats.device),
                len(visits),
            )
            feats, points, mask_feats = (
                rows.index_select(0, places.rows) for rows in (feats, points, mask_feats)
            )
        size = _VOXELS_AT_A_TIME if feats.device.type == 'cpu' else len(feats)
        if config.mask_reach:
            with torch.no_grad():  # in place: no other reference to these rows
                for rows, at in zip(mask_feats.split(size), points.split(size)):
                    rows += self._place_term(at, low, high)
        if config.temporal_mask_pooling == 'mean' and places is not None:
            # Logits are linear in the features, so the mean of logits is the logit of the mean.
            mask_feats, places = places.share_mean(mask_feats), None
        kept = None
        if self.training and 0 < config.train_tokens < len(feats):
            kept = torch.randperm(len(feats), device=feats.device)[: config.train_tokens]
            feats, points = feats[kept], points[kept]
        # All rounds read them head by head, so the rows of a head are contiguous.
        keys, values = (feats.new_empty(0), feats.new_empty(0))
        for start in range(0, len(feats), size):
            part = slice(start, start + size)
            own = layer.cross_attention.keys_values(
                layer.squeeze(feats[part]), self.encoding(points[part], low, high)
            )
            if not start:
                keys, values = (
                    rows.new_empty(len(rows), len(feats), rows.shape[2]) for rows in own
                )
            keys[:, part], values[:, part] = own
        return LevelTokens(keys, values, kept, mask_feats, places)
