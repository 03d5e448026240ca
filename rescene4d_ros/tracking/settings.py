"""Settings of tracking: those that a person can reason about, and the weights of fitted.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from importlib import resources
import math

from rescene4d_ros.config import param
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.structures import ChangeKind
from rescene4d_ros.tracking.change_confidence import BIAS, Confidence, ConfidenceModel, TERMS
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
        the new one by an earlier one: two objects are likelier then than one. A share of it,
        where both visits show what is around.
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


@dataclass(frozen=True)
class TrackerConfig:
    """Say which visits are interpreted together, and what counts as a new object."""

    window: int = param(
        2, 'Number of visits that are segmented together, the new one included.', ge=1, le=12
    )
    birth_score: float = param(
        0.25,
        'Instances with lower scores do not become new objects, but may be linked to known ones.',
        ge=0,
        le=1,
    )
    use_regions: bool = param(
        True,
        'Also observe what came, left or moved between visits by geometry alone, and separate '
        'it from larger instances.',
    )


@dataclass(frozen=True)
class AssociationConfig:
    """Say when an observation may be a remembered object, beside the fitted weights."""

    same_place: float = param(
        0.5, 'Overlap of surfaces from which two places are the same.', ge=0, le=1
    )
    nearness_m: float = param(
        2.0,
        'Distance at which the evidence of being near has faded to 1/e.',
        unit='m',
        ge=0.1,
        le=100,
    )
    min_size: float = param(
        0.35,
        'Likeness of the boxes below which a move is impossible, '
        'unless one box fits into the other.',
        ge=0,
        le=1,
    )
    min_fragment: float = param(
        0.6,
        'Share of an unlinked observation on a linked object from which it is a part of it.',
        ge=0,
        le=1,
    )
    ambiguous: float = param(
        2.0,
        'Loss in the log likelihood of all links up to which another assignment of look- '
        'alikes counts as equally good.',
        ge=0,
        le=20,
    )


@dataclass(frozen=True)
class MotionConfig:
    """Say from when on an object counts as moved or deformed."""

    move_m: float = param(0.15, 'Shift from which an object has moved.', unit='m', ge=0.02, le=5)
    turn_deg: float = param(15.0, 'Turn from which an object has moved.', unit='deg', ge=2, le=180)
    still_share: float = param(
        0.95,
        'Share of points on the old ones from which an object counts as not moved.',
        ge=0.5,
        le=1,
    )
    move_evidence: float = param(
        0.7,
        'Gain in fit over no motion, plus share of points with observed free space, from '
        'which a motion is accepted.',
        ge=0,
        le=2,
    )
    turn_evidence: float = param(
        0.15,
        'Gain in fit over no motion from which a motion is accepted if it explains all '
        'surface that appeared or disappeared, or if it is a turn in place that lays views of '
        'the same sides on each other.',
        ge=0,
        le=1,
    )
    deformed_m2: float = param(
        0.05,
        'Area of surface that appeared or disappeared in view of the sensor, from which an '
        'object has another shape.',
        unit='m2',
        ge=0.005,
        le=5,
    )
    deformed_overlap: float = param(
        0.45,
        'Overlap after the best motion below which an object may have another shape.',
        ge=0,
        le=1,
    )
    deformed_evidence: float = param(
        0.3,
        'Share of points that are missing above others that a visit shows, from which another '
        'shape is accepted.',
        ge=0,
        le=1,
    )


@dataclass(frozen=True)
class ChangeConfig:
    """Say how sure a change must be to be reported."""

    min_confidence: float = param(
        0.3,
        'Changes with lower confidence are not reported; states and ids do not depend on it.',
        ge=0,
        le=1,
    )


@dataclass(frozen=True)
class TrackingSettings:
    """
    Hold everything that the interpretation of a visit depends on, beside the visit.

    Attributes
    ----------
    birth_score : float
        Score of the segmenter below which an unlinked observation is no new object, 0..1.
    association, motion, changes
        Thresholds.
    weights : AssociationWeights
        Fitted; default are those of the package.
    confidence : callable(ChangeEvidence) -> float
        Probability of a change; default is the fitted model of the package.
    use_regions : bool
        Whether change regions are fused with the instances.

    """

    birth_score: float = 0.25
    association: AssociationConfig = AssociationConfig()
    motion: MotionConfig = MotionConfig()
    changes: ChangeConfig = ChangeConfig()
    weights: AssociationWeights = field(default_factory=lambda: shipped_weights().association)
    confidence: Confidence = field(default_factory=lambda: shipped_weights().changes)
    use_regions: bool = True
