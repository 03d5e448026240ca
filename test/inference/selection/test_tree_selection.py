"""From queries to instances by a merge tree: on cases small enough to work out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.errors import WeightsError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.postprocess import segment_as_published
from rescene4d_ros.inference.selection.candidates import (
    evidence_of,
    make_candidates,
    network_features,
)
from rescene4d_ros.inference.selection.features import candidate_features, FEATURES, RELATIONS
from rescene4d_ros.inference.selection.merge_tree import relatives
from rescene4d_ros.inference.selection.quality import (
    quality_file,
    QualityModel,
    read_quality,
    write_quality,
)
from rescene4d_ros.inference.selection.regions import make_regions
from rescene4d_ros.inference.selection.tree_selection import segment_by_tree, visit_quality
from rescene4d_ros.structures import Prediction, Scan

CONFIG = InferenceConfig(selection='tree', min_points=5, least_quality=0.3)
SURE = [0.9, 0.0, 0.1]


def row_of_pieces(starts, n=20):
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


def random_prediction(rng, n_pieces, n_queries=6, visits=1):
    """Return a prediction of random queries over rows of pieces, and its scans."""
    scan, superpoint = row_of_pieces(np.arange(n_pieces) * 0.2)
    prediction = predict(
        rng.dirichlet(np.ones(4) * 0.5, n_queries),
        [rng.random((n_pieces, n_queries)) for _ in range(visits)],
        [superpoint] * visits,
    )
    return prediction, [scan] * visits


def parts_of(prediction, scans):
    """Return regions, evidence and candidates."""
    regions, evidence = make_regions(prediction, scans), evidence_of(prediction)
    return (
        regions,
        evidence,
        make_candidates(regions, evidence.mask_probs, evidence.certainty, 0.5),
    )


def test_a_query_gives_masks_of_three_thresholds_each_once():
    """What a query claims by .4 or by .9 is a candidate too, where that is another mask."""
    scan, superpoint = row_of_pieces([0, 0.2, 0.4])
    probs = [[0.9, 0.8], [0.6, 0.9], [0.4, 0.1]]
    candidates = parts_of(predict([SURE, SURE], [probs], [superpoint]), [scan])[2]
    queries = candidates.masks[:, : candidates.n_queries].T.tolist()
    assert [mask for mask in queries if any(mask)] == [
        [True, True, False],
        [True, True, False],
        [True, True, True],  # the first query from .3 on
        [True, False, False],  # and from .7 on; the second one is the same at all three
    ]


def test_features_of_a_candidate_do_not_depend_on_which_others_are_described():
    """A visit shows a part of the candidates: their columns are not the numbers of the queries."""
    prediction, scans = random_prediction(np.random.default_rng(3), 8, n_queries=30)
    regions, evidence, candidates = parts_of(prediction, scans)
    every = candidate_features(regions, evidence, candidates)
    of_parent = FEATURES.index('share_of_parent')  # a parent that is not described counts as none
    rest = np.delete(np.arange(len(FEATURES)), of_parent)
    kept = np.flatnonzero(np.arange(len(candidates)) % 4 == 1)
    some = candidate_features(regions, evidence, candidates.restricted(slice(None), kept))
    np.testing.assert_allclose(some[:, rest], every[kept][:, rest], rtol=1e-5, atol=1e-6)


def test_pieces_that_one_query_half_claims_become_one_instance():
    """No query has the whole in its mask; the tree has."""
    scan, superpoint = row_of_pieces([0, 0.2, 0.4])
    prediction = predict([SURE], [[[0.9], [0.45], [0.02]]], [superpoint])
    result = segment_by_tree(prediction, [scan], replace(CONFIG, least_quality=0.2), None)
    assert len(result) == 1
    assert result.labels[0][:20].tolist() == [0] * 20
    assert result.labels[0][40:].tolist() == [-1] * 20
    assert result.class_probs[0].tolist() == [1, 0]
    assert result.queries.tolist() == [0]
    assert ((result.point_scores[0] > 0) == (result.labels[0] >= 0)).all()


@pytest.mark.parametrize('choice', ['exact', 'greedy'])
def test_two_things_side_by_side_are_two(choice):
    scan, superpoint = row_of_pieces([0, 0.2, 0.4, 0.6])
    prediction = predict(
        [SURE, [0.2, 0.7, 0.1]],
        [[[0.9, 0.05], [0.9, 0.05], [0.05, 0.9], [0.05, 0.9]]],
        [superpoint],
    )
    result = segment_by_tree(prediction, [scan], replace(CONFIG, choice=choice), None)
    assert len(result) == 2
    first = result.labels[0][0]
    assert result.labels[0].tolist() == [first] * 40 + [1 - first] * 40
    assert result.class_probs.argmax(1)[[first, 1 - first]].tolist() == [0, 1]
    assert (result.scores > 0.5).all()


def test_thing_that_moved_keeps_its_identity():
    first, superpoint = row_of_pieces([0.0, 5.0])
    second, _ = row_of_pieces([2.0, 5.0])
    prediction = predict([SURE], [[[0.9], [0.01]]] * 2, [superpoint] * 2)
    result = segment_by_tree(prediction, [first, second], CONFIG, None)
    assert len(result) == 1
    for label in result.labels:
        assert label.tolist() == [0] * 20 + [-1] * 20


def test_other_thing_at_the_same_place_is_another_one():
    first, superpoint = row_of_pieces([0.0])
    prediction = predict(
        [SURE, [0.1, 0.8, 0.1]], [[[0.95, 0.01]], [[0.01, 0.95]]], [superpoint] * 2
    )
    result = segment_by_tree(prediction, [first, first], CONFIG, None)
    assert len(result) == 2
    assert result.labels[0][0] != result.labels[1][0]


def test_empty_visit_and_no_query():
    scan, superpoint = row_of_pieces([0.0])
    nobody = Scan(np.zeros((0, 3), np.float32), 1)
    prediction = predict([SURE], [[[0.9]], np.zeros((0, 1))], [superpoint, np.zeros(0, np.int32)])
    result = segment_by_tree(prediction, [scan, nobody], CONFIG, None)
    assert [len(label) for label in result.labels] == [20, 0]
    assert len(result) == 1
    nothing = predict(np.zeros((0, 4)), [np.zeros((1, 0))], [superpoint])
    for found in (
        segment_by_tree(nothing, [scan], CONFIG, None),
        segment_as_published(nothing, CONFIG),
    ):
        assert len(found) == 0
        assert (found.labels[0] == -1).all()


def test_labels_are_dense_for_random_queries():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        prediction, scans = random_prediction(rng, 12, visits=2)
        result = segment_by_tree(prediction, scans, replace(CONFIG, least_quality=0.1), None)
        used = np.unique(np.concatenate(result.labels))
        assert set(used) - {-1} == set(range(len(result)))
        np.testing.assert_allclose(result.class_probs.sum(1), 1, rtol=1e-5)
        assert ((result.scores >= 0) & (result.scores <= 1)).all()


def test_features_are_finite_also_of_empty_masks():
    prediction, scans = random_prediction(np.random.default_rng(0), 5)
    prediction.mask_probs[0][:, 0] = 0
    regions, evidence, candidates = parts_of(prediction, scans)
    assert not candidates.masks[:, 0].any()
    features = candidate_features(regions, evidence, candidates)
    assert features.shape == (len(candidates), len(FEATURES))
    assert np.isfinite(features).all()


def test_features_of_a_node_by_hand():
    scan, superpoint = row_of_pieces([0, 0.2])
    prediction = predict([SURE], [[[0.8], [0.4]]], [superpoint])
    regions, evidence, candidates = parts_of(prediction, [scan])
    found = dict(zip(FEATURES, candidate_features(regions, evidence, candidates)[-1]))
    assert candidates.masks[:, -1].all()
    wanted = {
        'best_soft_iou': 0.6,
        'best_support': 0.54,
        'best_inside': 0.6,
        'best_hard_iou': 0.5,
        'claim': 0.54,
        'claim_spread': 0.18,
        'contact': 0.0,
        'points': np.log(40),
        'leaving': 0.0,
        'agree_inside': 0.5,
        'like_inside': 1.0,
        'wide': 0.39,
    }
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, abs=2e-3), name


def quality_of_size():
    """Return a model whose quality grows with the points, and with nothing else."""
    weights = np.zeros((len(FEATURES), 3), np.float32)
    weights[FEATURES.index('points')] = 1
    return QualityModel(
        np.full(len(FEATURES), np.log(30), np.float32),
        np.full(len(FEATURES), 0.1, np.float32),
        ((weights, np.zeros(3, np.float32)),),
        'abc',
        {'seed': 0},
    )


def test_quality_decides_what_is_chosen():
    scan, superpoint = row_of_pieces([0, 0.2])
    prediction = predict([SURE], [[[0.9], [0.45]]], [superpoint])
    assert segment_by_tree(prediction, [scan], CONFIG, None).labels[0].tolist() == [0] * 40
    parts = parts_of(prediction, [scan])
    worth = visit_quality(*parts, 5, quality_of_size())[:, 0]
    assert worth[parts[2].masks.sum(axis=0) == 2].min() > 0.9
    assert worth[parts[2].masks.sum(axis=0) == 1].max() < 0.1
    large = segment_by_tree(prediction, [scan], CONFIG, quality_of_size())
    assert large.labels[0].tolist() == [0] * 40
    assert np.isnan(visit_quality(*parts, 41, quality_of_size())).all()


def test_quality_file_holds_the_model(tmp_path):
    path = quality_file(tmp_path / 'net.safetensors')
    assert path.name == 'net.quality.safetensors'
    model = quality_of_size()
    write_quality(path, model)
    read = read_quality(path)
    features = np.random.default_rng(0).normal(size=(7, len(FEATURES))).astype(np.float32)
    assert (read.predict(features) == model.predict(features)).all()
    assert (read.fitted_to, read.fitting) == ('abc', {'seed': 0})


def test_network_features_of_a_node_by_hand():
    scan, superpoint = row_of_pieces([0, 0.1, 0.6])
    prediction = replace(
        predict([SURE], [[[0.9], [0.8], [0.1]]], [superpoint]),
        features=np.array([[3.0, 4.0]], np.float32),
        superpoint_features=(np.array([[1.0, 0.2], [5.0, 0.4], [9.0, 0.6]], np.float32),),
    )
    regions, evidence, candidates = parts_of(prediction, [scan])
    found = network_features(regions, evidence, candidates)
    pieces = candidates.n_queries + np.arange(2)
    np.testing.assert_allclose(found[pieces, :4], [[1, 0.2, 5, 0.4], [5, 0.4, 1, 0.2]], rtol=1e-6)
    both = np.flatnonzero((candidates.masks == [[True], [True], [False]]).all(axis=0))[0]
    np.testing.assert_allclose(found[both], [3, 0.3, 0, 0, 3, 4, *SURE], rtol=1e-6)


def test_quality_of_network_features_wants_a_network_that_gives_them(tmp_path):
    scan, superpoint = row_of_pieces([0, 0.1])
    bare = predict([SURE], [[[0.9], [0.8]]], [superpoint])
    bare = replace(bare, superpoint_features=None)
    known = replace(bare, superpoint_features=(np.eye(2, dtype=np.float32),))
    n = network_features(*parts_of(known, [scan])).shape[1]
    path = tmp_path / 'net.quality.safetensors'
    inputs = len(FEATURES) + n
    weights = np.zeros((inputs, 3), np.float32)
    weights[len(FEATURES)] = 1
    write_quality(
        path,
        QualityModel(
            np.zeros(inputs, np.float32),
            np.ones(inputs, np.float32),
            ((weights, np.zeros(3, np.float32)),),
        ),
    )
    model = read_quality(path)
    assert model.n_network_features == n
    regions, evidence, candidates = parts_of(known, [scan])
    worth = visit_quality(regions, evidence, candidates, 5, model)[:, 0]
    alone = candidates.masks[0] & ~candidates.masks[1]  # holds the first superpoint alone
    np.testing.assert_allclose(worth[alone], 1 / (1 + np.exp(-1)), rtol=1e-6)
    with pytest.raises(WeightsError, match=f'expected {n} features of the network, got 0'):
        visit_quality(*parts_of(bare, [scan]), 5, model)


def test_relatives_by_hand():
    """Two queries; three superpoints a, b, c; nodes ab and abc."""
    masks = np.array(
        [[1, 0, 1, 0, 0, 1, 1], [1, 0, 0, 1, 0, 1, 1], [0, 1, 0, 0, 1, 0, 1]], dtype=bool
    )
    parent = np.array([-1, -1, 5, 5, 6, 6, -1])
    points = np.array([20.0, 10.0, 40.0])
    assert relatives(points, masks, parent, 2).tolist() == [
        [-1, -1, -1, -1, 5],
        [-1, -1, -1, -1, 4],
        [5, 3, -1, -1, 0],
        [5, 2, -1, -1, 0],
        [6, 5, -1, -1, 1],
        [6, 4, 2, 3, 0],
        [-1, -1, 4, 5, 1],
    ]
    assert relatives(points, masks[:, [2, 6]], np.full(2, -1), 0).tolist() == [[-1] * 5] * 2


def test_quality_of_a_candidate_looks_at_its_relatives(tmp_path):
    """One state per candidate, the points; a round of context adds those of all relatives."""
    n, one = len(FEATURES) + len(RELATIONS), np.ones((1, 1), np.float32)
    points = np.zeros((n, 1), np.float32)
    points[FEATURES.index('points')] = 1
    zero = np.zeros(1, np.float32)
    rates = np.float32([[1], [10], [100], [1000], [10000], [100000]]) / 2**20
    last = np.zeros((2, 3), np.float32)
    last[1] = 1
    model = QualityModel(
        np.zeros(n, np.float32),
        np.ones(n, np.float32),
        ((points, zero), (one, zero), (last, np.zeros(3, np.float32))),
        contexts=((rates, zero),),
    )
    write_quality(tmp_path / 'net.quality.safetensors', model)
    read = read_quality(tmp_path / 'net.quality.safetensors')
    inputs = np.zeros((4, n), np.float32)
    inputs[:, FEATURES.index('points')] = [1, 2, 4, 5]
    related = np.array([[1, 2, 3, 0, -1], [-1] * 5, [-1, -1, -1, -1, 3], [-1] * 5])
    told = read.predict(inputs, related)[:, 0]
    weighted = np.array([1 + 20 + 400 + 5000, 2, 4 + 50000, 5]) + 300000
    np.testing.assert_allclose(np.log(told / (1 - told)) * 2**20, weighted, rtol=2e-3)


def test_damaged_quality_file_is_named(tmp_path):
    path = tmp_path / 'net.quality.safetensors'
    write_quality(path, quality_of_size())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match='fit it anew'):
        read_quality(path)


def test_published_selection_gives_points_to_the_best_scored_mask():
    scan, superpoint = row_of_pieces([0, 0.2, 0.4])
    prediction = predict(
        [SURE, [0.1, 0.8, 0.1]], [[[0.9, 0.1], [0.6, 0.99], [0.1, 0.2]]], [superpoint]
    )
    result = segment_as_published(prediction, CONFIG)
    # Scores 0.9 * 0.75 and 0.8 * 0.99: the second mask has what both hold.
    np.testing.assert_allclose(result.scores, [0.675, 0.792], rtol=1e-5)
    assert result.labels[0].tolist() == [0] * 20 + [1] * 20 + [-1] * 20
    assert result.queries.tolist() == [0, 1]
    np.testing.assert_allclose(result.point_scores[0][[0, 20, 40]], [0.9, 0.99, 0], rtol=1e-6)
