"""A killed run goes on to the same bits; a bad step leaves no trace."""

from __future__ import annotations

from dataclasses import replace
import json
from pathlib import Path
import subprocess
import sys
import time

import pytest
from rescene4d_ros.errors import ConfigError, FileFormatError, RescenError
from rescene4d_ros.inference.weights_file import load_weights
from rescene4d_ros.training import Recipe, RunFolder, Trainer
import torch

RUN = """
import sys, time, torch
from pathlib import Path
from rescene4d_ros.training import Recipe, RunFolder, Trainer
torch.set_num_threads(1)


def report(progress):
    # Waits to be killed, with the checkpoint of the step before written.
    if progress.step == 4:
        print('waiting', flush=True)
        time.sleep(3600)


folder, recipe, *files = sys.argv[1:]
files = [Path(f) for f in files]
trainer = Trainer(Recipe.read(recipe), files, files[:1], RunFolder(folder),
                  torch.device('cpu'), time.monotonic, workers=1)
trainer.fit(report)
"""


def make_trainer(recipe, files, folder, workers=0) -> Trainer:
    return Trainer(
        recipe, files, files[:1], RunFolder(folder), torch.device('cpu'), time.monotonic, workers
    )


def children_of(pid: int) -> list[int]:
    return [int(c) for c in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]


def wait_for(condition, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'expected the condition within the time'
        time.sleep(0.02)


@pytest.fixture
def one_thread():
    """Compute on one thread, as the process that is killed: sums are taken in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_killed_run_resumes_to_the_same_bits(tmp_path, toy_files, tiny_recipe, one_thread):
    recipe = replace(
        tiny_recipe,
        train=replace(tiny_recipe.train, checkpoint_minutes=0.0, fine_level_rate=3.0),
        model=replace(tiny_recipe.model, fine_level_channels=4),
    )
    straight = make_trainer(recipe, toy_files, tmp_path / 'straight')
    straight.fit()

    killed = RunFolder(tmp_path / 'killed')
    (tmp_path / 'recipe.yaml').write_text(recipe.to_yaml())
    process = subprocess.Popen(
        [
            sys.executable,
            '-c',
            RUN,
            str(killed.path),
            str(tmp_path / 'recipe.yaml'),
            *map(str, toy_files),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == 'waiting\n'
        workers = children_of(process.pid)
        process.kill()
    assert workers
    wait_for(lambda: not any(Path(f'/proc/{w}').exists() for w in workers))
    at = killed.load_checkpoint()['step']
    assert at == 3
    metrics = killed.path / 'metrics.jsonl'
    assert '"step": 4' in metrics.read_text()  # written after the checkpoint, to be cut

    resumed = make_trainer(recipe, toy_files, killed.path, workers=1)
    resumed.resume()
    assert resumed.step == at
    resumed.fit()
    assert metrics.read_text() == (tmp_path / 'straight' / 'metrics.jsonl').read_text()
    for a, b in zip(straight.state()['model'].values(), resumed.state()['model'].values()):
        assert torch.equal(a, b)
    for a, b in zip(straight.state()['average'].values(), resumed.state()['average'].values()):
        assert torch.equal(a, b)


def test_run_folder_holds_weights_that_load(tmp_path, toy_files, tiny_recipe):
    trainer = make_trainer(tiny_recipe, toy_files, tmp_path)
    trainer.fit()
    model, info = load_weights(trainer.folder.weights)
    assert info.superpoints == tiny_recipe.superpoints
    assert info.training['steps'] == tiny_recipe.train.steps
    assert model.config == tiny_recipe.model
    assert load_weights(trainer.folder.best_weights)[1].training['t_ap50'] >= 0
    lines = [json.loads(line) for line in (tmp_path / 'metrics.jsonl').read_text().splitlines()]
    assert [line['step'] for line in lines] == [2, 4, 6, 8]
    assert ['t_ap50' in line for line in lines] == [False, True, False, True]


def test_loss_falls_on_one_room(tmp_path, toy_files, tiny_recipe):
    train = replace(
        tiny_recipe.train, steps=24, batch=1, log_every=4, lr=0.01, validate_every=1000
    )
    trainer = make_trainer(replace(tiny_recipe, train=train), toy_files[:1], tmp_path)
    told = []
    trainer.fit(told.append)
    assert told[-1].metrics['total'] < 0.7 * told[0].metrics['total']
    assert told[-1].remaining_s == 0


def test_step_without_finite_gradient_leaves_no_trace(tmp_path, toy_files, tiny_recipe):
    train = replace(tiny_recipe.train, max_skipped=3)
    trainer = make_trainer(replace(tiny_recipe, train=train), toy_files, tmp_path)
    learner = trainer.learner
    before = {k: v.clone() for k, v in learner.model.state_dict().items()}
    hook = learner.model.mask_features.weight.register_hook(lambda g: g * float('nan'))
    assert learner.step(trainer.samples[0], 0) == {}
    assert learner.skipped == 1
    for name, value in learner.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    hook.remove()
    assert learner.step(trainer.samples[1], 1)['total'] > 0
    assert learner.skipped_in_a_row == 0
    learner.model.mask_features.weight.register_hook(lambda g: g * float('nan'))
    with pytest.raises(RescenError, match='3 steps in a row'):
        trainer.fit()


def test_told_to_stop_it_stops_with_a_checkpoint(tmp_path, toy_files, tiny_recipe):
    trainer = make_trainer(tiny_recipe, toy_files, tmp_path)
    trainer.fit(should_stop=lambda: trainer.step == 3)
    assert trainer.folder.load_checkpoint()['step'] == 3


def test_run_folder_refuses_what_would_lose_a_run(tmp_path):
    folder = RunFolder(tmp_path / 'run')
    with pytest.raises(ConfigError, match='leave --resume out'):
        folder.begin('', {}, resume=True)
    folder.begin(Recipe().to_yaml(), {}, resume=False)
    folder.save_checkpoint({'step': 3})
    with pytest.raises(ConfigError, match='give --resume'):
        folder.begin('', {}, resume=False)
    whole = folder.checkpoint.read_bytes()
    folder.checkpoint.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError, match='start a new run'):
        folder.load_checkpoint()


def test_lines_after_the_checkpoint_are_cut(tmp_path):
    folder = RunFolder(tmp_path)
    for step in (1, 2, 3):
        folder.log(step=step, total=0.5)
    with open(Path(tmp_path) / 'metrics.jsonl', 'a') as file:
        file.write('{"step": 2, "to')
    folder.cut_metrics(2)
    steps = [
        json.loads(line)['step'] for line in (tmp_path / 'metrics.jsonl').read_text().splitlines()
    ]
    assert steps == [1, 2]
