"""`rescene4d doctor`: every line is ok, warn or fail, with what was measured and what to do."""

import fcntl
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from rescene4d_ros.cli.doctor import machine
from rescene4d_ros.cli.doctor.report import Verdict, worst
from rescene4d_ros.cli.doctor.robot import judged_probe, ros_lines
from rescene4d_ros.cli.main import main
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Scan

GOOD = {
    'profile': {'chosen_by_user': False, 'values': {'FASTDDS': 'fastdds.xml'}, 'missing': []},
    'distribution': 'jazzy',
    'middleware': 'rmw_fastrtps_cpp',
    'domain': '0',
    'round_trip': {'sent': 10, 'received': 10, 'bytes': 3_200_000, 'median': 0.02},
    'nodes': ['/home/rescene4d', '/talker'],
    'tf': {'installed': True, 'frames': 3, 'error': ''},
    'clouds': {
        'topic': '/snapshots',
        'publishers': ['/lidar'],
        'listeners': ['/home/rescene4d'],
        'deaf': [],
        'heard': 30,
        'rate': 10.0,
        'frame': 'map',
        'age': 0.1,
    },
    'clock_publishers': 0,
    'diagnostics': {'home/rescene4d: scans': [0, 'accepting visits']},
}


def lines_of(capsys, *arguments):
    """Return exit status and lines, by check, of the command without ROS."""
    status = main(['doctor', '--without-ros', '--json', *arguments])
    found = json.loads(capsys.readouterr().out)
    return status, {line['check']: line for line in found['lines']}


def test_lines_of_a_good_machine(tmp_path, capsys):
    """Every line says what was measured and expected; a remedy stands where it is not ok."""
    status, lines = lines_of(capsys, '--memory', str(tmp_path / 'memory'))
    assert status == 0
    assert {'python', 'gpu', 'weights', 'disk', 'memory', 'system time'} <= set(lines)
    assert all(line['measured'] and line['expected'] for line in lines.values())
    assert all(bool(line['remedy']) == (line['verdict'] != 'ok') for line in lines.values())
    assert 'rooms-s.safetensors' in lines['weights']['measured']


def test_faults_fail(tmp_path, capsys):
    """Unknown weights and a memory that is none: exit status 1, and each line its remedy."""
    (tmp_path / 'scene.db').write_bytes(b'not a database')
    status, lines = lines_of(capsys, '--memory', str(tmp_path), '--weights', 'nobody')
    assert status == 1
    assert lines['weights']['verdict'] == lines['memory']['verdict'] == 'fail'
    assert 'weights list' in lines['weights']['remedy']


def test_clock_behind_the_memory(tmp_path):
    """A clock that is earlier than the newest visit would make every visit LATE."""
    scan = Scan(np.zeros((5, 3), np.float32), 1_800_000_000 * 10**9, frame_id='map')
    with SceneMemory.open(tmp_path, 'home', 'map', ['chair']) as memory:
        memory.add_visit(scan)
    early, late = ((1_800_000_000 + days * 86_400) * 10**9 for days in (-1, 1))
    by_check = {line.check: line for line in machine.memory_lines(tmp_path, '', early)}
    assert by_check['system time'].verdict == Verdict.FAIL
    assert 'map home, 1 visits' in by_check['memory'].measured
    assert worst([*machine.memory_lines(tmp_path, '', late)]) == Verdict.OK


def test_segments_that_killed_processes_left(tmp_path):
    """A segment counts as left only while no process holds its lock."""
    with open(tmp_path / 'fastdds_0123_el', 'w') as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert ' 0 segments' in machine.shared_memory_line(tmp_path).measured
    line = machine.shared_memory_line(tmp_path)
    assert ' 1 segments' in line.measured
    assert line.verdict == Verdict.WARN
    assert machine.shared_memory_line(tmp_path / 'none').verdict == Verdict.WARN


@pytest.mark.parametrize(
    ('where', 'value', 'check', 'verdict'),
    [
        ('round_trip', {'received': 7}, 'dds', Verdict.FAIL),
        ('round_trip', {'median': 0.5}, 'dds', Verdict.WARN),
        ('profile', {'missing': ['/nowhere.xml']}, 'dds profile', Verdict.FAIL),
        ('tf', {'installed': False}, 'tf', Verdict.WARN),
        ('tf', {'error': 'no frame lidar'}, 'tf', Verdict.FAIL),
        ('clouds', {'age': 40.0}, 'clouds', Verdict.WARN),
        ('clouds', {'deaf': [['/lidar', '/rescene4d', 'best_effort']]}, 'clouds', Verdict.FAIL),
        ('diagnostics', {'rescene4d: node': [2, 'storing']}, 'rescene4d: node', Verdict.FAIL),
    ],
)
def test_judgments(where, value, check, verdict):
    """One deviation from a good machine makes exactly its own line other than ok."""
    assert worst([*judged_probe(GOOD)]) == Verdict.OK
    lines = [*judged_probe({**GOOD, where: {**GOOD[where], **value}})]
    assert {line.check: line.verdict for line in lines if line.remedy} == {check: verdict}


def test_machine_without_ros(monkeypatch):
    """Where the probe cannot be imported, one line says so, and replays still work."""
    monkeypatch.setattr('rescene4d_ros.cli.doctor.robot.PROBE', 'rescene4d_ros.no_such_module')
    (line,) = ros_lines((), 0.0)
    assert (line.check, line.verdict) == ('ros', Verdict.FAIL)
    assert 'no_such_module' in line.measured


@pytest.mark.slow
@pytest.mark.ros
def test_deaf_listener_over_dds(tmp_path):
    """Over real DDS clouds arrive; a reliable listener is deaf to a best-effort sender."""
    pytest.importorskip('rclpy', reason='needs ROS 2')
    talk = (
        'import time, rclpy, rclpy.qos as q; from sensor_msgs.msg import PointCloud2 as P; '
        "rclpy.init(); n = rclpy.create_node('lidar'); "
        "s = n.create_publisher(P, 'c', q.qos_profile_sensor_data); "
        "n.create_subscription(P, 'c', print, 5); time.sleep(600)"
    )
    env = {**os.environ, 'ROS_DOMAIN_ID': '79'}
    with subprocess.Popen([sys.executable, '-c', talk], env=env) as talker:
        try:
            done = subprocess.run(
                [sys.executable, '-m', 'rescene4d_ros.cli.main', 'doctor', '--json']
                + ['--topic', 'c', '--listen', '10', '--memory', str(tmp_path)],
                env=env,
                capture_output=True,
                text=True,
                timeout=300,
            )
        finally:
            talker.kill()
    lines = {line['check']: line for line in json.loads(done.stdout)['lines']}
    assert done.returncode == 1, done.stderr
    assert lines['dds']['measured'].startswith('10 of 10 clouds')
    assert '/lidar does not hear /lidar' in lines['clouds']['measured']
