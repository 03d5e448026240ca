"""Weights and switches of the training objective."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rescene4d_ros.config import param


@dataclass(frozen=True)
class LossConfig:
    """How matching and losses are weighted."""

    objective: str = param(
        'weighted',
        'Weighted sum of the terms, or their plain sum as the published trainer computes it',
        one_of=('weighted', 'raw_sum'),
    )
    class_weight: float = param(2.0, 'Weight of the class term, also in matching', ge=0, le=100)
    mask_weight: float = param(
        5.0, 'Weight of the mask cross entropy, also in matching', ge=0, le=100
    )
    dice_weight: float = param(2.0, 'Weight of the Dice term, also in matching', ge=0, le=100)
    assignment: str = param(
        'seed',
        'Which queries are assigned to an instance: all that start on it (seed), or the best '
        'match (hungarian, as published)',
        one_of=('seed', 'hungarian'),
    )
    no_object_weight: float = param(
        0.5,
        'Weight of queries without an instance in the class term; 0.1 as published',
        ge=0,
        le=1,
    )
    contrastive_weight: float = param(
        1.0, 'Weight of the contrastive term across visits; 0 = off', ge=0, le=100
    )
    semantic_weight: float = param(
        4.0,
        'Weight of the class of every superpoint, predicted by the backbone; 0 = off, as '
        'published',
        ge=0,
        le=100,
    )
    cross_visit_weight: float = param(
        1.0, 'Weight of positives from another visit against those of the same visit', ge=0, le=100
    )
    contrastive_chunk: int = param(
        1024, 'Anchors whose similarities are in memory at once', ge=1, le=1_000_000
    )
    structure_weight: float = param(
        1.0, 'Weight of the masks of wall, floor and ceiling; 0 = off', ge=0, le=100
    )
    skip_unknown: bool = param(
        True,
        'Leave superpoints of which the truth says nothing out of the mask and class terms; '
        'false: they are background, as published',
    )
    weight_by_points: bool = param(False, 'Count superpoints by their points in the mask terms')
    compat: str = param(
        'corrected',
        'official: as in the published code, defects included; see docs/design/segmenter.md',
        one_of=('corrected', 'official'),
    )


def effective(config: LossConfig) -> LossConfig:
    """Return the configuration with all switches as `compat` requires."""
    if config.compat != 'official':
        return config
    return replace(
        config,
        objective='raw_sum',
        assignment='hungarian',
        no_object_weight=0.1,
        semantic_weight=0.0,
        structure_weight=0.0,
        skip_unknown=False,
        weight_by_points=False,
    )
