"""
Minutes of live clouds at 10 Hz over DDS, with the real `visit_builder` and the real node.

    .venv/bin/python benchmarks/live_clouds.py --minutes 30

A robot drives to and fro in a furnished room and ends a visit each minute. Prints memory, CPU time
and backlog of both processes every 30 s, and at the end what was lost. Exit code 1 when a visit
was lost or not processed, a process ended by itself, clouds were lost, the backlog grew, or the
memory of a process did.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import dataclass, field
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time

from live_clouds_robot import RATE, Robot
import numpy as np
import rclpy
from rescene4d_ros.errors import RescenError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.ros_process import prepare
from rescene4d_ros.structures import VisitStatus

VISIT = 60.0  # s; after which the builder ends a visit
GROWTH = 1.1  # of the resident memory, from the middle third of the drive to the last
JUDGED = 9  # visits; memory of fewer is shown, not judged: the first ones fill caches
LOST_CLOUDS = 0.01  # share of the clouds that may be lost on a busy machine
LAST = 120.0  # s; for the newest visits to be processed at the end
PROCESSES = {'visit_builder': 'visit_builder.main', 'rescene4d': 'main'}


@dataclass(frozen=True)
class Sample:
    """Hold what is known of both processes at a time: s, MiB, clouds and visits that wait."""

    seconds: float
    rss: dict[str, float]
    clouds: int
    visits: int


@dataclass
class Drive:
    """Hold what happened."""

    sent: int = 0
    samples: list[Sample] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    fields = Path(f'/proc/{pid}/statm').read_text().split()
    return int(fields[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def drive(robot: Robot, running: dict[str, subprocess.Popen], minutes: float) -> Drive:
    """Publish at the rate, and print a line each 30 s."""
    done, told = Drive(), 0.0
    began, count = time.monotonic(), round(minutes * 60 * RATE)
    for k in range(count):
        while (left := began + k / RATE - time.monotonic()) > 0.002:
            rclpy.spin_once(robot, timeout_sec=left)
        done.faults = [
            f'{n} ended with {p.returncode}' for n, p in running.items() if p.poll() is not None
        ]
        if done.faults:
            return done
        robot.publish(k, time.time_ns())
        done.sent = k + 1
        passed = time.monotonic() - began
        if passed - told >= 30 or k + 1 == count:
            told = passed
            done.samples.append(sample(robot, running, passed))
            print(line(done, robot, running), flush=True)
    return done


def sample(robot: Robot, running: dict[str, subprocess.Popen], seconds: float) -> Sample:
    """Return what is known now."""
    rss = {name: rss_mib(process.pid) for name, process in running.items()}
    waiting = robot.value('rescene4d: inference', 'waiting')
    return Sample(seconds, rss, robot.value('visit_builder: clouds', 'held'), waiting)


def line(done: Drive, robot: Robot, running: dict[str, subprocess.Popen]) -> str:
    """Return the newest sample in words."""
    now = done.samples[-1]
    used = ', '.join(
        f'{name} {now.rss[name]:.0f} MiB {cpu_seconds(process.pid) / now.seconds:.2f} cores'
        for name, process in running.items()
    )
    clouds = ', '.join(
        f'{name} {robot.value("visit_builder: clouds", name)}'
        for name in ('received', 'dropped', 'refused', 'held')
    )
    visits = robot.value('visit_builder: visit', 'published')
    processed = robot.value('rescene4d: inference', 'processed')
    return (
        f'{now.seconds:5.0f} s: sent {done.sent}, {clouds}; visits built {visits}, processed '
        f'{processed}, waiting {now.visits}; {used}; load {os.getloadavg()[0]:.1f}'
    )


def end(robot: Robot, folder: Path) -> list[VisitStatus]:
    """End the last visit; return what became of all visits, in the order of their stamps."""
    answer = robot.finish()
    print(f'last visit: {answer}')
    deadline = time.monotonic() + LAST
    while True:
        rclpy.spin_once(robot, timeout_sec=1.0)
        statuses = statuses_of(folder)
        is_done = len(statuses) >= robot.n_visits and set(statuses) <= {VisitStatus.DONE}
        if (is_done and robot.n_visits) or time.monotonic() > deadline:
            return statuses


def statuses_of(folder: Path) -> list[VisitStatus]:
    """Return the statuses of all visits; none while the memory is written or was never made."""
    try:
        with SceneMemory.inspect(folder) as memory:
            return [visit.status for visit in memory.visits()]
    except (RescenError, OSError):
        return []


def judge(done: Drive, robot: Robot, statuses: list[VisitStatus]) -> list[str]:
    """Return what went wrong."""
    faults = list(done.faults)
    expected = int(np.ceil(done.sent / RATE / (VISIT + 1)))  # a visit may be a cloud longer
    if not expected <= robot.n_visits <= expected + 1:
        faults.append(f'expected {expected} or {expected + 1} visits, got {robot.n_visits}')
    good = statuses.count(VisitStatus.DONE)
    if good != robot.n_visits:
        faults.append(f'{robot.n_visits} visits were published, {good} are in the memory')
    if robot.longest_gap > 1.5 * VISIT:
        faults.append(f'{robot.longest_gap:.0f} s between the stamps of two visits')
    clouds = 'visit_builder: clouds'
    taken = robot.value(clouds, 'received') - robot.value(clouds, 'dropped')
    lost = 1 - (taken - robot.value(clouds, 'refused')) / max(done.sent, 1)
    print(f'{lost:.2%} of {done.sent} clouds lost; visits {len(statuses)}, processed {good}')
    if lost > LOST_CLOUDS:
        faults.append(f'{lost:.1%} of the clouds lost, expected at most {LOST_CLOUDS:.0%}')
    return faults + growth(done, robot.n_visits)


def growth(done: Drive, n_visits: int) -> list[str]:
    """Return which process or backlog grew."""
    third = len(done.samples) // 3
    if not third:
        return []
    middle, last = done.samples[third:-third], done.samples[-third:]
    faults = []
    for name in PROCESSES:
        ratio = float(
            np.median([s.rss[name] for s in last]) / np.median([s.rss[name] for s in middle])
        )
        most = max(s.rss[name] for s in done.samples)
        print(f'{name}: memory of the last third over the middle one {ratio:.3f}, most {most:.0f}')
        if ratio > GROWTH and n_visits >= JUDGED:
            faults.append(f'the memory of {name} grew by {ratio - 1:.0%}')
    for name in ('clouds', 'visits'):
        before, after = (max(getattr(s, name) for s in part) for part in (middle, last))
        print(f'{name} that waited at most: middle third {before}, last third {after}')
        if after > before + (RATE if name == 'clouds' else 1):
            faults.append(f'the backlog of {name} grew from {before} to {after}')
    return faults


def start(stack: ExitStack, folder: Path, weights: str) -> dict[str, subprocess.Popen]:
    """Start builder and node until the end of the stack."""
    parameters = {
        'visit_builder': {
            'pose_source': 'odometry',
            'clouds_reliability': 'reliable',
            'duration': VISIT,
            'spool': folder / 'visit.spool',
        },
        'rescene4d': {'memory.path': folder / 'memory', 'inference.weights': weights},
    }
    running = {}
    for name, module in PROCESSES.items():
        given = {'autostart': 'true', **parameters[name]}
        flags = [text for k, v in given.items() if v != '' for text in ('-p', f'{k}:={v}')]
        command = [sys.executable, '-m', f'rescene4d_ros.node.{module}', '--ros-args', *flags]
        running[name] = process = subprocess.Popen(command)
        stack.callback(process.wait)
        stack.callback(process.terminate)
    return running


def main() -> None:
    """Run builder, node and a robot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=float, default=5.0, help='duration of the drive')
    parser.add_argument('--points', type=int, default=64_000, help='points of a cloud')
    parser.add_argument('--weights', default='', help='of the node; default: the shipped ones')
    options = parser.parse_args()
    prepare()
    os.environ['ROS_DOMAIN_ID'] = str(os.getpid() % 20 + 81)
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        folder = Path(made)
        running = start(stack, folder, options.weights)
        rclpy.init()
        stack.callback(rclpy.try_shutdown)
        robot = Robot(options.points)
        robot.await_listeners()
        done = drive(robot, running, options.minutes)
        faults = judge(done, robot, end(robot, folder / 'memory'))
    print('\n'.join(faults) or 'passed')
    sys.exit(1 if faults else 0)


if __name__ == '__main__':
    main()
