"""Objects by place: zone, box, point and radius."""

import numpy as np
import pytest
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory.queries import ObjectLocation
from rescene4d_ros.memory.zones import Zone
from rescene4d_ros.planning.nearby import distance_to, Region, select
from rescene4d_ros.structures import Box, ObjectState

KITCHEN = Zone('kitchen', ((0, 0), (2, 0), (2, 2), (0, 2)))


def at(object_id, x, y, size=(0.4, 0.4, 0.4), yaw=0.0):
    """Return an object with a box around (x, y, 0)."""
    box = Box((x, y, 0.0), size, yaw)
    return ObjectLocation(object_id, '', 'chair', ObjectState.PRESENT, box, 0, 0)


PLACES = (at(1, 0.5, 0.5), at(2, 5, 0), at(3, 1.5, 0.5), at(4, 1.0, 3.0))


def ids(region):
    """Return the ids of a region."""
    return [place.object_id for place in select(PLACES, region)]


def test_regions():
    assert ids(Region()) == [1, 2, 3, 4]
    assert ids(Region(zone=KITCHEN)) == [1, 3]
    assert ids(Region(box=Box((1, 2, 0), (4, 0.8, 1), np.pi / 2))) == [4]
    assert ids(Region(point=(2, 0, 0))) == [3, 1, 2, 4]
    assert ids(Region(point=(2, 0, 0), most=1)) == [3]
    assert ids(Region(point=(2, 0, 0), radius=1.5)) == [3, 1]
    assert ids(Region(zone=KITCHEN, point=(0, 0, 0), most=1)) == [1]


def test_distance_is_to_the_turned_box():
    """A box of 4 x 1 m turned by a quarter reaches 2 m along y and 0.5 m along x."""
    box = Box((0, 0, 0), (4, 1, 1), np.pi / 2)
    assert distance_to(box, (0, 5, 0)) == pytest.approx(3.0)
    assert distance_to(box, (5, 0, 0)) == pytest.approx(4.5)
    assert distance_to(box, (0.3, 1.9, 0.2)) == 0


@pytest.mark.parametrize(
    'region',
    [
        Region(point=(0, np.nan, 0)),
        Region(radius=1.0),
        Region(point=(0, 0, 0), radius=-1.0),
        Region(box=Box((0, 0, 0), (1, np.inf, 1))),
    ],
)
def test_what_cannot_be_a_region_is_refused(region):
    with pytest.raises(ConfigError, match='expected a'):
        ids(region)
