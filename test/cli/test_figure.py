"""`rescene4d figure` draws the picture that docs/design/segmenter.md shows."""

from pathlib import Path

import numpy as np
from PIL import Image
from rescene4d_ros.cli.main import main

SHOWN = Path(__file__).resolve().parents[2] / 'docs' / 'images' / 'segmenter.png'


def test_shown_picture_is_the_one_the_command_draws(tmp_path):
    assert main(['figure', '--out', str(tmp_path / 'new' / 'figure.png')]) == 0
    drawn = np.asarray(Image.open(tmp_path / 'new' / 'figure.png').convert('RGB'), float)
    shown = np.asarray(Image.open(SHOWN).convert('RGB'), float)
    assert drawn.shape == shown.shape
    assert shown.std() > 10  # not a blank page
    # Fonts may be drawn a little differently elsewhere.
    assert np.abs(drawn - shown).mean() < 1
