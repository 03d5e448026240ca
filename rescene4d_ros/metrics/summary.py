"""All scores of one method over many sequences, with the names of `metrics.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
import math
from typing import Any

import numpy as np
from rescene4d_ros.metrics.changes.calibration import calibration_bins, calibration_error
from rescene4d_ros.metrics.changes.change_scores import (
    ChangeCounts,
    count_changes,
    f_score,
    pool,
    right_angle_share,
    SCORED_KINDS,
)
from rescene4d_ros.metrics.changes.observable_changes import observable_changes
from rescene4d_ros.metrics.changes.place_events import count_place_events
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.identity.identity_scores import (
    identity_counts,
    issued_ids,
    IssuedIds,
    longest_gap,
    RATES,
    splits,
)
from rescene4d_ros.metrics.identity.lookalike_identity import exchanged_counts
from rescene4d_ros.metrics.rates import ratio
from rescene4d_ros.metrics.segmentation.detection import detection_scores
from rescene4d_ros.metrics.segmentation.point_overlaps import (
    count_overlaps,
    join_masks,
    Trajectories,
)
from rescene4d_ros.metrics.segmentation.segmentation_scores import (
    judge_heads,
    JudgedHeads,
    score_segmentation,
)
from rescene4d_ros.metrics.sequences import PredictedSequence, states_of, TrueSequence

CHANGE_RATES = (
    'change_precision',
    'change_recall',
    'change_f1',
    'false_change_rate',
    'unobserved_as_removed_rate',
    'in_place_as_removed_rate',
    'change_f1_any',
    'place_event_precision',
    'place_event_recall',
    'place_event_f1',
)


@dataclass(frozen=True)
class ReducedSequence:
    """
    Data of one sequence for the scores, without points.

    Attributes
    ----------
    truth : TrueSequence
        Without points.
    found : Trajectories
    ids : IssuedIds
    changes : ChangeCounts or None
        None if the truth or the method has no changes.

    """

    truth: TrueSequence
    found: Trajectories
    ids: IssuedIds
    changes: ChangeCounts | None


def reduce_sequence(
    truth: TrueSequence, prediction: PredictedSequence, rules: ScoreRules
) -> ReducedSequence:
    """Compare one sequence and drop its points."""
    overlaps = count_overlaps(truth, prediction)
    ids = issued_ids(truth, prediction, overlaps, rules)
    found = join_masks(prediction, overlaps, rules.object_score)
    changes = None
    if truth.changes is not None and prediction.changes is not None:
        tolerant = replace(rules, class_tolerant=True)
        states = states_of(truth, ids.is_visible)
        true = observable_changes(truth.changes, states, truth.poses)
        changes = replace(
            count_changes(
                truth, prediction, issued_ids(truth, prediction, overlaps, tolerant), states
            ),
            places=count_place_events(true, prediction.changes, found),
        )
    return ReducedSequence(truth.without_points(), found, ids, changes)


def judge_all(sequences: Sequence[ReducedSequence], rules: ScoreRules) -> JudgedHeads:
    """Compute the outcomes of all sequences, for the scores and their intervals."""
    return judge_heads([s.truth for s in sequences], [s.found for s in sequences], rules)


def summarize(
    sequences: Sequence[ReducedSequence], rules: ScoreRules, judged: JudgedHeads | None = None
) -> dict[str, Any]:
    """
    Compute the main scores.

    Parameters
    ----------
    sequences : sequence of ReducedSequence
    rules : ScoreRules
    judged : JudgedHeads, optional
        Result of `judge_all` with the same arguments, if available.

    Returns
    -------
    dict of str to float or None
        In 0..1, cm or deg; None where undefined. 't_mrec_by_change' is a dict of such,
        'change_by_kind' and 'change_calibration' are tables of such and of counts.

    """
    found = score_segmentation(
        [s.truth for s in sequences], [s.found for s in sequences], rules, judged
    )
    scores = {
        't_map': found.temporal.mean,
        't_map50': found.temporal.at_50,
        't_map25': found.temporal.at_25,
        't_map_any': found.class_agnostic.mean,
        't_map50_any': found.class_agnostic.at_50,
        't_map25_any': found.class_agnostic.at_25,
        'map': found.pooled.mean,
        'map50': found.pooled.at_50,
        'map25': found.pooled.at_25,
        **detection_scores([s.truth for s in sequences], [s.found for s in sequences], rules),
        't_mrec': found.temporal_recall,
        't_mrec_by_change': found.recall_by_kind,
    }
    for t, precision in enumerate(found.visits):
        scores |= {
            f'visit_{t}_map{end}': value
            for end, value in zip(('', '50', '25'), asdict(precision).values())
        }
    scores |= zip(RATES, ratio(sum_counts([identity_counts(s.ids) for s in sequences])))
    return _undefined_to_none(scores | _change_scores(sequences))


def _change_scores(sequences: Sequence[ReducedSequence]) -> dict[str, Any]:
    """Return the change scores of the sequences with changes."""
    known = [s.changes for s in sequences if s.changes is not None]
    names = (
        *CHANGE_RATES,
        'change_calibration_error',
        'move_error_cm_median',
        'move_error_deg_median',
        'move_error_right_angle_share',
    )
    if not known:
        return dict.fromkeys(names, math.nan) | {'change_calibration': [], 'change_by_kind': {}}
    every = pool(known)
    moves = np.median(every.move_errors, axis=0) if len(every.move_errors) else (math.nan,) * 2
    scores = dict(zip(CHANGE_RATES, ratio(change_counts(every))))
    scores |= {
        'change_calibration_error': calibration_error(every.confidences),
        'change_calibration': [asdict(b) for b in calibration_bins(every.confidences)],
        'move_error_cm_median': moves[0],
        'move_error_deg_median': moves[1],
        'move_error_right_angle_share': right_angle_share(every.move_errors),
    }
    scores['change_by_kind'] = {
        kind.name.lower(): {
            'precision': ratio([r, p]),
            'recall': ratio([r, t]),
            'f1': f_score(r, p, t),
            'true': int(t),
            'stated': int(p),
        }
        for kind, r, p, t in zip(SCORED_KINDS, every.right, every.stated, every.true)
    }
    return scores


def change_counts(counts: ChangeCounts) -> np.ndarray:
    """Return (R, 2) events and opportunities in the order of CHANGE_RATES."""
    places = counts.places
    right, stated, true = counts.right.sum(), counts.stated.sum(), counts.true.sum()
    return np.array(
        [
            [right, stated],
            [right, true],
            [2 * right, stated + true],
            counts.false_changes,
            counts.unobserved_as_removed,
            counts.in_place_as_removed,
            [2 * counts.right_any_kind, stated + true],
            [places.right, places.stated],
            [places.right, places.true],
            [2 * places.right, places.stated + places.true],
        ]
    )


def identity_by_split(sequences: Sequence[ReducedSequence]) -> dict[str, dict[str, Any]]:
    """
    Compute the identity rates of parts of the objects, gaps and visits.

    Returns
    -------
    dict of str to dict
        'static', 'moved', 'returned', 'identical', 'unique': of these objects (merges among them
        only); 'exchanged': of all objects, look-alikes as groups (switches and gaps only);
        'gap_1'...: of gaps of so many visits; 'visits_2'...: of the first visits of all sequences
        that have as many. Each has the rates, and 'opportunities' of each.

    """
    parts: dict[str, np.ndarray] = {}
    for name in ('static', 'moved', 'returned', 'identical', 'unique'):
        parts[name] = sum_counts(
            [identity_counts(s.ids, instances=splits(s.truth, s.ids)[name]) for s in sequences]
        )
    parts['exchanged'] = sum_counts([exchanged_counts(s.ids, s.truth.groups) for s in sequences])
    for away in range(1, max((longest_gap(s.ids) for s in sequences), default=0) + 1):
        counts = sum_counts([identity_counts(s.ids, visits_away=away) for s in sequences])
        is_gap = np.array(['gap' in name for name in RATES])
        parts[f'gap_{away}'] = np.where(is_gap[:, None], counts, 0)
    for h in range(2, max((len(s.ids.issued) for s in sequences), default=0) + 1):
        parts[f'visits_{h}'] = sum_counts(
            [identity_counts(s.ids, n_visits=h) for s in sequences if len(s.ids.issued) >= h]
        )
    return {
        name: _undefined_to_none(dict(zip(RATES, ratio(counts))))
        | {'opportunities': dict(zip(RATES, counts[:, 1].tolist()))}
        for name, counts in parts.items()
    }


def sum_counts(counts: Sequence[np.ndarray]) -> np.ndarray:
    """Sum the identity counts of sequences."""
    return np.sum(counts, axis=0) if len(counts) else np.zeros((len(RATES), 2), dtype=np.int64)


def _undefined_to_none(scores: dict[str, Any]) -> dict[str, Any]:
    """Return plain numbers, with None for NaN, which JSON does not have."""
    out: dict[str, Any] = {}
    for name, value in scores.items():
        if isinstance(value, dict):
            out[name] = _undefined_to_none(value)
        elif isinstance(value, list):
            out[name] = [_undefined_to_none(v) for v in value]
        elif isinstance(value, int):
            out[name] = value
        else:
            out[name] = None if math.isnan(value) else float(value)
    return out
