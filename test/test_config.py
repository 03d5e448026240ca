"""Typed settings refuse what is unknown, of another type, or out of bounds, and say so."""

from dataclasses import dataclass

import pytest
from rescene4d_ros import config
from rescene4d_ros.config import param
from rescene4d_ros.errors import ConfigError


@dataclass(frozen=True)
class Example:
    """A config as rooms declare them."""

    voxel_size: float = param(0.05, 'Edge of a voxel', unit='m', ge=0.005, le=0.5)
    threads: int = param(1, 'Threads of the network', ge=1)
    device: str = param('cpu', 'Where the network runs', one_of=('cpu', 'cuda'))
    rviz: bool = param(False, 'Start RViz', live=True)


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
    ],
)
def test_refusals_name_the_setting_and_the_remedy(values, text):
    """Each refusal carries what was expected and what came."""
    with pytest.raises(ConfigError, match=text):
        config.make(Example, values)


def test_settings_carry_the_metadata():
    """ROS descriptors, CLI flags and docs read these."""
    first, *_, last = config.settings(Example)
    assert (first.name, first.type, first.default, first.unit) == ('voxel_size', float, 0.05, 'm')
    assert (first.ge, first.le, last.live) == (0.005, 0.5, True)
