"""Masks as published code makes them, against loops and against DBSCAN."""

import numpy as np
import pytest
from rescene4d_ros.inference.published_masks import components, published_masks
from rescene4d_ros.structures import Prediction, Scan
from sklearn.cluster import DBSCAN

QUERIES, CLASSES = 5, 3
COUNTS = (6, 4)  # superpoints of two visits


@pytest.fixture
def rng():
    return np.random.default_rng(4)


@pytest.fixture
def scans(rng):
    """Return two visits; every superpoint is a cube of points, in a row with gaps of 0.6 m."""
    visits = []
    for t, n in enumerate(COUNTS):
        xyz = rng.uniform(0, 0.4, (n * 30, 3)) + np.repeat(np.arange(n), 30)[:, None] * [1, 0, 0]
        visits.append(Scan(xyz.astype(np.float32), t))
    return visits


@pytest.fixture
def prediction(rng):
    logits = rng.normal(size=(sum(COUNTS), QUERIES))
    probs = (1 / (1 + np.exp(-logits))).astype(np.float32)
    classes = rng.dirichlet(np.ones(CLASSES + 1), QUERIES).astype(np.float32)
    return Prediction(
        classes,
        tuple(np.split(probs, [COUNTS[0]])),
        tuple(np.repeat(np.arange(n), 30).astype(np.int32) for n in COUNTS),
        np.zeros((QUERIES, 8), np.float32),
        voxels=tuple(rng.integers(5, 20, n) for n in COUNTS),
    )


def by_loops(prediction, top):
    """Return (score, query, class, superpoints) of the best pairs, best first."""
    probs = np.concatenate(prediction.mask_probs).astype(float)
    voxels = np.concatenate(prediction.voxels)
    pairs = sorted(
        (-float(prediction.class_probs[q, c]), q, c) for q in range(QUERIES) for c in range(3)
    )[:top]
    found = []
    for negative, q, c in pairs:
        inside = [s for s in range(len(probs)) if probs[s, q] > 0.5]
        total = sum(voxels[s] for s in inside)
        mean = sum(voxels[s] * probs[s, q] for s in inside) / (total + 1e-6)
        found.append((-negative * mean, q, c, set(inside)))
    return sorted(found, key=lambda f: -f[0])


@pytest.mark.parametrize('top', [4, 15])
def test_best_pairs_are_kept_with_overlapping_masks(prediction, scans, top):
    found = published_masks(prediction, scans, top=top)
    expected = by_loops(prediction, top)
    np.testing.assert_allclose(found.scores, [e[0] for e in expected], rtol=1e-6)
    assert found.queries.tolist() == [e[1] for e in expected]
    assert found.classes.tolist() == [e[2] for e in expected]
    for row, (_, _, _, inside) in enumerate(expected):
        for t, (mask, own) in enumerate(zip(found.inside, prediction.superpoint)):
            assert set(own[mask[row]] + (COUNTS[0] if t else 0)) == {
                s for s in inside if (s >= COUNTS[0]) == bool(t)
            }


def test_as_many_masks_as_queries_on_request(prediction, scans):
    assert len(published_masks(prediction, scans, top=0).scores) == QUERIES


@pytest.mark.parametrize('gap', [0.05, 0.3, 1.2])
def test_parts_are_those_of_dbscan(rng, gap):
    """The same partition, with one point per cluster allowed."""
    points = np.concatenate([rng.normal(c, 0.2, (80, 4)) for c in rng.uniform(0, 3, (8, 4))])
    ours = components(points, gap)
    theirs = DBSCAN(eps=gap, min_samples=1).fit(points).labels_
    assert len(set(zip(ours, theirs))) == len(set(ours)) == len(set(theirs))


def test_masks_are_split_where_parts_lie_apart(prediction, scans):
    """With 0.6 m between superpoints and none between visits, every superpoint is a part."""
    split = published_masks(prediction, scans, top=0, gap=0.5)
    inside = np.concatenate(prediction.mask_probs) > 0.5
    assert len(split.scores) == inside.sum()
    sizes = sum(mask.sum(1) for mask in split.inside)
    assert (sizes == 30).all()
    whole = published_masks(prediction, scans, top=0, gap=1.3)
    assert len(whole.scores) < len(split.scores)


def test_nothing_is_found_in_empty_visits():
    nothing = Prediction(
        np.zeros((0, CLASSES + 1), np.float32),
        (np.zeros((0, 0), np.float32),),
        (np.zeros(0, np.int32),),
        np.zeros((0, 8), np.float32),
    )
    for gap in (0.0, 0.5):
        found = published_masks(nothing, [Scan(np.zeros((0, 3), np.float32), 0)], gap=gap)
        assert found.inside[0].shape == (0, 0)
