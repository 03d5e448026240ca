"""Intervals of average precision: by hand, and against scoring every draw of rooms literally."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.metrics import intervals as module
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.intervals import (
    intervals,
    resampled_precision,
    resampled_precisions,
    resampled_recall,
)
from rescene4d_ros.metrics.rates import draw_rooms
from rescene4d_ros.metrics.segmentation.average_precision import average_precision, Outcome
from rescene4d_ros.metrics.segmentation.segmentation_scores import judge_heads, score_segmentation
from rescene4d_ros.metrics.summary import judge_all, reduce_sequence, summarize

RULES = ScoreRules(min_region=1)


def chair(scored, room, found):
    """Return one room with one chair over two visits, found or not."""
    truth = scored.truth([[1] * 10 + [0] * 10] * 2, {1: 2}, room=room)
    masks = [({*range(10), *range(20, 30)}, 2, 0.9)] if found else []
    return reduce_sequence(truth, scored.prediction(masks), RULES)


def intervals_of(sequences, seed=0, n_draws=200):
    """Return the intervals of sequences."""
    return intervals(sequences, judge_all(sequences, RULES), np.random.default_rng(seed), n_draws)


def test_two_rooms_by_hand(scored):
    """One room perfect, one empty: the draws give 0, 1/2 and 1."""
    rooms = [chair(scored, 'a', True), chair(scored, 'b', False)]
    ends = intervals_of(rooms)
    for key in ('t_map', 't_map50', 't_map25', 'map', 'map50', 'map25', 't_mrec'):
        assert ends[key] == [0.0, 1.0], key
    judged = judge_all(rooms, RULES).temporal
    times = np.array([[2, 0], [1, 1], [0, 2]])
    for drawn in (*resampled_precisions(judged, times), resampled_recall(judged, times)):
        assert drawn.tolist() == [1.0, 0.5, 0.0]


def test_equal_rooms_have_no_spread(scored):
    """The same in every room: the interval is the score."""
    ends = intervals_of([chair(scored, room, True) for room in 'abcd'])
    assert ends['t_map'] == [1.0, 1.0]
    assert ends['change_f1'] is None  # nobody stated a change


def test_one_room_and_no_draws_have_no_interval(scored):
    """What one room shows says nothing of the next; draws can be turned off."""
    for rooms, n_draws in (('aa', 50), ('ab', 0)):
        ends = intervals_of([chair(scored, room, True) for room in rooms], n_draws=n_draws)
        assert set(ends.values()) == {None}


def test_the_seed_decides(scored):
    """The same seed, the same interval; every seed an interval around the score."""
    sequences = []
    for k in range(12):
        truth, prediction = scored.random(k)
        sequences.append(reduce_sequence(replace(truth, room=str(k)), prediction, RULES))
    first, again = (intervals_of(sequences, seed=3, n_draws=200) for _ in range(2))
    assert first == again
    scores = summarize(sequences, RULES)
    low, high = first['map25']
    assert low < scores['map25'] < high


@pytest.mark.parametrize('seed', range(12))
def test_equals_scoring_every_draw(scored, seed):
    """Sequences taken as often as drawn and scored as if there were so many: the same numbers."""
    n = 6
    made = [scored.random(100 * seed + k, 1 + seed % 3) for k in range(n)]
    truths, found = [t for t, _ in made], [scored.found(t, p) for t, p in made]
    times = draw_rooms([str(k // 2) for k in range(n)], np.random.default_rng(seed), 12)
    judged = judge_heads(truths, found, RULES)
    fast = [
        np.array(resampled_precisions(head, times)) for head in (judged.temporal, judged.pooled)
    ]
    recall = resampled_recall(judged.temporal, times)
    for d, counts in enumerate(times):
        drawn = np.repeat(np.arange(n), counts)
        slow = score_segmentation([truths[k] for k in drawn], [found[k] for k in drawn], RULES)
        for table, precision in zip(fast, (slow.temporal, slow.pooled)):
            expected = [precision.mean, precision.at_50, precision.at_25]
            np.testing.assert_allclose(table[:, d], expected)
        np.testing.assert_allclose(recall[d], slow.temporal_recall)


@pytest.mark.parametrize('cells', [1, 7, 10**6])
def test_blocks_of_draws_change_nothing(monkeypatch, cells):
    """Memory is bounded by doing some draws after the others; ties across sequences included."""
    monkeypatch.setattr(module, 'MOST_CELLS', cells)
    rng = np.random.default_rng(0)
    outcomes = []
    for _ in range(5):
        right = rng.random(6) < 0.5
        outcomes.append(Outcome(rng.integers(0, 4, 6) / 4, right, np.arange(7) < right.sum(), 7))
    times = rng.integers(0, 3, (9, 5))
    times[0] = 0
    drawn = resampled_precision(outcomes, times)
    assert np.isnan(drawn[0])
    for counts, value in zip(times[1:], drawn[1:]):
        taken = [o for o, k in zip(outcomes, counts) for _ in range(k)]
        assert value == pytest.approx(average_precision(taken))
