"""Scores per object: identity over visits, class, states and changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.metrics.identity.visit_matching import match_visit
from rescene4d_ros.structures import Change, ChangeKind, ObjectState, SceneObject
from rescene4d_ros.structures.truth import SequenceTruth, VisitTruth


@dataclass(frozen=True)
class ObjectScore:
    """
    Scores of one true object.

    Attributes
    ----------
    instance_id, class_id : int
        Of the truth.
    true_states, states : tuple of T ObjectState
        True states and states of the memory; UNKNOWN before the first observation.
    object_ids : tuple of T int
        Persistent id that covered it at each visit; 0 = none, or not visible.
    object_id : int
        The most frequent id; 0 = never found.
    is_identity_right : bool
        The same id at every visit that showed it.
    is_class_right, are_states_right : bool
        Of `object_id`.

    """

    instance_id: int
    class_id: int
    true_states: tuple[ObjectState, ...]
    states: tuple[ObjectState, ...]
    object_ids: tuple[int, ...]
    object_id: int
    is_identity_right: bool
    is_class_right: bool
    are_states_right: bool

    @property
    def is_right(self) -> bool:
        """Return whether id, class and every state are correct."""
        return self.is_identity_right and self.is_class_right and self.are_states_right


@dataclass(frozen=True)
class ScoreCard:
    """
    Scores of one sequence.

    Attributes
    ----------
    objects : tuple of ObjectScore
        One per true object that was observed at least once.
    true_changes, found_changes : tuple of (visit index, ChangeKind, true instance id)
        Instance id 0 in `found_changes`: of an object that is not in the truth.

    """

    objects: tuple[ObjectScore, ...]
    true_changes: tuple[tuple[int, ChangeKind, int], ...]
    found_changes: tuple[tuple[int, ChangeKind, int], ...]

    @property
    def share_right(self) -> float:
        """Return the share of true objects with correct id, class and states, 0..1."""
        return float(np.mean([o.is_right for o in self.objects])) if self.objects else 0.0

    @property
    def right_changes(self) -> int:
        """Count the reported changes that are in the truth, each true change once."""
        return sum((Counter(self.found_changes) & Counter(self.true_changes)).values())


def score_visits(
    truth: SequenceTruth,
    labels: Sequence[np.ndarray],
    visit_ids: Sequence[int],
    objects: Sequence[SceneObject],
    changes: Sequence[Change],
    min_iou: float = 0.5,
) -> ScoreCard:
    """
    Score T processed visits of one place against the truth.

    Parameters
    ----------
    truth : SequenceTruth
        T visits.
    labels : sequence of T ndarrays (N_t,), int64
        Persistent id per point; 0 = none.
    visit_ids : sequence of T int
        Of the memory, in the order of `labels`.
    objects, changes : sequence
        Content of the memory after the last visit.
    min_iou : float
        Smallest overlap, per visit, at which an object covers a true instance.

    """
    matches = [match_visit(v.instance, ids, min_iou) for v, ids in zip(truth.visits, labels)]
    by_id = {o.object_id: o for o in objects}
    seen = sorted(
        {o.instance_id for v in truth.visits for o in v.objects if o.state == ObjectState.PRESENT}
    )
    scores = tuple(_score_object(i, truth.visits, matches, visit_ids, by_id) for i in seen)
    true_changes = tuple(
        (t, o.change, o.instance_id)
        for t, v in enumerate(truth.visits)
        for o in v.objects
        if o.change != ChangeKind.UNKNOWN
    )
    return ScoreCard(scores, true_changes, _named_changes(changes, visit_ids, scores))


def _named_changes(
    changes: Sequence[Change], visit_ids: Sequence[int], scores: Sequence[ObjectScore]
) -> tuple[tuple[int, ChangeKind, int], ...]:
    """Assign each reported change to a true object."""
    true_of = {s.object_id: s.instance_id for s in scores if s.object_id}
    place = {v: t for t, v in enumerate(visit_ids)}
    return tuple(
        (place[c.visit_id], c.kind, true_of.get(c.object_id, 0))
        for c in changes
        if c.visit_id in place
    )


def _score_object(
    instance_id: int,
    visits: Sequence[VisitTruth],
    matches: Sequence[Mapping[int, int]],
    visit_ids: Sequence[int],
    by_id: Mapping[int, SceneObject],
) -> ObjectScore:
    """Compare one true object with the object that covered it most often."""
    true = [{o.instance_id: o for o in v.objects}.get(instance_id) for v in visits]
    true_states = tuple(o.state if o else ObjectState.UNKNOWN for o in true)
    covered = tuple(m.get(instance_id, 0) for m in matches)
    shown = [c for c, s in zip(covered, true_states) if s == ObjectState.PRESENT]
    votes = Counter(c for c in covered if c)
    object_id = min(votes, key=lambda i: (-votes[i], i)) if votes else 0
    remembered = by_id.get(object_id)
    said = dict(remembered.states) if remembered else {}
    states = tuple(said.get(v, ObjectState.UNKNOWN) for v in visit_ids)
    class_id = next(o.class_id for o in true if o)
    return ObjectScore(
        instance_id,
        class_id,
        true_states,
        states,
        covered,
        object_id,
        is_identity_right=bool(object_id) and set(shown) == {object_id},
        is_class_right=remembered is not None and remembered.class_id == class_id,
        are_states_right=states == true_states,
    )
