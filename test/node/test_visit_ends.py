"""How a visit of the builder ends: by an action, a dock, rules and silence, over real DDS."""

from action_msgs.msg import GoalStatus
import pytest
from rclpy.action import ActionClient
from rescene4d_ros.action import BuildVisit
from rescene4d_ros.data.readers.point_cloud2 import scan_from_cloud
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import time_from_msg
from rescene4d_ros.node.visit_builder.dock import Dock, REASON
from sensor_msgs.msg import BatteryState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

T0 = 1_700_000_000 * 10**9
UNKNOWN, CHARGING, DISCHARGING, FULL = 0, 1, 2, 4  # of BatteryState


@pytest.mark.parametrize(
    ('kind', 'said', 'ends'),
    [
        ('bool', [True, True, False, True, True, False, False, True], [4, 8]),
        (
            'battery_state',
            [FULL, DISCHARGING, UNKNOWN, CHARGING, FULL, UNKNOWN, FULL, DISCHARGING, FULL],
            [4, 9],
        ),
    ],
)
def test_a_visit_ends_when_the_robot_gets_to_its_dock(client, kind, said, ends):
    """Not where it starts there, nor by what says nothing; each time that it comes."""
    ended = []
    dock = Dock(client.node, 'at_dock', kind, ended.append)
    publisher = client.node.create_publisher(type_of(kind), 'at_dock', 10)
    client.wait(publisher.get_subscription_count)
    came = []
    client.node.create_subscription(type_of(kind), 'at_dock', came.append, 10)
    client.wait(lambda: publisher.get_subscription_count() == 2)
    found = []
    for count, value in enumerate(said, 1):
        message = Bool(data=value) if kind == 'bool' else BatteryState(power_supply_status=value)
        before = len(ended)
        publisher.publish(message)
        client.wait(lambda c=count: len(came) == c)
        client.spin(0.1)
        found += [count] * (len(ended) - before)
    assert (found, set(ended)) == (ends, {REASON})
    dock.close()


def type_of(kind):
    """Return the message class of a kind of dock."""
    return Bool if kind == 'bool' else BatteryState


PARAMS = {'autostart': 'true', 'pose_source': 'odometry', 'clouds_reliability': 'reliable'}


@pytest.mark.slow
@pytest.mark.parametrize(
    ('rule', 'reason'),
    [
        ({'duration': 0.55}, 'lasted 0.6 s'),
        ({'standing_still': 1.5}, 'stood still for 1.5 s'),
        ({'zone': '"-2 -1, 0.5 -1, 0.5 1, -2 1"'}, 'left the zone'),
        ({'silence': 1.0}, 'no cloud came any more'),
        ({'dock_topic': 'at_dock'}, REASON),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_each_rule_ends_a_visit(client, processes, robot, tmp_path, rule, reason):
    """The robot drives on, stands, leaves, or is silent; the log and the snapshot tell."""
    snapshots = client.listen(interfaces.SNAPSHOTS)
    params = {**PARAMS, **rule, 'spool': tmp_path / 'visit.spool'}
    node = processes.start('visit_builder.main', params=params)
    at_dock = client.node.create_publisher(Bool, 'at_dock', 10)
    if 'dock_topic' in rule:
        client.wait(at_dock.get_subscription_count)
        at_dock.publish(Bool(data=False))
    robot(range(9))
    if 'standing_still' in rule:
        robot(range(9, 26), x=0.6)
    if 'dock_topic' in rule:
        at_dock.publish(Bool(data=True))
    client.wait(lambda: snapshots)
    assert len(scan_from_cloud(snapshots[0])) > 1000
    client.wait(lambda: f'ended: {reason}' in node.log.read_text())


@pytest.mark.slow
def test_the_action_builds_one_visit(client, processes, start_node, robot, tmp_path):
    """With progress and the number in the memory; a second goal is refused; canceled ones end."""
    start_node(autostart='true', inference__source='none')
    params = {**PARAMS, 'spool': tmp_path / 'visit.spool', 'begin_at_once': 'false'}
    processes.start('visit_builder.main', params=params)
    action = ActionClient(client.node, BuildVisit, '/visit_builder/build_visit')
    client.wait(action.server_is_ready)
    client.wait(lambda: client.state() == 'active')
    client.wait(lambda: client.node.count_subscribers('/snapshots') == 1)
    progress = []

    def send(**goal):
        future = action.send_goal_async(
            BuildVisit.Goal(**goal), feedback_callback=lambda m: progress.append(m.feedback)
        )
        client.wait(future.done)
        return future.result()

    def result(goal):
        future = goal.get_result_async()
        client.wait(future.done)
        return future.result().status, future.result().result

    for wrong in (-1.0, float('nan'), float('inf')):
        assert not send(wait_for_memory=wrong).accepted
    goal = send(wait_for_memory=100.0)
    assert goal.accepted
    assert not send().accepted
    robot(range(8))
    client.wait(lambda: progress and progress[-1].keyframes == 8)
    assert progress[-1].points > 1000
    assert progress[-1].seconds == pytest.approx(0.7)
    assert client.call(Trigger, '/visit_builder/finish', Trigger.Request()).success
    status, done = result(goal)
    assert (status, done.success, done.visit_id) == (GoalStatus.STATUS_SUCCEEDED, True, 1)
    assert time_from_msg(done.stamp) == T0 + 7 * 10**8
    assert done.points > 1000
    robot(range(20, 24))  # belong to no visit: nobody asked for one
    goal = send(discard_when_canceled=True)
    robot(range(30, 36))
    client.wait(lambda: progress[-1].keyframes == 6)
    client.wait(goal.cancel_goal_async().done)
    status, done = result(goal)
    assert (status, done.success, done.message) == (GoalStatus.STATUS_CANCELED, False, 'dropped')
    assert not list(tmp_path.glob('visit.spool*'))
    goal = send(wait_for_memory=100.0)
    robot(range(40, 45))
    client.wait(lambda: progress[-1].keyframes == 5)
    client.wait(goal.cancel_goal_async().done)
    status, done = result(goal)
    assert (status, done.success, done.visit_id) == (GoalStatus.STATUS_CANCELED, True, 2)
    assert time_from_msg(done.stamp) == T0 + 44 * 10**8
