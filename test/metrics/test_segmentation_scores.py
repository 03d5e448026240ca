"""Average precision against values by hand and against a slow twin over sets of points."""

from dataclasses import astuple
from itertools import product

import numpy as np
import pytest
from rescene4d_ros.metrics.changes.change_category import change_categories
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.segmentation.average_precision import LOOSE, THRESHOLDS
from rescene4d_ros.metrics.segmentation.segmentation_scores import (
    precision_recall_curve,
    score_segmentation,
)
from rescene4d_ros.structures import ChangeKind

RULES = ScoreRules(min_region=1)
A, B = range(0, 10), range(10, 20)  # two chairs in the first visit
A2, B2 = range(20, 30), range(30, 40)  # and in the second
LABELS = [[1] * 10 + [2] * 10] * 2
CHAIRS = {1: 2, 2: 2}


def score(scored, truth, masks, rules=RULES):
    """Return the scores of one sequence."""
    return score_segmentation([truth], [scored.found(truth, scored.prediction(masks))], rules)


def test_perfect(scored):
    """Every mask right: every score is 1."""
    found = score(scored, scored.truth(LABELS, CHAIRS), [({*A, *A2}, 2, 0.9), ({*B, *B2}, 2, 0.8)])
    assert (found.temporal.mean, found.temporal.at_50, found.temporal.at_25) == (1, 1, 1)
    assert (found.pooled.mean, found.visits[0].mean, found.visits[1].mean) == (1, 1, 1)
    assert found.temporal_recall == 1


def test_wrong_names_cost_nothing_where_classes_are_ignored(scored):
    """Both masks right, one called something else; two masks of one chair stay one too many."""
    truth = scored.truth(LABELS, CHAIRS)
    found = score(scored, truth, [({*A, *A2}, 2, 0.9), ({*B, *B2}, 5, 0.8)])
    assert found.temporal.at_50 == 0.5
    assert found.class_agnostic.mean == 1.0
    twice = score(scored, truth, [({*A, *A2}, 2, 0.9), ({*A, *A2}, 5, 0.8), ({*B, *B2}, 2, 0.7)])
    assert twice.temporal.mean == 1.0
    assert twice.class_agnostic.mean == pytest.approx((1 + (1 / 2 + 2 / 3) / 2) / 2)


def test_nothing_found(scored):
    """Truth without predictions scores 0; no truth at all has no score."""
    assert score(scored, scored.truth(LABELS, CHAIRS), []).temporal.mean == 0.0
    empty = score(scored, scored.truth([[0] * 20] * 2, {}), [(A, 2, 0.9)])
    assert np.isnan(empty.temporal.mean)
    assert np.isnan(empty.temporal_recall)


def test_one_missed_visit(scored):
    """The second mask misses a visit: wrong as a 4D object, half its points, right in visit 0."""
    found = score(scored, scored.truth(LABELS, CHAIRS), [({*A, *A2}, 2, 0.9), (B, 2, 0.8)])
    assert found.temporal.at_50 == 0.5  # precision 1 up to recall 1/2, then nothing
    assert found.pooled.at_50 == 0.5  # 10 of 20 points is not more than 0.5
    assert found.pooled.at_25 == 1.0
    assert (found.visits[0].at_50, found.visits[1].at_50) == (1.0, 0.5)
    assert found.temporal_recall == 0.5


def test_visit_where_both_are_absent_is_left_out(scored):
    """A removed object and a mask that ends with it are right; one that goes on is not."""
    truth = scored.truth([[1] * 10 + [0] * 10, [0] * 20], {1: 2})
    assert score(scored, truth, [(A, 2, 0.9)]).temporal.mean == 1.0
    goes_on = [({*A, *A2}, 2, 0.9)]
    assert score(scored, truth, goes_on).temporal.at_25 == 0.0
    skipping = ScoreRules(min_region=1, one_sided='skip')
    assert score(scored, truth, goes_on, skipping).temporal.mean == 1.0


def test_few_points_say_nothing(scored):
    """Three points of the chair in the second visit, not found: left out if five are asked for."""
    truth = scored.truth([[1] * 10 + [0] * 10, [1] * 3 + [0] * 17], {1: 2})
    assert score(scored, truth, [(A, 2, 0.9)]).temporal.at_25 == 0.0
    five = ScoreRules(min_region=1, min_visit_points=5)
    assert score(scored, truth, [(A, 2, 0.9)], five).temporal.mean == 1.0
    assert score(scored, truth, [(A2, 2, 0.9)], five).temporal.at_25 == 0.0


def test_exchanged_look_alikes(scored):
    """Two chairs swapped between visits: free where they are look-alikes, wrong elsewhere."""
    swapped = [({*A, *B2}, 2, 0.9), ({*B, *A2}, 2, 0.8)]
    alike = scored.truth(LABELS, CHAIRS, {1: 1, 2: 1})
    assert score(scored, alike, swapped).temporal.mean == 1.0
    assert score(scored, scored.truth(LABELS, CHAIRS), swapped).temporal.at_25 == 0.0
    strict = ScoreRules(min_region=1, exchange=False)
    assert score(scored, alike, swapped, strict).temporal.at_25 == 0.0


def test_no_mask_of_a_look_alike_serves_twice(scored):
    """Both predictions claim B in the second visit: the one with the lower score is wrong."""
    alike = scored.truth(LABELS, CHAIRS, {1: 1, 2: 1})
    found = score(scored, alike, [({*A, *B2}, 2, 0.9), ({*B, *B2}, 2, 0.8)])
    assert found.temporal.at_50 == 0.5
    assert found.temporal_recall == 0.5


def test_one_prediction_covers_one_look_alike_per_visit(scored):
    """A mask over both chairs in one visit covers each of them by half."""
    alike = scored.truth(LABELS, CHAIRS, {1: 1, 2: 1})
    found = score(scored, alike, [({*A, *B, *A2}, 2, 0.9)])
    assert found.temporal.at_50 == 0.0
    assert found.temporal.at_25 == pytest.approx(0.5)


def test_exchange_keeps_who_is_there_when(scored):
    """A leaves, B comes: equal things, but one mask over both is not one object."""
    truth = scored.truth([[1] * 10 + [0] * 10, [0] * 10 + [2] * 10], CHAIRS, {1: 1, 2: 1})
    assert score(scored, truth, [({*A, *B2}, 2, 0.9)]).temporal.at_25 == 0.0
    assert score(scored, truth, [(A, 2, 0.9), (B2, 2, 0.8)]).temporal.mean == 1.0


def test_void_rule(scored):
    """A mask with 60 % on void is no error up to an overlap of 0.6, and one above."""
    truth = scored.truth([[1] * 10 + [2] * 4 + [0] * 6], {1: 2, 2: 3})
    found = score(
        scored, truth, [(range(10, 20), 2, 0.9), (range(10), 2, 0.8), (range(10, 14), 3, 0.7)]
    )
    # 0.5, 0.55: nothing wrong. 0.6 and above: precision 0 first, 1/2 at recall 1: area 1/4.
    per_threshold = [1.0] * 2 + [0.25] * 7
    assert found.pooled.mean == pytest.approx((np.mean(per_threshold) + 1) / 2)
    assert found.temporal.mean == pytest.approx(found.pooled.mean)


def test_small_instances_are_neither_asked_for_nor_errors(scored):
    """Below the smallest region an instance does not count, and a mask on it is no error."""
    truth = scored.truth([[1] * 150 + [2] * 50], {1: 2, 2: 2})
    masks = [(range(140, 250 - 50), 2, 0.95), (range(150), 2, 0.9)]
    found = score(scored, truth, masks, ScoreRules())
    assert found.pooled.mean == 1.0
    assert found.temporal_recall == 1.0


def test_ties_enter_together(scored):
    """A right and a wrong prediction of equal score: precision 1/2 at recall 1."""
    truth = scored.truth([[1] * 10 + [2] * 10], {1: 2, 2: 3})
    found = score(scored, truth, [(A, 2, 0.5), (B, 2, 0.5)])
    assert found.pooled.at_50 == pytest.approx((0.75 + 0.0) / 2)


def test_curve(scored):
    """Right, wrong, right: recall 1/2, 1/2, 1 and precision 1, 1/2, 2/3; its area is the AP."""
    truth = scored.truth(LABELS, CHAIRS)
    masks = [({*A, *A2}, 2, 0.9), (range(5, 15), 2, 0.8), ({*B, *B2}, 2, 0.7)]
    found = scored.found(truth, scored.prediction(masks))
    recall, precision = precision_recall_curve([truth], [found], RULES)
    np.testing.assert_allclose(recall, [0, 1 / 2, 1 / 2, 1])
    np.testing.assert_allclose(precision, [1, 1, 1 / 2, 2 / 3])
    area = score(scored, truth, masks).temporal.at_50
    assert np.trapezoid(precision, recall) == pytest.approx(area)
    nothing = scored.truth([[0] * 20] * 2, {})
    empty = scored.found(nothing, scored.prediction(masks))
    assert [len(a) for a in precision_recall_curve([nothing], [empty], RULES)] == [0, 0]


def test_masks_of_one_object_id_are_one_object(scored):
    """Linked masks of two visits score as the object; unlinked ones miss a visit each."""
    truth = scored.truth(LABELS, CHAIRS)
    linked = [(A, 2, 0.9, 7), (A2, 2, 0.7, 7), (B, 2, 0.8, 8), (B2, 3, 0.1, 8)]
    assert score(scored, truth, linked).temporal.mean == 1.0
    assert score(scored, truth, [m[:3] for m in linked]).temporal.at_25 == 0.0


@pytest.mark.parametrize(
    ('object_score', 'expected'), [('mean', [0.5, 0.8]), ('max', [0.9, 0.8]), ('last', [0.1, 0.8])]
)
def test_score_of_linked_masks(scored, object_score, expected):
    """One object of two masks that a file may list in any order, and one of one."""
    truth = scored.truth(LABELS, CHAIRS)
    masks = [(A2, 2, 0.1, 7), (A, 2, 0.9, 7), ({*B, *B2}, 2, 0.8, 8)]
    found = scored.found(truth, scored.prediction(masks), object_score)
    assert found.scores.tolist() == pytest.approx(expected)
    nothing = scored.found(truth, scored.prediction([]), object_score)
    assert nothing.scores.shape == (0,)


@pytest.mark.parametrize('seed', range(20))
def test_scores_of_linked_masks_equal_the_slow_twin(scored, seed):
    """Random links of masks of single visits: scores as the words say."""
    rng = np.random.default_rng(seed)
    truth = scored.truth([[1] * 5 + [0] * 5] * 4, {1: 2})
    pairs = [(t, i) for t in range(4) for i in (3, 5, 9) if rng.random() < 0.6]
    masks = [([10 * t + i], 2, float(rng.random()), i) for t, i in rng.permutation(pairs).tolist()]
    by_id = {
        i: {m[0][0] // 10: m[2] for m in masks if m[3] == i} for i in sorted({m[3] for m in masks})
    }
    for name, joined in (
        ('mean', lambda s: np.mean(list(s.values()))),
        ('max', lambda s: max(s.values())),
        ('last', lambda s: s[max(s)]),
    ):
        found = scored.found(truth, scored.prediction(masks), name)
        assert found.object_ids.tolist() == list(by_id)
        np.testing.assert_allclose(found.scores, [joined(s) for s in by_id.values()])


def test_recall_by_kind(scored):
    """Of the two chairs the moved one is lost."""
    changes = np.array([[0, 0], [0, ChangeKind.MOVED]])
    truth = scored.truth(LABELS, CHAIRS, changes=changes)
    by_kind = score(scored, truth, [({*A, *A2}, 2, 0.9), (B, 2, 0.8)]).recall_by_kind
    assert (by_kind['static'], by_kind['rigid']) == (1.0, 0.0)
    assert np.isnan(by_kind['added'])
    alike = scored.truth(LABELS, CHAIRS, {1: 1, 2: 1}, changes=changes)
    masks = [({*A, *A2}, 2, 0.9), (B, 2, 0.8)]
    assert np.isnan(score(scored, alike, masks).recall_by_kind['static'])
    assert score(scored, alike, masks).recall_by_kind['ambiguous'] == 1.0
    ambiguous = ScoreRules(min_region=1, ambiguous_wins=True)
    assert score(scored, alike, masks, ambiguous).recall_by_kind['ambiguous'] == 0.5


def point_sets(truth, prediction):
    """Return instances and masks as sets of points per visit."""
    visits = range(truth.n_visits)

    def cut(points):
        return [{int(p) for p in points if truth.visit[p] == t} for t in visits]

    masks = [cut(prediction.points[a:b]) for a, b in zip(prediction.starts, prediction.starts[1:])]
    return {int(i): cut(np.flatnonzero(truth.instance == i)) for i in truth.instance_ids}, masks


def iou(a, b):
    """Return intersection over union of two sets."""
    return len(a & b) / len(a | b) if a | b else 0.0


def slow_overlap(mask, instance, head, rules):
    """Return the overlap of a mask and an instance, both sets per visit."""
    if head == 'pooled':
        return iou(set().union(*mask), set().union(*instance))
    if isinstance(head, int):
        return iou(mask[head], instance[head])
    values = []
    for m, i in zip(mask, instance):
        if len(i) >= rules.min_visit_points:
            values.append(iou(m, i))
        elif m and not i and rules.one_sided == 'zero':
            values.append(0.0)
    asked = any(len(i) >= rules.min_visit_points for i in instance)
    return min(values) if asked else 0.0


def slow_judge(truth, prediction, c, threshold, head, rules):
    """Return (score, instance or None where wrong) of each prediction, and what is asked for."""
    instances, masks = point_sets(truth, prediction)
    visits = [head] if isinstance(head, int) else range(truth.n_visits)

    def seen(sets):
        return set().union(*(sets[t] for t in visits))

    classes = dict(zip(truth.instance_ids.tolist(), truth.classes.tolist()))
    groups = dict(zip(truth.instance_ids.tolist(), truth.groups.tolist()))
    asked = [i for i in instances if classes[i] == c and seen(instances[i])]
    rows = [
        k
        for k in np.argsort(-prediction.scores, kind='stable').tolist()
        if prediction.classes[k] == c and seen(masks[k])
    ]
    teams = {}
    if head == 'temporal' and truth.n_visits > 1:
        for i in asked:
            if groups[i]:
                teams.setdefault(groups[i], []).append(i)
    teams = [team for team in teams.values() if len(team) > 1]
    results, used, reached = [], set(), set()
    for i in asked:
        if not any(i in team for team in teams):
            over = [
                k for k in rows if slow_overlap(masks[k], instances[i], head, rules) > threshold
            ]
            reached |= set(over)
            for position, k in enumerate([k for k in over if k not in used]):
                results.append((prediction.scores[k], None if position else i))
                if position == 0:
                    used.add(k)
    for team in teams:
        free = {
            (t, i) for i in team for t in visits if len(instances[i][t]) >= rules.min_visit_points
        }
        every, members, fresh = set(free), list(team), [k for k in rows if k not in used]
        for k in rows:
            could = slow_deal(masks[k], team, every, instances, rules)[0][0] > threshold
            if could:
                reached.add(k)
            if k not in fresh or not could:
                continue
            best = slow_deal(masks[k], members, free, instances, rules) if members else None
            right = best is not None and best[0][0] > threshold
            if right:
                used.add(k)
                members.remove(best[1])
                free -= set(best[2])
            results.append((prediction.scores[k], best[1] if right else None))
    on_something = set().union(*(seen(instances[i]) for i in instances))
    for k in rows:
        void = len(seen(masks[k]) - on_something) / len(seen(masks[k]))
        if k not in reached and void <= threshold:
            results.append((prediction.scores[k], None))
    return results, asked


def slow_deal(mask, members, free, instances, rules):
    """Try every choice of free look-alikes; return (overlap, each visit's), member, choice."""
    options = []
    for member in members:
        sizes = [len(s) for s in instances[member]]
        visits = [t for t, n in enumerate(sizes) if n >= rules.min_visit_points]
        alone = rules.one_sided == 'zero' and any(m and not n for m, n in zip(mask, sizes))
        choices = []
        for choice in product(*([i for u, i in sorted(free) if u == t] for t in visits)):
            each = tuple(iou(mask[t], instances[i][t]) for t, i in zip(visits, choice))
            choices.append(
                (
                    (0.0 if alone or not each else min(each), each),
                    member,
                    list(zip(visits, choice)),
                )
            )
        options.append(max(choices, key=lambda c: c[0]))
    return max(options, key=lambda o: o[0][0])


def slow_recall(truths, predictions, rules, wanted=None):
    """Return the share of the objects of one kind that were found, by class, then the mean."""
    per_class = []
    for c in sorted({int(c) for t in truths for c in t.classes}):
        shares = []
        for h in THRESHOLDS:
            found = count = 0
            for truth, prediction in zip(truths, predictions):
                kinds = dict(zip(truth.instance_ids.tolist(), change_categories(truth, rules)))
                results, asked = slow_judge(truth, prediction, c, h, 'temporal', rules)
                hit = {i for _, i in results if i is not None}
                asked = [i for i in asked if wanted in (None, kinds[i])]
                found, count = found + len(hit & set(asked)), count + len(asked)
            shares.append(found / count if count else np.nan)
        per_class.append(np.mean(shares))
    defined = [v for v in per_class if not np.isnan(v)]
    return np.mean(defined) if defined else np.nan


def slow_ap(truths, predictions, threshold, head, rules):
    """Return the mean over classes of the area by trapezoids, counting anew at every score."""
    per_class = []
    for c in sorted({int(c) for t in truths for c in t.classes}):
        judged = [
            slow_judge(t, p, c, threshold, head, rules)
            for t, p in zip(truths, predictions)
            if not isinstance(head, int) or head < t.n_visits
        ]
        n_true = sum(len(asked) for _, asked in judged)
        if not n_true:
            continue
        every = [r for results, _ in judged for r in results]
        curve = [(0.0, 1.0)]
        for s in sorted({s for s, _ in every}, reverse=True):
            taken = [i is not None for value, i in every if value >= s]
            curve.append((sum(taken) / n_true, sum(taken) / len(taken)))
        per_class.append(
            sum((r1 - r0) * (p0 + p1) / 2 for (r0, p0), (r1, p1) in zip(curve, curve[1:]))
        )
    return np.mean(per_class) if per_class else np.nan


@pytest.mark.parametrize('seed', range(60))
def test_equals_the_slow_twin(scored, seed):
    """Random sequences with look-alikes, ties, void, absences: the same precision and recall."""
    rules = ScoreRules(
        min_region=1,
        min_visit_points=1 + 3 * (seed % 4 == 1),
        one_sided='skip' if seed % 4 == 3 else 'zero',
    )
    made = [scored.random(seed * 10 + k, 1 + seed % 3) for k in range(1 + seed % 2)]
    truths, predictions = zip(*made)
    fast = score_segmentation(truths, [scored.found(t, p) for t, p in made], rules)
    for head, found in (
        ('temporal', fast.temporal),
        ('pooled', fast.pooled),
        *enumerate(fast.visits),
    ):
        slow = [slow_ap(truths, predictions, h, head, rules) for h in (0.5, LOOSE)]
        assert [found.at_50, found.at_25] == pytest.approx(slow, nan_ok=True)
    mean = np.mean([slow_ap(truths, predictions, h, 'temporal', rules) for h in THRESHOLDS])
    assert fast.temporal.mean == pytest.approx(mean, nan_ok=True)
    assert fast.temporal_recall == pytest.approx(
        slow_recall(truths, predictions, rules), nan_ok=True
    )
    for kind, found in fast.recall_by_kind.items():
        assert found == pytest.approx(slow_recall(truths, predictions, rules, kind), nan_ok=True)


@pytest.mark.parametrize('seed', range(20))
def test_one_visit_needs_no_time(scored, seed):
    """With one visit, temporal, pooled and per-visit precision are one."""
    truth, prediction = scored.random(seed, 1)
    found = score_segmentation([truth], [scored.found(truth, prediction)], RULES)
    np.testing.assert_equal(
        [astuple(found.temporal), astuple(found.pooled)],
        [astuple(found.pooled), astuple(found.visits[0])],
    )
