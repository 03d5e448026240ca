"""Small scored sequences made of point sets, and random ones."""

from types import SimpleNamespace

import numpy as np
import pytest
from rescene4d_ros.metrics.segmentation.point_overlaps import count_overlaps, join_masks
from rescene4d_ros.metrics.sequences import PredictedSequence, TrueSequence


def make_truth(
    labels, classes, groups=None, *, changes=None, states=None, poses=None, name='s', room=''
):
    """
    Return the truth of T visits.

    Parameters
    ----------
    labels : sequence of T sequences of int
        Instance id per point.
    classes : dict of int to int
        Class of each instance.
    groups : dict of int to int, optional
        Group of the look-alikes.

    """
    ids = np.array(list(classes), dtype=np.int64)
    groups = groups or {}
    return TrueSequence(
        name,
        room or name,
        np.repeat(np.arange(len(labels)), [len(v) for v in labels]),
        np.concatenate([np.asarray(v, dtype=np.int64) for v in labels]),
        ids,
        np.array(list(classes.values()), dtype=np.int64),
        np.array([groups.get(int(i), 0) for i in ids], dtype=np.int64),
        changes,
        states,
        poses,
    )


def make_prediction(masks, changes=None):
    """Return masks given as (points, class, score) or (points, class, score, object id)."""
    points = [np.array(sorted(m[0]), dtype=np.int64) for m in masks]
    return PredictedSequence(
        np.concatenate([np.empty(0, np.int64), *points]),
        np.cumsum([0, *map(len, points)]),
        np.array([m[1] for m in masks], dtype=np.int64),
        np.array([m[2] for m in masks], dtype=np.float64),
        np.array([m[3] if len(m) > 3 else i for i, m in enumerate(masks, 1)], dtype=np.int64),
        changes,
    )


def make_found(truth, prediction, object_score='mean'):
    """Return the trajectories of a prediction."""
    return join_masks(prediction, count_overlaps(truth, prediction), object_score)


def make_random(seed, n_visits=2, n_points=40, n_classes=2):
    """Return a random truth with look-alikes, and masks that cover it badly."""
    rng = np.random.default_rng(seed)
    n_true = int(rng.integers(1, 6))
    classes = {int(i) + 1: int(rng.integers(n_classes)) for i in rng.permutation(n_true)}
    groups = {i: int(rng.random() < 0.8) * (1 + c) for i, c in classes.items()}
    labels = []
    for _ in range(n_visits):
        size = rng.integers(0, n_points // n_true + 1, n_true) * (rng.random(n_true) < 0.85)
        label = np.repeat(np.arange(n_true) + 1, size)
        labels.append(np.concatenate([label, np.zeros(n_points - len(label), np.int64)]))
    flat = np.concatenate(labels)
    visit = np.repeat(np.arange(n_visits), n_points)
    masks = []
    for _ in range(int(rng.integers(0, 12))):
        first = int(rng.integers(1, n_true + 1))
        alike = [i for i, c in classes.items() if c == classes[first]]
        target = np.append(first, rng.choice(alike, n_visits - 1))
        hit = (flat == target[visit]) & (rng.random(len(flat)) < rng.choice([0.7, 1.0]))
        hit |= rng.random(len(flat)) < rng.choice([0.0, 0.05])
        hit &= (rng.random(n_visits) < 0.95)[visit]
        masks.append(
            (
                np.flatnonzero(hit),
                classes[first] if rng.random() < 0.9 else int(rng.integers(n_classes)),
                round(float(rng.random()), 1),
            )
        )
    changes = rng.choice(6, (n_true, n_visits), p=[0.75, *[0.05] * 5])
    return make_truth(labels, classes, groups, changes=changes), make_prediction(masks)


@pytest.fixture
def scored():
    """Return the functions that make truths and predictions."""
    return SimpleNamespace(
        truth=make_truth, prediction=make_prediction, found=make_found, random=make_random
    )
