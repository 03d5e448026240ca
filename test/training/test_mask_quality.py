"""The fit of mask quality: overlaps by hand, a model that learns, a whole made room."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.structures import UNLABELED
from rescene4d_ros.structures.truth import VisitTruth
from rescene4d_ros.training.mask_quality.candidate_examples import CandidateExamples, true_overlap
from rescene4d_ros.training.mask_quality.fit import (
    calibration_error,
    fit_quality,
    model_of,
    QualityNet,
)
import torch

INPUTS = 6


def test_overlap_is_that_with_the_best_object_of_the_visit():
    instance = np.array([0, 0, 5, 5, 5, 5, 7, 7, 7, 0], np.int32)
    semantic = np.where(instance > 0, 2, 19).astype(np.int32)
    semantic[0] = UNLABELED
    superpoint = np.array([0, 1, 2, 2, 2, 2, 3, 3, 3, 3])
    masks = np.array([[1, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]], dtype=bool)
    overlap, is_told = true_overlap(masks, superpoint, VisitTruth(instance, semantic))
    np.testing.assert_allclose(overlap, [0, 4 / 8, 3 / 5, 4 / 5])
    assert is_told.tolist() == [False, True, True, True]


def examples(seed, visits=40, size=100, of_parent=False):
    """Return candidates whose overlap is told by two features, own ones or of the parent."""
    rng, n = np.random.default_rng(seed), visits * size
    features = rng.normal(size=(n, INPUTS)).astype(np.float16)
    related = np.full((n, 5), -1)
    related[:, 0] = np.arange(n) // size * size + rng.integers(size, size=n)
    told = (features[related[:, 0]] if of_parent else features).astype(np.float32)
    overlap = 1 / (1 + np.exp(-3 * told[:, 0] * np.sign(told[:, 1])))
    every = np.ones(n, dtype=bool)
    sizes = np.full(visits, size)
    return CandidateExamples(features, overlap.astype(np.float32), every, related, sizes, ~every)


def told_of(model, found):
    """Return what a model tells of examples, all visits at once: it has no mean to compare."""
    return model.predict(found.features.astype(np.float32), found.related)


@pytest.mark.parametrize('of_parent', [False, True])
def test_model_learns_what_no_single_feature_tells(of_parent):
    model = fit_quality(examples(0, size=50, of_parent=of_parent), 20, 0)
    held_out = examples(1, of_parent=of_parent)
    told = told_of(model, held_out)
    assert told.shape == (4000, 3)
    assert np.corrcoef(told[:, 0], held_out.overlap)[0, 1] > 0.9
    assert ((told[:, 1] >= 0.5) == (held_out.overlap >= 0.5)).mean() > 0.85
    assert max(calibration_error(model, held_out)) < 0.15


def test_same_seed_gives_the_same_model():
    one, two = (fit_quality(examples(0, 3), 2, 3) for _ in range(2))
    for a, b in zip(one.layers + one.contexts, two.layers + two.contexts, strict=True):
        assert all((x == y).all() for x, y in zip(a, b))


def test_what_is_not_told_changes_nothing_but_by_its_relatives():
    known = examples(0, 3)
    untold = replace(known, is_told=np.arange(300) % 2 == 0)
    other = replace(untold, overlap=np.where(untold.is_told, known.overlap, 1 - known.overlap))
    one, two = (fit_quality(e, 2, 3) for e in (untold, other))
    assert (told_of(one, known) == told_of(two, known)).all()


def test_model_tells_what_the_net_does_on_a_room_that_it_has_not_seen():
    found = examples(2, 2, 50)
    torch.manual_seed(0)
    net = QualityNet(INPUTS + 1).eval()
    center, scale = (np.float32(0.5) * np.ones(INPUTS, np.float32), np.full(INPUTS, 2, np.float32))
    model = model_of(net, center, scale)
    inputs = np.pad((found.features.astype(np.float32) - center) / scale, ((0, 0), (0, 1)))
    related = torch.from_numpy(np.where(found.related < 0, 100, found.related))
    for first in (0, 50):
        rows = slice(first, first + 50)
        near = np.where(found.related[rows] < 0, -1, found.related[rows] - first)
        with torch.no_grad():
            wanted = net(torch.from_numpy(inputs), related, torch.arange(100) // 50).sigmoid()
        got = model.predict(found.features[rows].astype(np.float32), near)
        np.testing.assert_allclose(got, wanted[rows], atol=1e-5)
