"""The `train` command on real files: run folder, resume, wrong use; and several processes."""
from __future__ import annotations

from dataclasses import replace
import json
import os

from rescene4d_ros.cli.main import main
from rescene4d_ros.data.sequence_file import write_sequence
from rescene4d_ros.inference import load_weights
from rescene4d_ros.training import Recipe
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
    command = ['train', str(tmp_path / 'recipe.yaml'), '--data', str(tmp_path / 'data'),
               '--val', str(tmp_path / 'val'), '--out', str(tmp_path / 'run'),
               '--threads', '1', '--workers', '0']
    assert main(command) == 0
    assert main(command) == 2
    assert 'give --resume' in capsys.readouterr().err
    assert main([*command, '--resume', '--steps', '6']) == 0
    assert 'step 4 of 6' in capsys.readouterr().out

    run = tmp_path / 'run'
    assert Recipe.read(run / 'config.yaml').train.steps == 6
    steps = [json.loads(line)['step'] for line in (run / 'metrics.jsonl').read_text().split('\n')
             if line]
    assert steps == [2, 4, 6]
    environments = (run / 'environment.jsonl').read_text().splitlines()
    assert [json.loads(e)['torch'] for e in environments] == [torch.__version__] * 2
    assert load_weights(run / 'weights.safetensors')[1].training['steps'] == 6


def test_command_names_what_is_missing(tmp_path, capsys):
    (tmp_path / 'recipe.yaml').write_text('{}')
    assert main(['train', str(tmp_path / 'recipe.yaml'), '--data', str(tmp_path),
                 '--out', str(tmp_path / 'run')]) == 2
    assert 'rescene4d rooms' in capsys.readouterr().err
    assert main(['train', str(tmp_path / 'none.yaml'), '--data', str(tmp_path),
                 '--out', str(tmp_path / 'run')]) == 2


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
    average_gradients(model)
    results.put((rank, world(), [p.detach().tolist() for p in model.parameters()],
                 [p.grad.tolist() for p in model.parameters()]))
    distributed.barrier()
    distributed.destroy_process_group()


def test_processes_share_weights_and_gradients(free_port):
    context = multiprocessing.get_context('fork')
    results = context.SimpleQueue()
    processes = [context.Process(target=_work, args=(rank, free_port, results))
                 for rank in (0, 1)]
    for process in processes:
        process.start()
    first, second = sorted(results.get() for _ in processes)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert (first[1], second[1]) == ((0, 2), (1, 2))
    assert first[2:] == second[2:]
    assert first[3] == [[[0.5, 1.0]], [0.5], [[1.0, 2.0]], [0.5]]
