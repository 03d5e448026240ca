"""The fit of mask quality: overlaps by hand, a model that learns, a whole made room."""

import numpy as np
from rescene4d_ros.inference.selection.features import FEATURES
from rescene4d_ros.structures import UNLABELED
from rescene4d_ros.structures.truth import VisitTruth
from rescene4d_ros.training.mask_quality.candidate_examples import CandidateExamples, true_overlap
from rescene4d_ros.training.mask_quality.fit import calibration_error, fit_quality


def test_overlap_is_that_with_the_best_object_of_the_visit():
    instance = np.array([0, 0, 5, 5, 5, 5, 7, 7, 7, 0], np.int32)
    semantic = np.where(instance > 0, 2, 19).astype(np.int32)
    semantic[0] = UNLABELED
    superpoint = np.array([0, 1, 2, 2, 2, 2, 3, 3, 3, 3])
    masks = np.array([[1, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]], dtype=bool)
    overlap, is_told = true_overlap(masks, superpoint, VisitTruth(instance, semantic))
    np.testing.assert_allclose(overlap, [0, 4 / 8, 3 / 5, 4 / 5])
    assert is_told.tolist() == [False, True, True, True]


def examples(seed, n=4000):
    """Return candidates whose overlap is told by two of the features."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, len(FEATURES))).astype(np.float32)
    overlap = 1 / (1 + np.exp(-3 * features[:, 0] * np.sign(features[:, 1])))
    return CandidateExamples(features, overlap.astype(np.float32))


def test_model_learns_what_no_single_feature_tells():
    model, held_out = fit_quality(examples(0), 250, 0), examples(1)
    told = model.predict(held_out.features)
    assert told.shape == (4000, 3)
    assert np.corrcoef(told[:, 0], held_out.overlap)[0, 1] > 0.9
    assert ((told[:, 1] >= 0.5) == (held_out.overlap >= 0.5)).mean() > 0.85
    assert max(calibration_error(model, held_out)) < 0.1


def test_same_seed_gives_the_same_model():
    one, two = (fit_quality(examples(0, 300), 2, 3) for _ in range(2))
    for a, b in zip(one.layers, two.layers):
        assert all((x == y).all() for x, y in zip(a, b))
