"""Fit the confidences of changes to sequences with truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.tracking.change_confidence import BIAS, ChangeEvidence, ConfidenceModel, TERMS
from rescene4d_ros.tracking.settings import parse_weights
from scipy.optimize import minimize
from scipy.special import expit
import yaml

HEADER = (
    '# Read by rescene4d_ros/tracking/settings.py; `changes` is written by '
    'scripts/fit_confidence.py.\n'
)
RIDGE = 4.0  # ridge penalty of terms of unit deviation; chosen by cross-validation


def fit_model(
    judged: Sequence[tuple[ChangeEvidence, bool]], ridge: float = RIDGE
) -> ConfidenceModel:
    """
    Fit the model of every kind.

    Parameters
    ----------
    judged : sequence of (ChangeEvidence, bool)
        Evidence, and whether the change is correct.
    ridge : float
        Larger values give more equal confidences within a kind.

    Raises
    ------
    ConfigError
        A kind has no correct or no wrong changes.

    """
    weights = {}
    for kind, terms in TERMS.items():
        rows = [
            ([getattr(e, name) for name in terms], right) for e, right in judged if e.kind == kind
        ]
        right = np.array([r for _, r in rows], dtype=float)
        if len(set(right.tolist())) < 2:
            raise ConfigError(
                f'{kind.name.lower()}: expected right and wrong changes, got '
                f'{int(right.sum())} right of {len(right)}; take more sequences'
            )
        bias, slopes = fit_logistic(np.array([row for row, _ in rows]), right, ridge)
        weights[kind] = {BIAS: bias, **dict(zip(terms, slopes.tolist()))}
    return ConfidenceModel(weights)


def fit_logistic(terms: np.ndarray, right: np.ndarray, ridge: float) -> tuple[float, np.ndarray]:
    """
    Fit a logistic regression.

    Parameters
    ----------
    terms : ndarray (C, F), float64
    right : ndarray (C,), float64
        1 or 0.
    ridge : float
        Weight of the squared slopes against the log likelihood, terms scaled to deviation 1.

    Returns
    -------
    bias : float
    slopes : ndarray (F,), float64
        0 for a constant term.

    """
    varies = np.ptp(terms, axis=0) > 0
    mean, deviation = terms.mean(0), np.where(varies, terms.std(0), 1.0)
    scaled = np.c_[np.ones(len(terms)), np.where(varies, (terms - mean) / deviation, 0.0)]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = scaled @ weights
        slopes = np.r_[0.0, weights[1:]]
        value = np.logaddexp(0, odds).sum() - right @ odds + ridge / 2 * (slopes**2).sum()
        return value, scaled.T @ (expit(odds) - right) + ridge * slopes

    found = minimize(loss, np.zeros(scaled.shape[1]), jac=True, method='BFGS').x
    slopes = np.where(varies, found[1:] / deviation, 0.0)
    return float(found[0] - slopes @ mean), slopes


def write_change_weights(path: Path, model: ConfidenceModel, fitted_to: str) -> None:
    """
    Replace the models of changes in a file of fitted weights; the other weights stay.

    Parameters
    ----------
    path : Path
        An existing file as `tracking/fitted.yaml`.
    model : ConfidenceModel
        Written to four digits.
    fitted_to : str
        Tells readers of the file what the weights rest on.

    Raises
    ------
    ConfigError
        The file is missing or holds no fitted weights; it is left as it is.

    """
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(
            f'{path}: expected fitted weights, got {error.strerror}; copy '
            'rescene4d_ros/tracking/fitted.yaml there first'
        ) from error
    parse_weights(text, str(path))
    document = yaml.safe_load(text)
    document['changes'] = {
        'fitted_to': fitted_to,
        'weights': {
            kind.name.lower(): {name: round(w, 4) for name, w in terms.items()}
            for kind, terms in model.weights.items()
        },
    }
    path.write_text(HEADER + yaml.safe_dump(document, sort_keys=False))
