"""A small untrained segmenter on disk, and two visits of a toy room."""

from dataclasses import asdict

import pytest
from rescene4d_ros.inference.weights_file import save_weights, WeightsInfo
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.segmenter import ReScene4D
import torch

NAMES = ('chair', 'table', 'box')


@pytest.fixture
def model():
    """Return an untrained network."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return ReScene4D(
        ModelConfig(
            backbone='tiny',
            voxel_size=0.1,
            n_classes=3,
            hidden_dim=32,
            n_heads=4,
            ffn_dim=64,
            n_queries=12,
        )
    )


@pytest.fixture
def weights(model, tmp_path):
    """Return a weights file of `model`."""
    path = tmp_path / 'toy.safetensors'
    save_weights(
        path, model, WeightsInfo(NAMES, training={'steps': 0, 'model': asdict(model.config)})
    )
    return path


@pytest.fixture
def scans(boxes_room):
    """Return two visits; a box moves between them."""
    table = ((1.6, 1.7, 0.0), (0.9, 0.6, 0.7), (60, 60, 180))
    return [
        boxes_room([((x, 0.5, 0.0), (0.4, 0.4, 0.5), (200, 40, 40)), table], seed=k, density=800)[
            0
        ]
        for k, x in enumerate((0.4, 2.1))
    ]
