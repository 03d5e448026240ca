"""Weights that were fitted to rooms of known truth, read from `fitted.yaml` of the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import resources
import math

from rescene4d_ros.errors import ConfigError
from rescene4d_ros.structures import ChangeKind
from rescene4d_ros.tracking.changes.change_confidence import BIAS, ConfidenceModel, TERMS
import yaml

FILE_NAME = 'fitted.yaml'


@dataclass(frozen=True)
class AssociationWeights:
    """
    Say how much each kind of evidence counts, in units of log likelihood ratio.

    Attributes
    ----------
    place : float
        Per overlap of places above one half.
    query : float
        For one query of the segmenter that wholly covers the object at both visits.
    color : float
        Factor of the color evidence, whose channels are not independent.
    feature : float
        Per likeness of the query features above one half.
    class_agreement : float
        Per agreement of the class posteriors above one half.
    size : float
        Per likeness of the boxes above four fifths.
    size_mismatch : float
        Cost where neither box fits into the other.
    shape : float
        Cost per share of the lesser view without surface on the other after the best motion.
    nearness : float
        For being near the old place.
    moved_cost : float
        Cost of an object standing elsewhere than before.
    reappeared_cost : float
        The same where it was gone: to be back is rarer than to move.
    occupied_cost : float
        The same where its old place still shows its points.
    unobserved_cost : float
        Cost, growing with distance, where neither the old place was looked at by this visit nor
        the new one by an earlier one: two objects are likelier then than one.
    birth : float
        Score of being a new object.

    """

    place: float
    query: float
    color: float
    feature: float
    class_agreement: float
    size: float
    size_mismatch: float
    shape: float
    nearness: float
    moved_cost: float
    reappeared_cost: float
    occupied_cost: float
    unobserved_cost: float
    birth: float


@dataclass(frozen=True)
class FittedWeights:
    """Hold the weights of the association and the models of the confidence of changes."""

    association: AssociationWeights
    changes: ConfidenceModel


@lru_cache(maxsize=1)
def shipped_weights() -> FittedWeights:
    """
    Return the weights that come with the package.

    Raises
    ------
    ConfigError
        The installed file is missing or damaged.

    """
    try:
        text = resources.files(__package__).joinpath(FILE_NAME).read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f'{FILE_NAME}: expected the fitted weights of the package, got {error!r}; '
            'install the package anew'
        ) from error
    return parse_weights(text, FILE_NAME)


def parse_weights(text: str, name: str) -> FittedWeights:
    """
    Read fitted weights from YAML.

    Parameters
    ----------
    text : str
    name : str
        Of the file, for messages.

    Raises
    ------
    ConfigError
        Sections, names or numbers are not as expected.

    """
    try:
        document = yaml.safe_load(text)
        association = _numbers(document['association']['weights'])
        changes = {
            ChangeKind[kind.upper()]: _numbers(weights)
            for kind, weights in document['changes']['weights'].items()
        }
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f'{name}: expected sections `association` and `changes` with `weights`, got '
            f'{error!r}; restore the file of the package'
        ) from error
    _check(name, 'association', association, {f.name for f in fields(AssociationWeights)})
    for kind, terms in TERMS.items():
        _check(name, kind.name.lower(), changes.get(kind, {}), {BIAS, *terms})
    return FittedWeights(AssociationWeights(**association), ConfidenceModel(changes))


def _numbers(weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weights of one section by name."""
    return {str(name): float(weight) for name, weight in weights.items()}


def _check(name: str, section: str, got: dict[str, float], expected: set[str]) -> None:
    """Refuse a section with other weights than expected, or with one that is not finite."""
    if got.keys() != expected or not all(map(math.isfinite, got.values())):
        raise ConfigError(
            f'{name}: expected finite weights {", ".join(sorted(expected))} of {section}, got '
            f'{got}; write those of changes anew by scripts/fit_confidence.py, or restore the '
            'file of the package'
        )
