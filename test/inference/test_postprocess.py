"""From queries to instances: each rule on a case small enough to work out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.postprocess import duplicates, query_scores, segment_queries
from rescene4d_ros.inference.split_instances import split_instances
from rescene4d_ros.structures import Prediction, Scan

CONFIG = InferenceConfig(min_points=5, score_threshold=0.3)


def line_of_points(starts, n=20):
    """Return a scan of one short row of points (0.19 m) per start along x, its superpoints."""
    xyz = np.concatenate(
        [np.column_stack([s + 0.01 * np.arange(n), np.zeros((n, 2))]) for s in starts]
    ).astype(np.float32)
    return Scan(xyz, 0), np.repeat(np.arange(len(starts)), n).astype(np.int32)


def predict(class_probs, masks, superpoint):
    """Return a prediction; the feature of query q is q."""
    class_probs = np.float32(class_probs)
    features = np.arange(len(class_probs), dtype=np.float32)[:, None]
    return Prediction(
        class_probs, tuple(np.float32(m) for m in masks), tuple(superpoint), features
    )


def test_score_is_class_probability_times_mean_mask_probability():
    masks = np.float32([[0.9, 0.1], [0.6, 0.2], [0.2, 0.3]])
    scores = query_scores(
        np.float32([[0.5, 0.3, 0.2], [0.9, 0.1, 0]]), masks, np.array([1.0, 3, 10]), 0.5
    )
    np.testing.assert_allclose(scores, [0.5 * (0.9 + 3 * 0.6) / 4, 0], rtol=1e-6)


def test_superpoint_goes_to_the_query_with_the_best_claim():
    scan, superpoint = line_of_points([0, 1])
    prediction = predict(
        [[0.9, 0.0, 0.1], [0.1, 0.7, 0.2]], [[[0.95, 0.4], [0.6, 0.95]]], [superpoint]
    )
    result = segment_queries(prediction, [scan], CONFIG)
    assert len(result) == 2
    assert result.labels[0].tolist() == [0] * 20 + [1] * 20
    np.testing.assert_allclose(result.point_scores[0], 0.95)
    np.testing.assert_allclose(result.class_probs, [[1, 0], [1 / 8, 7 / 8]], rtol=1e-5)
    assert result.features.ravel().tolist() == [0, 1]


def test_duplicates_and_weak_queries_go():
    scan, superpoint = line_of_points([0, 1, 2])
    prediction = predict(
        [[0.6, 0, 0.4], [0.9, 0, 0.1], [0.2, 0, 0.8]],
        [[[0.9, 0.9, 0], [0.1, 0, 0], [0, 0, 0.9]]],
        [superpoint],
    )
    result = segment_queries(prediction, [scan], CONFIG)
    assert result.features.ravel().tolist() == [1]
    assert result.queries.tolist() == [1]
    assert result.labels[0].tolist() == [0] * 20 + [-1] * 40
    assert (result.point_scores[0][20:] == 0).all()


def test_queries_of_one_object_vote_on_its_class_and_mask():
    """Two of three say class 1, each less sure than the one that says 0; together they win."""
    scan, superpoint = line_of_points([0, 1, 2, 3])
    one, two = [0.8, 0.1, 0.1], [0.2, 0.7, 0.1]
    found = [0.9, 0.9, 0.9]
    prediction = predict(
        [one, two, two], [[found, found, [0.6, 0.6, 0.6], [0, 0, 0.6]]], [superpoint]
    )
    result = segment_queries(prediction, [scan], replace(CONFIG, split_gap=0.0))
    assert len(result) == 1
    assert result.class_probs[0].argmax() == 1
    assert result.labels[0].tolist() == [0] * 60 + [-1] * 20


def leaders(masks, weight, kinds, **settings):
    """Return what each mask (a column) repeats, and which of them agree with it."""
    leader, agrees = duplicates(
        np.array(masks, bool),
        np.array(weight, float),
        np.array(kinds),
        replace(CONFIG, **settings),
    )
    return leader.tolist(), agrees.tolist()


def test_duplicates_follow_the_better_mask_they_overlap_most():
    masks = [[1, 0, 1, 1, 0], [1, 0, 1, 0, 0], [1, 1, 0, 0, 0], [0, 1, 0, 0, 1]]
    # Against mask 0 of 3 points: 1/4, 2/3, 1/3; the last shares only with mask 1, one half.
    kinds, all_views = range(5), [True] * 5
    assert leaders(masks, [1] * 4, kinds) == ([0, 1, 0, 3, 4], all_views)
    assert leaders(masks, [1] * 4, kinds, duplicate_overlap=0.3) == ([0, 1, 0, 0, 1], all_views)
    assert leaders(masks, [10, 1, 1, 1], kinds) == ([0, 1, 0, 0, 4], all_views)
    assert leaders(np.zeros((3, 0)), [1] * 3, []) == ([], [])


def test_part_and_pair_of_one_class_yield_to_the_object_between_them():
    # A chair, the half of it, it with its neighbor, a cushion on it, its neighbor.
    masks = [
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 1, 1, 0],
        [1, 0, 1, 0, 0],
        [0, 0, 1, 0, 1],
        [0, 0, 1, 0, 1],
        [0, 0, 1, 0, 1],
        [0, 0, 1, 0, 1],
        [0, 0, 1, 0, 1],
    ]
    leader, agrees = leaders(masks, [1] * 9, [0, 0, 0, 1, 0])
    assert leader == [0, 0, 0, 3, 4]
    assert agrees == [True, False, False, True, True]
    assert leaders(masks, [1] * 9, [0, 0, 0, 1, 0], part_overlap=1.0)[0] == [0, 1, 2, 3, 2]


def test_part_has_no_vote_on_the_mask():
    scan, superpoint = line_of_points([0, 1, 2])
    sure = [0.9, 0.0, 0.1]
    prediction = predict([sure, sure], [[[0.9, 0.9], [0.6, 0.1], [0.6, 0.1]]], [superpoint])
    part_first = segment_queries(prediction, [scan], replace(CONFIG, split_gap=0.0))
    assert part_first.labels[0].tolist() == [0] * 20 + [-1] * 40
    prediction = predict([sure, [0.7, 0.0, 0.3]], prediction.mask_probs, [superpoint])
    whole_first = segment_queries(prediction, [scan], replace(CONFIG, split_gap=0.0))
    assert whole_first.labels[0].tolist() == [0] * 60


def test_one_query_is_one_instance_in_all_visits_also_when_it_moved():
    first, superpoint = line_of_points([0.0, 5.0])
    second, _ = line_of_points([2.0, 5.0])
    prediction = predict([[0.9, 0.0, 0.1]], [[[0.9], [0.1]]] * 2, [superpoint] * 2)
    result = segment_queries(prediction, [first, second], CONFIG)
    assert len(result) == 1
    for label in result.labels:
        assert label.tolist() == [0] * 20 + [-1] * 20


def test_instance_with_too_few_points_is_not_in_that_visit():
    first, superpoint = line_of_points([0.0])
    second, few = line_of_points([0.0], n=4)
    prediction = predict([[0.9, 0.0, 0.1]], [[[0.9]]] * 2, [superpoint, few])
    result = segment_queries(prediction, [first, second], CONFIG)
    assert (result.labels[0] == 0).all()
    assert (result.labels[1] == -1).all()
    alone = segment_queries(predict([[0.9, 0, 0.1]], [[[0.9]]], [few]), [second], CONFIG)
    assert len(alone) == 0


def test_look_alikes_of_one_query_are_told_apart_by_place():
    """Two chairs in one query: the one that stayed keeps its instance, the other one moved."""
    labels = [np.zeros(40, int), np.zeros(40, int)]
    first, _ = line_of_points([0.0, 1.0])
    second, _ = line_of_points([3.0, 1.0])
    split, source = split_instances(labels, [first.xyz, second.xyz], 1, 0.3, 5)
    assert source.tolist() == [0, 0]
    stayed, moved = split[0][20], split[0][0]
    assert stayed != moved
    assert split[0].tolist() == [moved] * 20 + [stayed] * 20
    assert split[1].tolist() == [moved] * 20 + [stayed] * 20


def test_part_without_a_partner_is_an_instance_of_its_own():
    scan, _ = line_of_points([0.0, 1.0])
    alone, _ = line_of_points([0.0])
    split, source = split_instances(
        [np.zeros(40, int), np.zeros(20, int)], [scan.xyz, alone.xyz], 1, 0.3, 5
    )
    assert len(source) == 2
    assert set(split[1]) == {split[0][0]}
    assert split[0][20] not in split[1]


@pytest.mark.parametrize(('gap', 'n_instances'), [(0.0, 1), (0.3, 2), (1.0, 1)])
def test_gap_decides_what_is_apart(gap, n_instances):
    scan, _ = line_of_points([0.0, 1.0])
    split, source = split_instances([np.zeros(40, int)], [scan.xyz], 1, gap, 5)
    assert len(source) == n_instances
    assert (split[0] >= 0).all()


def test_stray_points_of_a_split_instance_become_unlabeled():
    scan, _ = line_of_points([0.0])
    stray = np.float32([[4.0, 0, 0]] * 3)
    split, source = split_instances(
        [np.zeros(23, int)], [np.concatenate([scan.xyz, stray])], 1, 0.3, 5
    )
    assert len(source) == 1
    assert split[0].tolist() == [0] * 20 + [-1] * 3


def test_labels_are_dense_and_share_no_point():
    """Random queries: every instance has points, every label an instance."""
    rng = np.random.default_rng(0)
    scan, superpoint = line_of_points(np.arange(30) * 0.2)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        prediction = predict(
            rng.dirichlet(np.ones(4) * 0.5, 10),
            [rng.random((30, 10)), rng.random((30, 10))],
            [superpoint] * 2,
        )
        config = replace(CONFIG, score_threshold=0.2, duplicate_overlap=0.9)
        result = segment_queries(prediction, [scan, scan], config)
        used = np.unique(np.concatenate(result.labels))
        assert set(used) - {-1} == set(range(len(result)))
        np.testing.assert_allclose(result.class_probs.sum(1), 1, rtol=1e-5)
        for label, score in zip(result.labels, result.point_scores):
            assert ((score > 0) == (label >= 0)).all()


def test_no_query_gives_no_instance():
    scan, superpoint = line_of_points([0.0])
    prediction = predict(np.zeros((0, 4)), [np.zeros((1, 0))], [superpoint])
    result = segment_queries(prediction, [scan], CONFIG)
    assert len(result) == 0
    assert result.class_probs.shape == (0, 3)
    assert (result.labels[0] == -1).all()
