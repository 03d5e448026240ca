"""A published checkpoint by name: the node and `replay` make the same memory of three visits."""

import importlib.util
import json
from pathlib import Path

import pytest
from rescene4d_ros.class_lists import class_list
from rescene4d_ros.cli.main import main
from rescene4d_ros.data.readers.bags.writing import write_snapshots
from rescene4d_ros.inference.weights_file import weights_hash
import torch

LOW = {'inference.score_threshold': 0.0, 'tracker.birth_score': 0.0, 'inference.torch_threads': 1}
TOLD_OF_OBJECTS = ('object_id', 'class', 'states', 'link_reason')


def write_checkpoint(path):
    """Write a file with the names, shapes and wrapper of Mask3D, and random tensors."""

    def module(name):
        spec = importlib.util.spec_from_file_location(
            Path(name).stem, Path(__file__).parents[1] / 'models' / name
        )
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return loaded

    shapes, published = module('conftest.py'), module('test_weights_command.py')
    state = published.random_tensors(shapes.make_mask3d_shapes())
    torch.save({'state_dict': state, 'hyper_parameters': {'config': published.CONFIG}}, path)


@pytest.mark.slow
def test_node_and_replay_agree_on_a_memory_of_three_visits(
    monkeypatch, processes, visits, tmp_path
):
    """The node is a process as a user starts it, and gets the weights by name."""
    monkeypatch.setenv('RESCENE4D_WEIGHTS', str(tmp_path / 'kept'))
    write_checkpoint(tmp_path / 'scannet_val.ckpt')
    assert main(['weights', 'add', str(tmp_path / 'scannet_val.ckpt'), '--name', 'room']) == 0
    write_snapshots(tmp_path / 'bag', visits[:3])

    node = processes.start(
        'main',
        params={
            'autostart': 'true',
            'memory.path': tmp_path / 'node',
            'inference.weights': 'room',
            **LOW,
        },
        fresh=True,
    )
    player = processes.start('tools.player', tmp_path / 'bag', '--acks')
    assert processes.finish(player) == 0, node.log.read_text() + player.log.read_text()
    assert processes.stop(node) == 0, node.log.read_text()

    settings = [part for item in LOW.items() for part in ('--set', '{}={}'.format(*item))]
    replay = ['replay', str(tmp_path / 'bag'), '--memory', str(tmp_path / 'replay'), *settings]
    assert main([*replay, '--weights', 'room', '--out', str(tmp_path / 'out')]) == 0
    told = {}
    for name in ('node', 'replay'):
        out = tmp_path / f'{name}_out'
        assert main(['memory', 'export', str(tmp_path / name), '--out', str(out)]) == 0
        told[name] = json.loads((out / 'objects.json').read_text())
        assert [v['status'] for v in told[name]['visits']] == ['DONE'] * 3
        assert tuple(told[name]['classes']) == class_list('scannet18').names
    assert weights_hash(tmp_path / 'kept' / 'room.safetensors')[:16] in node.log.read_text()
    assert told['node']['objects']
    by_node, by_replay = (
        [{key: o[key] for key in TOLD_OF_OBJECTS} for o in told[name]['objects']] for name in told
    )
    assert by_node == by_replay
