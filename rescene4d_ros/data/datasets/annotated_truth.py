"""Truth of a sequence from annotated scans of one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.data.datasets.annotations import AnnotatedScan
from rescene4d_ros.geometry.boxes import fit_box
from rescene4d_ros.geometry.se3 import invert, transform
from rescene4d_ros.structures import Box, ChangeKind, INSTANCE_CLASSES, ObjectState, UNLABELED
from rescene4d_ros.structures.objects import triple
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject, VisitTruth


@dataclass(frozen=True)
class AnnotationConfig:
    """Settings of every reader that can repeat what the published code makes of annotations."""

    compat: str = param(
        'corrected',
        'official: as in the published code of ReScene4D, defects included',
        one_of=('corrected', 'official'),
    )

    @property
    def official(self) -> bool:
        """Return whether to reproduce the published behavior."""
        return self.compat == 'official'


@dataclass(frozen=True)
class VisitNotes:
    """
    Annotations of the objects at one visit beyond their points.

    Attributes
    ----------
    changes : mapping of int to ChangeKind
        Against the previous visit; empty at the first.
    removed : frozenset of int
        Not in the room.
    motions : mapping of int to ndarray (4, 4), float64, m
        From the place of each object in the reference scan to its place at this visit; missing
        objects did not move, or their motion is unknown.

    """

    changes: Mapping[int, ChangeKind] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    motions: Mapping[int, np.ndarray] = field(default_factory=dict)


def sequence_truth(
    scans: Sequence[AnnotatedScan],
    notes: Sequence[VisitNotes],
    groups: Sequence[Sequence[int]] = (),
    *,
    official: bool = False,
) -> SequenceTruth:
    """
    Combine points and notes to the truth of T visits.

    Annotated scans have surfaces, not models: boxes and poses are those of the points at the first
    visit of an object, moved by the motions of the notes; without a motion the box of a later
    visit is fitted to its own points. The scanned share of an object is unknown; `visible_share`
    is 1 if it has points. An object without points that is not removed is NOT_OBSERVED.

    Parameters
    ----------
    scans : sequence of T AnnotatedScan
        In one map frame.
    notes : sequence of T VisitNotes
    groups : sequence of sequences of int
        Look-alikes.
    official : bool
        As published: the class of an instance is that of its first point, and instances of classes
        outside the list are kept, unlabeled. By default the majority of points decides, and such
        instances are clutter.

    """
    classes = instance_classes(scans, official=official)
    kept = {
        i
        for i, c in classes.items()
        if c in range(len(INSTANCE_CLASSES)) or (official and c == UNLABELED)
    }
    group_of = {i: number for number, members in enumerate(groups, 1) for i in members}
    known: dict[int, TrueObject] = {}
    anchors: dict[int, np.ndarray] = {}
    visits = []
    for scan, note in zip(scans, notes, strict=True):
        points = _points_by_instance(scan, kept)
        for i in sorted(known.keys() | points.keys()):
            motion = note.motions.get(i, np.eye(4))
            anchor = anchors.get(i)
            if i not in known:
                box = fit_box(points[i])
                anchors[i] = anchor = invert(motion) @ box.map_T_box
                seen = TrueObject(
                    i,
                    classes[i],
                    ObjectState.PRESENT,
                    True,
                    box.map_T_box,
                    box,
                    ambiguity_group=group_of.get(i, 0),
                )
            else:
                seen = known[i]
            known[i] = _at_visit(seen, points.get(i), motion @ anchor, note)
        instance = np.where(np.isin(scan.instance, list(kept)), scan.instance, 0)
        visits.append(
            VisitTruth(
                instance.astype(np.int32), scan.semantic, tuple(known[i] for i in sorted(known))
            )
        )
    return SequenceTruth(tuple(visits))


def instance_classes(scans: Sequence[AnnotatedScan], *, official: bool = False) -> dict[int, int]:
    """
    Return the class of every instance id, one for all visits.

    Parameters
    ----------
    scans : sequence of AnnotatedScan
    official : bool
        Use the class of the first point instead of the majority.

    """
    instance = np.concatenate([s.instance for s in scans])
    semantic = np.concatenate([s.semantic for s in scans])
    ids, first, index = np.unique(instance, return_index=True, return_inverse=True)
    if official:
        chosen = semantic[first]
    else:
        lowest = min(UNLABELED, int(semantic.min(initial=0)))
        votes = np.zeros((len(ids), int(semantic.max(initial=0)) - lowest + 1), dtype=np.int64)
        np.add.at(votes, (index.ravel(), semantic - lowest), 1)
        chosen = votes.argmax(axis=1) + lowest
    return {int(i): int(c) for i, c in zip(ids, chosen) if i > 0}


def _points_by_instance(scan: AnnotatedScan, kept: set[int]) -> dict[int, np.ndarray]:
    order = np.argsort(scan.instance, kind='stable')
    ids, starts = np.unique(scan.instance[order], return_index=True)
    parts = np.split(scan.xyz[order], starts[1:])
    return {int(i): part for i, part in zip(ids, parts) if int(i) in kept}


def _at_visit(
    seen: TrueObject, points: np.ndarray | None, pose: np.ndarray, note: VisitNotes
) -> TrueObject:
    """Return the object at this visit; a removed object keeps its last place."""
    change = note.changes.get(seen.instance_id, ChangeKind.UNKNOWN)
    if change == ChangeKind.ADDED and not seen.in_room:
        change = ChangeKind.REAPPEARED
    if points is None and seen.instance_id in note.removed:
        return replace(
            seen, state=ObjectState.ABSENT, in_room=False, change=change, visible_share=0.0
        )
    if change == ChangeKind.REMOVED:  # but it has points
        change = ChangeKind.UNKNOWN
    moved = not np.allclose(pose, seen.map_T_object, atol=1e-9)
    box = _moved_box(seen.box, seen.map_T_object, pose) if moved else seen.box
    told = change == ChangeKind.UNKNOWN or (change == ChangeKind.MOVED and moved)
    if points is not None and not told:
        box = fit_box(points)
    state = ObjectState.NOT_OBSERVED if points is None else ObjectState.PRESENT
    return replace(
        seen,
        state=state,
        in_room=True,
        map_T_object=pose,
        box=box,
        change=change,
        visible_share=float(points is not None),
    )


def _moved_box(box: Box, map_T_before: np.ndarray, map_T_after: np.ndarray) -> Box:
    """Return the box moved with its object, and upright."""
    after_T_before = map_T_after @ invert(map_T_before)
    turned = after_T_before @ box.map_T_box
    yaw = float(np.arctan2(turned[1, 0], turned[0, 0]))
    center = transform(after_T_before, np.array([box.center]))[0]
    return Box(triple(center), box.size, yaw)
