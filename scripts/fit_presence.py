"""
Fit how long things stay in their place to procedural rooms; measure it on rooms-long.

    .venv/bin/python scripts/fit_presence.py [--rooms 150] [--out FILE]

Fitted to rooms of 12 visits with the settings of rooms-long and the furniture of training. Only
what happens in a room is needed, so nothing is scanned. Each visit predicts the next one from what
was seen before it.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rescene4d_ros.metrics.changes.calibration import calibration_bins, calibration_error
from rescene4d_ros.planning import presence
from rescene4d_ros.planning.presence import aged, DAY_NS, OTHER, PresenceModel, Rates, Stay
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from rescene4d_ros.synthetic_rooms.layout.floorplan import stays
from rescene4d_ros.synthetic_rooms.life import make_life
from rescene4d_ros.synthetic_rooms.sets.definitions import SETS
from scipy.optimize import minimize
import yaml

FIRST_SEED = 6_700_000
VISITS = 12
LEAST = 40  # intervals of a class that is fitted by itself
LEAST_TOLD = 10  # predictions of a bin that is printed
START = np.array([-1.0, 0.0, 2.0])  # log odds of returning, log shape and log scale of its rate
MODEL = Path(presence.__file__).with_name(presence.FILE_NAME)


@dataclass(frozen=True)
class Case:
    """
    Hold one prediction and what came of it.

    Attributes
    ----------
    class_name : str
    stay : Stay
        What was seen before.
    days : float
    was_there : bool
        Whether the object was at that place when the days were over.

    """

    class_name: str
    stay: Stay
    days: float
    was_there: bool


def cases_of(seed: int, config: RoomsConfig) -> Iterator[Case]:
    """Yield every prediction from one visit of a room to the next."""
    life = make_life(seed, config)
    for k in {k for visit in life.visits for k in visit}:
        stay, place = None, None
        for visit, stamp_ns in zip(life.visits, life.stamps_ns):
            here = visit.get(k)
            if stay is None and here is None:
                continue
            is_same = here is not None and place is not None and stays(place, here)
            if stay is not None and place is not None:
                days = (stamp_ns - stay.observed_ns) / DAY_NS
                yield Case(place.model.class_name, stay, days, is_same)
                if stay.is_there:
                    stay = replace(
                        stay,
                        departures=stay.departures + (not is_same),
                        exposure=stay.exposure + aged(days),
                    )
            place = here or place
            known = stay or Stay(0, 0.0, True, stamp_ns)
            stay = replace(known, is_there=here is not None, observed_ns=stamp_ns)


def fit(cases: Iterable[Case]) -> PresenceModel:
    """Return the model under which the cases are most likely."""
    of_class: dict[str, list[Case]] = defaultdict(list)
    gone = []
    for case in cases:
        if case.stay.is_there:
            of_class[case.class_name].append(case)
        else:
            gone.append(case)
    every = [case for found in of_class.values() for case in found]
    leaving = {OTHER: _rates(every)}
    leaving |= {k: _rates(v) for k, v in sorted(of_class.items()) if len(v) >= LEAST}
    days = np.array([case.days for case in gone])
    back = np.array([case.was_there for case in gone])

    def loss(x: np.ndarray) -> float:
        share, rates = 1 / (1 + np.exp(-x[0])), Rates(*np.exp(x[1:]))
        p = share * (1 - (rates.scale / (rates.scale + days)) ** rates.shape)
        # Visits are days apart: nothing is known of the first hours, so the scale is about a week.
        return _loss(p, back) + ((x[1:] - START[1:]) ** 2).sum()

    best = minimize(loss, START, method='Nelder-Mead', options={'maxiter': 2000}).x
    return PresenceModel(leaving, Rates(*np.exp(best[1:])), float(1 / (1 + np.exp(-best[0]))))


def _rates(cases: list[Case]) -> Rates:
    """Return the rates of leaving under which some cases are most likely."""
    time = np.array([aged(case.days) for case in cases])
    events = np.array([case.stay.departures for case in cases])
    exposure = np.array([case.stay.exposure for case in cases])
    stayed = np.array([case.was_there for case in cases])

    def loss(x: np.ndarray) -> float:
        shape, scale = np.exp(x)
        known = scale + exposure
        # The prior keeps a class without departures from a rate of zero.
        chance = (known / (known + time)) ** (shape + events)
        return _loss(chance, stayed) + 1e-2 * (x @ x) / len(x)

    return Rates(*np.exp(minimize(loss, [0.0, 1.0], method='Nelder-Mead').x))


def _loss(p: np.ndarray, happened: np.ndarray) -> float:
    """Return the summed negative log-likelihood."""
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return float(-np.log(np.where(happened, p, 1 - p)).sum())


def scores(p: np.ndarray, happened: np.ndarray) -> str:
    """Return Brier score, log loss and expected calibration error as text."""
    brier, log_loss = ((p - happened) ** 2).mean(), _loss(p, happened) / len(p)
    error = calibration_error(np.stack([p, happened], axis=1))
    return f'Brier {brier:.4f}  log loss {log_loss:.4f}  calibration error {error:.4f}'


def report(model: PresenceModel, cases: list[Case]) -> None:
    """Print how good the model is, beside the same without history and without classes."""
    happened = np.array([case.was_there for case in cases])

    def said(of: PresenceModel, history: bool = True) -> np.ndarray:
        return np.array(
            [
                of.still_there(
                    c.class_name,
                    c.stay if history else replace(c.stay, departures=0, exposure=0.0),
                    c.stay.observed_ns + round(c.days * DAY_NS),
                )
                for c in cases
            ]
        )

    p = said(model)
    print(f'{len(cases)} predictions, {happened.mean():.3f} there')
    print(f'  fitted            {scores(p, happened)}')
    print(f'  without history   {scores(said(model, history=False), happened)}')
    one = replace(model, leaving={OTHER: model.leaving[OTHER]})
    print(f'  without classes   {scores(said(one), happened)}')
    last = np.array([0.99 if c.stay.is_there else 0.01 for c in cases])
    print(f'  as seen last      {scores(last, happened)}')
    for told in calibration_bins(np.stack([p, happened], axis=1)):
        if told.count >= LEAST_TOLD:
            print(f'  said {told.confidence:.2f}: there in {told.right:.2f} of {told.count}')


def main() -> None:
    """Fit, write, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--rooms', type=int, default=150, help='to fit to')
    parser.add_argument('--out', type=Path, default=MODEL)
    options = parser.parse_args()
    long = [*SETS['rooms-long'].sequences()]
    config = replace(long[0][1], split='train', visits=VISITS)
    seeds = range(FIRST_SEED, FIRST_SEED + options.rooms)
    fitted_to = [case for seed in seeds for case in cases_of(seed, config)]
    model = fit(fitted_to)
    document = {
        'fitted_to': f'{len(fitted_to)} intervals of {options.rooms} procedural rooms',
        'leaving': {
            k: [round(float(r.shape), 4), round(float(r.scale), 2)]
            for k, r in model.leaving.items()
        },
        'returning': [round(float(v), 4) for v in (model.returning.shape, model.returning.scale)],
        'returned': round(model.returned, 4),
    }
    head = '# Read by rescene4d_ros/planning/presence.py; written by scripts/fit_presence.py.\n'
    options.out.write_text(head + yaml.safe_dump(document, sort_keys=False, width=99))
    report(
        PresenceModel.from_document(document),
        [case for seed, settings in long for case in cases_of(seed, settings)],
    )


if __name__ == '__main__':
    main()
