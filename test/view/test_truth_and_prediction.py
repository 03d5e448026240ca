"""Pictures of truth and prediction show each in its half, in the colors of the objects."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.structures.colors import color_of
from rescene4d_ros.view.truth_and_prediction import truth_and_prediction


def hue(rgb):
    """Return the direction of a color: light changes its length."""
    rgb = np.asarray(rgb, float)
    return rgb / np.linalg.norm(rgb, axis=-1, keepdims=True)


def share_of(image, object_id):
    """Return the share of pixels that have an object's hue."""
    return (hue(image + 1.0) @ hue(color_of(object_id)) > 0.995).mean()


def test_halves_show_truth_and_prediction(boxes_room):
    scan, instance = boxes_room(
        [
            ((0.5, 0.5, 0), (1.0, 1.0, 0.5), (90, 90, 90)),
            ((2.0, 1.5, 0), (0.8, 0.8, 0.5), (90, 90, 90)),
        ]
    )
    found = np.where(instance == 1, 1, 0)
    empty = scan.take(np.zeros(0, int))
    none = np.zeros(0, int)
    image = truth_and_prediction([scan, empty], [instance, none], [found, none], 200, 150)
    assert image.shape == (300, 400, 3)
    assert image.dtype == np.uint8
    truth, prediction = image[:150, :200], image[:150, 200:]
    for half in (truth, prediction):
        assert share_of(half, 1) > 0.02
    assert share_of(truth, 2) > 0.01
    assert share_of(prediction, 2) < 0.2 * share_of(truth, 2)
    assert (image[200:] > 240).mean() > 0.95  # the second visit has no points
