"""`replay --build-visits`: one visit of each drive of a recording, one of each growing map."""

import os
import subprocess
import sys

import numpy as np
import pytest
from rescene4d_ros.cli.visits.inputs import find_visits
from rescene4d_ros.data.readers.bags.messages import CLOUD, TRANSFORMS
from rescene4d_ros.data.readers.bags.serialization import typestore
from rescene4d_ros.data.readers.bags.writing import cloud_message
from rescene4d_ros.errors import ScanError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Scan
from rosbags.rosbag2 import StoragePlugin, Writer
from scipy.spatial import cKDTree

STORE = typestore()
T = STORE.types
T0 = 1_700_000_000 * 10**9
STEP = 10**8  # ns
GRID = np.stack(np.meshgrid(np.arange(-2, 2, 0.05), np.arange(0, 2, 0.05)), -1).reshape(-1, 2)
WALL = np.c_[GRID[:, 0], np.full(len(GRID), 2.0), GRID[:, 1]]
FLOOR = np.c_[GRID[:, 0], GRID[:, 1], np.zeros(len(GRID))]
WORLD = np.concatenate([WALL, FLOOR]) + 0.01


def transforms(stamp_ns, x):
    """Return where the sensor is: at (x, -1, 1), not turned."""
    stamp = T['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 10**9))
    motion = T['geometry_msgs/msg/Transform'](
        translation=T['geometry_msgs/msg/Vector3'](x=x, y=-1.0, z=1.0),
        rotation=T['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0),
    )
    header = T['std_msgs/msg/Header'](stamp, 'map')
    return T[TRANSFORMS]([T['geometry_msgs/msg/TransformStamped'](header, 'lidar', motion)])


@pytest.fixture
def record(tmp_path):
    """Return what writes a bag of clouds (stamp, x of the sensor, points, frame)."""

    def write(clouds):
        path = tmp_path / 'bag'
        with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            tf = writer.add_connection('/tf', TRANSFORMS, typestore=STORE)
            topic = writer.add_connection('/cloud', CLOUD, typestore=STORE)
            for stamp, x, points, frame in clouds:
                writer.write(tf, stamp, STORE.serialize_cdr(transforms(stamp, x), TRANSFORMS))
                scan = Scan(points.astype(np.float32), stamp, frame_id=frame)
                writer.write(topic, stamp, STORE.serialize_cdr(cloud_message(scan, T), CLOUD))
        return path

    return write


def drive(start_ns, count=30):
    """Return clouds in the frame of a sensor that moves along x."""
    for k in range(count):
        x = -1.0 + 0.06 * k
        yield start_ns + k * STEP, x, WORLD - (x, -1.0, 1.0), 'lidar'


def test_each_drive_is_one_visit(record):
    """Clouds seconds apart in the frame of the sensor give the surface they saw, and the path."""
    inputs = find_visits([record([*drive(T0), *drive(T0 + 60 * 10**9)])], build_visits=True)
    scans = [read(None)[0] for read in inputs.visits()]
    assert inputs.count == len(scans) == 2
    for scan, start in zip(scans, (T0, T0 + 60 * 10**9)):
        assert start < scan.stamp_ns <= start + 30 * STEP
        assert scan.frame_id == 'map'
        assert (cKDTree(scan.xyz).query(WORLD)[0] < 0.01).mean() > 0.99
        np.testing.assert_allclose(scan.sensor_path[0], (-1, -1, 1), atol=1e-5)
        assert scan.free.at(np.array([[0.0, 0, 1], [0, 1.5, 1], [0, 2.5, 1]])).tolist() == [
            *(True, True, False)
        ]


@pytest.mark.slow
def test_a_recorded_drive_gives_the_same_memory_each_time(record, tmp_path):
    """Bit for bit, in processes that order sets differently; a box comes and goes."""
    box = np.stack(np.meshgrid(*[np.arange(0, 0.6, 0.05)] * 3), -1).reshape(-1, 3) + (0.0, 0.9, 0)
    noise = np.random.default_rng(5)
    drives = []
    for number, things in enumerate(([], [box], [])):
        for stamp, x, points, frame in drive(T0 + number * 60 * 10**9):
            seen = np.concatenate([points, *(thing - (x, -1.0, 1.0) for thing in things)])
            drives.append((stamp, x, seen + noise.normal(0, 0.004, seen.shape), frame))
    bag, found = record(drives), []
    for seed in '12':
        memory, out = tmp_path / f'memory_{seed}', tmp_path / f'out_{seed}'
        command = [sys.executable, '-m', 'rescene4d_ros.cli.main', 'replay', bag]
        command += ['--build-visits', '--source', 'none', '--memory', memory, '--out', out]
        environment = {**os.environ, 'PYTHONHASHSEED': seed}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        documents = [(out / f'{name}.json').read_text() for name in ('objects', 'changes')]
        with SceneMemory.inspect(memory) as stored:
            points = [
                (
                    visit.stamp_ns,
                    stored.scan(visit.visit_id).xyz.tobytes(),
                    stored.scan(visit.visit_id).sensor_path.tobytes(),
                    stored.labels(visit.visit_id).tobytes(),
                )
                for visit in stored.visits()
            ]
            assert len(points) == 3
            assert {change.kind.name for change in stored.changes()} >= {'ADDED', 'REMOVED'}
        found.append((documents, points))
    assert found[0] == found[1]


@pytest.mark.parametrize('place', [0, 12, 29])
@pytest.mark.parametrize('seconds', [3600, 10**8])
def test_a_stamp_far_in_the_future_costs_its_cloud(record, place, seconds):
    """The visit has the others, and says what was left out; so do those that follow."""
    clouds = list(drive(T0))
    stamp, *rest = clouds[place]
    clouds[place] = (stamp + seconds * 10**9, *rest)
    path = record([*clouds, *drive(T0 + 60 * 10**9)])
    inputs = find_visits([path], build_visits=True, now_ns=T0 + 10**7 * 10**9)
    scans = [read(None)[0] for read in inputs.visits()]
    assert [round((s.stamp_ns - T0) / 10**9) // 60 for s in scans] == [0, 1]
    assert all((cKDTree(s.xyz).query(WORLD)[0] < 0.01).mean() > 0.95 for s in scans)
    told = [f for s in scans for f in s.findings if f.code in ('refused_clouds', 'left_out')]
    assert any('check the clocks' in f.remedy or 'max_future' in f.remedy for f in told)


def test_a_growing_map_is_one_visit_of_each_session(record):
    """Hundreds of messages of a map topic give its newest map; a new map begins a new visit."""
    first = [(T0 + k * STEP * 10, 0.03 * k, WORLD[: 1000 + 100 * k], 'map') for k in range(20)]
    other = WORLD + (7.0, 3.3, 0.0)
    start = T0 + 20 * STEP * 10
    second = [(start + k * STEP * 10, 0.0, other[: 1000 + 100 * k], 'map') for k in range(5)]
    inputs = find_visits([record(first + second)], build_visits=True, sensor_frame='lidar')
    scans = [read(None)[0] for read in inputs.visits()]
    assert [len(s) for s in scans] == [2900, 1400]
    assert len(scans[0].sensor_path) > 10
    assert {f.code for f in scans[0].findings} == {'map_topic'}


def test_what_cannot_be_built_says_why(record):
    """Clouds without poses are refused in words; files are visits already."""
    inputs = find_visits([record([(T0, 0.0, WORLD, 'camera')])], build_visits=True)
    (read,) = inputs.visits()
    with pytest.raises(ScanError, match='record /tf'):
        read(None)


@pytest.mark.parametrize(
    ('clouds', 'reason'),
    [
        ([*drive(T0)][::-1], '29 of 30 .* backwards'),
        (
            [(stamp, x, WORLD[:0], frame) for stamp, x, _, frame in drive(T0)],
            '30 of 30 .* an empty cloud',
        ),
    ],
)
def test_a_drive_without_a_visit_says_what_was_left_out(record, clouds, reason):
    (read,) = find_visits([record(clouds)], build_visits=True).visits()
    with pytest.raises(ScanError, match=reason):
        read(None)
