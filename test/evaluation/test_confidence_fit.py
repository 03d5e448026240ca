"""Fitting the confidences of changes: known odds come back, and evidence goes with its change."""

import numpy as np
import pytest
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.evaluation import TrueMasks
from rescene4d_ros.evaluation.fitting.confidence_fit import fit_logistic, fit_model
from rescene4d_ros.evaluation.fitting.stated_changes import collect, count_crosswise, judged
from rescene4d_ros.metrics.changes.calibration import calibration_error
from rescene4d_ros.structures import ChangeKind
from rescene4d_ros.tracking.change_confidence import ChangeEvidence, ConfidenceModel, TERMS
from scipy.special import expit
from sklearn.linear_model import LogisticRegression


def penalized(terms, right, ridge, bias, slopes):
    """Return what the fit makes small, term by term."""
    loss = 0.0
    for row, r in zip(terms, right):
        p = 1 / (1 + np.exp(-(bias + row @ slopes)))
        loss -= np.log(p if r else 1 - p)
    return loss + ridge / 2 * sum((s * d) ** 2 for s, d in zip(slopes, terms.std(0)))


def drawn(seed, n, bias, slopes):
    """Return terms and outcomes of known odds."""
    rng = np.random.default_rng(seed)
    terms = rng.normal(size=(n, len(slopes))) * [1.0, 0.2, 5.0] + [0.0, 0.7, 3.0]
    return terms, (rng.random(n) < expit(bias + terms @ slopes)).astype(float)


def test_known_odds_come_back():
    bias, slopes = -0.5, np.array([1.2, -3.0, 0.3])
    found, weights = fit_logistic(*drawn(0, 40_000, bias, slopes), ridge=1e-3)
    assert found == pytest.approx(bias, abs=0.15)
    assert weights == pytest.approx(slopes, rel=0.1)


@pytest.mark.parametrize('seed', range(3))
def test_no_step_aside_is_better(seed):
    """The fit is the least of what it makes small, told by the plain sum."""
    terms, right = drawn(seed, 80, 0.4, np.array([1.0, 2.0, -0.2]))
    bias, slopes = fit_logistic(terms, right, ridge=2.0)
    least = penalized(terms, right, 2.0, bias, slopes)
    rng = np.random.default_rng(seed)
    for _ in range(30):
        step = 0.02 * rng.normal(size=4) / [1.0, 1.0, 0.2, 5.0]
        assert penalized(terms, right, 2.0, bias + step[0], slopes + step[1:]) > least


@pytest.mark.parametrize('ridge', [0.5, 4.0])
def test_fit_is_that_of_scikit_learn(ridge):
    """On terms of deviation 1 both make the same sum small."""
    terms, right = drawn(5, 300, 0.4, np.array([1.0, 2.0, -0.2]))
    scaled = (terms - terms.mean(0)) / terms.std(0)
    theirs = LogisticRegression(C=1 / ridge, tol=1e-10, max_iter=10_000).fit(scaled, right)
    bias, slopes = fit_logistic(terms, right, ridge)
    assert slopes * terms.std(0) == pytest.approx(theirs.coef_[0], abs=1e-4)
    assert bias + slopes @ terms.mean(0) == pytest.approx(theirs.intercept_[0], abs=1e-4)


def test_strong_ridge_says_the_base_rate():
    terms, right = drawn(1, 200, 0.4, np.array([1.0, 2.0, -0.2]))
    bias, slopes = fit_logistic(terms, right, ridge=1e9)
    assert expit(bias + terms @ slopes) == pytest.approx(np.full(200, right.mean()), abs=1e-4)


def test_what_is_always_the_same_says_nothing():
    terms, right = drawn(1, 200, 0.4, np.array([1.0, 2.0, -0.2]))
    terms[:, 1] = 0.3
    assert fit_logistic(terms, right, ridge=1.0)[1][1] == 0.0


def random_evidence(rng, kind):
    """Return evidence of which every term differs."""
    return ChangeEvidence(kind, **{name: float(rng.random()) for name in TERMS[kind]})


def test_fitted_confidences_are_calibrated():
    """On changes it has not seen, of every kind, what is said is how often it is right."""
    rng = np.random.default_rng(4)
    truth = ConfidenceModel(
        {
            kind: {'bias': -1.0, **{n: 4 * rng.random() - 1 for n in terms}}
            for kind, terms in TERMS.items()
        }
    )
    evidence = [random_evidence(rng, kind) for kind in TERMS for _ in range(1500)]
    told = [(e, bool(rng.random() < truth(e))) for e in evidence]
    model = fit_model(told[::2])
    for kind in TERMS:
        pairs = np.array([(model(e), right) for e, right in told[1::2] if e.kind == kind])
        assert calibration_error(pairs) < 0.06


def test_refuses_a_kind_that_is_always_right():
    rng = np.random.default_rng(4)
    told = [
        (random_evidence(rng, kind), kind == ChangeKind.MOVED or k % 2 == 0)
        for kind in TERMS
        for k in range(4)
    ]
    with pytest.raises(ConfigError, match='moved: expected right and wrong changes, got 4 right'):
        fit_model(told)


def test_evidence_goes_with_its_change(case, places, seen):
    """One thing goes, one comes, one moves: all are told, in the order of their evidence."""
    gone = {i: places[i] for i in (1, 3)}
    made = case({1: places[1], 2: places[2]}, gone | {1: (0.5, 2.2)}, gone | {1: (0.5, 2.2)})
    found = collect(seen(made), TrueMasks(made.sequence, made.truth))
    assert [c.kind for c in found.changes] == [e.kind for e in found.evidence]
    assert {c.kind for c in found.changes} >= {
        ChangeKind.ADDED,
        ChangeKind.REMOVED,
        ChangeKind.MOVED,
    }
    assert found.right().sum() == 3
    assert [r for _, r in judged([found])] == found.right().tolist()
    assert len(found.truth.instance) == 0


def test_threshold_keeps_back_what_is_less_sure(case, places, seen):
    """Model k speaks of sequence k; each counts only what it is sure enough of."""
    made = case(places, {1: places[1], 3: places[3]})
    found = collect(seen(made), TrueMasks(made.sequence, made.truth))
    sure, unsure = (lambda _: 0.9), (lambda _: 0.1)
    assert (
        count_crosswise([found, found], [sure, unsure], 0.5).stated.sum()
        == len(found.changes)
        == 1
    )
    assert count_crosswise([found, found], [sure, sure], 0.5).stated.sum() == 2
    assert count_crosswise([found], [unsure], 0.1).right.sum() == 1
