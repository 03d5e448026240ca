"""
Which remembered object each observation is: all evidence in one global assignment.

Every kind of evidence says how much likelier the two are one object than two, as a logarithm,
so evidence adds up and a new object has score 0. Most furniture stands still, so the same place
speaks loudest; then the query that the network shares between visits; then color, shape, size
and class, which alone can bring back an object that was away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.geometry.neighbors import near
from rescene4d_ros.geometry.visibility import PlaceEvidence
from rescene4d_ros.tracking.association.ambiguity import find_alternatives, loss_of_others
from rescene4d_ros.tracking.association.pair_evidence import (
    agreement_of_kinds,
    compare_shapes,
    Evidence,
    gather,
)
from rescene4d_ros.tracking.association.pair_scores import (
    AssociationConfig,
    birth_scores,
    FORBIDDEN,
    leaving_costs,
    reason_of,
    score_pairs,
)
from rescene4d_ros.tracking.association.place_overlap import PLACE_RADIUS
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from scipy.optimize import linear_sum_assignment

SAME_KIND = 0.5  # agreement of class posteriors from which a piece may be a part


@dataclass(frozen=True)
class Association:
    """
    Hold who is who.

    Attributes
    ----------
    links : mapping of observation number to object id
    reasons : mapping of object id to str
        Why, in words and numbers.
    confidence : mapping of object id to float
        0..1: how likely the link is beside all other choices for the observation.
    births : tuple of int
        Numbers of observations that are new objects.
    parts : mapping of observation number to observation number
        Fragments, and the linked or new observation they belong to.
    alternatives : mapping of object id to tuple of int
        Of the links that are ambiguous: the other objects that the observation may as well be.

    """

    links: Mapping[int, int]
    reasons: Mapping[int, str]
    confidence: Mapping[int, float]
    births: tuple[int, ...]
    parts: Mapping[int, int]
    alternatives: Mapping[int, tuple[int, ...]]


def associate(
    observations: Sequence[Observation],
    records: Mapping[int, ObjectRecord],
    places: Mapping[int, PlaceEvidence],
    config: AssociationConfig,
    was_seen: Callable[[Observation], bool] = lambda _: True,
) -> Association:
    """
    Give every observation one remembered object, or declare it new.

    Parameters
    ----------
    observations : sequence of Observation
        Of the newest visit.
    records : mapping of object id to ObjectRecord
        All remembered objects: present, absent, not observed.
    places : mapping of object id to PlaceEvidence
        What the newest visit shows at each object's old place.
    config : AssociationConfig
    was_seen : callable
        Say whether an earlier visit looked at the place of an observation; asked where it counts.

    Returns
    -------
    Association
        One object per observation and one observation per object; deterministic.

    """
    ids = sorted(records)
    known = [records[i] for i in ids]
    evidence = gather(observations, known, [places[i] for i in ids], config.same_place)
    leaving = leaving_costs(known, [places[i] for i in ids], config)
    chosen, others, loss = _solve(observations, known, evidence, leaving, config, was_seen)
    links = {m: ids[o] for m, o in chosen.items()}
    unlinked = [m for m in range(len(observations)) if m not in links]
    reasons = {ids[o]: reason_of(evidence, m, o, config) for m, o in chosen.items()}
    # What another choice costs all together is the logarithm of how much less likely it is.
    confidence = {i: float(1 / np.exp(-loss[m]).sum()) for m, i in links.items()}
    alternatives = {links[m]: tuple(ids[o] for o in columns) for m, columns in others.items()}
    for object_id, lookalikes in alternatives.items():
        reasons[object_id] += f'; may as well be {", ".join(map(str, lookalikes))}, a look-alike'
    parts = _fragments(observations, records, links, unlinked, config.min_fragment)
    new = tuple(m for m in unlinked if m not in parts)
    return Association(links, reasons, confidence, new, parts, alternatives)


def _solve(
    observations: Sequence[Observation],
    known: Sequence[ObjectRecord],
    e: Evidence,
    leaving: np.ndarray,
    config: AssociationConfig,
    was_seen: Callable[[Observation], bool],
) -> tuple[dict[int, int], dict[int, tuple[int, ...]], np.ndarray]:
    """
    Find the best assignment, and what else it could be.

    Comparing shapes is costly, so it is done lazily: a pair counts as of fitting shape, at a
    place that was looked at before, until the best assignment wants it, or one that is nearly as
    good; then it is compared, and the assignment made again. Scores only fall, so what comes out
    is what comparing all pairs would give.

    Returns
    -------
    chosen : dict of row to column
        Observation and object; rows that are left out are new.
    others : dict of row to tuple of columns
        Of the ambiguous ones: the objects that they may be at hardly any loss.
    loss : ndarray (M, O + M), float64
        What each pair costs all together; columns beyond the objects are births.

    """
    births = birth_scores(len(observations), config)
    while True:
        score = np.hstack([score_pairs(e, leaving, config), births])
        chosen = {
            m: o
            for m, o in zip(*(side.tolist() for side in linear_sum_assignment(-score)))
            if o < len(known) and score[m, o] > FORBIDDEN / 2
        }
        loss = loss_of_others(score, chosen, len(known), config.ambiguous)
        others = find_alternatives(score, loss, chosen, len(known), config.birth, config.ambiguous)
        elsewhere = e.place < config.same_place
        unsure = [
            (m, o)
            for m in chosen
            for o in (chosen[m], *others.get(m, ()))
            if elsewhere[m, o] and np.isnan(e.shape[m, o])
        ]
        hidden = [
            m
            for m, o in chosen.items()
            if elsewhere[m, o] and e.unseen[o] and np.isnan(e.fresh[m])
        ]
        if not unsure and not hidden:
            return chosen, others, loss_of_others(score, chosen, len(known))
        compare_shapes(e, observations, known, unsure)
        for m in hidden:
            e.fresh[m] = not was_seen(observations[m])


def _fragments(
    observations: Sequence[Observation],
    records: Mapping[int, ObjectRecord],
    links: Mapping[int, int],
    unlinked: Sequence[int],
    min_share: float,
) -> dict[int, int]:
    """Find unlinked observations that lie on a linked object: pieces of a mask that split."""
    parts, linked = {}, sorted(links.items())
    wholes = [observations[k] for k, _ in linked]
    alike = agreement_of_kinds([observations[m] for m in unlinked], wholes) >= SAME_KIND
    sides = [
        (whole.surface, records[object_id].surface)
        for whole, (_, object_id) in zip(wholes, linked)
    ]
    limits = np.array([[side.limits for side in pair] for pair in sides]).reshape(-1, 2, 2, 3)
    for m, may_be in zip(unlinked, alike):
        piece = observations[m]
        low, high = piece.surface.limits
        reached = (
            ((limits[:, :, 0] - PLACE_RADIUS <= high) & (low <= limits[:, :, 1] + PLACE_RADIUS))
            .all(2)
            .any(1)
        )
        for n in np.flatnonzero(may_be & reached).tolist():
            if len(piece.points) >= len(wholes[n].points):
                continue
            on_it = near(sides[n][0].tree, piece.xyz, PLACE_RADIUS) | near(
                sides[n][1].tree, piece.xyz, PLACE_RADIUS
            )
            if on_it.mean() >= min_share:
                parts[m] = linked[n][0]
                break
    return parts
