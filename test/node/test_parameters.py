"""Parameters say what the settings say, and refuse what the settings refuse."""

import math

import pytest
from rclpy.parameter import Parameter
from rescene4d_ros.node.parameters import check_parameters, descriptor, named_settings

SETTINGS = dict(named_settings())


def test_all_rooms_are_there():
    """Every room's settings have parameters, with names that say whose they are."""
    assert {name.partition('.')[0] for name in SETTINGS if '.' in name} == {
        'memory',
        'inference',
        'tracker',
        'association',
        'motion',
        'changes',
    }
    assert {
        'memory.path',
        'memory.map_id',
        'inference.torch_threads',
        'map_frame',
        'autostart',
    } <= set(SETTINGS)


@pytest.mark.parametrize('name', SETTINGS)
def test_descriptor(name):
    """Meaning, unit, bounds and whether it may change reach the ROS tools."""
    setting, message = SETTINGS[name], descriptor(SETTINGS[name])
    assert setting.text in message.description
    assert setting.unit in message.description
    assert message.read_only == (not setting.live)
    ranges = [*message.integer_range, *message.floating_point_range]
    assert bool(ranges) == (setting.ge is not None or setting.le is not None)
    for bounds in ranges:
        assert bounds.from_value <= setting.default <= bounds.to_value
        assert setting.ge is None or bounds.from_value == setting.ge
        assert setting.le is None or bounds.to_value == setting.le


@pytest.mark.parametrize('name', SETTINGS)
def test_check(name):
    """The default passes; what is out of bounds does not, and the reason names the bound."""
    setting = SETTINGS[name]
    assert check_parameters([Parameter(name, value=setting.default)]).successful
    bad = []
    if setting.ge is not None:
        bad.append((setting.type(setting.ge) - 1, str(setting.ge)))
    if setting.le is not None:
        bad.append((setting.type(setting.le) + 1, str(setting.le)))
    if setting.one_of is not None:
        bad.append(('no such choice', str(setting.one_of[0])))
    if setting.type is float:
        bad.append((math.nan, 'NaN'))
    for value, hint in bad:
        result = check_parameters([Parameter(name, value=value)])
        assert not result.successful
        assert hint in result.reason


def test_other_packages_parameters_are_not_refused():
    """Rclpy and launch set some of their own."""
    assert check_parameters([Parameter('use_sim_time', value=True)]).successful
