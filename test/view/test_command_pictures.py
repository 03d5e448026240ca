"""Pictures of `replay` and `check`: visits of a memory, and clouds over each other."""

import numpy as np
from PIL import Image
import pytest
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.view.alignment import COLORS, draw_alignment, overlaid
from rescene4d_ros.view.before_after import draw_newest
from rescene4d_ros.view.outlines import MARKS


def share_near(path, color, reach=40):
    """Return the share of pixels of a picture that are near a color."""
    rgb = np.asarray(Image.open(path).convert('RGB'), int)
    return float((np.abs(rgb - color).max(axis=2) < reach).mean())


@pytest.mark.slow
def test_newest_visits_show_what_changed(home, tmp_path):
    """The picture of the toy memory has the color of the move and that of the departure."""
    path = tmp_path / 'visits.png'
    with SceneMemory.inspect(home) as memory:
        draw_newest(path, memory)
        kinds = {change.kind for change in memory.changes()}
    assert len(kinds) == 2
    for kind in kinds:
        assert share_near(path, [*bytes.fromhex(MARKS[kind][0][1:])]) > 1e-4


def test_clouds_that_are_not_aligned_are_double(tmp_path):
    """Two equal walls mix their colors; shifted by half a meter each keeps its own."""
    wall = np.random.default_rng(0).random((20_000, 3)) * (4.0, 0.05, 2.0)
    for shift, is_double in ((0.0, False), (0.5, True)):
        walls = [wall, wall + (0, shift, 0)]
        flat = [xyz[:, :2] for xyz in walls]
        image = overlaid(flat, COLORS[:2], np.array([-0.2, -0.2]), np.array([4.2, 0.8]))
        pure = [(np.abs(image.astype(int) - color).max(axis=2) < 25).sum() for color in COLORS[:2]]
        assert (min(pure) > 100) == is_double
    path = tmp_path / 'clouds.png'
    draw_alignment(path, [('one', walls[0]), ('two', walls[1])], earlier=wall)
    assert all(share_near(path, color) > 0 for color in COLORS[:2])
