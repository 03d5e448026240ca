"""What the nodes exchange as vision_msgs and bond, over real DDS with the real messages."""

from pathlib import Path
import runpy
import signal
import time

from lifecycle_msgs.msg import Transition
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import time_to_msg
from rescene4d_ros.srv import LoadMemory

pytestmark = pytest.mark.slow  # the messages are compiled, where they are not installed
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture(scope='module')
def environment(tmp_path_factory):
    """Return the environment in which processes find the messages."""
    compiled = runpy.run_path(str(Path(__file__).with_name('optional_packages.py')))
    return compiled['made_usable'](tmp_path_factory.mktemp('messages'))


def boxes(scan, x):
    """Return what a detector says of a scan of the toy room."""
    from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

    found = Detection3DArray()
    found.header.stamp, found.header.frame_id = time_to_msg(scan.stamp_ns), 'map'
    for label, place, size in (
        ('chair', (x + 0.2, 0.7, 0.25), (0.44, 0.44, 0.54)),
        ('table', (2.05, 2.0, 0.35), (0.94, 0.64, 0.74)),
    ):
        detection, guess = Detection3D(), ObjectHypothesisWithPose()
        guess.hypothesis.class_id, guess.hypothesis.score = label, 0.9
        detection.results.append(guess)
        center, extent = detection.bbox.center, detection.bbox.size
        center.position.x, center.position.y, center.position.z = place
        center.orientation.w = 1.0
        extent.x, extent.y, extent.z = size
        found.detections.append(detection)
    return found


def test_boxes_become_objects_and_objects_boxes(
    environment, client, start_node, visits, cloud_message
):
    """Boxes and cloud of one stamp wait for each other; ids stay when a box moves."""
    from vision_msgs.msg import Detection3DArray

    start_node(
        env=environment,
        autostart='true',
        inference__source='given',
        tf_timeout=60.0,
        detections='true',
    )
    objects, changes = client.listen(interfaces.OBJECTS), client.listen(interfaces.CHANGES)
    heard = []
    client.node.create_subscription(
        Detection3DArray, '/rescene4d/detections', heard.append, LATCHED
    )
    publisher = client.node.create_publisher(Detection3DArray, 'detections', 10)
    client.wait(publisher.get_subscription_count)

    client.publish(cloud_message(visits[0]))
    client.spin(0.3)
    publisher.publish(boxes(visits[0], 0.4))
    client.wait(lambda: objects and objects[-1].revision == 1)
    ids = {o.class_name: o.object_id for o in objects[-1].objects}
    assert set(ids) == {'chair', 'table'}
    publisher.publish(boxes(visits[1], 2.1))
    client.spin(0.3)
    client.publish(cloud_message(visits[1]))
    client.wait(lambda: objects[-1].revision == 2)
    assert {o.class_name: o.object_id for o in objects[-1].objects} == ids
    client.wait(lambda: any(c.changes for c in changes))
    (change,) = [c for message in changes for c in message.changes]
    assert (change.object_id, change.kind) == (ids['chair'], change.MOVED)

    client.wait(lambda: heard and heard[-1].header == objects[-1].header)
    told = {d.results[0].hypothesis.class_id: d for d in heard[-1].detections}
    assert {name: int(d.id) for name, d in told.items()} == ids
    for item in objects[-1].objects:
        detection = told[item.class_name]
        assert (detection.bbox.center, detection.bbox.size) == (item.box.pose, item.box.size)
        assert detection.results[0].pose.pose == item.box.pose
        assert detection.results[0].hypothesis.score == pytest.approx(item.score)


class Manager:
    """The part of Nav2's lifecycle manager that watches: the other side of a bond."""

    def __init__(self, client, node_name):
        from bond.msg import Status

        self._name, self._kind = node_name, Status
        self.heard = []  # of the node
        client.node.create_subscription(Status, 'bond', self._receive, 100)
        self._publisher = client.node.create_publisher(Status, 'bond', 5)

    def _receive(self, message):
        if message.id == self._name and message.instance_id != 'manager':
            self.heard.append((time.monotonic(), message.active, message.instance_id))

    def end_bond(self):
        """Break the bond from the side of the manager, which waits until the node says so too."""
        self._publisher.publish(self._kind(id=self._name, instance_id='manager', active=False))

    @property
    def is_active(self):
        """Return what the node said last; None before it said anything."""
        return self.heard[-1][1] if self.heard else None


def test_a_lifecycle_manager_has_a_bond_with_each_node(
    environment, client, start_node, processes, tmp_path
):
    """It forms with activation, outlasts another memory, ends with deactivation and with ^C."""
    node = start_node(env=environment, bond='true', inference__source='given')
    builder = processes.start(
        'visit_builder.main',
        params={
            'bond': 'true',
            'autostart': 'true',
            'pose_source': 'odometry',
            'spool': tmp_path / 'visit.spool',
        },
        env=environment,
    )
    of_node, of_builder = Manager(client, 'rescene4d'), Manager(client, 'visit_builder')
    assert client.change_state(Transition.TRANSITION_CONFIGURE)
    client.wait(lambda: of_builder.is_active)
    assert not of_node.heard  # configured is not active
    assert client.change_state(Transition.TRANSITION_ACTIVATE)
    client.wait(lambda: len(of_node.heard) > 20)
    assert {(active, instance) for _, active, instance in of_node.heard} == {
        (True, of_node.heard[0][2])
    }

    request = LoadMemory.Request(name='upstairs', map_id='upstairs', create=True)
    answer = client.call(LoadMemory, '/rescene4d/load_memory', request)
    assert answer.success, answer.message
    begun = len(of_node.heard)
    client.wait(lambda: len(of_node.heard) > begun + 5)
    assert all(active for _, active, _ in of_node.heard)
    assert len({instance for *_, instance in of_node.heard}) == 1

    of_builder.end_bond()  # the builder is active none the less
    client.wait(lambda: not all(active for _, active, _ in of_builder.heard))
    client.wait(lambda: of_builder.is_active)

    assert client.change_state(Transition.TRANSITION_DEACTIVATE)
    client.wait(lambda: of_node.is_active is False)
    assert client.change_state(Transition.TRANSITION_ACTIVATE)
    client.wait(lambda: of_node.is_active)
    assert processes.stop(node) == 0
    client.wait(lambda: of_node.is_active is False)
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    client.spin(0.5)
    begun = len(of_builder.heard)
    client.spin(1.0)
    assert len(of_builder.heard) == begun  # which is how a manager notices
