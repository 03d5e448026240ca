"""Tiny rooms of boxes, made in milliseconds, for the tests of this folder."""

from __future__ import annotations

import socket

import numpy as np
import pytest
from rescene4d_ros.structures import FLOOR, Scan, ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth, VisitTruth
from rescene4d_ros.training import Recipe
from rescene4d_ros.training.samples.prepared_sequences import prepare, save_prepared
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Keep to one core; results then do not depend on the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='session')
def tiny_recipe():
    """Return the smallest network and a few steps."""
    return Recipe.from_mapping(
        {
            'train': {
                'steps': 8,
                'batch': 2,
                'lr': 0.002,
                'ema_decay': 0.9,
                'log_every': 2,
                'validate_every': 4,
                'max_visits': 2,
            },
            'model': {
                'backbone': 'tiny',
                'voxel_size': 0.2,
                'hidden_dim': 16,
                'n_heads': 2,
                'ffn_dim': 16,
                'n_queries': 8,
                'n_rounds': 1,
                'train_tokens': 20,
            },
            'superpoints': {'voxel_size': 0.06, 'min_nodes': 4},
        }
    )


@pytest.fixture(scope='session')
def toy_files(tmp_path_factory, tiny_recipe):
    """Return three prepared toy sequences of 2, 3 and 1 visits."""
    folder = tmp_path_factory.mktemp('prepared')
    paths = []
    for seed, visits in enumerate((2, 3, 1)):
        paths.append(folder / f'toy-{seed}.npz')
        save_prepared(paths[-1], prepare(*make_room(seed, visits), tiny_recipe.superpoints))
    return paths


@pytest.fixture(scope='session')
def toy_room():
    """Return the maker of toy rooms."""
    return make_room


def make_room(seed: int, visits: int = 2, n_boxes: int = 4) -> tuple[ScanSequence, SequenceTruth]:
    """Return a floor with boxes of two classes; box 1 moves, box 2 leaves after visit 0."""
    rng = np.random.default_rng(seed)
    places = rng.permutation([(x, y) for x in (0.5, 1.5, 2.5) for y in (0.5, 1.5)])[:n_boxes]
    sizes = rng.uniform(0.3, 0.6, (n_boxes, 3))
    scans, truths = [], []
    for t in range(visits):
        xyz = [rng.uniform(0, 1, (1500, 3)) * [3, 2, 0]]
        normals, instance = [np.tile([0.0, 0, 1], (1500, 1))], [np.zeros(1500)]
        for i, (place, size) in enumerate(zip(places, sizes), start=1):
            if i == 2 and t > 0:
                continue
            moved = 0.25 * t if i == 1 else 0
            for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1), (2, 1)):
                face = rng.uniform(-0.5, 0.5, (120, 3)) * size
                face[:, axis] = sign * size[axis] / 2
                xyz.append(face + [place[0] + moved, place[1], size[2] / 2])
                normals.append(np.tile(sign * np.eye(3)[axis], (120, 1)))
                instance.append(np.full(120, i))
        instance = np.concatenate(instance).astype(np.int32)
        semantic = np.where(instance == 0, FLOOR, np.where(instance % 2, 2, 4)).astype(np.int32)
        palette = np.uint8([[120, 110, 100], [200, 60, 60], [60, 60, 200]])
        scans.append(
            Scan(
                np.concatenate(xyz).astype(np.float32),
                t,
                palette[np.where(instance == 0, 0, 1 + instance % 2)],
                np.concatenate(normals).astype(np.float32),
                name=f'visit {t}',
            )
        )
        truths.append(VisitTruth(instance, semantic))
    return ScanSequence(tuple(scans), f'toy-{seed}'), SequenceTruth(tuple(truths))


@pytest.fixture
def free_port():
    """Return a function that finds a TCP port of this machine that nobody listens on."""

    def find() -> int:
        with socket.socket() as listener:
            listener.bind(('127.0.0.1', 0))
            return listener.getsockname()[1]

    return find
