"""The examples run as their texts say, and the public API imports no more than is used."""

import ast
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
import rescene4d_ros

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / 'examples'
PATIENCE_S = 1800  # for one that hangs, however busy the machine is


def run(*command) -> str:
    """Run Python from the repository root; return what it printed."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def visits(tmp_path, boxes_room):
    """Write a room with a box that moves by a meter, as two labeled .npz clouds."""
    paths = []
    for k, x in enumerate((0.4, 1.4)):
        scan, instance = boxes_room(
            [
                ((x, 0.4, 0.0), (0.5, 0.6, 0.8), (200, 30, 30)),
                ((0.5, 2.0, 0.0), (1, 0.6, 0.7), (30, 30, 200)),
            ],
            seed=k,
            density=400,
        )
        paths.append(tmp_path / f'visit_{k + 1}.npz')
        np.savez(paths[-1], xyz=scan.xyz, rgb=scan.rgb, label=instance - 1)
    return paths


def test_two_clouds_then_questions(tmp_path, visits):
    """The memory that the first example makes answers the second."""
    memory = tmp_path / 'memory'
    printed = run(EXAMPLES / 'two_clouds.py', *visits, '--memory', memory)
    assert 'visit 1: visit_1.npz' in printed
    assert 'visit 2: visit_2.npz' in printed
    n_objects = sum(line.startswith('object ') for line in printed.splitlines())
    asked = run(EXAMPLES / 'ask_a_memory.py', memory)
    assert 0 < sum(line.startswith('object ') for line in asked.splitlines()) <= n_objects


def test_own_labels(tmp_path, visits):
    """Labels of one's own give the same ids in both visits, and the move."""
    printed = run(EXAMPLES / 'own_labels.py', *visits, '--memory', tmp_path / 'memory')
    assert 'visit 1: objects [1, 2]' in printed
    assert 'visit 2: objects [1, 2]' in printed
    assert 'MOVED object' in printed


def test_evaluate():
    """Masks that forget who is who are right in each visit and wrong over all."""
    printed = run(EXAMPLES / 'evaluate.py', '--visits', '2')
    scores = dict(line.split() for line in printed.splitlines())
    assert float(scores['visit_0_map50']) == 1.0
    assert float(scores['t_map50_any']) < 0.5


@pytest.mark.slow
def test_notebook():
    """All cells run, in their order."""
    printed = run('-m', 'IPython', '--no-banner', EXAMPLES / 'two_visits.ipynb')
    assert 'PRESENT' in printed


@pytest.mark.parametrize('name', rescene4d_ros.__all__)
def test_public_names_import_what_they_need(name):
    """A notebook that only reads clouds or asks a memory waits for neither torch nor ROS."""
    printed = run(
        '-c',
        'import sys, rescene4d_ros\n'
        'assert not {"numpy", "torch", "rclpy"} & set(sys.modules)\n'
        f'from rescene4d_ros import {name}\n'
        f'assert {name} is rescene4d_ros.{name} and "{name}" in dir(rescene4d_ros)\n'
        'print([m for m in ("torch", "rclpy") if m in sys.modules])',
    )
    assert ast.literal_eval(printed) == (['torch'] if name == 'Segmenter' else [])


def test_public_names_are_those_that_type_checkers_see():
    """The stub lists the public names, and no other name can be imported."""
    stub = ast.parse((ROOT / 'rescene4d_ros' / '__init__.pyi').read_text())
    (names,) = [n.value for n in stub.body if isinstance(n, ast.Assign)]
    assert ast.literal_eval(names) == sorted(rescene4d_ros.__all__, key=str.lower)
    with pytest.raises(AttributeError, match='no_such_name'):
        rescene4d_ros.no_such_name  # noqa: B018
