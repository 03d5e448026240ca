"""Plots of scores: files that show what they were given, also where that is nothing."""

import numpy as np
from PIL import Image
import pytest
from rescene4d_ros.metrics.changes.calibration import calibration_bins
from rescene4d_ros.metrics.identity.identity_scores import IssuedIds
from rescene4d_ros.structures.colors import color_of
from rescene4d_ros.view.score_plots import (
    draw_calibration,
    draw_change_confusion,
    draw_cost,
    draw_identities,
    draw_precision_recall,
    NOT_FOUND,
)


def pixels(path):
    """Return how often each color occurs."""
    image = np.array(Image.open(path).convert('RGB')).reshape(-1, 3)
    colors, count = np.unique(image, axis=0, return_counts=True)
    return dict(zip(map(tuple, colors.tolist()), count.tolist()))


def test_identities_have_the_colors_of_their_ids(tmp_path):
    """Object 1 keeps id 5; object 2 has 5, is missed, has 9; object 3 is seen once, as 7."""
    issued = np.array([[5, 5, 0], [5, 0, 7], [5, 9, 0]])
    visible = np.array([[1, 1, 0], [1, 1, 1], [1, 1, 0]], bool)
    draw_identities(
        tmp_path / 'ids.png',
        {'one': IssuedIds(visible, issued, {}), 'two': IssuedIds(visible, 0 * issued, {})},
        ['chair 1', 'table 2', 'lamp 3'],
    )
    found = pixels(tmp_path / 'ids.png')
    gray = tuple(int(NOT_FOUND[k : k + 2], 16) for k in (1, 3, 5))
    cell = found[color_of(7)]
    for color, cells in ((color_of(5), 4), (color_of(9), 1), (gray, 1 + 7)):
        assert found[color] == pytest.approx(cells * cell, rel=0.1)


def test_curves_and_costs_are_drawn(tmp_path):
    """A line more is more ink; a method without truth has no line but a name."""
    line = np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.8, 0.4])
    empty = np.empty(0), np.empty(0)
    ink = []
    for curves in ({'a': empty}, {'a': line}, {'a': line, 'b': (line[0], line[1] / 2)}):
        draw_precision_recall(tmp_path / 'pr.png', curves)
        found = pixels(tmp_path / 'pr.png')
        ink.append(sum(found.values()) - found[255, 255, 255])
    assert ink[0] < ink[1] < ink[2]
    draw_cost(tmp_path / 'cost.png', {'a': {'2': 1.0, '3': 1.5}, 'b': {'2': 0.5}})
    assert len(pixels(tmp_path / 'cost.png')) > 20


@pytest.mark.parametrize('n_methods', [0, 1, 7])
def test_confusion_of_any_number_of_methods(tmp_path, n_methods):
    table = np.zeros((6, 6), int)
    table[2, 2], table[5, 0] = 40, 3
    draw_change_confusion(tmp_path / 'c.png', {f'm{k}': table for k in range(n_methods)})
    dark = sum(
        count for (r, g, b), count in pixels(tmp_path / 'c.png').items() if b > r + 60 and r < 40
    )
    assert (dark > 1000 * n_methods) == (n_methods > 0)


def test_confidences_are_drawn(tmp_path):
    """Empty bins have no point: nothing stated is the line of the calibrated alone."""
    ink = []
    for entries in (np.empty((0, 2)), np.array([[0.9, 1], [0.2, 0], [0.55, 1]])):
        draw_calibration(tmp_path / 'c.png', {'a': calibration_bins(entries)})
        found = pixels(tmp_path / 'c.png')
        ink.append(sum(found.values()) - found[255, 255, 255])
    assert ink[0] < ink[1]
