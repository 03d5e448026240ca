"""
Belief that ages: how likely an object is still at its last known place.

An object leaves its place at a rate that differs from object to object. The rates of a class have
a gamma distribution, fitted to rooms with truth; what one object did sharpens it. Much of what
changes between two visits does so however near they are, so time counts by a power of its days,
`aged`. With n departures and T the sum of the aged times of its observed stays, the chance to stay
for t more is

    ((scale + T) / (scale + T + aged(t))) ** (shape + n),

so one that never left is trusted for longer, and nothing is believed for ever. A place that was
found empty is taken again with a chance that grows with the days in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Self

from rescene4d_ros.errors import ConfigError
from rescene4d_ros.structures import Change, ChangeKind, ObjectState
import yaml

FILE_NAME = 'presence.yaml'
DAY_NS = 86_400 * 10**9
OTHER = 'other'  # rates of classes that were not fitted
AGING = 0.3  # power of the days; rooms in which only visits count fit 0, a steady rate fits 1


@dataclass(frozen=True)
class Rates:
    """
    Hold the gamma distribution of the rates at which things of one kind do something.

    Attributes
    ----------
    shape : float
    scale : float, days, or aged days where things leave
        The mean rate is shape / scale.

    """

    shape: float
    scale: float

    def none_within(self, days: float, events: int = 0, exposure: float = 0.0) -> float:
        """Return the probability of no event in some time, after events in an exposure to it."""
        known = self.scale + exposure
        return float((known / (known + max(days, 0.0))) ** (self.shape + events))


@dataclass(frozen=True)
class Stay:
    """
    Hold what the visits showed of one object at its places.

    Attributes
    ----------
    departures : int
        How often it had left its place, or was found elsewhere.
    exposure : float, aged days
        Sum over the times between visits over which it was seen to stay or to leave.
    is_there : bool
        Whether it was at its place when that was observed last.
    observed_ns : int, ns since the Unix epoch
        When that was.

    """

    departures: int
    exposure: float
    is_there: bool
    observed_ns: int


@dataclass(frozen=True)
class PresenceModel:
    """
    Say how likely objects are where they were.

    Attributes
    ----------
    leaving : mapping of class name to Rates
        At which things of a class leave their place; `OTHER` = of every other class.
    returning : Rates
        At which a place that was found empty is taken again by the same object.
    returned : float, 0..1
        Share of the objects that ever come back to it.

    """

    leaving: Mapping[str, Rates]
    returning: Rates
    returned: float

    @classmethod
    def from_document(cls, document: Mapping) -> Self:
        """
        Return the model of the values that `scripts/fit_presence.py` writes.

        Raises
        ------
        ConfigError
            Values are missing or not positive.

        """
        try:
            leaving = {k: Rates(*map(float, v)) for k, v in document['leaving'].items()}
            returning = Rates(*map(float, document['returning']))
            returned = float(document['returned'])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f'{FILE_NAME}: expected rates of classes, got {error!r}') from error
        rates = [*leaving.values(), returning]
        if (
            OTHER not in leaving
            or not 0 <= returned <= 1
            or not all(r.shape > 0 and r.scale > 0 for r in rates)
        ):
            raise ConfigError(
                f'{FILE_NAME}: expected positive shapes and scales, and those of {OTHER!r}'
            )
        return cls(leaving, returning, returned)

    def still_there(self, class_name: str, stay: Stay, now_ns: int) -> float:
        """
        Return the probability that an object is at its last known place now, 0..1.

        Parameters
        ----------
        class_name : str
        stay : Stay
        now_ns : int, ns since the Unix epoch
            A time before the last observation counts as that observation.

        """
        days = (now_ns - stay.observed_ns) / DAY_NS
        rates = self.leaving.get(class_name, self.leaving[OTHER])
        stays = rates.none_within(aged(days), stay.departures, stay.exposure)
        if stay.is_there:
            return stays
        return self.returned * (1.0 - self.returning.none_within(days))


def aged(days: float) -> float:
    """Return how much some days count; the first one in proportion, as no fit reaches below it."""
    return days**AGING if days > 1 else max(days, 0.0)


def stay_of(
    states: Sequence[tuple[int, ObjectState]], changes: Iterable[Change], stamps: Mapping[int, int]
) -> Stay | None:
    """
    Sum up what the visits showed of one object.

    Parameters
    ----------
    states : sequence of (visit id, ObjectState)
        At each processed visit since its first, by stamp.
    changes : iterable of Change
        Of this object; those that say it moved are departures.
    stamps : mapping of visit id to int, ns since the Unix epoch

    Returns
    -------
    Stay or None
        None where no visit has observed it or its place.

    """
    moved = {change.visit_id for change in changes if change.kind == ChangeKind.MOVED}
    departures, exposure = 0, 0.0
    is_there, observed_ns = False, None
    for visit_id, state in states:
        if state not in (ObjectState.PRESENT, ObjectState.ABSENT):
            continue
        stamp_ns = stamps[visit_id]
        if is_there and observed_ns is not None:
            exposure += aged((stamp_ns - observed_ns) / DAY_NS)
            departures += visit_id in moved or state == ObjectState.ABSENT
        is_there, observed_ns = state == ObjectState.PRESENT, stamp_ns
    if observed_ns is None:
        return None
    return Stay(departures, exposure, is_there, observed_ns)


@cache
def fitted_model() -> PresenceModel:
    """Return the model of the package; `scripts/fit_presence.py` writes it."""
    text = files('rescene4d_ros.planning').joinpath(FILE_NAME).read_text()
    return PresenceModel.from_document(yaml.safe_load(text))
