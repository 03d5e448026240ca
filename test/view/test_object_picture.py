"""A picture of one object: its points in their colors, its outline, any title."""

from io import BytesIO

import numpy as np
from PIL import Image
import pytest
from rescene4d_ros.geometry.boxes import fit_box
from rescene4d_ros.structures import Box
from rescene4d_ros.view.object_picture import object_picture, PANEL

GREEN, GRAY = (30, 160, 50), (120, 110, 100)


@pytest.fixture
def room(boxes_room):
    """Return a scan with a green box, and which points are the box's."""
    scan, instance = boxes_room([((1.0, 1.0, 0.0), (0.5, 0.5, 0.8), GREEN)])
    return scan, instance == 1


def share_of_green(png, half):
    """Return how much of the left (0) or right (1) view is green."""
    pixels = np.asarray(Image.open(BytesIO(png)).convert('RGB')).astype(int)
    view = pixels[:, half * PANEL[0] : (half + 1) * PANEL[0]]
    return ((view[..., 1] > 60) & (view[..., 1] > 1.5 * view[..., [0, 2]].max(-1))).mean()


def test_the_object_is_seen_and_larger_from_near(room):
    scan, is_object = room
    png = object_picture(scan, is_object, fit_box(scan.xyz[is_object]), 3, 'a $box$ \\frac')
    assert share_of_green(png, 0) > 0.005
    assert share_of_green(png, 1) > 2 * share_of_green(png, 0)


def test_points_without_color_and_places_without_points(room):
    """A cloud without color and an object whose points were thinned away have a picture too."""
    scan, is_object = room
    far = Box((50.0, 50.0, 0.0), (1.0, 1.0, 1.0))
    for points in (is_object, np.zeros(len(scan), bool)):
        png = object_picture(type(scan)(scan.xyz, 0), points, far, 3, '')
        assert Image.open(BytesIO(png)).size[0] == 2 * PANEL[0]
