"""The segmenter on real clouds: kept features, determinism, empty visits, errors."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.errors import WeightsError
from rescene4d_ros.geometry.superpoints.cut import SuperpointConfig
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.inference.selection.features import FEATURES
from rescene4d_ros.inference.selection.quality import quality_file, QualityModel, write_quality
from rescene4d_ros.inference.visit_encoder import TurnedVisit, VisitEncoder
from rescene4d_ros.inference.weights_file import save_weights, weights_hash, WeightsInfo
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.structures import Scan
import torch

EMPTY = Scan(np.zeros((0, 3), np.float32), 0)


@pytest.fixture
def config(weights):
    """Return settings under which an untrained network finds something."""
    return InferenceConfig(
        weights=str(weights), device='cpu', torch_threads=1, score_threshold=0.0, cache_visits=2
    )


def assert_equal(one, two):
    """Compare two predictions bit by bit."""
    np.testing.assert_array_equal(one.class_probs, two.class_probs)
    np.testing.assert_array_equal(one.features, two.features)
    for field in ('mask_probs', 'superpoint'):
        for a, b in zip(getattr(one, field), getattr(two, field), strict=True):
            np.testing.assert_array_equal(a, b)


def test_names_come_with_the_weights(config, weights):
    segmenter = Segmenter.load(config)
    assert segmenter.class_names == ('chair', 'table', 'box')
    assert segmenter.weights_hash == weights_hash(weights)


@pytest.mark.parametrize(
    ('asked', 'compat', 'n_queries'),
    [(30, 'corrected', 30), (0, 'corrected', 12), (30, 'official', 12)],
)
def test_as_many_queries_as_asked_for(config, model, scans, tmp_path, asked, compat, n_queries):
    """Weights of 12 queries; published ones mean what they meant."""
    other = ReScene4D(replace(model.config, compat=compat))
    save_weights(tmp_path / 'other.safetensors', other, WeightsInfo(('chair', 'table', 'box')))
    segmenter = Segmenter.load(
        replace(config, weights=str(tmp_path / 'other.safetensors'), queries=asked)
    )
    assert len(segmenter.predict(scans).class_probs) == n_queries


def test_published_voxels_depend_on_the_whole_sequence(config, scans, tmp_path):
    """Features kept of a visit alone are not those of it in a larger window."""
    published = ModelConfig(
        backbone='ptv3-tiny',
        features='sonata',
        in_channels=9,
        voxel_size=0.1,
        n_classes=3,
        hidden_dim=32,
        n_heads=4,
        n_queries=12,
        compat='official',
    )
    path = tmp_path / 'published.safetensors'
    save_weights(path, ReScene4D(published), WeightsInfo(('chair', 'table', 'box')))
    segmenter = Segmenter.load(replace(config, weights=str(path), cache_visits=4))
    part = scans[0].take(scans[0].xyz[:, 0] > 1.0)
    segmenter.predict([part], keys=[1])
    window = [part, scans[1]]
    assert_equal(segmenter.predict(window, keys=[1, 2]), segmenter.predict(window))


def test_no_more_results_are_kept_than_asked_for_whatever_their_origin(model):
    """Published features of one visit in many windows are many results."""
    encoded = []

    @contextmanager
    def watch(stage):
        encoded.append(stage)
        yield

    visits = VisitEncoder(model, SuperpointConfig(), torch.device('cpu'), '', watch)
    scan = Scan(np.random.default_rng(0).uniform(0, 1, (500, 3)).astype(np.float32), 0)
    for x in (0.0, 1.0, 2.0, 0.0, 0.0):
        visits.encode(
            TurnedVisit(scan), 'a', np.array([x, 0.0, 0.0]), cache_visits=2, cache_files=0
        )
    assert encoded.count('encode') == 4  # the first is not kept beside two later ones


def test_superpoints_of_walls_are_taken_from_the_objects(config, model, scans, tmp_path):
    """Beside a query that claims a superpoint more, structure wins it; else nothing changes."""
    other = ReScene4D(replace(model.config, structure_queries=True))
    other.load_state_dict(model.state_dict(), strict=False)
    path = tmp_path / 'structure.safetensors'
    save_weights(path, other, WeightsInfo(('chair', 'table', 'box')))
    before = Segmenter.load(config).predict(scans)
    segmenter = Segmenter.load(replace(config, weights=str(path)))
    after = segmenter.predict(scans)
    n_taken = 0
    for claimed, left in zip(before.mask_probs, after.mask_probs, strict=True):
        is_taken = (left == 0) & (claimed > 0)
        np.testing.assert_array_equal(left[~is_taken], claimed[~is_taken])
        least_kept = np.where(is_taken, np.inf, claimed).min(axis=1)
        most_taken = np.where(is_taken, claimed, 0).max(axis=1)
        assert (most_taken < least_kept).all()
        n_taken += is_taken.sum()
    assert 0 < n_taken < sum(m.size for m in before.mask_probs)


def test_kept_features_give_the_same_bits_as_fresh_ones(config, scans):
    segmenter = Segmenter.load(config)
    fresh = segmenter.predict(scans)
    first = segmenter.predict(scans[:1], keys=[1])
    joint = segmenter.predict(scans, keys=[1, 2])
    again = segmenter.predict(scans, keys=[1, 2])
    assert first.class_probs.shape == joint.class_probs.shape
    assert_equal(joint, fresh)
    assert_equal(again, fresh)
    assert_equal(Segmenter.load(config).predict(scans), fresh)


def test_features_are_really_kept_and_the_oldest_go_first(config, scans):
    """A kept visit does not look at the points again; a forgotten one does."""
    segmenter = Segmenter.load(config)
    kept = segmenter.predict([scans[0]], keys=['a'])
    assert_equal(
        segmenter.predict([EMPTY, scans[1]], keys=['a', 'b']),
        segmenter.predict(scans, keys=['a', 'b']),
    )
    segmenter.predict([scans[1]], keys=['c'])  # 'a' is the oldest of three now
    other = segmenter.predict([scans[1]], keys=['a'])
    assert len(other.superpoint[0]) != len(kept.superpoint[0]) or not np.array_equal(
        other.class_probs, kept.class_probs
    )


def test_features_computed_ahead_are_the_same(config, scans):
    ahead, fresh = Segmenter.load(config), Segmenter.load(config)
    ahead.encode(scans, ['a', 'b'])
    assert_equal(ahead.predict([EMPTY, scans[1]], ['a', 'b']), fresh.predict(scans))
    assert ahead.device_name == 'cpu'


def test_any_number_names_a_visit_and_an_empty_text_does_not(config, scans):
    segmenter = Segmenter.load(config)
    segmenter.encode(scans, [0, ''])
    assert_equal(segmenter.predict([EMPTY, scans[1]], [0, '']), segmenter.predict(scans))
    assert len(segmenter.predict([EMPTY, EMPTY], [0, '']).superpoint[1]) == 0


def test_shapes_fit_the_points(config, scans):
    segmentation = Segmenter.load(config).segment(scans)
    assert len(segmentation) > 0
    for scan, label, score in zip(scans, segmentation.labels, segmentation.point_scores):
        assert label.shape == score.shape == (len(scan),)
        assert label.max() < len(segmentation)


def test_missing_normals_and_colors_are_no_obstacle(config, scans):
    bare = [Scan(s.xyz, s.stamp_ns) for s in scans]
    prediction = Segmenter.load(config).predict(bare)
    assert np.isfinite(prediction.class_probs).all()


def test_empty_visits(config, scans):
    segmenter = Segmenter.load(config)
    mixed = segmenter.segment([scans[0], EMPTY])
    assert mixed.labels[1].shape == (0,)
    nothing = segmenter.segment([EMPTY, EMPTY])
    assert len(nothing) == 0
    assert [len(label) for label in nothing.labels] == [0, 0]
    with pytest.raises(ValueError, match='at least one visit'):
        segmenter.segment([])


def test_tune_takes_thresholds_and_keeps_the_rest(config, scans):
    segmenter = Segmenter.load(config)
    segmenter.tune(replace(config, score_threshold=1.0, weights='elsewhere'))
    assert segmenter.config.weights == config.weights
    assert len(segmenter.segment(scans)) == 0


def test_missing_weights_say_where(config, tmp_path):
    with pytest.raises(WeightsError, match='gone.safetensors'):
        Segmenter.load(replace(config, weights=str(tmp_path / 'gone.safetensors')))


def test_missing_backend_is_said_and_the_native_one_goes_on(config, scans, caplog):
    native = Segmenter.load(config)
    assert not caplog.records
    wished = Segmenter.load(replace(config, sparse_backend='torchsparse'))
    assert 'expected a CUDA device for torchsparse, got cpu' in caplog.text
    assert_equal(native.predict(scans[:1]), wished.predict(scans[:1]))


@pytest.mark.parametrize('selection', ['tree', 'published'])
def test_other_selections_label_points_too(config, scans, selection, caplog):
    segmenter = Segmenter.load(
        replace(config, selection=selection, least_quality=0.0, min_points=20)
    )
    result = segmenter.segment(scans)
    assert len(result)
    for label, scan in zip(result.labels, scans):
        assert len(label) == len(scan)
        assert -1 <= label.min() <= label.max() < len(result)
    assert ('mask quality' in caplog.text) == (selection == 'tree')


def test_selection_is_not_changed_by_tuning(config):
    segmenter = Segmenter.load(replace(config, selection='tree'))
    segmenter.tune(replace(config, least_quality=0.7))
    assert (segmenter.config.selection, segmenter.config.least_quality) == ('tree', 0.7)


def test_quality_beside_the_weights_is_used(config, weights, scans):
    features = len(FEATURES)
    never = np.full(3, -20, np.float32)
    write_quality(
        quality_file(weights),
        QualityModel(
            np.zeros(features, np.float32),
            np.ones(features, np.float32),
            ((np.zeros((features, 3), np.float32), never),),
            weights_hash(weights),
        ),
    )
    config = replace(config, least_quality=0.1, min_points=20)
    for selection, finds in (('tree', False), ('auto', False), ('queries', True)):
        segmenter = Segmenter.load(replace(config, selection=selection))
        assert (len(segmenter.segment(scans)) > 0) == finds


def test_weights_without_a_model_of_quality_are_used_by_their_queries(config, scans, caplog):
    found = Segmenter.load(replace(config, selection='auto')).segment(scans)
    queries = Segmenter.load(replace(config, selection='queries')).segment(scans)
    for one, two in zip(found.labels, queries.labels, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not caplog.records
