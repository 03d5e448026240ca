"""What objects look like, compared between visits in other light: colors and query features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from scipy.spatial import cKDTree

# Spread of each value of `describe_color` between two visits of one object, and between two
# objects of one class; measured on procedural rooms with changing light. Cameras that choose their
# exposure change more, which `fit_colors` measures.
SPREAD_OF_ONE = np.array([0.010, 0.020, 0.16, 0.009, 0.016, 0.10])
SPREAD_OF_TWO = np.array([0.10, 0.24, 0.58, 0.055, 0.10, 0.22])
MOST_EVIDENCE = float(np.log(SPREAD_OF_TWO / SPREAD_OF_ONE).sum())  # of equal colors
LEAST_STILL = 8  # things in place, from which the difference in color of two visits is measured
TO_DEVIATION = 1.4826  # of a median distance from the median, if values are spread normally
MIN_PAIRS = 16  # of observation and object, from which their usual likeness is known
MAX_USUAL = 0.9  # cosine of any two objects that is still taken as the usual one
TEXTURE_NEIGHBORS = 10  # points around one, itself included, to which its lightness is relative
EDGE_M = 0.1  # m; how far apart points count whose surfaces stand at 60 degrees
TEXTURE_LIMIT = 0.3  # of the logarithm of lightness; more is an edge, a shadow or a gap


@dataclass(frozen=True)
class ColorChange:
    """
    Hold how one visit shows the same colors differently than others.

    Attributes
    ----------
    shift : ndarray (6,), float64
        What is added to `describe_color` of all things.
    spread : ndarray (6,), float64
        How far single things differ from that; at least `SPREAD_OF_ONE`.

    """

    shift: np.ndarray = field(default_factory=lambda: np.zeros(6))
    spread: np.ndarray = field(default_factory=lambda: SPREAD_OF_ONE)

    @property
    def telling(self) -> float:
        """Return the evidence of equal colors as a share of the largest, 0..1."""
        apart = np.maximum(SPREAD_OF_TWO, self.spread)
        return float(np.log(apart / self.spread).sum() / MOST_EVIDENCE)


def describe_color(rgb: np.ndarray, light: np.ndarray) -> np.ndarray:
    """
    Describe the colors of an object relative to the light of its visit.

    Parameters
    ----------
    rgb : ndarray (N, 3), uint8
    light : ndarray (3,)
        `Scan.mean_color`, or `Scan.local_light` around it: walls hardly change, the lamp does.

    Returns
    -------
    ndarray (6,), float32
        Mean of red-green and yellow-blue share and of log lightness, then their deviations.

    """
    value = (rgb.astype(np.float64) + 1.0) / light
    total = value.sum(1)
    channels = np.stack(
        [
            (value[:, 0] - value[:, 1]) / total,
            (value[:, 0] + value[:, 1] - 2 * value[:, 2]) / total,
            np.log(total),
        ],
        axis=1,
    )
    return np.concatenate([channels.mean(0), channels.std(0)]).astype(np.float32)


def fit_colors(now: np.ndarray, before: np.ndarray) -> ColorChange:
    """
    Measure how a visit shows colors, from things that are in place.

    A camera that chooses exposure and white balance, or a saturated one, shows all things in
    another color; how alike the colors of one thing are is known only from those that stay.

    Parameters
    ----------
    now, before : ndarray (K, 6)
        From `describe_color`, of the same things. Some may be others at the same place.

    Returns
    -------
    ColorChange
        The usual one for fewer than `LEAST_STILL` things.

    """
    if len(now) < LEAST_STILL:
        return ColorChange()
    off = np.asarray(now, dtype=np.float64) - before
    shift = np.median(off, axis=0)
    spread = TO_DEVIATION * np.median(np.abs(off - shift), axis=0)
    return ColorChange(shift, np.maximum(spread, SPREAD_OF_ONE))


def color_evidence(
    one: np.ndarray, other: np.ndarray, change: ColorChange | None = None
) -> np.ndarray:
    """
    Return how much likelier two descriptions are of one object than of two of a class.

    Parameters
    ----------
    one, other : ndarray (..., 6)
        From `describe_color`; shapes broadcast.
    change : ColorChange, optional
        How the visit of `one` shows colors.

    Returns
    -------
    ndarray (...), float64
        Log likelihood ratio, the values taken as independent (which they are not quite).

    """
    change = change or ColorChange()
    one, other = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    ratio = 1.0
    # One value after the other: a product over the last axis of many small rows takes far longer.
    for k, (close, apart) in enumerate(zip(change.spread, SPREAD_OF_TWO)):
        off = one[..., k] - change.shift[k] - other[..., k]
        one_object, two_objects = (
            spread * (1 + (off / spread) ** 2 / 3) ** 2  # 1 / Student t, 3 degrees
            for spread in (close, max(close, apart))
        )
        ratio = ratio * (two_objects / one_object)
    return np.log(ratio)


def describe_texture(xyz: np.ndarray, normals: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """
    Describe the texture of a surface, point by point, so that other light matters little.

    The light of a lamp changes slowly along an object and jumps at its edges; grain, stripes and
    prints change quickly.

    Parameters
    ----------
    xyz : ndarray (N, 3), m
    normals : ndarray (N, 3)
    rgb : ndarray (N, 3), uint8

    Returns
    -------
    ndarray (N,), float32
        Logarithm of lightness, less its mean over the nearest points that face alike; NaN where
        there are too few points to tell.

    """
    if len(xyz) < TEXTURE_NEIGHBORS:
        return np.full(len(xyz), np.nan, dtype=np.float32)
    lightness = np.log(rgb.astype(np.float64) + 1.0).mean(1)
    places = np.c_[xyz, EDGE_M * np.asarray(normals, dtype=np.float64)]
    around = cKDTree(places).query(places, k=TEXTURE_NEIGHBORS)[1]
    relative = lightness - lightness[around].mean(1)
    return np.clip(relative, -TEXTURE_LIMIT, TEXTURE_LIMIT).astype(np.float32)


def feature_likeness(
    observations: Sequence[Observation], known: Sequence[ObjectRecord]
) -> np.ndarray:
    """
    Return how alike the query features are: 0 = like any two objects of the room, 1 = equal.

    Networks differ in how alike the features of any two objects are, so cosines are measured
    from their median. One half where a side has no feature, as what only its change made known.

    """
    new, old = (
        _stack([x.feature if x.feature.any() else x.feature[:0] for x in side])
        for side in (observations, known)
    )
    alike = np.full((len(observations), len(known)), 0.5)
    for width in set(new) & set(old) - {0}:
        cosine = np.clip(new[width][1] @ old[width][1].T, 0, 1)
        usual = min(np.median(cosine), MAX_USUAL) if cosine.size >= MIN_PAIRS else 0.0
        alike[np.ix_(new[width][0], old[width][0])] = np.clip((cosine - usual) / (1 - usual), 0, 1)
    return alike


def color_ratios(
    observations: Sequence[Observation],
    known: Sequence[ObjectRecord],
    change: ColorChange | None = None,
) -> np.ndarray:
    """Return how much likelier the colors are one object's than two's; 0 without color."""
    new, old = _stack([x.color for x in observations]), _stack([x.color for x in known])
    ratio = np.zeros((len(observations), len(known)))
    for width in set(new) & set(old) - {0}:
        ratio[np.ix_(new[width][0], old[width][0])] = color_evidence(
            new[width][1][:, None], old[width][1][None], change
        )
    return ratio


def _stack(vectors: Sequence[np.ndarray]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return the vectors of each length with their numbers: weights may change over the years."""
    groups: dict[int, list[int]] = {}
    for number, vector in enumerate(vectors):
        groups.setdefault(len(vector), []).append(number)
    return {
        width: (np.array(numbers), np.array([vectors[k] for k in numbers], dtype=np.float64))
        for width, numbers in groups.items()
    }
