"""Passes with the map turned: the first is unchanged, all are of the same superpoints."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from rescene4d_ros.geometry.normals import estimate_normals
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.profile import Stopwatch
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.inference.visit_encoder import turned, TurnedVisit
from rescene4d_ros.structures import Scan

EMPTY = Scan(np.zeros((0, 3), np.float32), 0)


@pytest.fixture
def config(weights):
    return InferenceConfig(
        weights=str(weights), device='cpu', torch_threads=1, score_threshold=0.0, cache_visits=2
    )


@pytest.mark.parametrize('selection', ['queries', 'tree', 'published'])
def test_every_selection_takes_queries_of_three_passes(config, scans, selection):
    once = Segmenter.load(config).predict(scans)
    segmenter = Segmenter.load(replace(config, orientations=3, selection=selection))
    joined = segmenter.predict(scans)
    n_queries = len(once.class_probs)
    assert len(joined.class_probs) == len(joined.features) == 3 * n_queries
    assert np.array_equal(joined.class_probs[:n_queries], once.class_probs)
    for one, three, probability in zip(once.mask_probs, joined.mask_probs, joined.objectness):
        assert np.array_equal(three[:, :n_queries], one)
        assert np.all((three >= 0) & (three <= 1))
        assert len(probability) == len(one)
    found = segmenter.segment([scans[0], EMPTY, scans[1]])
    assert [len(labels) for labels in found.labels] == [len(scans[0]), 0, len(scans[1])]
    assert np.isfinite(found.features).all()


def test_kept_features_of_each_orientation_are_those_of_a_fresh_pass(config, scans):
    fresh = Segmenter.load(replace(config, orientations=2)).predict(scans)
    segmenter = Segmenter.load(replace(config, orientations=2))
    segmenter.predict(scans[:1], keys=['a'])
    kept = segmenter.predict(scans, keys=['a', 'b'])
    assert np.array_equal(fresh.class_probs, kept.class_probs)
    for one, two in zip(fresh.mask_probs, kept.mask_probs):
        assert np.array_equal(one, two)


def test_normals_are_estimated_once_for_all_orientations(config, scans):
    bare = [replace(scan, normals=None) for scan in scans]
    watch = Stopwatch(count().__next__)
    joined = Segmenter.load(replace(config, orientations=3), watch).predict(bare)
    assert watch.seconds['normals'] == len(scans)
    assert watch.seconds['encode'] == 3 * len(scans)
    # As if every orientation had estimated its own, but for rounding.
    visit = TurnedVisit(bare[0])
    own = estimate_normals(turned(bare[0], 2).xyz, sensor_path=turned(bare[0], 2).sensor_path)
    cosine = np.einsum('nc,nc->n', visit.at(2).normals, own)
    assert (np.abs(cosine) > 1 - 1e-4).mean() > 0.99
    assert len(joined.class_probs) == 3 * len(Segmenter.load(config).predict(bare).class_probs)


def test_a_turn_keeps_heights_and_distances_and_eight_come_back():
    xyz = np.random.default_rng(0).uniform(-3, 3, (50, 3)).astype(np.float32)
    scan = Scan(xyz, 0, normals=xyz, sensor_path=xyz[:4])
    once = turned(scan, 1)
    np.testing.assert_allclose(once.xyz[:, 2], xyz[:, 2], atol=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(once.xyz - once.xyz[0], axis=1),
        np.linalg.norm(xyz - xyz[0], axis=1),
        atol=1e-5,
    )
    assert np.array_equal(once.normals, once.xyz)
    for _ in range(7):
        once = turned(once, 1)
    np.testing.assert_allclose(once.xyz, xyz, atol=1e-5)
