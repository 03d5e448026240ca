"""The `train` command on real files: run folder, resume, wrong use; and several processes."""

from __future__ import annotations

from dataclasses import replace
import io
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
from PIL import Image
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.data.sequences.sequence_file import write_sequence
from rescene4d_ros.inference.weights_file import load_weights
from rescene4d_ros.training import Recipe, RunFolder
from rescene4d_ros.training.distributed import average_gradients, share_weights, world
import torch
from torch import distributed, multiprocessing, nn


def test_command_trains_stops_and_resumes(tmp_path, toy_room, tiny_recipe, capsys):
    for name, seeds in (('data', (0, 1)), ('val', (2,))):
        (tmp_path / name).mkdir()
        for seed in seeds:
            write_sequence(tmp_path / name / f'{seed}.npz', *toy_room(seed))
    recipe = replace(tiny_recipe, train=replace(tiny_recipe.train, steps=4, log_every=2))
    (tmp_path / 'recipe.yaml').write_text(recipe.to_yaml())
    command = [
        'train',
        str(tmp_path / 'recipe.yaml'),
        '--data',
        str(tmp_path / 'data'),
        '--val',
        str(tmp_path / 'val'),
        '--out',
        str(tmp_path / 'run'),
        '--threads',
        '1',
        '--workers',
        '0',
    ]
    assert main(command) == 0
    assert main(command) == 2
    assert 'give --resume' in capsys.readouterr().err
    assert main([*command, '--resume', '--steps', '6']) == 0
    assert 'step 4 of 6' in capsys.readouterr().out

    run = tmp_path / 'run'
    assert Recipe.read(run / 'config.yaml').train.steps == 6
    steps = [
        json.loads(line)['step']
        for line in (run / 'metrics.jsonl').read_text().split('\n')
        if line
    ]
    assert steps == [2, 4, 6]
    environments = (run / 'environment.jsonl').read_text().splitlines()
    assert [json.loads(e)['torch'] for e in environments] == [torch.__version__] * 2
    assert load_weights(run / 'weights.safetensors')[1].training['steps'] == 6


def write_rooms(folder, toy_room, seeds):
    folder.mkdir()
    for seed in seeds:
        write_sequence(folder / f'{seed}.npz', *toy_room(seed))
    return folder


def test_command_mixes_data_starts_from_weights_and_takes_settings(
    tmp_path, toy_room, tiny_recipe, capsys, monkeypatch
):
    many, few = (
        write_rooms(tmp_path / name, toy_room, seeds)
        for name, seeds in (('many', (0, 1)), ('few', (2,)))
    )
    (tmp_path / 'recipe.yaml').write_text(tiny_recipe.to_yaml())

    def train(out, *more):
        return main(
            [
                'train',
                str(tmp_path / 'recipe.yaml'),
                '--data',
                f'{many}:1.0',
                '--data',
                f'{few}:0.8',
                '--out',
                str(tmp_path / out),
                '--prepared',
                str(tmp_path / 'p'),
                '--threads',
                '1',
                '--workers',
                '0',
                '--set',
                'train.steps=2',
                *more,
            ]
        )

    assert train('first', '--set', 'losses.contrastive_weight=0') == 0
    assert '3 sequences to learn' in capsys.readouterr().out
    assert Recipe.read(tmp_path / 'first' / 'config.yaml').losses.contrastive_weight == 0
    (line,) = (tmp_path / 'first' / 'metrics.jsonl').read_text().splitlines()
    assert 'contrastive' not in json.loads(line)

    weights = str(tmp_path / 'first' / 'weights.safetensors')
    assert train('second', '--init', weights, '--set', 'model.ffn_dim=24') == 2
    assert '--init-allow' in capsys.readouterr().err
    monkeypatch.setenv('RESCENE4D_WEIGHTS', str(tmp_path / 'kept'))
    assert train('third', '--init', 'own') == 2
    assert "weights 'own'" in capsys.readouterr().err
    (tmp_path / 'kept').mkdir()
    shutil.copy(weights, tmp_path / 'kept' / 'own.safetensors')
    assert (
        train(
            'third',
            '--init',
            'own',
            '--set',
            'model.ffn_dim=24',
            '--init-allow',
            '*feed_forward*',
            '--set',
            'train.lr=0',
            '--set',
            'train.ema_decay=0',
        )
        == 0
    )
    out = capsys.readouterr().out
    assert 'from nothing: ' in out
    assert 'feed_forward' in out
    first, third = (
        load_weights(tmp_path / run / 'weights.safetensors')[0].state_dict()
        for run in ('first', 'third')
    )
    assert torch.equal(first['mask_features.weight'], third['mask_features.weight'])
    assert train('fourth', '--set', 'train.step=3') == 2
    assert 'did you mean steps' in capsys.readouterr().err


def test_curves_and_pictures_are_what_was_reported(tmp_path, toy_room, tiny_recipe):
    accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    rooms = write_rooms(tmp_path / 'rooms', toy_room, (0,))
    (tmp_path / 'recipe.yaml').write_text(tiny_recipe.to_yaml())
    command = [
        'train',
        str(tmp_path / 'recipe.yaml'),
        '--data',
        str(rooms),
        '--val',
        str(rooms),
        '--out',
        str(tmp_path / 'run'),
        '--threads',
        '1',
        '--workers',
        '0',
    ]
    assert main([*command, '--steps', '4']) == 0
    assert main([*command, '--steps', '8', '--resume']) == 0
    events = accumulator.EventAccumulator(
        str(tmp_path / 'run' / 'tensorboard'), size_guidance={'images': 0}
    )
    events.Reload()
    lines = [
        json.loads(line) for line in (tmp_path / 'run' / 'metrics.jsonl').read_text().splitlines()
    ]
    for name in ('total', 'lr', 't_ap50'):
        told = [(line['step'], line[name]) for line in lines if name in line]
        assert [e.step for e in events.Scalars(name)] == [step for step, _ in told]
        assert [e.value for e in events.Scalars(name)] == pytest.approx([v for _, v in told])
    assert all(e.value > 0 for e in events.Scalars('seconds_per_step'))
    pictures = events.Images('held out/toy-0')
    assert [p.step for p in pictures] == [4, 8]
    image = Image.open(io.BytesIO(pictures[0].encoded_image_string))
    assert image.size == (800, 600)
    curves = np.asarray(Image.open(tmp_path / 'run' / 'curves.png').convert('RGB'))
    blue = np.abs(curves.astype(int) - (31, 119, 180)).max(axis=2) < 30
    halves = np.array_split(blue, 2, axis=1)
    assert all(half.sum() > 50 for half in halves)  # loss, and scores on the held-out room


@pytest.mark.slow
def test_without_tensorboard_a_run_says_so_and_goes_on(tmp_path, toy_room, tiny_recipe):
    """A real process in which the package cannot be found."""
    rooms = write_rooms(tmp_path / 'rooms', toy_room, (0,))
    (tmp_path / 'recipe.yaml').write_text(tiny_recipe.to_yaml())
    code = (
        "import sys; sys.modules['tensorboard'] = None\n"
        'from rescene4d_ros.cli.main import main\nsys.exit(main(sys.argv[1:]))'
    )
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            code,
            'train',
            str(tmp_path / 'recipe.yaml'),
            '--data',
            str(rooms),
            '--out',
            str(tmp_path / 'run'),
            '--steps',
            '1',
            '--threads',
            '1',
            '--workers',
            '0',
        ],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    assert 'pip install tensorboard' in done.stderr
    assert (tmp_path / 'run' / 'weights.safetensors').exists()


def torchrun(launcher, recipe, rooms, out, *arguments):
    """Start processes of torchrun that train."""
    train = ['train', recipe, '--data', rooms, '--out', out, '--threads', 1, '--workers', 1]
    command = ['torch.distributed.run', *launcher, '-m', 'rescene4d_ros.cli.main', *train]
    return subprocess.Popen(
        [sys.executable, '-m', *map(str, (*command, *arguments))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_step(run, step, *processes):
    """Wait until a run has reported a step."""
    metrics = run.path / 'metrics.jsonl'
    end = time.monotonic() + 1200
    while not (metrics.exists() and f'"step": {step}' in metrics.read_text()):
        assert [process.poll() for process in processes] == [None] * len(processes)
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def endless(tmp_path, toy_room, tiny_recipe):
    """Return recipe, rooms and folder of a run that ends when it is told to."""
    rooms = write_rooms(tmp_path / 'rooms', toy_room, (0, 1))
    recipe = replace(tiny_recipe, train=replace(tiny_recipe.train, steps=100_000, log_every=1))
    (tmp_path / 'recipe.yaml').write_text(recipe.to_yaml())
    return tmp_path / 'recipe.yaml', rooms, RunFolder(tmp_path / 'run')


@pytest.mark.slow
def test_terminated_processes_write_a_checkpoint_at_one_step(endless, free_port):
    """Two real processes of torchrun, which hands SIGTERM on to them at different steps."""
    recipe, rooms, run = endless
    launcher = ('--nproc-per-node', 2, '--master-port', free_port())
    process = torchrun(launcher, recipe, rooms, run.path)
    wait_for_step(run, 3, process)
    assert not run.checkpoint.exists()
    process.terminate()
    told, _ = process.communicate(timeout=600)
    step = run.load_checkpoint()['step']
    assert f'stopped at step {step} of 100000' in told
    metrics = (run.path / 'metrics.jsonl').read_text().splitlines()
    assert json.loads(metrics[-1])['step'] == step


@pytest.mark.slow
def test_machines_stop_at_one_step_and_go_on(endless, free_port):
    """Two launchers on loopback, as of a cluster that ends the job of one machine early."""
    recipe, rooms, run = endless

    def start(*arguments):
        meet = ('--rdzv-backend', 'c10d', '--rdzv-endpoint', f'127.0.0.1:{free_port()}')
        launcher = ('--nnodes', 2, '--nproc-per-node', 1, *meet)
        return [torchrun(launcher, recipe, rooms, run.path, *arguments) for _ in range(2)]

    machines = start()
    wait_for_step(run, 3, *machines)
    machines[1].terminate()
    told = ''.join(machine.communicate(timeout=600)[0] for machine in machines)
    step = run.load_checkpoint()['step']
    assert told.count(f'stopped at step {step} of 100000') == 1, told  # one process tells
    machines = start('--resume', '--steps', step + 2)
    told = ''.join(machine.communicate(timeout=600)[0] for machine in machines)
    assert [machine.returncode for machine in machines] == [0, 0], told
    assert run.load_checkpoint()['step'] == step + 2


def test_command_names_what_is_missing(tmp_path, capsys):
    (tmp_path / 'recipe.yaml').write_text('{}')
    assert (
        main(
            [
                'train',
                str(tmp_path / 'recipe.yaml'),
                '--data',
                str(tmp_path),
                '--out',
                str(tmp_path / 'run'),
            ]
        )
        == 2
    )
    assert 'rescene4d rooms' in capsys.readouterr().err
    assert (
        main(
            [
                'train',
                str(tmp_path / 'none.yaml'),
                '--data',
                str(tmp_path),
                '--out',
                str(tmp_path / 'run'),
            ]
        )
        == 2
    )


def _work(rank: int, port: int, results) -> None:
    """Do one step of one of two processes."""
    torch.set_num_threads(1)
    os.environ |= {'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(port)}
    distributed.init_process_group('gloo', rank=rank, world_size=2)
    torch.manual_seed(rank)
    model = nn.ModuleList([nn.Linear(2, 1), nn.Linear(2, 1)])
    share_weights(model)
    x = torch.tensor([[1.0, 2.0]]) * (rank + 1)
    model[rank](x).sum().backward()  # each process leaves the other's layer without gradient
    n_usable = average_gradients(model)
    gradients = [p.grad.tolist() for p in model.parameters()]
    alone = average_gradients(model, has_some=rank == 1)  # the first fell short of memory
    results.put(
        (
            rank,
            world(),
            [p.detach().tolist() for p in model.parameters()],
            gradients,
            [p.grad.tolist() for p in model.parameters()],
            (n_usable, alone, average_gradients(model, has_some=False)),
        )
    )
    distributed.barrier()
    distributed.destroy_process_group()


def test_processes_share_weights_and_gradients(free_port):
    context = multiprocessing.get_context('fork')
    results = context.SimpleQueue()
    port = free_port()
    processes = [context.Process(target=_work, args=(rank, port, results)) for rank in (0, 1)]
    for process in processes:
        process.start()
    first, second = sorted(results.get() for _ in processes)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert (first[1], second[1]) == ((0, 2), (1, 2))
    assert first[2:] == second[2:]
    assert first[3] == first[4] == [[[0.5, 1.0]], [0.5], [[1.0, 2.0]], [0.5]]
    assert first[5] == (2, 1, 0)
