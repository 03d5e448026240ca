"""t-SIM by hand, what it must not depend on, and what it must tell apart."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.metrics.segmentation.temporal_similarity import (
    instance_similarity,
    mean_similarity,
)

CHAIR, TABLE = 2, 4


@pytest.fixture
def room(scored):
    """Return two visits: chairs 7 and 3, table 5; a chair 9 that leaves. Points by superpoint."""
    superpoint = (np.array([0, 0, 0, 1, 1, 2, 3, 3, 4]), np.array([0, 0, 1, 1, 2, 2, 2]))
    truth = scored.truth(
        [[7, 7, 3, 7, 7, 3, 5, 5, 9], [3, 3, 7, 7, 5, 5, 0]],
        {7: CHAIR, 3: CHAIR, 5: TABLE, 9: CHAIR},
    )
    features = (
        np.array([[3.0, 0, 0], [0, 5, 0], [0, 0, 2], [1, 1, 0], [0, 1, 0]]),
        np.array([[0, 0.6, 0.8], [7.0, 0, 0], [0, 0, 1]]),
    )
    return features, superpoint, truth


def test_by_hand(room):
    """
    Superpoint 0 has one point of chair 3 but is of chair 7.

    Chair 7: mean of (1,0,0) and (0,1,0) against (1,0,0): 1/sqrt 2; other chairs: chair 3 now,
    (1,1,0)/sqrt 2 . (0,.6,.8) = .6/sqrt 2; chair 3 and 9 before against (1,0,0): 0.
    Chair 3: (0,0,1) against (0,.6,.8): .8; others: (1,0,0) . (0,0,1) = 0 now, .6/sqrt 2 and
    (0,1,0) . (0,.6,.8) = .6 of chair 9 before. Table: (1,1,0)/sqrt 2 against (0,0,1): 0.
    """
    found = instance_similarity(*room)
    assert found.instance_ids.tolist() == [3, 5, 7]
    np.testing.assert_allclose(found.own, [0.8, 0, 0.5**0.5], atol=1e-12)
    np.testing.assert_allclose(found.other, [0.6, np.nan, 0.6 * 0.5**0.5], atol=1e-12)
    assert found.left_out == 1  # chair 9
    scores = found.scores()
    assert scores['t_sim'] == pytest.approx((0.8 + 0.5**0.5) / 3)
    assert scores['t_sim_other'] == pytest.approx((0.6 + 0.6 * 0.5**0.5) / 2)


def test_order_length_and_direction_of_time_do_not_count(room):
    features, superpoint, truth = room
    rng = np.random.default_rng(3)
    orders = [rng.permutation(len(f)) for f in features]
    shuffled = [f[o] * rng.uniform(0.1, 9, (len(f), 1)) for f, o in zip(features, orders)]
    named = [np.argsort(o)[s] for o, s in zip(orders, superpoint)]
    expected = instance_similarity(*room)
    found = instance_similarity(shuffled, named, truth)
    backwards = instance_similarity(
        shuffled[::-1],
        named[::-1],
        replace(
            truth,
            visit=1 - truth.visit[::-1],
            instance=np.concatenate([truth.instance[truth.visit == t] for t in (1, 0)]),
        ),
    )
    for other in (found, backwards):
        np.testing.assert_array_equal(other.instance_ids, expected.instance_ids)
        np.testing.assert_allclose(other.own, expected.own, atol=1e-12)
        np.testing.assert_allclose(other.other, expected.other, atol=1e-12)
        assert other.left_out == expected.left_out


def test_a_constant_feature_is_as_like_others(room):
    features, superpoint, truth = room
    found = instance_similarity([np.ones_like(f) for f in features], superpoint, truth)
    np.testing.assert_allclose(found.own, 1)
    np.testing.assert_allclose(found.other[[0, 2]], 1)


def test_a_feature_without_direction_counts_as_unlike(room):
    features, superpoint, truth = room
    found = instance_similarity([np.zeros_like(f) for f in features], superpoint, truth)
    assert found.own.tolist() == [0, 0, 0]


def test_later_visits_and_unscored_instances_do_not_count(room, scored):
    features, superpoint, truth = room
    longer = scored.truth(
        [truth.instance[truth.visit == 0], truth.instance[truth.visit == 1], [9, 9, 9]],
        {7: CHAIR, 3: CHAIR, 9: CHAIR},
    )
    found = instance_similarity(features, superpoint, longer)
    assert (found.instance_ids.tolist(), found.left_out) == ([3, 7], 1)


def test_means_are_over_sequences_that_have_a_value():
    sequences = [
        {'t_sim': 0.5, 't_sim_other': 0.25, 'instances': 8, 'left_out': 1},
        {'t_sim': 1.0, 't_sim_other': None, 'instances': 1, 'left_out': 0},
        {'t_sim': None, 't_sim_other': None, 'instances': 0, 'left_out': 3},
    ]
    found = mean_similarity(sequences, list('abc'), np.random.default_rng(0), 200)
    low, high = found.pop('intervals')['t_sim']
    assert 0.5 <= low < 0.75 < high <= 1.0
    assert found == {
        't_sim': 0.75,
        't_sim_other': 0.25,
        'instances': 9,
        'left_out': 4,
        'sequences': 2,
    }
    nothing = mean_similarity(sequences[2:], ['a'], np.random.default_rng(0))
    assert nothing['t_sim'] is None
    assert nothing['intervals'] == {'t_sim': None, 't_sim_other': None}
