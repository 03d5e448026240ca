"""The robot's demo: live topics and kills give what snapshots of the same visits give."""

from pathlib import Path
import subprocess
import sys

import pytest
from rescene4d_ros.cli.demo.robot_report import Result, within

ROOT = Path(__file__).resolve().parents[2]


def result(shares, n_visits=3):
    """Return a result with as many right of 100."""
    return Result({}, {f'share {k}': (right, 100) for k, right in enumerate(shares)}, n_visits)


def test_what_counts_as_the_same():
    """Better is no fault; more than 5 % and one object less is, and so is a visit more."""
    reference = result([80, 90])
    assert not within(result([76, 100]), reference, 0.05)
    assert 'share 1' in within(result([80, 84]), reference, 0.05)
    assert 'got 4' in within(result([80, 90], 4), reference, 0.05)
    dozen = Result({}, {'share': (11, 12)}, 3)
    assert not within(Result({}, {'share': (10, 12)}, 3), dozen, 0.05)
    assert within(Result({}, {'share': (9, 12)}, 3), dozen, 0.05)


@pytest.mark.slow
def test_a_robot_drives_three_visits_through_two_kills(tmp_path):
    """Every stage succeeds, and a table and a picture are written."""
    pytest.importorskip('rclpy', reason='needs ROS 2 (make setup brings its wheels)')
    out = tmp_path / 'demo'
    command = [sys.executable, '-m', 'rescene4d_ros.cli.main', 'demo-robot', '--out', str(out)]
    done = subprocess.run([*command, '--timeout', '600'], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'ids over the kills' in done.stdout
    assert {p.name for p in out.iterdir()} >= {'comparison.txt', 'visits.png', 'objects.json'}
