"""Processes that help a command end with it, however it ends."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith('linux'), reason='asks Linux')


def children_of(pid):
    """Return the processes that a process has started and that still run."""
    found = []
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = stat.read_text().rpartition(')')[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[1]) == pid and fields[0] != 'Z':
            found.append(int(stat.parent.name))
    return found


def is_running(pid):
    """Return whether a process is there and no zombie."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def wait_until(is_true, seconds=600):
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, 'expected the condition within the time'
        time.sleep(0.1)


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_makers_of_rooms_end_with_the_command(tmp_path, number):
    command = subprocess.Popen(
        [
            sys.executable,
            '-m',
            'rescene4d_ros.cli.main',
            'rooms',
            'make',
            '--out',
            str(tmp_path),
            '--count',
            '1000',
            '--jobs',
            '2',
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    try:
        wait_until(lambda: list(tmp_path.glob('*.npz')))
        helpers = children_of(command.pid)
        assert len(helpers) >= 2
        command.send_signal(number)
        command.wait(120)
        wait_until(lambda: not any(map(is_running, helpers)))
    finally:
        command.kill()
