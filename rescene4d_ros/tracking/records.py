"""Observations of one visit, records of objects, and what one visit adds to the memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from rescene4d_ros.geometry.surface import Surface
from rescene4d_ros.structures import (
    Box,
    Change,
    MaskSource,
    ObjectState,
    Scan,
    SceneObject,
    SceneUpdate,
    VisitInfo,
    VisitStatus,
)


@dataclass(frozen=True)
class Observation:
    """
    Hold what one visit shows of one object.

    Attributes
    ----------
    points : ndarray (N,), int64
        Positions in the visit's scan.
    xyz : ndarray (M, 3), float32, m, in map
        Those points, thinned to `POINT_SPACING`.
    box : Box
    class_probs : ndarray (K,), float32
    score : float
    feature : ndarray (C,), float32
        Query feature of the segmenter, unit length; empty where there is none.
    color : ndarray (6,), float32
        See `appearance.describe_color`; empty without color.
    votes : mapping of object id to float
        How much of the object's old points the same query covers, 0..1.
    source : MaskSource
        What found the points.
    came : float
        How likely geometry alone shows that it came here since the earlier visits, 0..1.

    """

    points: np.ndarray
    xyz: np.ndarray
    box: Box
    class_probs: np.ndarray
    score: float
    feature: np.ndarray
    color: np.ndarray
    votes: Mapping[int, float]
    source: MaskSource = MaskSource.NETWORK
    came: float = 0.0

    @property
    def class_id(self) -> int:
        """Return the most probable class."""
        return int(np.argmax(self.class_probs))

    @cached_property
    def surface(self) -> Surface:
        """Return `xyz`, prepared for searches."""
        return Surface(self.xyz)


@dataclass(frozen=True)
class LinkedObservation:
    """
    Hold an observation with the reason why it was given its id.

    Attributes
    ----------
    observation : Observation
    reason : str
        Why, in words and numbers.
    confidence : float
        0..1: how likely the link is beside all other choices for the observation.
    alternatives : tuple of int
        Where the link is ambiguous: the other objects that the observation may as well be.

    """

    observation: Observation
    reason: str
    confidence: float = 1.0
    alternatives: tuple[int, ...] = ()


@dataclass(frozen=True)
class ObjectRecord:
    """
    Hold one remembered object, with what is needed to know it again.

    Attributes
    ----------
    object_id : int
    state : ObjectState
        At the newest processed visit.
    is_gone : bool
        Whether the last decisive evidence was an empty place; survives NOT_OBSERVED.
    score, box, first_seen_ns, last_seen_ns, last_confirmed_absent_ns, link_reason, class_probs
        As in SceneObject.
    n_observations : int
    moved_m : float, m
        Length of all its moves together.
    feature : ndarray (C,), float32
        Mean query feature, unit length.
    color : ndarray (6,) or (0,), float32
    xyz : ndarray (M, 3), float32, m, in map
        Its points at its latest known place, of all views since it stands there.
    alternatives : tuple of int
        Look-alikes that its latest observation may as well be.

    """

    object_id: int
    state: ObjectState
    is_gone: bool
    score: float
    box: Box
    first_seen_ns: int
    last_seen_ns: int
    last_confirmed_absent_ns: int | None
    n_observations: int
    moved_m: float
    link_reason: str
    class_probs: np.ndarray
    feature: np.ndarray
    color: np.ndarray
    xyz: np.ndarray
    alternatives: tuple[int, ...] = ()

    @cached_property
    def surface(self) -> Surface:
        """Return `xyz`, prepared for searches."""
        return Surface(self.xyz)

    @property
    def class_id(self) -> int:
        """Return the most probable class."""
        return int(np.argmax(self.class_probs))

    def as_object(
        self,
        class_names: tuple[str, ...],
        states: tuple[tuple[int, ObjectState], ...] = (),
        name: str = '',
    ) -> SceneObject:
        """Return what other rooms may know of it, with the name that a person gave it."""
        return SceneObject(
            self.object_id,
            self.class_id,
            class_names[self.class_id],
            self.score,
            self.state,
            self.box,
            self.first_seen_ns,
            self.last_seen_ns,
            self.last_confirmed_absent_ns,
            self.class_probs,
            states,
            self.link_reason,
            self.moved_m,
            self.alternatives,
            name,
        )


@dataclass(frozen=True)
class VisitFacts:
    """
    Hold everything one visit adds to the memory; stored in one transaction.

    Attributes
    ----------
    visit : VisitInfo
    linked : mapping of object id to LinkedObservation
        What the visit shows of each object.
    states : mapping of object id to ObjectState
        Of every object known after the visit.
    changes : tuple of Change
    object_ids : ndarray (N,), int64
        Persistent id per point of the scan; 0 = none.
    records : mapping of object id to ObjectRecord
        All objects after the visit.
    discovered : mapping of stamp to mapping of object id to LinkedObservation
        What earlier visits show of objects that only this visit made known, by the stamp of the
        earlier visit, ns since the Unix epoch; their points there belonged to no object.

    """

    visit: VisitInfo
    linked: Mapping[int, LinkedObservation]
    states: Mapping[int, ObjectState]
    changes: tuple[Change, ...]
    object_ids: np.ndarray
    records: Mapping[int, ObjectRecord]
    discovered: Mapping[int, Mapping[int, LinkedObservation]] = field(default_factory=dict)

    @property
    def done_visit(self) -> VisitInfo:
        """Return the visit as it is once its facts are stored."""
        return replace(self.visit, status=VisitStatus.DONE)

    def before(self, later: Mapping[int, ObjectRecord]) -> VisitFacts:
        """
        Return the same facts without the search structures of what later visits do not ask for.

        Parameters
        ----------
        later : mapping of object id to ObjectRecord
            After the next visit; what that has not altered is shared with it.

        """

        def bare(links: Mapping[int, LinkedObservation]) -> dict[int, LinkedObservation]:
            return {i: replace(k, observation=replace(k.observation)) for i, k in links.items()}

        return replace(
            self,
            linked=bare(self.linked),
            discovered={stamp: bare(links) for stamp, links in self.discovered.items()},
            records={
                i: record if later.get(i) is record else replace(record)
                for i, record in self.records.items()
            },
        )

    def as_update(
        self,
        class_names: tuple[str, ...],
        names: Mapping[int, str],
        past: Mapping[int, tuple[tuple[int, ObjectState], ...]],
        scan: Scan,
        revision: int,
    ) -> SceneUpdate:
        """
        Return what the visit changed, with the scene after it.

        Parameters
        ----------
        class_names : tuple of str
        names : mapping of object id to str
            Given by people.
        past : mapping of object id to tuple of (visit id, ObjectState)
            States of every object since its first visit.
        scan : Scan
            Of the visit.
        revision : int
            Of the memory that holds these facts.

        """
        class_ids = np.full(len(self.object_ids), -1, dtype=np.int32)
        scores = np.zeros(len(self.object_ids), dtype=np.float32)
        for object_id, link in self.linked.items():
            class_ids[link.observation.points] = self.records[object_id].class_id
            scores[link.observation.points] = link.observation.score
        objects = tuple(
            record.as_object(class_names, past.get(object_id, ()), names.get(object_id, ''))
            for object_id, record in self.records.items()
        )
        return SceneUpdate(
            self.done_visit,
            revision,
            self.changes,
            scan,
            objects,
            self.object_ids,
            class_ids,
            scores,
        )
