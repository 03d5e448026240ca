"""Overlaps of one sequence by class: over all visits, as one cloud, and in one visit."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.segmentation.average_precision import ClassCase, Group
from rescene4d_ros.metrics.segmentation.point_overlaps import Trajectories
from rescene4d_ros.metrics.segmentation.temporal_overlap import (
    reach,
    visit_overlaps,
    VisitOverlaps,
)
from rescene4d_ros.metrics.sequences import TrueSequence


def temporal_cases(
    truth: TrueSequence, found: Trajectories, rules: ScoreRules
) -> dict[int, ClassCase]:
    """Return the case of each class with overlap in every visit."""
    visits = visit_overlaps(found.overlaps, rules)
    exchanged = rules.exchange and len(found.overlaps.true) > 1
    return _cases(
        truth,
        found,
        visits.smallest(),
        found.overlaps.predicted.sum(axis=1),
        found.overlaps.true.sum(axis=0),
        found.overlaps.shared.sum(axis=1),
        found.overlaps.void.sum(axis=1),
        rules,
        visits if exchanged else None,
    )


def pooled_cases(
    truth: TrueSequence, found: Trajectories, rules: ScoreRules
) -> dict[int, ClassCase]:
    """Return the case of each class with all visits as one cloud."""
    o = found.overlaps
    return _cases(
        truth,
        found,
        o.pooled_iou(),
        o.predicted.sum(axis=1),
        o.true.sum(axis=0),
        o.shared.sum(axis=1),
        o.void.sum(axis=1),
        rules,
    )


def visit_cases(
    truth: TrueSequence, found: Trajectories, visit: int, rules: ScoreRules
) -> dict[int, ClassCase]:
    """Return the case of each class in one visit."""
    o = found.overlaps
    return _cases(
        truth,
        found,
        o.visit_iou()[:, visit],
        o.predicted[:, visit],
        o.true[visit],
        o.shared[:, visit],
        o.void[:, visit],
        rules,
    )


def _cases(
    truth: TrueSequence,
    found: Trajectories,
    overlap: np.ndarray,
    size: np.ndarray,
    true_size: np.ndarray,
    shared: np.ndarray,
    void: np.ndarray,
    rules: ScoreRules,
    visits: VisitOverlaps | None = None,
) -> dict[int, ClassCase]:
    """Split a table of overlaps (P, G) by class; `visits` if look-alikes are exchanged."""
    cases = {}
    rows = np.flatnonzero(size >= rules.min_region)
    rows = rows[np.argsort(-found.scores[rows], kind='stable')]
    for c in np.union1d(truth.classes, found.classes[rows]).tolist():
        mine, columns = rows[found.classes[rows] == c], np.flatnonzero(truth.classes == c)
        counted = true_size[columns] >= rules.min_region
        lost = void[mine] + shared[mine][:, columns[~counted]].sum(axis=1)
        groups = (
            ()
            if visits is None
            else _groups(truth.groups[columns] * counted, mine, columns, visits)
        )
        cases[int(c)] = ClassCase(
            found.scores[mine],
            overlap[mine][:, columns],
            counted,
            lost / size[mine],
            groups,
            columns,
        )
    return cases


def _groups(
    group_of: np.ndarray, rows: np.ndarray, columns: np.ndarray, visits: VisitOverlaps
) -> tuple[Group, ...]:
    """Return the groups with at least two scored members."""
    groups = []
    for number in np.unique(group_of[group_of > 0]):
        members = np.flatnonzero(group_of == number)
        if len(members) > 1:
            mine = visits.select(rows, columns[members])
            groups.append(Group(members, mine, reach(mine)))
    return tuple(groups)
