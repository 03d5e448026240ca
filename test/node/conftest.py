"""Real processes and real DDS, apart from whatever else runs on this machine."""

from collections import defaultdict
import itertools
import json
import os
from pathlib import Path
import select
import signal
import subprocess
import sys
import time

# Before the first message is imported: generated messages check their fields only then.
os.environ['ROS_PYTHON_CHECK_FIELDS'] = '1'
os.environ['OMP_NUM_THREADS'] = '1'

from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import Odometry
import numpy as np
import pytest
from rcl_interfaces.srv import DescribeParameters
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rescene4d_ros.data.readers.point_cloud2 import cloud_array
from rescene4d_ros.inference.weights_file import save_weights, WeightsInfo
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import create_cloud, fields_of, time_to_msg
from rescene4d_ros.node.ros_process import prepare
from rescene4d_ros.srv import AskMemory, ObjectHistory, QueryChanges, QueryObjects
from rescene4d_ros.structures import Scan
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
import torch

WORKER = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
# Those of test processes that run at the same time are apart; those above 80 are the demo's.
DOMAINS = range(1 + WORKER, 81, int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', '1')))
NEXT_DOMAIN = itertools.count(os.getpid())
PATIENCE = 600.0  # s; nothing here is slow, but the machine may be busy
# Services that change nothing.
QUESTIONS = (AskMemory, DescribeParameters, GetState, ObjectHistory, QueryChanges, QueryObjects)
DAY_NS = 86_400 * 10**9
FIRST_NS = 1_700_000_000 * 10**9


def make_cloud_message(scan, frame_id='map', **columns):
    """Return a scan, with more columns, as the PointCloud2 a mapping system would publish."""
    points = cloud_array(scan, **columns)
    return create_cloud(
        Header(stamp=time_to_msg(scan.stamp_ns), frame_id=frame_id), fields_of(points), points
    )


@pytest.fixture
def cloud_message():
    """Return the function that makes a message; see `make_cloud_message`."""
    return make_cloud_message


@pytest.fixture
def rooms_from(boxes_room):
    """
    Return what makes four visits (scan, instance) of a toy room, days apart from a stamp on.

    A box moves and comes back.
    """
    table = ((1.6, 1.7, 0.0), (0.9, 0.6, 0.7), (60, 60, 180))

    def make(first_ns):
        return [
            boxes_room(
                [((x, 0.5, 0.0), (0.4, 0.4, 0.5), (200, 40, 40)), table],
                seed=k,
                density=400,
                stamp_ns=first_ns + k * DAY_NS,
            )
            for k, x in enumerate((0.4, 2.1, 2.1, 0.4))
        ]

    return make


@pytest.fixture
def visits(rooms_from):
    """Return the scans of four visits; see `rooms_from`."""
    return [scan for scan, _ in rooms_from(FIRST_NS)]


@pytest.fixture(scope='session')
def weights(tmp_path_factory):
    """Return a weights file of a small untrained network: quick, and it finds something."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = ReScene4D(
        ModelConfig(
            backbone='tiny',
            voxel_size=0.1,
            n_classes=3,
            hidden_dim=32,
            n_heads=4,
            ffn_dim=64,
            n_queries=12,
        )
    )
    path = tmp_path_factory.mktemp('weights') / 'toy.safetensors'
    save_weights(path, model, WeightsInfo(('chair', 'table', 'box')))
    return path


class Forked:
    """A child of the preloaded process, used as a `subprocess.Popen` is."""

    def __init__(self, server, pid):
        self._server, self.pid, self.returncode = server, pid, None
        self._end = os.pidfd_open(pid)

    def wait(self, timeout=None):
        """Return the exit code once it has ended."""
        if self.returncode is None:
            if not select.select([self._end], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f'process {self.pid}', timeout)
            self.returncode = self._server.ask(wait=self.pid)
            os.close(self._end)
        return self.returncode

    def poll(self):
        """Return the exit code, or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number):
        """Send a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        """End it."""
        self.send_signal(signal.SIGKILL)


class Preloaded:
    """A process that has imported the node, and forks; see `preloaded.py`."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name('preloaded.py'))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))},
        )

    def ask(self, **request):
        """Send one request and return its answer."""
        self._process.stdin.write(json.dumps(request) + '\n')
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(self, module, arguments, log, env):
        """Run the `main` of a module in a child."""
        log.touch()  # a test may read it before the child runs
        pid = self.ask(module=module, arguments=arguments, log=str(log), env=env)
        return Forked(self, pid)

    def close(self):
        """
        End the process.

        It is asked to: a process that another test forked may hold its input open.
        """
        self._process.stdin.write(json.dumps({'end': True}) + '\n')
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope='session')
def preloaded():
    """Return the process that forks."""
    preloaded = Preloaded()
    yield preloaded
    preloaded.close()


class Processes:
    """Start processes, and leave none behind."""

    def __init__(self, folder: Path, preloaded: Preloaded):
        self._folder, self._preloaded = folder, preloaded
        self._running = []

    def start(self, module, *args, params=None, remap=(), env=None, fresh=False):
        """
        Start a module of `node/` with ROS parameters; `.log` of the result is its output.

        A `fresh` one is a Python of its own, as a user starts it; so is one with an environment
        of its own. The others are forked.
        """
        ros_args = [a for rule in remap for a in ('-r', rule)]
        ros_args += [a for k, v in (params or {}).items() for a in ('-p', f'{k}:={v}')]
        arguments = [*map(str, args), '--ros-args', *ros_args]
        log = self._folder / f'{module}_{len(self._running)}.log'
        module = f'rescene4d_ros.node.{module}'
        if not fresh and env is None:
            domain = {'ROS_DOMAIN_ID': os.environ['ROS_DOMAIN_ID']}
            process = self._preloaded.start(module, arguments, log, domain)
        else:
            with log.open('w') as file:
                process = subprocess.Popen(
                    [sys.executable, '-m', module, *arguments],
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(env or {})},
                )
        process.log = log
        self._running.append(process)
        return process

    def finish(self, process):
        """Wait for the end of a process and return its exit code."""
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f'did not end; its output:\n{process.log.read_text()}') from error

    def stop(self, process, sig=signal.SIGINT):
        """Send a signal and return the exit code."""
        process.send_signal(sig)
        return self.finish(process)

    def close(self):
        """Stop what still runs."""
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self._running:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def processes(domain, preloaded, tmp_path):
    """Return what starts and stops processes."""
    processes = Processes(tmp_path, preloaded)
    yield processes
    processes.close()


LOW_THRESHOLDS = {  # so that untrained weights find something
    'inference.score_threshold': 0.0,
    'inference.torch_threads': 1,
    'tracker.birth_score': 0.0,
}


@pytest.fixture
def start_node(processes, weights, tmp_path):
    """Return what starts the node on a memory of this test's own; `remap` are remapping rules."""

    def start(remap=(), env=None, fresh=False, **params):
        return processes.start(
            'main',
            params={
                'memory.path': tmp_path / 'memory',
                'inference.weights': weights,
                **LOW_THRESHOLDS,
                **{k.replace('__', '.'): v for k, v in params.items()},
            },
            remap=remap,
            env=env,
            fresh=fresh,
        )

    return start


class Diagnostics(list):
    """Hold the messages of /diagnostics of one node."""

    def __init__(self, node_name):
        super().__init__()
        self._node_name = node_name

    def entry(self, name):
        """Return the newest entry of a name, as (level, message, values)."""
        for message in reversed(self):
            for status in message.status:
                if status.name == f'{self._node_name}: {name}':
                    return status.level, status.message, {v.key: v.value for v in status.values}
        return b'', '', defaultdict(str)


class Client:
    """What a robot's other nodes do: publish, subscribe, call."""

    def __init__(self, beside=None):
        self._is_alone = beside is None
        self._context = rclpy.Context() if beside is None else beside._context
        if self._is_alone:
            rclpy.init(context=self._context)
        self.node = rclpy.create_node('client', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        topic = interfaces.SNAPSHOTS
        self._snapshots = self.node.create_publisher(topic.type, topic.name, topic.qos())
        self._clients = {}

    def close(self):
        """Leave the network."""
        self._executor.shutdown()
        self.node.destroy_node()
        if self._is_alone:
            self._context.try_shutdown()

    def wait(self, condition, timeout=PATIENCE):
        """Spin until a condition holds, and return its value."""
        end = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < end, 'not in time'
            self._executor.spin_once(timeout_sec=0.05)
        return value

    def spin(self, duration, until=lambda: False):
        """Spin for some seconds, or until a condition holds."""
        end = time.monotonic() + duration
        while time.monotonic() < end and not until():
            self._executor.spin_once(timeout_sec=0.05)

    def send(self, kind, name, request):
        """Call a service and return the future of its response."""
        client = self._ready_client(kind, name)
        return client.call_async(request)

    def _ready_client(self, kind, name):
        known = self._clients.get(name)
        client = known or self.node.create_client(kind, name)
        self._clients[name] = client
        if known is None or not client.service_is_ready():
            self.wait(client.service_is_ready)
            # We may know the service before it knows us, and a reply to a reader that it does
            # not know is lost: wait a little, and ask again what may be asked twice.
            self.spin(0.2)
        return client

    def call(self, kind, name, request):
        """Call a service and return its response."""
        client = self._ready_client(kind, name)
        end = time.monotonic() + PATIENCE
        future = client.call_async(request)
        while not future.done():
            assert time.monotonic() < end, f'{name} did not answer'
            self.spin(5.0, until=future.done)
            if not future.done() and kind in QUESTIONS:
                future = client.call_async(request)
        return future.result()

    def publish(self, message):
        """Publish a cloud to a node that listens."""
        self.wait(self._snapshots.get_subscription_count)
        self._snapshots.publish(message)

    def state(self, node='/rescene4d'):
        """Return the label of the node's lifecycle state."""
        return self.call(GetState, f'{node}/get_state', GetState.Request()).current_state.label

    def change_state(self, transition):
        """Ask for a transition; return whether it succeeded."""
        request = ChangeState.Request()
        request.transition.id = transition
        return self.call(ChangeState, '/rescene4d/change_state', request).success

    def listen_to_diagnostics(self, node_name='rescene4d'):
        """Return the messages of /diagnostics, as they come."""
        return self.listen(interfaces.DIAGNOSTICS, got=Diagnostics(node_name))

    def listen(self, topic, name=None, got=None):
        """Return a list that fills with the messages of an interface-table topic."""
        got = [] if got is None else got
        self.node.create_subscription(
            topic.type, name or topic.name.replace('~', 'rescene4d'), got.append, topic.qos()
        )
        return got


@pytest.fixture(autouse=True)
def domain():
    """Give each test a network of its own: a killed process is seen there for a while."""
    os.environ['ROS_DOMAIN_ID'] = str(DOMAINS[next(NEXT_DOMAIN) % len(DOMAINS)])


@pytest.fixture
def new_client(domain):
    """
    Return what makes clients: one that joins late does not know what died before.

    One `beside` another is a node of its own in the same DDS participant: it is discovered sooner.
    """
    clients = []

    def make(beside=None):
        clients.append(Client(beside))
        return clients[-1]

    yield make
    for client in reversed(clients):
        client.close()


@pytest.fixture
def client(new_client):
    """Return a client in this process."""
    prepare()
    return new_client()


@pytest.fixture
def running(client, start_node, visits, cloud_message):
    """Return a node that has processed one visit, its objects and its diagnostics."""
    node = start_node(autostart='true')
    objects, diagnostics = client.listen(interfaces.OBJECTS), client.listen_to_diagnostics()
    client.publish(cloud_message(visits[0]))
    client.wait(lambda: objects and objects[-1].revision == 1)
    return node, objects, diagnostics


class Robot:
    """
    What drives: publishes the pose and the cloud number k of a drive along a wall.

    Clouds come 0.1 s and 0.2 m apart from -1 m on, and look at the wall at y = 2 m.
    """

    axis = np.arange(-1.5, 1.5, 0.05)
    wall = np.stack(np.meshgrid(axis, [2.0], axis), -1).reshape(-1, 3) + 0.01

    def __init__(self, client):
        self._client = client
        self._odometry = client.node.create_publisher(Odometry, 'odometry', 100)
        self._clouds = client.node.create_publisher(PointCloud2, 'clouds', 10)

    def __call__(self, numbers, x=None):
        """Publish clouds, all from one place if `x` is given, m."""
        self._client.wait(self._clouds.get_subscription_count)
        self._client.wait(self._odometry.get_subscription_count)
        for k in numbers:
            stamp, at = FIRST_NS + k * 10**8, 0.2 * (k % 100) - 1.0 if x is None else x
            pose = Odometry(child_frame_id='lidar')
            pose.header.stamp, pose.header.frame_id = time_to_msg(stamp), 'map'
            pose.pose.pose.position.x = at
            pose.pose.pose.orientation.w = 1.0
            self._odometry.publish(pose)
            points = (self.wall - (at, 0, 0)).astype(np.float32)
            self._clouds.publish(make_cloud_message(Scan(points, stamp), 'lidar'))
            self._client.spin(0.03)


@pytest.fixture
def robot(client):
    """Return a robot that drives along a wall."""
    return Robot(client)
