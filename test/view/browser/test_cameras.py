"""The camera that turns to an object: it goes where nothing hides the object."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from rescene4d_ros.structures import Box
from rescene4d_ros.view.browser.drawing.cameras import (
    clear_direction,
    HIDDEN,
    hidden_share,
    look_at,
)

CHAIR = Box((0.8, 2.0, 0.45), (0.5, 0.5, 0.9), 0.3)
OUTSIDE = np.array([-2.4, 0.2, 0.9])  # from the chair, through the wall x = 0


def surface(low, high, normal, spacing=0.06):
    """Return points (N, 3) of a rectangle at a right angle to an axis."""
    sides = [
        np.arange(a, b, spacing) if k != normal else [a]
        for k, (a, b) in zip(range(3), zip(low, high))
    ]
    return np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 3)


@pytest.fixture
def room():
    """Return points of a floor of 5 x 4 m, a wall at x = 0 up to 2.2 m, and of a chair."""
    rng = np.random.default_rng(0)
    chair = rng.uniform(-0.25, 0.25, (400, 3)) * (1, 1, 1.7) + CHAIR.center
    return np.concatenate(
        [surface((0, 0, 0), (5, 4, 0), 2), surface((0, 0, 0), (0, 4, 2.2), 0), chair]
    )


def others(room):
    """Return the points of floor and wall from the center of the chair."""
    return room[:-400] - CHAIR.center


def test_wall_between_is_avoided(room):
    """The way there is the shortest that shows the chair: over the wall, not round the room."""
    assert hidden_share(others(room), CHAIR, OUTSIDE) == 1
    away = clear_direction(room, CHAIR, OUTSIDE)
    assert hidden_share(others(room), CHAIR, away) <= HIDDEN
    assert np.linalg.norm(away) == pytest.approx(np.linalg.norm(OUTSIDE))
    assert away[2] > OUTSIDE[2]
    assert away[0] < 0


def test_wall_up_to_the_ceiling_is_gone_round(room):
    """Where the wall is higher than the camera can be, it goes into the room."""
    high = np.concatenate([room[:-400], surface((0, 0, 2.2), (0, 4, 9), 0), room[-400:]])
    away = clear_direction(high, CHAIR, OUTSIDE)
    assert away[0] > -0.8
    assert hidden_share(high[:-400] - CHAIR.center, CHAIR, away) <= HIDDEN


def test_camera_that_sees_the_object_stays(room):
    """Its own points, and those behind and below it, do not hide an object."""
    for away in ([2.5, 0.5, 1.5], [0.0, 0.0, 3.0], [0.9, -2.0, 0.3]):
        np.testing.assert_array_equal(clear_direction(room, CHAIR, np.array(away)), away)


def test_nothing_drawn_hides_nothing():
    none = np.empty((0, 3), np.float32)
    np.testing.assert_array_equal(clear_direction(none, CHAIR, OUTSIDE), OUTSIDE)


@pytest.mark.parametrize('size', [(390, 844), (1440, 900)], ids=['phone', 'desk'])
@pytest.mark.parametrize('side', range(8))
def test_selected_object_is_seen_past_a_wall(room, size, side):
    """On a phone the camera stands lower than it looks: the wall is passed from there, too."""
    turn = side * np.pi / 4
    start = np.array([*3 * np.array([np.cos(turn), np.sin(turn)]), 1.5])
    width, height = size
    camera = SimpleNamespace(
        position=start + CHAIR.center, fov=np.deg2rad(75), image_width=width, image_height=height
    )
    wall = surface((0, 1.1, 0), (5, 1.1, 2.2), 1)
    room = np.concatenate([wall, room])
    look_at(SimpleNamespace(camera=camera, atomic=nullcontext), CHAIR, room)
    assert hidden_share(others(room), CHAIR, camera.position - CHAIR.center) <= HIDDEN
    below = camera.position[2] - camera.look_at[2]
    assert below > 0, 'it looks down'
