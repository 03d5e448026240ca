"""Truth as people annotate it: things left out, ragged borders, piles that are one thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rescene4d_ros.structures import UNLABELED
from rescene4d_ros.synthetic_rooms.layout.floorplan import Placed
from rescene4d_ros.synthetic_rooms.truth import VisitRecord

# People label pieces of a mesh, not points.
PIECE_M = 0.045
# Small things are left out more often than large ones.
SMALL_M, SMALL_FACTOR = 0.25, 4.0
LARGE_M, LARGE_FACTOR = 0.8, 0.5
# Kinds of which several pieces are one thing; all else that is put down by itself is its own.
ONE_THING = ('pile', 'papers', 'book row', 'single books', 'shoes', 'clothes heap')


def draw_left_out(
    visits: Sequence[Mapping[int, Placed]], share: float, rng: np.random.Generator
) -> frozenset[int]:
    """Draw the instances that nobody annotates, at any visit; fixtures are not among them."""
    every = {k: p for placed in visits for k, p in placed.items()}
    ids = sorted(every)
    size = np.array([max(every[k].model.size) for k in ids])
    chance = share * np.select([size < SMALL_M, size > LARGE_M], [SMALL_FACTOR, LARGE_FACTOR], 1)
    chosen = rng.random(len(ids)) < chance
    return frozenset(k for k, c in zip(ids, chosen) if c and every[k].model.liveliness > 0)


def as_annotated(
    record: VisitRecord,
    xyz: np.ndarray,
    left_out: frozenset[int],
    ragged: float,
    rng: np.random.Generator,
) -> VisitRecord:
    """
    Return the record of a visit with the labels that a person would give.

    Parameters
    ----------
    record : VisitRecord
    xyz : ndarray (N, 3), m
    left_out : frozenset of int
        Instances without labels.
    ragged : float
        Share of pieces at borders that get one label, whatever they hold.
    rng : Generator

    """
    instance, semantic = record.instance.copy(), record.semantic.copy()
    out = np.isin(instance, list(left_out))
    instance[out], semantic[out] = 0, UNLABELED
    cell = np.floor(xyz / PIECE_M + rng.random(3)).astype(np.int64)
    cell -= cell.min(axis=0)
    extent = cell.max(axis=0) + 1
    key = (cell[:, 0] * extent[1] + cell[:, 1]) * extent[2] + cell[:, 2]
    owner = instance.astype(np.int64) * 32 + semantic + 1
    order = np.lexsort((owner, key))
    new_cell = np.r_[True, key[order][1:] != key[order][:-1]]
    new_run = new_cell | np.r_[True, owner[order][1:] != owner[order][:-1]]
    first = np.flatnonzero(new_run)
    count = np.diff(np.r_[first, len(order)])
    piece = np.cumsum(new_cell[first]) - 1
    # The last of each piece after sorting by size holds most of its points.
    by_size = np.lexsort((count, piece))
    most = by_size[np.r_[piece[by_size][1:] != piece[by_size][:-1], True]]
    pieces = np.cumsum(new_cell) - 1
    chosen = (rng.random(len(most)) < ragged)[pieces]
    at = order[chosen]
    winner = owner[order[first[most]]][pieces[chosen]]
    instance[at], semantic[at] = winner // 32, winner % 32 - 1
    return replace(record, instance=instance, semantic=semantic)


def notes_of(visits: Sequence[Mapping[int, Placed]], left_out: frozenset[int]) -> dict[str, Any]:
    """Return what a file tells of its annotation: the kind of every thing, and the rules."""
    every = {k: p for placed in visits for k, p in placed.items()}
    return {
        'kinds': {str(k): every[k].model.name for k in sorted(every)},
        'not_annotated': sorted(left_out),
        'one_thing': list(ONE_THING),
    }
