"""Training on a machine that is had for minutes: small pieces, exact resume, one command."""

from __future__ import annotations

from dataclasses import replace
import os
from pathlib import Path
import subprocess
import sys

import pytest
from rescene4d_ros.training import RunFolder, Trainer
import torch

ROOT = Path(__file__).resolve().parents[2]


def pieces(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / 'scripts' / 'checkpoint_pieces.py'), *map(str, arguments)],
        capture_output=True,
        text=True,
    )


def make_trainer(recipe, files, folder) -> Trainer:
    return Trainer(
        recipe, files, [], RunFolder(folder), torch.device('cpu'), lambda: 0.0, workers=0
    )


def same(one, two) -> bool:
    """Return whether two nested states are equal to the bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[k], two[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


def test_run_goes_on_from_pieces_as_if_it_had_not_stopped(tmp_path, toy_files, tiny_recipe):
    train = replace(tiny_recipe.train, steps=4, compact_checkpoints=True)
    recipe = replace(tiny_recipe, train=train)
    trainer = make_trainer(recipe, toy_files, tmp_path / 'run')
    trainer.fit(should_stop=lambda: trainer.step == 2)
    whole = (tmp_path / 'run' / 'checkpoint.pt').stat().st_size
    told = pieces('split', tmp_path / 'run', tmp_path / 'out', '--mib', 0.05)
    assert told.returncode == 0, told.stderr
    sizes = [p.stat().st_size for p in sorted((tmp_path / 'out').iterdir())]
    assert len(sizes) > 1
    assert max(sizes) <= 0.05 * 2**20
    assert sum(sizes) < 0.8 * whole
    assert pieces('join', tmp_path / 'out', tmp_path / 'again').returncode == 0
    there, here = (RunFolder(tmp_path / n).load_checkpoint() for n in ('again', 'run'))
    assert same(there, here)

    trainer.fit()  # goes on with what it has in memory
    resumed = make_trainer(recipe, toy_files, tmp_path / 'again')
    resumed.resume()
    assert resumed.step == 2
    resumed.fit()
    assert same(resumed.state()['model'], trainer.state()['model'])
    assert same(resumed.state()['optimizer'], trainer.state()['optimizer'])
    assert same(resumed.state()['average'], trainer.state()['average'])
    for averaged, weight in zip(
        trainer.learner.averaged_model.parameters(), trainer.learner.model.parameters()
    ):
        torch.testing.assert_close(averaged, weight, rtol=0.1, atol=0.05)


def test_missing_piece_is_told(tmp_path, toy_files, tiny_recipe):
    trainer = make_trainer(tiny_recipe, toy_files, tmp_path / 'run')
    trainer.save()
    pieces('split', tmp_path / 'run', tmp_path / 'out', '--mib', 0.05)
    sorted((tmp_path / 'out').iterdir())[-1].unlink()
    told = pieces('join', tmp_path / 'out', tmp_path / 'again')
    assert told.returncode == 1
    assert 'copy them again' in told.stderr
    assert not (tmp_path / 'again' / 'checkpoint.pt').exists()


@pytest.mark.slow
def test_one_command_trains_and_goes_on(tmp_path, tiny_recipe):
    """The script as it runs there, with a small recipe, on the CPU."""
    train = replace(tiny_recipe.train, steps=3, batch=1, room_pool=1, compact_checkpoints=True)
    (tmp_path / 'recipe.yaml').write_text(replace(tiny_recipe, train=train).to_yaml())
    env = {**os.environ, 'PYTHON': sys.executable}

    def run(out, *more):
        command = ['bash', str(ROOT / 'scripts' / 'train_on_gpu_machine.sh'), str(tmp_path / out)]
        command += ['--recipe', str(tmp_path / 'recipe.yaml'), '--device', 'cpu', *more]
        return subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)

    first = run('one', '--', '--steps', '2', '--init-allow', '*')
    assert first.returncode == 0, first.stdout + first.stderr
    assert {p.name for p in (tmp_path / 'one').iterdir()} == {
        'checkpoint.00',
        'config.yaml',
        'log.txt',
        'metrics.jsonl',
        'weights.safetensors',
    }
    second = run('two', '--from', str(tmp_path / 'one'))
    assert second.returncode == 0, second.stdout + second.stderr
    assert 'step 2 of 3' in second.stdout
    lines = (tmp_path / 'two' / 'metrics.jsonl').read_text().splitlines()
    assert lines[:1] == (tmp_path / 'one' / 'metrics.jsonl').read_text().splitlines()[:1]


FEW_PACKAGES = """
import sys
for name in ('PIL', 'alembic', 'laspy', 'matplotlib', 'open3d', 'pye57', 'rclpy', 'rich',
             'rosbags', 'sqlalchemy', 'tensorboard', 'tqdm', 'trimesh'):
    sys.modules[name] = None  # as where it is not installed
sys.path.insert(0, 'scripts')
import gpu_checks
import rescene4d_ros.cli.main
import rescene4d_ros.cli.train.command
from rescene4d_ros.cli.train.training_data import make_room
sequence, truth = make_room('default', 1, 0)
print(len(sequence.scans), len(truth.visits))
"""


def test_training_and_checks_need_few_packages():
    done = subprocess.run(
        [sys.executable, '-c', FEW_PACKAGES], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ['1', '1']
