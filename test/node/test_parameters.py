"""Parameters say what the settings say, and refuse what the settings refuse."""

import math
import subprocess
import sys

import pytest
from rclpy.parameter import Parameter
from rescene4d_ros.node.parameters import check_parameters, descriptor, named_settings, SECTIONS
from rescene4d_ros.node.visit_builder import settings as builder

SETTINGS = dict(named_settings())


def test_all_rooms_are_there():
    """Every room's settings have parameters, with names that say whose they are."""
    assert {name.partition('.')[0] for name in SETTINGS if '.' in name} == {
        'memory',
        'retention',
        'fleet',
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


@pytest.mark.parametrize('sections', [SECTIONS, builder.SECTIONS])
def test_an_empty_text_passes_where_it_has_a_meaning(sections):
    """A description that says what empty means is true; others with a default refuse it."""
    texts = {n: s for n, s in named_settings(sections) if s.type is str and s.one_of is None}
    said = {name for name, setting in texts.items() if 'empty =' in setting.text}
    may_be = said | {name for name, setting in texts.items() if not setting.default}
    passes = {
        name
        for name in texts
        if check_parameters([Parameter(name, value='')], sections).successful
    }
    assert said
    assert passes == may_be


def test_other_packages_parameters_are_not_refused():
    """Rclpy and launch set some of their own."""
    assert check_parameters([Parameter('use_sim_time', value=True)]).successful


STARTS = """
import sys
import rclpy
from rescene4d_ros.node.managed_node import ManagedNode, run
from rescene4d_ros.node.parameters import read, SECTIONS

class Declaring(ManagedNode):
    def __init__(self):
        super().__init__('declaring')
        self.declare(SECTIONS)
        settings = read(self).node
        print(settings.max_future, settings.plausibility)
        self.create_timer(0.0, rclpy.shutdown)

for arguments in (
    ['-p', 'max_future:=30', '-p', 'plausibility:=off', '-p', 'memory.pth:=x'],
    ['-p', 'max_future:=soon'],
    ['-p', 'memory.map_id:=7'],
    ['--params-file', sys.argv[1]],
    ['--no-such-argument'],
):
    print(run(Declaring, ['--ros-args', *arguments]))
"""


def test_parameters_of_the_command_line(tmp_path):
    """Whole numbers are floats too; what is wrong or unknown is told, without a traceback."""
    file = tmp_path / 'list.yaml'
    file.write_text('- 1')
    done = subprocess.run(
        [sys.executable, '-c', STARTS, file], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.splitlines() == ['30.0 off', '0', '2', '2', '2', '2'], done.stderr
    assert "got 'memory.pth', which has no effect; did you mean memory.path" in done.stderr
    assert "max_future: expected float, got str 'soon'" in done.stderr
    assert 'map_id: expected str, got int 7' in done.stderr
    assert 'Sequences cannot be key at line 1; correct them' in done.stderr
    assert 'no-such-argument' in done.stderr
    assert 'Traceback' not in done.stderr
