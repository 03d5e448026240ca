"""Features kept in files: a new process takes them from there, to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.inference.weights_file import save_weights, WeightsInfo
from rescene4d_ros.memory.derived_cache import DerivedFiles
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.structures import Scan
import torch

EMPTY = Scan(np.zeros((0, 3), np.float32), 0)
KEYS = ['monday.npz', 'friday.npz']


@pytest.fixture(params=['tiny', 'ptv3-tiny', 'late', 'official'])
def config(request, model, tmp_path):
    """Return settings with weights whose features are of each kind that there is."""
    torch.manual_seed(0)
    changes = {
        'official': {'compat': 'official'},
        'late': {'backbone': 'ptv3-tiny', 'temporal_serialization': 'late'},
    }.get(request.param, {'backbone': request.param})
    save_weights(
        tmp_path / 'other.safetensors',
        ReScene4D(replace(model.config, **changes)),
        WeightsInfo(('a', 'b', 'c')),
    )
    return InferenceConfig(
        weights=str(tmp_path / 'other.safetensors'),
        device='cpu',
        torch_threads=1,
        score_threshold=0.0,
        cache_files=2,
    )


def started(config, folder):
    """Return the segmenter of a process that was just started."""
    segmenter = Segmenter.load(config)
    segmenter.keep_features(DerivedFiles(folder))
    return segmenter


def assert_equal(one, two):
    """Compare two predictions bit by bit."""
    np.testing.assert_array_equal(one.class_probs, two.class_probs)
    np.testing.assert_array_equal(one.features, two.features)
    for field in ('mask_probs', 'superpoint'):
        for a, b in zip(getattr(one, field), getattr(two, field), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def test_features_of_a_process_before_give_the_same_bits(config, scans, tmp_path):
    """The points are not looked at again: empty ones in their place change nothing."""
    fresh = Segmenter.load(config).predict(scans)
    assert_equal(started(config, tmp_path / 'kept').predict(scans, KEYS), fresh)
    for half in ([EMPTY, scans[1]], [scans[0], EMPTY]):
        assert_equal(started(config, tmp_path / 'kept').predict(half, KEYS), fresh)


def test_damaged_or_missing_files_are_computed_again(config, scans, tmp_path):
    fresh = Segmenter.load(config).predict(scans)
    started(config, tmp_path / 'kept').predict(scans, KEYS)
    first, second = sorted((tmp_path / 'kept').iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:1000])
    assert_equal(started(config, tmp_path / 'kept').predict(scans, KEYS), fresh)
    assert_equal(started(config, tmp_path / 'kept').predict([EMPTY, scans[1]], KEYS), fresh)


def test_features_of_other_weights_are_not_taken_and_make_room(config, model, scans, tmp_path):
    started(config, tmp_path / 'kept').predict(scans, KEYS)
    other = tmp_path / 'new.safetensors'
    save_weights(other, model, WeightsInfo(('a', 'b', 'c'), training={'steps': 1}))
    config = replace(config, weights=str(other))
    fresh = Segmenter.load(config).predict(scans)
    assert_equal(started(config, tmp_path / 'kept').predict(scans, KEYS), fresh)
    assert len(list((tmp_path / 'kept').iterdir())) == config.cache_files == 2


def test_an_empty_visit_is_kept_as_well(config, scans, tmp_path):
    pair = [scans[0], EMPTY]
    fresh = Segmenter.load(config).predict(pair)
    started(config, tmp_path / 'kept').predict(pair, KEYS)
    assert_equal(started(config, tmp_path / 'kept').predict(pair, KEYS), fresh)


def test_nothing_is_kept_where_it_is_not_wanted(config, scans, tmp_path):
    segmenter = started(replace(config, cache_files=0), tmp_path / 'kept')
    segmenter.predict(scans, KEYS)
    segmenter.keep_features(None)
    segmenter.predict(scans[:1], ['tuesday.npz'])
    started(config, tmp_path / 'kept').predict(scans)  # without names
    assert not (tmp_path / 'kept').exists()
