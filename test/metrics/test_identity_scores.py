"""Identity rates by hand, against a slow twin, and their intervals."""

import itertools

import numpy as np
import pytest
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
from rescene4d_ros.metrics.rates import draw_rooms, percentile_interval, ratio, resampled_rates
from rescene4d_ros.metrics.segmentation.point_overlaps import count_overlaps
from rescene4d_ros.structures import ChangeKind


def table(issued, visible=None):
    """Return issued ids (T, G), visible wherever matched unless said; ids in use as matched."""
    issued = np.asarray(issued)
    first = {}
    for t, row in enumerate(issued.tolist()):
        for i in row:
            if i:
                first.setdefault(i, t)
    return IssuedIds(issued > 0 if visible is None else np.asarray(visible, bool), issued, first)


def rates(*arguments, **keywords):
    """Return the counts by name."""
    return dict(zip(RATES, identity_counts(*arguments, **keywords).tolist()))


def test_perfect():
    """Two objects over four visits, one away for a visit: no error, one gap recovered."""
    counts = rates(table([[1, 2], [1, 0], [1, 2], [1, 2]]))
    assert counts == {
        'id_switch_rate': [0, 4],
        'fragmentation_rate': [0, 5],
        'merge_rate': [0, 5],
        'gap_recovery_recall': [1, 1],
        'gap_recovery_accuracy': [1, 1],
        'gap_attempt_coverage': [1, 1],
        'false_reactivation_rate': [0, 0],
    }


def test_one_swapped_pair():
    """Two ids exchanged once: two switches, two fragments, two merges."""
    counts = rates(table([[1, 2], [1, 2], [2, 1]]))
    assert counts['id_switch_rate'] == [2, 4]
    assert counts['fragmentation_rate'] == [2, 4]
    assert counts['merge_rate'] == [2, 4]


def test_not_found_is_no_gap():
    """Missed in the middle visit though visible: no gap, and no opportunity for a switch."""
    counts = rates(table([[5], [0], [6]], visible=[[1], [1], [1]]))
    assert counts['id_switch_rate'] == [0, 0]
    assert counts['gap_recovery_recall'] == [0, 0]
    assert counts['fragmentation_rate'] == [1, 1]


def test_gap_that_was_not_attempted():
    """Back but not found: no attempt; recall falls, accuracy has no opinion."""
    counts = rates(table([[5], [0], [0]], visible=[[1], [0], [1]]))
    assert counts['gap_recovery_recall'] == [0, 1]
    assert counts['gap_recovery_accuracy'] == [0, 0]
    assert counts['gap_attempt_coverage'] == [0, 1]


def test_new_object_with_a_known_id():
    """Object 2 comes at visit 1 with the id of object 1: a merge and a false reactivation."""
    visible = [[1, 0], [0, 1]]
    assert rates(table([[3, 0], [0, 3]], visible))['false_reactivation_rate'] == [1, 1]
    assert rates(table([[3, 0], [0, 4]], visible))['false_reactivation_rate'] == [0, 1]


def test_gaps_by_length_and_prefixes():
    """A gap of one and a gap of two visits are told apart; a prefix sees only its visits."""
    ids = table([[1], [0], [1], [0], [0], [9]])
    assert longest_gap(ids) == 2
    assert rates(ids, visits_away=1)['gap_recovery_recall'] == [1, 1]
    assert rates(ids, visits_away=2)['gap_recovery_recall'] == [0, 1]
    assert rates(ids, n_visits=3)['gap_recovery_recall'] == [1, 1]
    assert rates(ids, n_visits=2)['gap_recovery_recall'] == [0, 0]


def test_ids_come_from_overlap_class_and_score(scored):
    """Half of the points are enough; another class is not, unless told; nor a low score."""
    truth = scored.truth([[1] * 10 + [2] * 10], {1: 2, 2: 2})
    prediction = scored.prediction([(range(5), 2, 0.9, 7), (range(10, 20), 3, 0.4, 8)])
    overlaps = count_overlaps(truth, prediction)

    def issued(**rules):
        return issued_ids(truth, prediction, overlaps, ScoreRules(**rules)).issued.tolist()

    assert issued() == [[7, 0]]
    assert issued(class_tolerant=True) == [[7, 8]]
    assert issued(class_tolerant=True, min_score=0.5) == [[7, 0]]
    assert issued(class_tolerant=True, min_iou=0.6) == [[0, 8]]


def test_most_matches_come_first(scored):
    """One pair of large overlap would leave the other instance without: two small ones win."""
    truth = scored.truth([[1] * 10 + [2] * 4], {1: 0, 2: 0})
    prediction = scored.prediction(
        [({0, 1, 2, 3, 4, 5, 6}, 0, 0.5, 1), ({3, 4, 5, 6, 7, 8, 9, 10, 11}, 0, 0.5, 2)]
    )
    ids = issued_ids(
        truth, prediction, count_overlaps(truth, prediction), ScoreRules(min_iou=0.18)
    )
    assert ids.issued.tolist() == [[1, 2]]


def test_splits(scored):
    """Static, moved, back after a visit, and one of two look-alikes."""
    labels = [[1, 2, 3, 4], [1, 2, 0, 4], [1, 2, 3, 4]]
    changes = np.zeros((4, 3), int)
    changes[1, 1] = ChangeKind.MOVED
    changes[2] = [0, ChangeKind.REMOVED, ChangeKind.REAPPEARED]
    truth = scored.truth(labels, dict.fromkeys((1, 2, 3, 4), 0), {4: 1}, changes=changes)
    visible = np.array([[(i in row) for i in (1, 2, 3, 4)] for row in labels])
    found = splits(truth, table(np.where(visible, [1, 2, 3, 4], 0), visible))
    assert {k: v.tolist() for k, v in found.items()} == {
        'static': [True, False, False, True],
        'moved': [False, True, False, False],
        'returned': [False, False, True, False],
        'identical': [False, False, False, True],
        'unique': [True, True, True, False],
    }


def slow_splits(changes, visible, groups):
    """Sort each object by the story of its life."""
    parts = {name: [] for name in ('static', 'moved', 'returned', 'identical', 'unique')}
    for g, kinds in enumerate(changes):
        story = ''.join('x' if row[g] else '.' for row in visible).strip('.')
        parts['returned'].append('.' in story)
        parts['moved'].append(bool({ChangeKind.MOVED, ChangeKind.DEFORMED} & set(kinds)))
        parts['static'].append(
            '.' not in story and set(kinds) <= {ChangeKind.UNKNOWN, ChangeKind.MERGED}
        )
        parts['identical'].append(groups[g] > 0)
        parts['unique'].append(not groups[g])
    return parts


@pytest.mark.parametrize('seed', range(40))
def test_splits_equal_the_slow_twin(scored, seed):
    """Random lives: the same parts, and static is what is in neither moved nor returned."""
    rng = np.random.default_rng(seed)
    n_visits, n_true = int(rng.integers(1, 7)), int(rng.integers(1, 6))
    visible = rng.random((n_visits, n_true)) < 0.7
    changes = rng.choice([0, 0, 0, *ChangeKind], (n_true, n_visits))
    groups = {g + 1: int(rng.random() < 0.5) for g in range(n_true)}
    truth = scored.truth([[1]] * n_visits, dict.fromkeys(groups, 0), groups, changes=changes)
    found = splits(truth, table(np.where(visible, 1, 0), visible))
    assert {k: v.tolist() for k, v in found.items()} == slow_splits(
        changes.tolist(), visible.tolist(), list(groups.values())
    )
    assert not (found['static'] & (found['moved'] | found['returned'])).any()


def slow_counts(issued, visible, used):
    """Count as the definitions read, one event at a time."""
    n_visits, n_true = len(issued), len(issued[0])
    seen = {g: [(t, issued[t][g]) for t in range(n_visits) if issued[t][g]] for g in range(n_true)}
    switch, gap, new = [], [], []
    for g in range(n_true):
        for (t, a), (u, b) in itertools.combinations(seen[g], 2):
            if u == t + 1:
                switch.append(a != b)
        shown = [t for t in range(n_visits) if visible[t][g]]
        for t, u in itertools.pairwise(shown):
            if u > t + 1:
                gap.append((issued[t][g], issued[u][g]))
        if shown and shown[0] > 0 and issued[shown[0]][g]:
            earlier = set().union(*used[: shown[0]])
            new.append(issued[shown[0]][g] in earlier)
    by_id = {}
    for g, matches in seen.items():
        for _, i in matches:
            by_id.setdefault(i, []).append(g)
    attempts = [a == b for a, b in gap if a and b]
    return {
        'id_switch_rate': [sum(switch), len(switch)],
        'fragmentation_rate': [
            sum(len({i for _, i in m}) - 1 for m in seen.values() if m),
            sum(len(m) - 1 for m in seen.values() if m),
        ],
        'merge_rate': [
            sum(len(set(gs)) - 1 for gs in by_id.values()),
            sum(len(gs) - 1 for gs in by_id.values()),
        ],
        'gap_recovery_recall': [sum(attempts), len(gap)],
        'gap_recovery_accuracy': [sum(attempts), len(attempts)],
        'gap_attempt_coverage': [len(attempts), len(gap)],
        'false_reactivation_rate': [sum(new), len(new)],
    }


@pytest.mark.parametrize('seed', range(80))
def test_equals_the_slow_twin(seed):
    """Random tables of visits and ids, matched or not, with ids that nothing matched."""
    rng = np.random.default_rng(seed)
    n_visits, n_true = int(rng.integers(1, 7)), int(rng.integers(1, 6))
    visible = rng.random((n_visits, n_true)) < 0.7
    issued = np.stack([rng.permutation(8)[:n_true] + 1 for _ in range(n_visits)])
    issued = np.where(rng.random(issued.shape) < 0.6, np.arange(n_true) + 1, issued)
    for row in issued:  # an id serves once per visit
        row[[k for k in range(n_true) if row[k] in row[:k]]] = 0
    issued = np.where(visible & (rng.random(issued.shape) < 0.8), issued, 0)
    used = [set(row[row > 0].tolist()) | set(rng.integers(1, 9, 2).tolist()) for row in issued]
    first = {i: t for t in reversed(range(n_visits)) for i in used[t]}
    ids = IssuedIds(visible, issued, first)
    assert rates(ids) == slow_counts(issued.tolist(), visible.tolist(), used)
    k = int(rng.integers(1, n_visits + 1))
    assert rates(ids, n_visits=k) == slow_counts(issued[:k].tolist(), visible[:k].tolist(), used)
    some = rng.random(n_true) < 0.5
    some[0] = True
    assert rates(ids, instances=some) == slow_counts(
        issued[:, some].tolist(), visible[:, some].tolist(), used
    )
    total = sum(identity_counts(ids, visits_away=a)[3] for a in range(1, longest_gap(ids) + 1))
    np.testing.assert_array_equal(total if longest_gap(ids) else [0, 0], identity_counts(ids)[3])


@pytest.mark.parametrize(
    ('issued', 'switches', 'gaps'),
    [
        ([[5, 6], [6, 5]], [0, 2], [0, 0]),  # traded places
        ([[5, 6], [0, 5], [5, 6]], [0, 2], [1, 1]),  # one left: who, nobody knows
        ([[5, 0], [6, 5]], [0, 1], [0, 0]),  # the new one got the old one's id
        ([[5, 6], [7, 5]], [1, 2], [0, 0]),  # an id is lost
        ([[5, 6], [7, 8]], [2, 2], [0, 0]),
        ([[5, 6], [0, 6], [7, 6]], [0, 2], [0, 1]),
    ],
)  # back, as a new one
def test_lookalikes_as_a_group(issued, switches, gaps):
    counts = exchanged_counts(table(issued), np.array([1, 1])).tolist()
    assert counts[RATES.index('id_switch_rate')] == switches
    assert counts[RATES.index('gap_recovery_recall')] == gaps


@pytest.mark.parametrize('seed', range(20))
def test_groups_are_never_scored_worse_and_ask_as_much(seed):
    rng = np.random.default_rng(seed)
    issued = np.stack([rng.permutation(7)[:5] + 1 for _ in range(6)])
    visible = rng.random(issued.shape) < 0.8
    ids = table(np.where(visible & (rng.random(issued.shape) < 0.9), issued, 0), visible)
    rows = [
        RATES.index(name)
        for name in (
            'id_switch_rate',
            'gap_recovery_recall',
            'gap_recovery_accuracy',
            'gap_attempt_coverage',
        )
    ]
    alone = identity_counts(ids)[rows]
    np.testing.assert_array_equal(exchanged_counts(ids, np.zeros(5, int))[rows], alone)
    grouped = exchanged_counts(ids, rng.integers(0, 3, 5))[rows]
    np.testing.assert_array_equal(grouped[:, 1], alone[:, 1])
    assert grouped[0, 0] <= alone[0, 0]
    assert (grouped[1:, 0] >= alone[1:, 0]).all()


def test_rates_without_opportunity_are_undefined():
    """Zero of zero is not zero."""
    np.testing.assert_array_equal(ratio([[1, 4], [0, 0], [0, 3]]), [0.25, np.nan, 0.0])


def interval(counts, rooms, seed=0):
    """Return the interval of one rate over 2000 draws."""
    times = draw_rooms(rooms, np.random.default_rng(seed), 2000)
    return percentile_interval(resampled_rates(counts, times)[:, 0])


def test_draws_take_whole_rooms():
    """As many rooms as there are, all sequences of a room together; one room is no draw."""
    times = draw_rooms(list('abacc'), np.random.default_rng(0), 50)
    assert times.shape == (50, 5)
    np.testing.assert_array_equal(times[:, 0], times[:, 2])
    np.testing.assert_array_equal(times[:, 3], times[:, 4])
    assert (times[:, [0, 1, 3]].sum(axis=1) == 3).all()
    np.testing.assert_array_equal(times, draw_rooms(list('abacc'), np.random.default_rng(0), 50))
    assert draw_rooms(['a'] * 4, np.random.default_rng(0), 50).shape == (0, 4)


def test_intervals_follow_the_rooms():
    """Equal rooms: no spread. Rooms drawn as a whole: the draws can only be 0, 1/2 or 1."""
    equal = np.tile([[1, 4]], (6, 1, 1))
    assert interval(equal, list('aabbcc')) == (0.25, 0.25)
    unlike = np.array([[[0, 2]]] * 5 + [[[2, 2]]] * 5)
    assert interval(unlike, ['a'] * 5 + ['b'] * 5) == (0.0, 1.0)
    assert interval(unlike, ['a'] * 10) is None
    assert interval(np.zeros((4, 1, 2)), list('aabb')) is None


def test_interval_has_the_expected_width():
    """Many rooms of one fair coin each: the interval is the binomial one."""
    flips = np.arange(400) % 2
    counts = np.stack([flips, np.ones(400, int)], axis=1)[:, None]
    low, high = interval(counts, [str(i) for i in range(400)], seed=1)
    assert low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.01)
    assert high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.01)
