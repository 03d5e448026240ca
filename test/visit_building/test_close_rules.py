"""When a visit is over, and what a growing map topic is."""

import numpy as np
import pytest
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.visit_building.close_rules import Duration, LeavingZone, StandingStill
from rescene4d_ros.visit_building.map_topics import MapTopic

SECOND = 10**9


def closes_at(rule, places):
    """Return the first second at which a rule closes a drive of one place per second."""
    for k, place in enumerate(places):
        if rule.reason(np.array([*place, 1.0]), k * SECOND):
            return k
    return None


def test_standing_still_closes_only_what_has_moved():
    """Waiting at the dock is no visit; slow creeping is no standing."""
    wait, drive = [(0, 0)] * 30, [(0.5 * k, 0) for k in range(1, 10)]
    assert closes_at(StandingStill(5), wait) is None
    assert closes_at(StandingStill(5), [*wait, *drive, *[drive[-1]] * 20]) == 30 + 8 + 5
    assert closes_at(StandingStill(5), [(0.05 * k, 0) for k in range(100)]) is None


def test_duration_counts_from_the_first_cloud():
    """The rule closes at its time."""
    assert closes_at(Duration(7), [(0, 0)] * 20) == 7


def test_leaving_a_zone_closes_and_passing_outside_does_not():
    """A concave zone; the robot begins outside."""
    zone = [(0, 0), (4, 0), (4, 4), (2, 1), (0, 4)]
    assert closes_at(LeavingZone(zone), [(-1, 0.5), (1, 0.5), (3, 0.5), (5, 0.5)]) == 3
    assert closes_at(LeavingZone(zone), [(2, 3), (2, 2), (2, 3)]) is None
    assert closes_at(LeavingZone(zone), [(2, 0.5), (2, 3)]) == 1
    with pytest.raises(ConfigError, match='three corners'):
        LeavingZone([(0, 0), (1, 1)])


def test_a_growing_map_is_told_from_live_clouds():
    """A map repeats its points exactly; a sensor that stands still does not."""
    rng = np.random.default_rng(0)
    room = rng.uniform(0, 5, (8000, 3))
    topic = MapTopic()
    verdicts = [topic.look(room[: 2000 + 1000 * k]) for k in range(6)]
    assert [v.is_map for v in verdicts] == [False, False, True, True, True, True]
    assert not any(v.is_new_session for v in verdicts)
    assert topic.look(rng.uniform(0, 5, (3000, 3))).is_new_session
    live = MapTopic()
    noisy = [live.look(room + rng.normal(0, 0.003, room.shape)) for _ in range(6)]
    assert not any(v.is_map for v in noisy)
