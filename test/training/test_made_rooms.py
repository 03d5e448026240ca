"""Rooms made as training goes: the same ones whoever makes them, and an end where none come."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
import os
from pathlib import Path
import shutil
import signal
import time

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.cli.train.training_data import data_source
from rescene4d_ros.data.sequences.mixing import MixedSampler
from rescene4d_ros.data.sequences.sequence_file import write_sequence
from rescene4d_ros.errors import RescenError
from rescene4d_ros.synthetic_rooms import make_sequence, RoomsConfig
from rescene4d_ros.training import RunFolder, Trainer
from rescene4d_ros.training.samples.augmented_samples import TrainingSamples
from rescene4d_ros.training.samples.made_rooms import RoomStream
from rescene4d_ros.training.samples.prepared_sequences import load_prepared
from rescene4d_ros.training.samples.room_makers import RoomMakers
import torch

ROOM = RoomsConfig(
    min_objects=1, max_objects=2, views=6, view_width=32, view_height=24, p_hidden_zone=0.0
)


@pytest.fixture
def stream(tmp_path, tiny_recipe):
    """Return small rooms, of which two may be drawn at a time and every other draw brings one."""
    return RoomStream(
        'small',
        partial(make_sequence, config=ROOM),
        tmp_path / 'rooms',
        3,
        tiny_recipe.superpoints,
        'given',
        2,
        2.0,
    )


def test_rooms_of_a_sample_depend_on_its_number_alone(stream, tiny_recipe):
    recipe = replace(tiny_recipe, train=replace(tiny_recipe.train, seed=3))
    samples = TrainingSamples(
        (),
        recipe.train,
        recipe.model,
        recipe.augment,
        mixing=MixedSampler([2], [1.0], 3),
        streams=(stream,),
    )
    stream.folder.mkdir()
    assert [stream.oldest(n) for n in range(6)] == [0, 0, 1, 1, 2, 2]
    assert [stream.newest(n) for n in range(6)] == [1, 1, 2, 2, 3, 3]
    for room in range(4):
        stream.write(room)
    before = {p.name: load_prepared(p) for p in sorted(stream.folder.iterdir())}
    assert len({tuple(s.visits[0].scan.xyz[0]) for s in before.values()}) == 4
    first = samples.sample(4)
    shutil.rmtree(stream.folder)
    stream.folder.mkdir()
    for room in (3, 2):  # in another order, without those that are used up
        stream.write(room)
        again = load_prepared(stream.path(room))
        known = before[stream.path(room).name]
        assert again.classes == known.classes
        for one, two in zip(again.visits, known.visits, strict=True):
            np.testing.assert_array_equal(one.scan.xyz, two.scan.xyz)
            np.testing.assert_array_equal(one.superpoint, two.superpoint)
    for one, two in zip(first.visits, samples.sample(4).visits, strict=True):
        assert torch.equal(one.feats, two.feats)


def trainer_of(recipe, stream, folder, workers=0):
    mixing = MixedSampler([stream.pool], [1.0], recipe.train.seed)
    return Trainer(
        recipe,
        [],
        [],
        RunFolder(folder),
        torch.device('cpu'),
        time.monotonic,
        workers,
        mixing,
        (stream,),
        RoomMakers((stream,), 1),
    )


@pytest.mark.slow
def test_stopped_run_goes_on_to_the_same_bits_with_rooms_made_anew(tmp_path, stream, tiny_recipe):
    recipe = replace(tiny_recipe, train=replace(tiny_recipe.train, steps=4))
    straight = trainer_of(recipe, stream, tmp_path / 'straight', workers=1)
    straight.fit()
    assert len(list(stream.folder.glob('*.npz'))) <= 4 * stream.pool + 2
    stopped = trainer_of(recipe, stream, tmp_path / 'stopped', workers=1)
    stopped.fit(should_stop=lambda: stopped.step == 2)
    shutil.rmtree(stream.folder)
    resumed = trainer_of(recipe, stream, tmp_path / 'stopped')
    resumed.resume()
    resumed.fit()
    for a, b in zip(straight.state()['model'].values(), resumed.state()['model'].values()):
        assert torch.equal(a, b)


@pytest.mark.slow
def test_stop_does_not_wait_for_rooms_that_batches_ahead_need(tmp_path, stream, tiny_recipe):
    many = replace(stream, pool=1, uses=1.0)  # a room for each sample
    trainer = trainer_of(tiny_recipe, many, tmp_path / 'run', workers=1)
    trainer.fit(should_stop=lambda: trainer.step == 1)
    assert trainer.folder.load_checkpoint()['step'] == 1


def child_of(pid: int) -> int:
    """Return the process of the pool: the one that spawned for multiprocessing."""
    while True:
        for child in Path(f'/proc/{pid}/task').glob('*/children'):
            for number in child.read_text().split():
                if b'spawn_main' in Path(f'/proc/{number}/cmdline').read_bytes():
                    return int(number)
        time.sleep(0.02)


def test_killed_maker_ends_training_with_what_to_do(tmp_path, stream, tiny_recipe):
    trainer = trainer_of(tiny_recipe, stream, tmp_path / 'run', workers=1)

    def kill() -> bool:
        if trainer.step == 0:
            os.kill(child_of(os.getpid()), signal.SIGKILL)
        return False

    with pytest.raises(RescenError, match='one was killed.*--room-workers'):
        trainer.fit(should_stop=kill)


def test_room_that_cannot_be_made_ends_training_with_why(tmp_path, stream, tiny_recipe):
    broken = replace(stream, make=partial(make_sequence, config=None))
    trainer = trainer_of(tiny_recipe, broken, tmp_path / 'run')
    with pytest.raises(RescenError, match='rooms: expected to make one, got AttributeError'):
        trainer.fit()


@pytest.mark.slow
def test_command_mixes_made_rooms_with_a_folder(tmp_path, toy_room, tiny_recipe, capsys):
    (tmp_path / 'data').mkdir()
    write_sequence(tmp_path / 'data' / '0.npz', *toy_room(0))
    recipe = replace(tiny_recipe, train=replace(tiny_recipe.train, steps=2, room_pool=1))
    (tmp_path / 'recipe.yaml').write_text(recipe.to_yaml())
    command = ['train', str(tmp_path / 'recipe.yaml'), '--out', str(tmp_path / 'run')]
    command += ['--data', str(tmp_path / 'data'), '--data', 'synthetic:default:2']
    assert main([*command, '--threads', '1', '--workers', '0', '--room-workers', '1']) == 0
    assert 'made 1 rooms' in capsys.readouterr().out
    assert list((tmp_path / 'run' / 'prepared').glob('default-*.npz'))


def test_data_sets_are_folders_or_presets(tmp_path, capsys):
    source = data_source('synthetic:lifelike:0.5')
    assert (source.name, source.is_made, source.weight) == ('lifelike', True, 0.5)
    (tmp_path / 'a:2').mkdir()
    source = data_source(str(tmp_path / 'a:2'))
    assert (source.name, source.is_made, source.weight) == (str(tmp_path / 'a:2'), False, 1.0)
    with pytest.raises(SystemExit):
        main(['train', 'recipe.yaml', '--out', str(tmp_path), '--data', 'synthetic:castle'])
    assert 'castle' in capsys.readouterr().err
