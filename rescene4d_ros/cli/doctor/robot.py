"""Checks of ROS 2: a probe in a process of its own measures, so that this one needs no ROS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import json
import subprocess
import sys
from typing import Any

from rescene4d_ros.cli.doctor.report import judged, Line, Verdict

PROBE = 'rescene4d_ros.node.tools.ros_probe'
PROBE_LIMIT = 120.0  # s, beside what it listens
LONGEST_DELAY = 0.2  # s; median of a cloud of 3.2 MB. Fragments over UDP take 0.03 to 0.05 s
LATE_STAMP = 1.0  # s; TF keeps 10 s
LEVELS = {0: 'ok', 1: 'warn', 2: 'error', 3: 'stale'}


def ros_lines(arguments: Sequence[str], listen: float) -> Iterator[Line]:
    """Run the probe and judge what it measured; a machine without ROS is worth a warning."""
    command = (sys.executable, '-m', PROBE, '--listen', str(listen), *arguments)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_LIMIT + listen
        )
    except subprocess.TimeoutExpired:
        yield judged(
            'ros',
            f'no answer in {PROBE_LIMIT + listen:.0f} s',
            'rclpy can be started',
            'remove stale segments of shared memory, and see whether the network has an interface',
            Verdict.FAIL,
        )
        return
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        why = (done.stderr.strip() or f'exit status {done.returncode}').splitlines()[-1]
        missing = 'ModuleNotFoundError' in why
        yield judged(
            'ros',
            why,
            'rclpy and the messages of this package',
            'source ROS 2 and the workspace, or `pip install .`; `rescene4d replay` needs neither',
            Verdict.WARN if missing else Verdict.FAIL,
        )
        return
    yield from judged_probe(json.loads(lines[-1]))


def judged_probe(probe: dict[str, Any]) -> Iterator[Line]:
    """Judge what the probe measured; its module says what each value is."""
    middleware = probe['middleware']
    yield judged(
        'ros',
        f'{probe["distribution"]}, {middleware}, ROS_DOMAIN_ID {probe["domain"]}',
        'rclpy and the messages of this package',
    )
    yield _profile_line(probe['profile'], 'fastrtps' in middleware)
    yield _transport_line(probe['round_trip'])
    yield _tf_line(probe['tf'])
    yield from _topic_lines(probe)
    yield from _node_lines(probe)


def _profile_line(profile: dict[str, Any], is_fast_dds: bool) -> Line:
    expected = 'config/fastdds.xml, or a profile of your own with as large a segment'
    if not is_fast_dds:
        return judged('dds profile', 'not used by this middleware', 'none needed')
    values = ', '.join(f'{k}={v}' for k, v in profile['values'].items())
    if profile['missing']:
        remedy = 'correct the path; Fast DDS ignores a file that it does not find'
        return judged('dds profile', values, expected, remedy, Verdict.FAIL)
    named = 'a file in this folder' if profile['chosen_by_user'] else ''
    problem = ''
    if 'LARGE_DATA' in values:
        problem = 'unset FASTDDS_BUILTIN_TRANSPORTS: messages get lost with LARGE_DATA'
    return judged('dds profile', values or named, expected, problem)


def _transport_line(trip: dict[str, Any]) -> Line:
    sent, received, median = trip['sent'], trip['received'], trip['median']
    size = f'{trip["bytes"] / 1e6:.1f} MB'
    measured = f'{received} of {sent} clouds of {size}'
    if median is not None:
        measured += f', median {1e3 * median:.0f} ms'
    expected = f'all, median below {1e3 * LONGEST_DELAY:.0f} ms'
    if received < sent:
        remedy = (
            'see the lines of the profile and of shared memory; a firewall must let multicast '
            'and UDP 7400 to 7500 through'
        )
        return judged('dds', measured, expected, remedy, Verdict.FAIL)
    problem = ''
    if median is not None and median > LONGEST_DELAY:
        problem = 'use config/fastdds.xml, and stop other programs'
    return judged('dds', measured, expected, problem)


def _tf_line(tf: dict[str, Any]) -> Line:
    expected = 'a transform from the map frame to that of the clouds'
    if not tf['installed']:
        remedy = (
            'install tf2_ros (a ROS machine has it); else clouds come in the map frame, or poses '
            'on odometry_topic'
        )
        return judged('tf', 'tf2_ros is not installed', expected, remedy)
    measured = f'{tf["frames"]} frames' + (f', {tf["error"]}' if tf['error'] else '')
    problem = ''
    if not tf['frames']:
        problem = 'start localization and robot_state_publisher'
    if tf['error']:
        problem = 'correct the names of the frames, or start what publishes the missing transform'
    return judged('tf', measured, expected, problem, Verdict.FAIL if tf['error'] else Verdict.WARN)


def _topic_lines(probe: dict[str, Any]) -> Iterator[Line]:
    clouds, clocks = probe['clouds'], probe['clock_publishers']
    simulated = clocks > 0
    measured = f'{clocks} publishers of /clock'
    problem = '' if clocks < 2 else 'stop all but one: time would jump'
    yield judged('ros clock', measured, 'none, or one in a simulation', problem, Verdict.FAIL)

    expected = 'one publisher, which the nodes can hear'
    rate = '' if clouds['rate'] is None else f', {clouds["rate"]:.1f} Hz'
    measured = (
        f'{clouds["topic"]}: {len(clouds["publishers"])} publishers, {clouds["heard"]} heard{rate}'
    )
    problem, verdict = '', Verdict.WARN
    if not clouds['publishers']:
        problem = 'start the source of the clouds, or name its topic with --topic'
    age = clouds['age']
    if age is not None and not simulated and abs(age) > LATE_STAMP:
        measured += f', stamp {age:.1f} s old'
        problem = (
            'synchronize the clocks of sensor and computer; a transform is looked up at the stamp'
        )
    if clouds['deaf']:
        pairs = [f'{listener} does not hear {sender}' for sender, listener, _ in clouds['deaf']]
        measured += ', ' + ', '.join(pairs)
        problem, verdict = 'set snapshots_reliability to best_effort', Verdict.FAIL
    yield judged('clouds', measured, expected, problem, verdict)


def _node_lines(probe: dict[str, Any]) -> Iterator[Line]:
    running = [n for n in probe['nodes'] if n.endswith(('/rescene4d', '/visit_builder'))]
    yield judged(
        'nodes',
        ', '.join(running) or 'none runs',
        '/rescene4d, while the robot works',
        '' if running else '`ros2 launch rescene4d_ros robot.launch.py`, or `rescene4d_node`',
    )
    for name, (level, message) in sorted(probe['diagnostics'].items()):
        yield judged(
            name,
            f'{LEVELS.get(level, level)}: {message}',
            'ok',
            'see the guide, Troubleshooting' if level else '',
            Verdict.FAIL if level == 2 else Verdict.WARN,
        )
