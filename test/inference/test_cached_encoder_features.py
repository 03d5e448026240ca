"""The segmenter with a backbone whose decoder shares time: what is kept is the encoder's part."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.inference.weights_file import save_weights, WeightsInfo
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.structures import Scan
import torch

NAMES = ('chair', 'table', 'box')


@pytest.fixture(params=['mixed', 'late'])
def segmenter(request, model, tmp_path):
    """Return a segmenter with an untrained Point Transformer."""
    torch.manual_seed(0)
    point_transformer = ReScene4D(
        replace(model.config, backbone='ptv3-tiny', temporal_serialization=request.param)
    )
    save_weights(tmp_path / 'toy.safetensors', point_transformer, WeightsInfo(NAMES))
    return Segmenter.load(
        InferenceConfig(
            weights=str(tmp_path / 'toy.safetensors'),
            device='cpu',
            torch_threads=1,
            score_threshold=0.0,
            cache_visits=2,
        )
    )


def test_kept_visits_give_the_same_bits_as_fresh_ones(segmenter, scans):
    fresh = segmenter.predict(scans)
    segmenter.predict(scans[:1], keys=[1])
    kept = segmenter.predict(scans, keys=[1, 2])
    np.testing.assert_array_equal(fresh.class_probs, kept.class_probs)
    for one, two in zip(fresh.mask_probs, kept.mask_probs, strict=True):
        np.testing.assert_array_equal(one, two)


def test_masks_are_told_apart_by_visit_also_beside_an_empty_one(segmenter, scans):
    empty = Scan(np.zeros((0, 3), np.float32), 0)
    found = segmenter.predict([scans[0], empty, scans[1]])
    assert [len(m) for m in found.mask_probs] == [len(np.unique(s)) for s in found.superpoint]
