"""The node as a process, driven over DDS as a robot would."""

import signal

from geometry_msgs.msg import TransformStamped
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters, SetParametersAtomically
from rclpy.parameter import Parameter
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import create_cloud, fields_of, time_to_msg
from rescene4d_ros.node.tools.marker_picture import replay
from rescene4d_ros.srv import Reprocess
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header


def test_transitions(client, processes, start_node):
    """Every transition of a managed node succeeds, in both directions, twice."""
    node = start_node()
    assert client.state() == 'unconfigured'
    described = client.call(
        DescribeParameters,
        '/rescene4d/describe_parameters',
        DescribeParameters.Request(names=['tf_timeout', 'map_frame']),
    )
    assert '[s]' in described.descriptors[0].description  # before it is configured
    assert described.descriptors[1].read_only
    for _ in range(2):
        for transition, label in (
            (Transition.TRANSITION_CONFIGURE, 'inactive'),
            (Transition.TRANSITION_ACTIVATE, 'active'),
            (Transition.TRANSITION_DEACTIVATE, 'inactive'),
            (Transition.TRANSITION_CLEANUP, 'unconfigured'),
        ):
            assert client.change_state(transition)
            assert client.state() == label
    assert client.change_state(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert processes.stop(node) == 0


def test_refused_configuration_says_why_and_can_be_repeated(
    client, processes, start_node, tmp_path
):
    """A user's mistake leaves the node unconfigured, with the remedy in the log."""
    node = start_node(inference__weights=tmp_path / 'none.safetensors')
    for _ in range(2):
        assert not client.change_state(Transition.TRANSITION_CONFIGURE)
        assert client.state() == 'unconfigured'
    assert processes.stop(node) == 0
    log = node.log.read_text()
    assert log.count('expected a safetensors file') == 2
    assert 'Traceback' not in log


def test_one_memory_has_one_writer(client, processes, start_node):
    """A second node on the same memory is refused, and the first works on."""
    first = start_node(autostart='true')
    client.wait(lambda: client.state() == 'active')
    second = start_node(autostart='true')
    client.wait(lambda: 'only writer' in second.log.read_text())
    assert processes.stop(second) == 0
    assert client.state() == 'active'
    assert processes.stop(first) == 0


def test_visits_become_objects_for_late_viewers(
    client, processes, start_node, visits, cloud_message
):
    """Objects, changes, markers and cloud agree; who joins later gets them too."""
    node = start_node(autostart='true')
    objects, changes = client.listen(interfaces.OBJECTS), client.listen(interfaces.CHANGES)
    client.wait(lambda: objects)
    assert (objects[-1].revision, objects[-1].objects) == (0, [])
    for scan in visits[:2]:
        client.publish(cloud_message(scan))
    client.wait(lambda: objects[-1].revision == 2 and len(changes) == 2)
    assert [c.revision for c in changes] == [1, 2]
    assert objects[-1].header.frame_id == changes[-1].header.frame_id == 'map'
    assert objects[-1].header.stamp == changes[-1].header.stamp
    assert objects[-1].objects

    markers, clouds = client.listen(interfaces.MARKERS), client.listen(interfaces.SEGMENTED_CLOUD)
    late = client.listen(interfaces.OBJECTS)
    client.wait(lambda: markers and clouds and late)
    ids = {item.object_id for item in objects[-1].objects}
    client.wait(lambda: {i for ns, i in replay(markers) if ns.endswith('boxes')} == ids)
    assert {item.object_id for item in late[-1].objects} == ids
    assert clouds[-1].width == len(visits[1])
    assert set(instances(clouds[-1])) - {0} <= ids
    assert processes.stop(node) == 0


def instances(cloud):
    """Return the field `instance` of a segmented cloud."""
    offset = next(f.offset for f in cloud.fields if f.name == 'instance')
    data = np.frombuffer(cloud.data, np.uint8).reshape(-1, cloud.point_step)
    return data[:, offset : offset + 4].copy().view(np.uint32)[:, 0].tolist()


def facts(message):
    """Return what must survive a restart."""
    return sorted(
        (o.object_id, o.class_name, o.state, o.box.pose.position.x) for o in message.objects
    )


@pytest.mark.slow
def test_kill_loses_no_visit_and_no_id(
    client, new_client, processes, start_node, visits, cloud_message
):
    """SIGKILL in the middle of the work: what was stored is processed, with the same ids."""
    node = start_node(autostart='true')
    objects = client.listen(interfaces.OBJECTS)
    client.publish(cloud_message(visits[0]))
    client.wait(lambda: objects and objects[-1].revision == 1)
    before = {o.object_id for o in objects[-1].objects}
    for scan in visits[1:3]:
        client.publish(cloud_message(scan))
    client.wait(lambda: 'visit 3 stored' in node.log.read_text())
    assert processes.stop(node, signal.SIGKILL) == -signal.SIGKILL

    client = new_client()
    objects = client.listen(interfaces.OBJECTS)
    node = start_node(autostart='true')
    client.wait(lambda: objects and objects[-1].revision == 3)
    assert before <= {o.object_id for o in objects[-1].objects}
    remembered = facts(objects[-1])
    assert processes.stop(node) == 0

    objects.clear()
    diagnostics = client.listen_to_diagnostics()
    node = start_node(autostart='true')
    client.wait(lambda: objects and diagnostics.entry('memory')[2])
    assert facts(objects[-1]) == remembered
    assert diagnostics.entry('memory')[2]['revision'] == '3'
    client.publish(cloud_message(visits[3]))
    client.wait(lambda: objects[-1].revision == 4)
    ids = [o.object_id for o in objects[-1].objects]
    assert {i for i, *_ in remembered} <= set(ids)
    assert processes.stop(node) == 0


def broken(kind, message):
    """Return a cloud that cannot be used."""
    if kind == 'without z':
        message.fields = [f for f in message.fields if f.name != 'z']
    elif kind == 'empty':
        return PointCloud2(
            header=message.header, fields=message.fields, height=1, point_step=message.point_step
        )
    elif kind == 'all NaN':
        data = np.frombuffer(message.data, np.uint8).reshape(-1, message.point_step).copy()
        data[:, :12] = np.full(3, np.nan, np.float32).view(np.uint8)
        message.data = data.tobytes()
    elif kind == 'truncated':
        message.data = message.data[: len(message.data) // 2]
    elif kind == 'other frame':
        message.header.frame_id = 'camera_that_nobody_knows'
    elif kind == 'no stamp':
        message.header.stamp.sec = message.header.stamp.nanosec = 0
    elif kind == 'no frame':
        message.header.frame_id = ''
    return message


def test_bad_clouds_are_refused_and_the_next_visit_works(
    client, processes, start_node, visits, cloud_message
):
    """One message in the log, one diagnostics entry with the reason, and the node stays up."""
    node = start_node(autostart='true', tf_timeout=0.0, auto_reprocess='false')
    objects, diagnostics = client.listen(interfaces.OBJECTS), client.listen_to_diagnostics()
    client.publish(cloud_message(visits[1]))
    client.wait(lambda: objects and objects[-1].revision == 1)
    kinds = {
        'without z': 'z',
        'empty': 'point',
        'all NaN': 'finite',
        'truncated': 'expected',
        'other frame': 'camera_that_nobody_knows',
        'no frame': 'frame',
        'no stamp': 'stamp',
    }
    for number, (kind, hint) in enumerate(kinds.items(), 1):
        client.publish(broken(kind, cloud_message(visits[2])))
        client.wait(lambda n=number: node.log.read_text().count('snapshot refused') == n)
        text = node.log.read_text().rpartition('snapshot refused')[2]
        assert hint in text, f'{kind}: {text}'
    client.wait(lambda: diagnostics.entry('scans')[2]['refused'] == str(len(kinds)))
    level, text, _ = diagnostics.entry('scans')
    assert (level, hint in text) == (b'\x01', True), text  # of the last one
    client.publish(cloud_message(visits[1]))  # a duplicate
    client.wait(lambda: diagnostics.entry('scans')[2]['refused'] == str(len(kinds) + 1))
    client.publish(cloud_message(visits[0]))  # older than the newest
    client.wait(lambda: diagnostics.entry('memory')[2]['late visits'] == '1')
    assert diagnostics.entry('scans')[0] == diagnostics.entry('memory')[0] == b'\x01'
    for entry, stages in (
        ('scans', ('decode', 'check', 'store')),
        ('inference', ('segment', 'associate', 'commit', 'publish')),
    ):
        values = diagnostics.entry(entry)[2]
        assert all(float(values[f'last {stage} [s]']) >= 0.0 for stage in stages)
    assert 'reprocess' in diagnostics.entry('scans')[1]
    assert objects[-1].revision == 1

    client.publish(cloud_message(visits[2]))
    client.wait(lambda: objects[-1].revision == 2)
    client.wait(lambda: diagnostics.entry('scans')[0] == b'\x00')
    log = node.log.read_text()
    assert log.count('snapshot refused') == len(kinds) + 1
    assert 'Traceback' not in log

    refused = client.call(Reprocess, '/rescene4d/reprocess', Reprocess.Request(from_visit=99))
    assert not refused.accepted
    assert '99' in refused.message
    answer = client.call(Reprocess, '/rescene4d/reprocess', Reprocess.Request())
    assert (answer.accepted, answer.revision) == (True, 2)
    client.wait(lambda: objects[-1].revision > 2)
    assert len(max((o.visit_ids for o in objects[-1].objects), key=len)) == 3  # the late one too
    client.wait(lambda: diagnostics.entry('memory')[0] == b'\x00')
    assert processes.stop(node) == 0


def test_live_parameters(client, processes, start_node):
    """Thresholds may change while the node runs, within bounds; paths may not."""
    node = start_node(autostart='true')
    client.wait(lambda: client.state() == 'active')

    def set_parameter(name, value):
        return client.call(
            SetParameters,
            '/rescene4d/set_parameters',
            SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()]),
        ).results[0]

    assert set_parameter('inference.score_threshold', 0.4).successful
    assert not set_parameter('inference.score_threshold', 1.5).successful
    assert not set_parameter('memory.path', '/elsewhere').successful
    for name, kind in (
        ('inference.score_threshold', 99),  # a type that does not exist
        ('inference.score_threshold', 0),  # none: rclpy takes the parameter away
        ('no.such', 3),
        ('', 0),
        ('', 3),
    ):
        undefined = ParameterMessage(name=name, value=ParameterValue(type=kind))
        request = SetParameters.Request(parameters=[undefined])
        (result,) = client.call(SetParameters, '/rescene4d/set_parameters', request).results
        assert not result.successful
        assert 'expected' in result.reason
        together = SetParametersAtomically.Request(parameters=[undefined])
        answer = client.call(
            SetParametersAtomically, '/rescene4d/set_parameters_atomically', together
        )
        assert not answer.result.successful
    assert set_parameter('inference.score_threshold', 0.3).successful
    assert client.state() == 'active'
    assert 'Traceback' not in node.log.read_text()
    assert processes.stop(node) == 0


def test_cloud_in_a_known_frame_is_taken_to_the_map(
    client, processes, start_node, visits, cloud_message
):
    """With tf2: what the node remembers is where TF says the cloud is."""
    tf2_ros = pytest.importorskip('tf2_ros')
    transform = TransformStamped(child_frame_id='camera')
    transform.header.frame_id = 'map'
    transform.transform.translation.x = 100.0
    transform.transform.rotation.w = 1.0
    broadcaster = tf2_ros.StaticTransformBroadcaster(client.node)
    broadcaster.sendTransform(transform)
    node = start_node(autostart='true', tf_timeout=30.0)
    clouds = client.listen(interfaces.SEGMENTED_CLOUD)
    client.publish(cloud_message(visits[0], 'camera'))
    client.wait(lambda: clouds)
    assert clouds[0].header.frame_id == 'map'
    points = np.frombuffer(clouds[0].data, np.uint8).reshape(-1, clouds[0].point_step)
    xyz = points[:, :12].copy().view(np.float32)
    np.testing.assert_allclose(xyz, visits[0].xyz + np.float32([100, 0, 0]), atol=1e-4)
    assert processes.stop(node) == 0


@pytest.mark.parametrize(
    'sig', [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_stop_finishes_the_visit_at_hand(
    client, processes, start_node, visits, cloud_message, sig
):
    """^C in the middle of a visit: it is processed and published, and the exit is clean."""
    node = start_node(autostart='true', fresh=True)
    changes = client.listen(interfaces.CHANGES)
    client.wait(lambda: client.state() == 'active')
    client.publish(cloud_message(visits[0]))
    client.wait(lambda: 'visit 1 stored' in node.log.read_text())
    node.send_signal(sig)
    client.wait(lambda: node.poll() is not None)
    assert node.returncode == 0
    log = node.log.read_text()
    assert 'invalid' not in log
    assert 'failed' not in log
    assert ('visit 1 processed' in log) == (len(changes) == 1)


@pytest.mark.slow
def test_map_far_from_zero(client, processes, start_node, visits):
    """Double coordinates keep their digits; results are in a frame at the origin of the map."""
    node = start_node(autostart='true')
    objects, clouds = client.listen(interfaces.OBJECTS), client.listen(interfaces.SEGMENTED_CLOUD)
    diagnostics = client.listen_to_diagnostics()
    utm = np.array([448_123.456, 5_412_345.678, 311.25])
    for number, visit in enumerate(visits[:2], 1):
        points = np.zeros(len(visit), [(a, '<f8') for a in 'xyz'])
        for k, axis in enumerate('xyz'):
            points[axis] = visit.xyz[:, k] + utm[k]
        header = Header(stamp=time_to_msg(visit.stamp_ns), frame_id='map')
        client.publish(create_cloud(header, fields_of(points), points))
        client.wait(lambda number=number: objects and objects[-1].revision == number)
        client.wait(lambda number=number: len(clouds) == number)
        shown = np.frombuffer(clouds[-1].data, np.float32).reshape(len(visit), -1)[:, :3]
        origin = (448_000, 5_412_000, 0)
        np.testing.assert_allclose(shown, visit.xyz + (utm - origin), atol=1e-4)
    assert {m.header.frame_id for m in (objects[-1], clouds[-1])} == {'map_local'}
    client.wait(lambda: diagnostics.entry('memory')[2]['origin [m]'] == '448000 5412000 0')
    assert processes.stop(node) == 0
    assert "'map_local' at (448000.00, 5412000.00, 0.00) m of 'map'" in node.log.read_text()
