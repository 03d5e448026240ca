"""Boxes of a 3D detector over real DDS become the instances of the cloud of their stamp."""

import pytest
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import time_to_msg


def test_boxes_and_cloud_of_one_stamp_become_objects(client, start_node, visits, cloud_message):
    """Whichever comes first waits for the other; the ids stay when the box moves."""
    messages = pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not installed')
    start_node(autostart='true', inference__source='given', tf_timeout=60.0)
    objects, changes = client.listen(interfaces.OBJECTS), client.listen(interfaces.CHANGES)
    publisher = client.node.create_publisher(messages.Detection3DArray, 'detections', 10)
    client.wait(publisher.get_subscription_count)

    def boxes(scan, x):
        found = messages.Detection3DArray()
        found.header.stamp, found.header.frame_id = time_to_msg(scan.stamp_ns), 'map'
        for label, place, size in (
            ('chair', (x + 0.2, 0.7, 0.25), (0.44, 0.44, 0.54)),
            ('table', (2.05, 2.0, 0.35), (0.94, 0.64, 0.74)),
        ):
            detection, guess = messages.Detection3D(), messages.ObjectHypothesisWithPose()
            guess.hypothesis.class_id, guess.hypothesis.score = label, 0.9
            detection.results.append(guess)
            center, extent = detection.bbox.center, detection.bbox.size
            center.position.x, center.position.y, center.position.z = place
            center.orientation.w = 1.0
            extent.x, extent.y, extent.z = size
            found.detections.append(detection)
        return found

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
