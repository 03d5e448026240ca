"""Belief that ages: by time, by class, and by what the object itself did."""

import numpy as np
import pytest
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.planning.presence import (
    aged,
    DAY_NS,
    fitted_model,
    OTHER,
    PresenceModel,
    Rates,
    Stay,
    stay_of,
)
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState

P, A, N = ObjectState.PRESENT, ObjectState.ABSENT, ObjectState.NOT_OBSERVED
STAMPS = {visit: visit * 10 * DAY_NS for visit in range(1, 9)}  # every ten days


def moved(visit_id):
    """Return the change of an object that moved at a visit."""
    box = Box((0, 0, 0), (1, 1, 1))
    return Change(ChangeKind.MOVED, 1, 'chair', 0.9, visit_id, box, box, None, None, 0)


def test_what_visits_showed_is_summed_up():
    """Moves and absence are departures; time in which nobody looked is no exposure by itself."""
    states = [(1, P), (2, P), (3, N), (4, P), (5, A), (6, A), (7, P)]
    stay = stay_of(states, [moved(4)], STAMPS)
    assert (stay.departures, stay.is_there) == (2, True)
    assert stay.exposure == pytest.approx(2 * aged(10) + aged(20))
    assert stay.observed_ns == STAMPS[7]
    assert stay_of([(1, N)], [], STAMPS) is None
    gone = stay_of(states[:5], [], STAMPS)
    assert (gone.departures, gone.is_there) == (1, False)


@pytest.mark.parametrize('name', ['chair', 'sofa', 'window', 'a class of nobody'])
def test_belief_ages_and_learns_from_the_object(name):
    """It falls with time; a restless object is believed less, a settled one more."""
    model = fitted_model()

    def believed(days, departures=0, exposure=0.0):
        stay = Stay(departures, exposure, True, 0)
        return model.still_there(name, stay, int(days * DAY_NS))

    ages = [believed(days) for days in (0, 1, 10, 100, 1000)]
    assert ages[0] == 1
    assert all(np.diff(ages) < 0)
    assert ages[-1] > 0
    assert believed(10, departures=3, exposure=60) < believed(10, exposure=60)
    assert believed(10) < believed(10, exposure=60)
    assert believed(-5) == 1  # a clock that was set back


def test_windows_stay_longer_than_chairs():
    """The fitted rates order the classes as rooms do."""
    model, stay = fitted_model(), Stay(0, 0.0, True, 0)
    month = {k: model.still_there(k, stay, 30 * DAY_NS) for k in ('window', 'sofa', 'chair')}
    assert month['window'] > month['sofa'] > month['chair']


def test_an_empty_place_may_be_taken_again():
    """The chance begins at zero and grows with time, up to the share that comes back."""
    model = PresenceModel({OTHER: Rates(1, 10)}, Rates(1.0, 10.0), 0.4)
    gone = Stay(1, 10.0, False, 0)
    back = [model.still_there('chair', gone, days * DAY_NS) for days in (0, 10, 10_000)]
    assert back == pytest.approx([0.0, 0.2, 0.4], abs=1e-3)


@pytest.mark.parametrize(
    'document',
    [
        {},
        {'leaving': {'chair': [1, 1]}, 'returning': [1, 1], 'returned': 0.1},
        {'leaving': {OTHER: [0, 1]}, 'returning': [1, 1], 'returned': 0.1},
        {'leaving': {OTHER: [1, 1]}, 'returning': [1, 1], 'returned': 2},
        {'leaving': {OTHER: [1]}, 'returning': [1, 1], 'returned': 0.1},
    ],
)
def test_bad_rates_are_refused(document):
    with pytest.raises(ConfigError, match=r'presence\.yaml'):
        PresenceModel.from_document(document)
