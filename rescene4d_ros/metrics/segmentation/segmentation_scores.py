"""Segmentation scores over many sequences: over all visits, and per visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.metrics.changes.change_category import change_categories, KINDS
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.segmentation.average_precision import (
    average_precision,
    ClassCase,
    judge,
    LOOSE,
    Outcome,
    precision_recall,
    recall,
    THRESHOLDS,
)
from rescene4d_ros.metrics.segmentation.class_matches import (
    pooled_cases,
    temporal_cases,
    visit_cases,
)
from rescene4d_ros.metrics.segmentation.point_overlaps import Trajectories
from rescene4d_ros.metrics.sequences import TrueSequence


@dataclass(frozen=True)
class Precision:
    """Average precision: mean over the strict thresholds, at 0.5, and at 0.25; may be NaN."""

    mean: float
    at_50: float
    at_25: float


@dataclass(frozen=True)
class SegmentationScores:
    """
    Segmentation scores in 0..1; NaN without truth.

    Attributes
    ----------
    temporal : Precision
        t-mAP: one mask for one object in every visit.
    class_agnostic : Precision
        The same with all classes as one: quality of masks, independent of the class.
    pooled : Precision
        mAP with the visits of a sequence as one cloud.
    visits : tuple of T Precision
        The same predictions, each visit alone.
    temporal_recall : float
        t-mREC: share of the objects found, mean over classes and strict thresholds.
    recall_by_kind : dict of str to float
        The same of the objects of one kind of change.

    """

    temporal: Precision
    class_agnostic: Precision
    pooled: Precision
    visits: tuple[Precision, ...]
    temporal_recall: float
    recall_by_kind: dict[str, float]


@dataclass(frozen=True)
class Judged:
    """
    Outcomes of all predictions of S sequences.

    Attributes
    ----------
    outcomes : dict of int to dict of float to list of Outcome
        By class and threshold, of the sequences that have the class in truth or prediction.
    numbers : dict of int to ndarray (S_c,), int
        Indices of these sequences by class.
    cases : dict of int to list of ClassCase
        By class, of the same sequences.

    """

    outcomes: dict[int, dict[float, list[Outcome]]]
    numbers: dict[int, np.ndarray]
    cases: dict[int, list[ClassCase]]


@dataclass(frozen=True)
class JudgedHeads:
    """Outcomes over all visits, and with visits as one cloud."""

    temporal: Judged
    pooled: Judged


def judge_heads(
    truths: Sequence[TrueSequence], found: Sequence[Trajectories], rules: ScoreRules
) -> JudgedHeads:
    """Compute both outcomes of all predictions; the costly part of `score_segmentation`."""
    pairs = list(zip(truths, found, strict=True))
    return JudgedHeads(
        *(
            judge_cases([cases_of(a, b, rules) for a, b in pairs])
            for cases_of in (temporal_cases, pooled_cases)
        )
    )


def score_segmentation(
    truths: Sequence[TrueSequence],
    found: Sequence[Trajectories],
    rules: ScoreRules,
    judged: JudgedHeads | None = None,
) -> SegmentationScores:
    """
    Score the predictions of many sequences.

    Parameters
    ----------
    truths, found : sequences of equal length
    rules : ScoreRules
    judged : JudgedHeads, optional
        Result of `judge_heads` with the same arguments, if available.

    """
    judged = judged or judge_heads(truths, found, rules)
    kinds = [change_categories(truth, rules) for truth in truths]
    n_visits = max((len(f.overlaps.true) for f in found), default=0)
    return SegmentationScores(
        _precision(judged.temporal),
        _precision(
            judge_cases([temporal_cases(*_unnamed(a, b), rules) for a, b in zip(truths, found)])
        ),
        _precision(judged.pooled),
        tuple(
            _precision(
                judge_cases(
                    [
                        visit_cases(a, b, t, rules)
                        for a, b in zip(truths, found)
                        if t < len(b.overlaps.true)
                    ]
                )
            )
            for t in range(n_visits)
        ),
        _mean(
            [
                recall(of_class[h])
                for of_class in judged.temporal.outcomes.values()
                for h in THRESHOLDS
            ]
        ),
        {kind: _recall_of_kind(kind, kinds, judged.temporal) for kind in KINDS},
    )


def _unnamed(truth: TrueSequence, found: Trajectories) -> tuple[TrueSequence, Trajectories]:
    """Return the same with all classes as one."""
    return (
        replace(truth, classes=np.zeros_like(truth.classes)),
        replace(found, classes=np.zeros_like(found.classes)),
    )


def judge_cases(sequences: Sequence[dict[int, ClassCase]]) -> Judged:
    """Compute the outcomes of every sequence at every threshold, by class."""
    by_class: dict[int, list[tuple[int, ClassCase]]] = {}
    for i, cases in enumerate(sequences):
        for c, case in cases.items():
            by_class.setdefault(c, []).append((i, case))
    return Judged(
        {
            c: {h: [judge(case, h) for _, case in cases] for h in (*THRESHOLDS, LOOSE)}
            for c, cases in by_class.items()
        },
        {c: np.array([i for i, _ in cases]) for c, cases in by_class.items()},
        {c: [case for _, case in cases] for c, cases in by_class.items()},
    )


def precision_recall_curve(
    truths: Sequence[TrueSequence],
    found: Sequence[Trajectories],
    rules: ScoreRules,
    threshold: float = THRESHOLDS[0],
) -> tuple[np.ndarray, np.ndarray]:
    """
    Return recall and precision over all visits, the predictions of all classes by falling score.

    Returns
    -------
    recall, precision : ndarray (D,), float64
        Empty without true instances.

    """
    outcomes = [
        judge(case, threshold)
        for a, b in zip(truths, found, strict=True)
        for case in temporal_cases(a, b, rules).values()
    ]
    if not sum(o.n_true for o in outcomes):
        return np.empty(0), np.empty(0)
    return precision_recall(outcomes)


def _precision(judged: Judged) -> Precision:
    """Return the means over the classes that have truth."""
    table = {
        h: _mean([average_precision(of_class[h]) for of_class in judged.outcomes.values()])
        for h in (*THRESHOLDS, LOOSE)
    }
    return Precision(_mean([table[h] for h in THRESHOLDS]), table[THRESHOLDS[0]], table[LOOSE])


def _recall_of_kind(kind: str, kinds: Sequence[np.ndarray | None], judged: Judged) -> float:
    """Return the recall of the instances of one kind, mean over classes that have some."""
    per_class = []
    for c, cases in judged.cases.items():
        asked = [
            case.is_counted & (kinds[i][case.instances] == kind)
            if kinds[i] is not None
            else np.zeros(len(case.is_counted), bool)
            for i, case in zip(judged.numbers[c], cases)
        ]
        count = sum(int(a.sum()) for a in asked)
        if count:
            per_class.append(
                _mean(
                    [
                        sum(
                            int((o.is_found & a).sum())
                            for o, a in zip(judged.outcomes[c][h], asked)
                        )
                        / count
                        for h in THRESHOLDS
                    ]
                )
            )
    return _mean(per_class)


def _mean(values: Sequence[float]) -> float:
    """Return the mean of the defined values."""
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float('nan')
