"""
Which remembered object each observation is: all evidence in one global assignment.

Every kind of evidence says how much likelier the two are one object than two, as a logarithm,
so evidence adds up and a new object has score 0. Most furniture stands still, so the same place
weighs most; then the query that the network shares between visits; then color, shape, size
and class, which alone can recognize an object that was away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.geometry.place_evidence import PlaceEvidence
from rescene4d_ros.geometry.point_sets import near
from rescene4d_ros.tracking.association.appearance import ColorChange
from rescene4d_ros.tracking.association.pair_evidence import (
    class_agreement,
    compare_shapes,
    Evidence,
    gather,
)
from rescene4d_ros.tracking.association.pair_scores import (
    birth_scores,
    CERTAIN,
    find_alternatives,
    FORBIDDEN,
    leaving_costs,
    loss_of_others,
    reason_of,
    score_pairs,
)
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from rescene4d_ros.tracking.settings import TrackingSettings
from rescene4d_ros.tracking.thresholds import SAME_CLASS, SAME_SURFACE
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class Link:
    """
    Say which object an observation is.

    Attributes
    ----------
    object_id : int
    reason : str
        Why, in words and numbers.
    confidence : float
        0..1: how likely the link is beside all other choices for the observation.
    alternatives : tuple of int
        Where the link is ambiguous: the other objects that the observation may as well be.

    """

    object_id: int
    reason: str
    confidence: float
    alternatives: tuple[int, ...]


@dataclass(frozen=True)
class Association:
    """
    Hold which object each observation is.

    Attributes
    ----------
    links : mapping of observation number to Link
    births : tuple of int
        Numbers of observations that are new objects.
    fragments : mapping of observation number to observation number
        Fragments of split masks, and the linked observation they belong to.

    """

    links: Mapping[int, Link]
    births: tuple[int, ...]
    fragments: Mapping[int, int]


def associate(
    observations: Sequence[Observation],
    records: Mapping[int, ObjectRecord],
    places: Mapping[int, PlaceEvidence],
    settings: TrackingSettings,
    unobserved: Callable[[Observation], float] = lambda _: 0.0,
    colors: ColorChange | None = None,
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
    settings : TrackingSettings
    unobserved : callable
        Say how unobserved the place of an observation is by earlier visits, 0..1; asked where it
        counts.
    colors : ColorChange, optional
        How the newest visit shows colors.

    Returns
    -------
    Association
        One object per observation and one observation per object; deterministic.

    """
    ids = sorted(records)
    known = [records[i] for i in ids]
    evidence = gather(
        observations, known, [places[i] for i in ids], settings.association.same_place, colors
    )
    leaving = leaving_costs(known, [places[i] for i in ids], settings.weights)
    solution = _solve(observations, known, evidence, leaving, settings, unobserved)
    links = {
        m: _link(m, o, solution, [ids[k] for k in solution.others.get(m, ())], ids[o], settings)
        for m, o in solution.chosen.items()
    }
    unlinked = [m for m in range(len(observations)) if m not in links]
    fragments = _fragments(
        observations, records, links, unlinked, settings.association.min_fragment
    )
    return Association(links, tuple(m for m in unlinked if m not in fragments), fragments)


@dataclass(frozen=True)
class _Solution:
    """
    Hold the best assignment of M observations to O objects.

    Attributes
    ----------
    chosen : dict of row to column
        Observation and object; rows that are left out are new.
    others : dict of row to tuple of columns
        Of the ambiguous ones: the objects that they may be at hardly any loss.
    loss : ndarray (M, O + M), float64
        What each pair costs all together; columns beyond the objects are births.
    evidence : Evidence
        With the shapes that were compared.

    """

    chosen: dict[int, int]
    others: dict[int, tuple[int, ...]]
    loss: np.ndarray
    evidence: Evidence


def _link(
    m: int,
    o: int,
    solution: _Solution,
    lookalikes: Sequence[int],
    object_id: int,
    settings: TrackingSettings,
) -> Link:
    """Return the link of observation m to object o, with its reason and confidence."""
    reason = reason_of(solution.evidence, m, o, settings.association)
    if lookalikes:
        reason += f'; may as well be {", ".join(map(str, lookalikes))}, a look-alike'
    # What another choice costs all together is the logarithm of how much less likely it is.
    confidence = float(1 / np.exp(-solution.loss[m]).sum())
    return Link(object_id, reason, confidence, tuple(lookalikes))


def _solve(
    observations: Sequence[Observation],
    known: Sequence[ObjectRecord],
    e: Evidence,
    leaving: np.ndarray,
    settings: TrackingSettings,
    unobserved: Callable[[Observation], float],
) -> _Solution:
    """
    Find the best assignment, and what else it could be.

    Comparing shapes is costly, so it is done lazily: a pair counts as of fitting shape, at a
    place that was looked at before, until the best assignment wants it, or one that is nearly as
    good; then it is compared, and the assignment made again. Scores only fall, so what comes out
    is what comparing all pairs would give.

    """
    config, weights = settings.association, settings.weights
    births = birth_scores(len(observations), weights.birth)
    while True:
        score = np.hstack([score_pairs(e, leaving, config, weights), births])
        chosen = {
            m: o
            for m, o in zip(*(side.tolist() for side in linear_sum_assignment(-score)))
            if o < len(known) and score[m, o] > FORBIDDEN / 2
        }
        loss = loss_of_others(score, chosen, len(known), config.ambiguous)
        others = find_alternatives(
            score, loss, chosen, len(known), weights.birth, config.ambiguous
        )
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
            if elsewhere[m, o] and e.unobserved_now[o] and np.isnan(e.unobserved_before[m])
        ]
        if not unsure and not hidden:
            return _Solution(chosen, others, loss_of_others(score, chosen, len(known), CERTAIN), e)
        e = compare_shapes(e, observations, known, unsure)
        before = e.unobserved_before.copy()
        for m in hidden:
            before[m] = unobserved(observations[m])
        e = replace(e, unobserved_before=before)


def _fragments(
    observations: Sequence[Observation],
    records: Mapping[int, ObjectRecord],
    links: Mapping[int, Link],
    unlinked: Sequence[int],
    min_share: float,
) -> dict[int, int]:
    """Find unlinked observations that lie on a linked object: fragments of a split mask."""
    fragments, linked = {}, sorted(links.items())
    wholes = [observations[k] for k, _ in linked]
    alike = class_agreement([observations[m] for m in unlinked], wholes) >= SAME_CLASS
    sides = [
        (whole.surface, records[link.object_id].surface)
        for whole, (_, link) in zip(wholes, linked)
    ]
    limits = np.array([[side.limits for side in pair] for pair in sides]).reshape(-1, 2, 2, 3)
    for m, may_be in zip(unlinked, alike):
        piece = observations[m]
        low, high = piece.surface.limits
        reached = (
            ((limits[:, :, 0] - SAME_SURFACE <= high) & (low <= limits[:, :, 1] + SAME_SURFACE))
            .all(2)
            .any(1)
        )
        for n in np.flatnonzero(may_be & reached).tolist():
            if len(piece.points) >= len(wholes[n].points):
                continue
            on_it = near(sides[n][0].tree, piece.xyz, SAME_SURFACE) | near(
                sides[n][1].tree, piece.xyz, SAME_SURFACE
            )
            if on_it.mean() >= min_share:
                fragments[m] = linked[n][0]
                break
    return fragments
