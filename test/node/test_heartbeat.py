"""Whoever watches ~/heartbeat by QoS notices a process that hangs and one that is gone."""

import signal

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.event_handler import SubscriptionEventCallbacks
from rescene4d_ros.node.messages import interfaces


def test_deadline_and_liveliness_tell_of_a_node_that_hangs_or_dies(client, start_node):
    """Also of one that is not configured; what it says is its state."""
    beats, missed, gone = [], [], []
    topic = interfaces.HEARTBEAT
    client.node.create_subscription(
        topic.type,
        topic.name.replace('~', 'rescene4d'),
        beats.append,
        topic.qos(),
        event_callbacks=SubscriptionEventCallbacks(
            deadline=missed.append,
            liveliness=lambda event: gone.append(event) if event.not_alive_count else None,
        ),
    )
    node = start_node()
    client.wait(lambda: len(beats) >= 2)
    assert (beats[-1].name, beats[-1].message) == ('rescene4d', 'unconfigured')
    assert beats[-1].level == DiagnosticStatus.OK
    node.send_signal(signal.SIGSTOP)
    client.wait(lambda: missed)
    node.send_signal(signal.SIGCONT)
    n_beats = len(beats)
    client.wait(lambda: len(beats) > n_beats)
    gone.clear()
    node.kill()
    client.wait(lambda: gone)
