"""The intake: bounded, and never held up by one cloud."""

from __future__ import annotations

import logging
import time

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rescene4d_ros.data.readers.point_cloud2 import scan_from_cloud
from rescene4d_ros.errors import FrameUnavailableError, StorageError
from rescene4d_ros.node.diagnostics import NodeStats
from rescene4d_ros.node.intake import Intake, WhileNotFull
from rescene4d_ros.node.parameters import NodeConfig
from rescene4d_ros.structures import Scan, VisitInfo, VisitStatus
from sensor_msgs.msg import PointCloud2

PATIENCE = 60.0  # s


class Log:
    """Take what rclpy's logger takes."""

    def __getattr__(self, level):
        """Return what logs at a level."""
        return lambda text, **_: getattr(logging.getLogger('intake'), level)(text)


class World:
    """Know transforms and have room on the disk, or not; keep what was stored, in order."""

    def __init__(self, **settings):
        self.frames, self.has_room = {'map'}, True
        self.stored: list[int] = []  # seconds of the stamps
        self.stats = NodeStats()
        self.intake = Intake(
            scan_from_cloud,
            self._prepare,
            self._store,
            lambda: None,
            NodeConfig(**settings),
            self.stats,
            Log(),
        )

    def _prepare(self, scan: Scan, is_last_try: bool) -> Scan:
        if scan.frame_id not in self.frames:
            raise FrameUnavailableError(f'no transform from {scan.frame_id}')
        return scan

    def _store(self, scan: Scan) -> VisitInfo:
        if not self.has_room:
            raise StorageError('no room on the disk')
        self.stored.append(scan.stamp_ns // 10**9)
        return VisitInfo(len(self.stored), scan.stamp_ns, VisitStatus.PENDING, '', len(scan))


def until(condition):
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, 'not in time'
        time.sleep(0.01)


@pytest.fixture
def cloud(cloud_message):
    """Return what makes a cloud of a second and a frame."""

    def make(second, frame_id='map', n=10):
        points = np.random.default_rng(0).random((n, 3)).astype(np.float32)
        return cloud_message(Scan(points, second * 10**9), frame_id)

    return make


def test_cloud_that_waits_for_a_transform_holds_up_no_other(cloud):
    """It is stored as soon as its transform is there."""
    world = World(tf_timeout=60.0)
    world.intake.receive(cloud(1, 'camera'))
    world.intake.receive(cloud(2))
    until(lambda: world.stored == [2])
    assert world.stats.now().held == 1
    world.frames.add('camera')
    until(lambda: world.stored == [2, 1])
    until(lambda: world.stats.now().held == 0)
    world.intake.stop()


def test_cloud_without_a_transform_is_refused_after_its_time(cloud):
    """The reason is kept."""
    world = World(tf_timeout=0.0)
    world.intake.receive(cloud(1, 'camera'))
    until(lambda: world.stats.now().refused == 1)
    assert 'no transform from camera' in world.stats.now().refusal
    world.intake.stop()


def test_stopping_waits_for_no_transform(cloud):
    """What can be stored is stored, the rest is refused."""
    world = World(tf_timeout=60.0)
    for second in range(1, 9):
        world.intake.receive(cloud(second, 'camera' if second % 2 else 'map'))
    world.intake.stop()
    assert world.stored == [2, 4, 6, 8]
    assert world.stats.now().refused == 4


def test_clouds_are_kept_in_order_until_the_disk_has_room(cloud):
    """And what does not work is said meanwhile."""
    world = World()
    world.has_room = False
    for second in (1, 2, 3):
        world.intake.receive(cloud(second))
    until(lambda: 'no room' in world.stats.now().problems.get('storing', ''))
    assert world.stats.now().refused == 0
    world.has_room = True
    until(lambda: len(world.stored) == 3)
    assert world.stored == [1, 2, 3]
    until(lambda: not world.stats.now().problems)
    world.intake.stop()


@pytest.mark.parametrize(
    ('when_full', 'kept'), [('drop_newest', [1, 2, 3]), ('drop_oldest', [4, 5, 6])]
)
def test_more_clouds_than_may_wait_are_dropped_and_counted(cloud, when_full, kept):
    """The oldest or the newest, as the parameter says."""
    world = World(intake_limit=3, intake_when_full=when_full, tf_timeout=60.0)
    for second in range(1, 7):
        world.intake.receive(cloud(second, 'camera'))
    assert world.stats.now().dropped == 3
    assert 'intake_limit' in world.stats.now().refusal
    world.frames.add('camera')
    until(lambda: len(world.stored) == 3)
    assert world.stored == kept
    world.intake.stop()


def test_bytes_are_bounded_too(cloud):
    """One cloud is always taken, however large."""
    world = World(intake_megabytes=1.0, tf_timeout=60.0)
    for second in (1, 2):
        world.intake.receive(cloud(second, 'camera', n=100_000))
    assert world.stats.now().dropped == 1
    world.intake.stop()


def test_visits_that_wait_for_processing_are_bounded(cloud):
    """The memory on disk must not grow without end either."""
    world = World(backlog_limit=5)
    waiting = dict.fromkeys(VisitStatus, 0) | {VisitStatus.PENDING: 5}
    world.stats.update(statuses=waiting)
    world.intake.receive(cloud(1))
    assert world.stats.now().dropped == 1
    world.stats.update(statuses=waiting | {VisitStatus.PENDING: 4})
    world.intake.receive(cloud(2))
    until(lambda: world.stored == [2])
    world.intake.stop()


def test_back_pressure_leaves_clouds_in_dds(cloud):
    """Nothing is taken while the intake is full, and nothing is dropped here."""
    world = World(intake_limit=2, intake_when_full='wait', tf_timeout=60.0)
    group = WhileNotFull(world.intake)
    subscription = type('Subscription', (), {})()
    group.add_entity(subscription)
    assert group.can_execute(subscription)
    for second in (1, 2):
        world.intake.receive(cloud(second, 'camera'))
    assert not group.can_execute(subscription)
    world.frames.add('camera')
    until(lambda: group.can_execute(subscription))
    assert world.stats.now().dropped == 0
    world.intake.stop()


def test_clouds_that_dds_overwrites_are_counted(cloud, domain):
    """Of 20 that come while nobody takes them a queue of 5 keeps 5; each publisher counts."""
    world, context = World(), rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('overwritten', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    qos = QoSProfile(depth=5)
    node.create_subscription(PointCloud2, 'clouds', world.intake.on_message, qos)
    one, other = (node.create_publisher(PointCloud2, 'clouds', qos) for _ in range(2))

    def received(count):
        executor.spin_once(timeout_sec=0.05)
        return world.stats.now().received == count

    until(lambda: one.get_subscription_count() and other.get_subscription_count())
    one.publish(cloud(1))
    until(lambda: received(1))
    for second in range(2, 22):
        one.publish(cloud(second))
    until(lambda: received(6))
    other.publish(cloud(100))
    until(lambda: received(7))
    now = world.stats.now()
    assert now.lost == 15
    until(lambda: world.stored[-1] == 100)
    assert world.stored == [1, 17, 18, 19, 20, 21, 100]
    world.intake.stop()
    node.destroy_node()
    context.try_shutdown()
