"""The main loop outlives callbacks that raise."""

from pathlib import Path
import signal
import subprocess
import sys
import threading

import pytest
from rescene4d_ros.node.ros_process import memory_path, RequestThread
from rescene4d_ros.srv import QueryObjects

SCRIPT = """
import rclpy
from rescene4d_ros.node.ros_process import spin

errors = []

def make():
    node = rclpy.create_node('raising')
    node.create_timer(0.01, lambda: 1 / 0)
    return node

def on_error(node, error):
    errors.append(type(error).__name__)
    if len(errors) == 3:
        rclpy.shutdown()

code = spin(make, [], on_error if {survives} else None)
print(code, errors)
"""


def run(survives):
    """Return the outcome of the script in a process of its own: it takes over the signals."""
    return subprocess.run(
        [sys.executable, '-c', SCRIPT.format(survives=survives)],
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_callback_that_raises_is_told_and_the_node_goes_on():
    """Three times in a row."""
    done = run(True)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.split('\n')[-2]
        == "0 ['ZeroDivisionError', 'ZeroDivisionError', 'ZeroDivisionError']"
    )


def test_without_a_handler_the_process_ends():
    """The recorder's disk may be full: it must say so."""
    done = run(False)
    assert done.returncode != 0
    assert 'ZeroDivisionError' in done.stderr


SIGNALLED = """
import os, signal
import rclpy
from rescene4d_ros.node.ros_process import spin

number, place = signal.{number}, '{place}'
steps = []

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), number)
        steps.append('finalized')  # an exception here is lost

def make():
    node = rclpy.create_node('signalled')
    node.create_timer(0.01, lambda: callback())
    return node

def callback():
    steps.append('begun')
    if place == 'callback':
        os.kill(os.getpid(), number)
    elif place == 'finalizer':
        Finalized()
    steps.append('finished')
    if steps.count('finished') == 3:
        rclpy.shutdown()

print(spin(make, []), *steps)
"""


@pytest.mark.parametrize(
    ('number', 'place', 'steps'),
    [
        ('SIGTERM', 'callback', 'begun finished'),
        ('SIGINT', 'finalizer', 'begun finalized finished'),
    ],
)
def test_signal_interrupts_nothing_and_ends_the_node(number, place, steps):
    """Wherever it comes, that is finished, and no further callback begins."""
    done = subprocess.run(
        [sys.executable, '-c', SIGNALLED.format(number=number, place=place)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, f'0 {steps}\n')


def test_second_signal():
    """Another ^C lets the callback finish, a SIGTERM does not."""
    script = SIGNALLED.replace(
        "steps.append('begun')",
        'os.kill(os.getpid(), signal.SIGINT); os.kill(os.getpid(), signal.SIGINT)',
    )
    done = subprocess.run(
        [sys.executable, '-c', script.format(number='SIGTERM', place='callback')], timeout=300
    )
    assert done.returncode == -signal.SIGTERM


@pytest.mark.parametrize('module', ['main', 'visit_builder.main'])
def test_interrupted_while_it_imports(module):
    """^C at the first import of the package, before any handler: no traceback."""
    command = [sys.executable, '-X', 'importtime', '-m', f'rescene4d_ros.node.{module}']
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if 'rescene4d_ros.errors' in line:
                process.send_signal(signal.SIGINT)
                break
        told = process.stderr.read()
    assert process.returncode == -signal.SIGINT
    assert all(line.startswith('import time:') for line in told.splitlines())


def test_long_request_holds_up_nothing_else(client):
    """Timers of the main node run while a request is answered; one that raises is reported."""
    released, errors, ticks = threading.Event(), [], []

    def answer(request, response):
        if request.class_name == 'raise':
            raise ZeroDivisionError
        assert released.wait(300)
        response.success = True
        return response

    timer = client.node.create_timer(0.01, lambda: ticks.append(1))
    requests = RequestThread(client.node, {(QueryObjects, '~/slow'): answer}, errors.append)
    try:
        future = client.send(QueryObjects, '/client/slow', QueryObjects.Request())
        before = len(ticks)
        client.wait(lambda: len(ticks) >= before + 20)
        assert not future.done()
        released.set()
        client.wait(future.done)
        assert future.result().success
        client.send(QueryObjects, '/client/slow', QueryObjects.Request(class_name='raise'))
        client.wait(lambda: errors)
        assert [type(error) for error in errors] == [ZeroDivisionError]
        assert client.call(QueryObjects, '/client/slow', QueryObjects.Request()).success
    finally:
        released.set()
        requests.close()
        client.node.destroy_timer(timer)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (
            '/**:\n  rescene4d:\n    ros__parameters:\n      memory:\n        path: ~/home',
            '~/home',
        ),
        ('rescene4d:\n  ros__parameters:\n    memory.path: /data/home', '/data/home'),
        ('rescene4d:\n  ros__parameters:\n    map_frame: map', '~/.ros/rescene4d_memory'),
        ('', '~/.ros/rescene4d_memory'),
    ],
)
def test_memory_of_a_parameter_file(tmp_path, text, expected):
    """A viewer that is launched with the node shows the memory that the node will open."""
    file = tmp_path / 'params.yaml'
    file.write_text(text)
    assert memory_path(file) == Path(expected).expanduser()
