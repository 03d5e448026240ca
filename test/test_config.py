"""Typed settings refuse what is unknown, of another type, or out of bounds, and say so."""

from dataclasses import dataclass

import pytest
from rescene4d_ros import config
from rescene4d_ros.config import FRAME, param
from rescene4d_ros.errors import ConfigError


@dataclass(frozen=True)
class Example:
    """A config as rooms declare them."""

    voxel_size: float = param(0.05, 'Edge of a voxel', unit='m', ge=0.005, le=0.5)
    threads: int = param(1, 'Threads of the network', ge=1)
    device: str = param('cpu', 'Where the network runs', one_of=('cpu', 'cuda'))
    rviz: bool = param(False, 'Start RViz', live=True)
    frame: str = param('map', 'Frame of the memory', form=FRAME)
    other_frame: str = param('', 'Another frame; empty = none', form=FRAME)
    folder: str = param('~/x', 'Folder of the memory')


def test_defaults_and_integers_as_floats():
    """An integer is a fine value of a float setting; the result is a float."""
    made = config.make(Example, {'voxel_size': 0.1, 'threads': 2})
    assert made == Example(0.1, 2)
    assert config.make(Example) == Example()


@pytest.mark.parametrize(
    ('values', 'text'),
    [
        ({'voxel_sise': 0.1}, 'did you mean voxel_size'),
        ({'voxel_size': 0.9}, r'at most 0.5 m, got 0.9 m'),
        ({'voxel_size': float('nan')}, 'got NaN'),
        ({'threads': 0}, 'at least 1'),
        ({'threads': 1.5}, 'expected int, got float'),
        ({'threads': True}, 'expected int, got bool'),
        ({'device': 'tpu'}, 'one of cpu, cuda'),
        ({'rviz': 1}, 'expected bool'),
        ({'zzz': 1}, 'known: voxel_size, threads, device, rviz'),
        ({'voxel_size': float('inf')}, 'got inf'),
        ({'frame': ''}, "expected a text, got ''; Frame of the memory"),
        ({'frame': '/map'}, "no / in front; got '/map'"),
        ({'frame': 'm' * 201}, 'at most 200 characters'),
        ({'other_frame': ' map'}, "got ' map'"),
        ({'folder': ''}, 'expected a text'),
        ({'folder': ' '}, 'expected a text'),
        ({'folder': 'a\0b'}, 'control characters'),
        ({'folder': 'a/' * 3000}, 'at most 4096 characters'),
    ],
)
def test_refusals_name_the_setting_and_the_remedy(values, text):
    """Each refusal carries what was expected and what came."""
    with pytest.raises(ConfigError, match=text):
        config.make(Example, values)


@pytest.mark.parametrize('frame', ['m', 'map', 'robot1/base link', 'карта', 'm' * 200])
def test_texts_of_the_right_form(frame):
    """Frames of namespaces and of other scripts are good, and so is none where it may be none."""
    made = config.make(Example, {'frame': frame, 'other_frame': ''})
    assert (made.frame, made.other_frame) == (frame, '')


def test_paths(monkeypatch, tmp_path):
    """The home folder is found; that of nobody is refused."""
    monkeypatch.setenv('HOME', str(tmp_path))
    assert config.path_of('~/x') == tmp_path / 'x'
    with pytest.raises(ConfigError, match='write the whole path'):
        config.path_of('~no_such_user/x')


def test_settings_carry_the_metadata():
    """ROS descriptors, CLI flags and docs read these."""
    first, _, _, last, *_ = config.settings(Example)
    assert (first.name, first.type, first.default, first.unit) == ('voxel_size', float, 0.05, 'm')
    assert (first.ge, first.le, last.live) == (0.005, 0.5, True)
