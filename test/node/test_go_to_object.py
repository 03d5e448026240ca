"""The example that sends Nav2 to an object: the goal, and the action of Nav2 where it is there."""

from importlib.util import find_spec
import math
from pathlib import Path
import re
import subprocess
import sys

import numpy as np
import pytest
from rclpy.action import ActionServer, GoalResponse
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.planning.nearby import distances_to
from rescene4d_ros.srv import QueryObjects

EXAMPLE = Path(__file__).resolve().parents[2] / 'examples' / 'go_to_object.py'
RADIUS = 0.12  # m; of a small robot: the toy room is 3 m wide
SAID = re.compile(r'object (\d+) \(.*\): go to \((.*), (.*)\), yaw (.*), in (\w+)')


def run(client, *arguments):
    """Run the example while the client spins; return its exit code and what it printed."""
    command = [sys.executable, str(EXAMPLE), '--radius', str(RADIUS), '--least', '0']
    example = subprocess.Popen(
        [*command, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    client.wait(lambda: example.poll() is not None)
    return example.returncode, example.communicate()[0]


@pytest.fixture
def room(client, start_node, rooms_from, cloud_message, tmp_path):
    """Return a client and the objects of a node that remembers one visit."""
    start_node(autostart='true', inference__source='given')
    objects = client.listen(interfaces.OBJECTS)
    scan, instance = rooms_from(1_700_000_000 * 10**9)[0]
    client.publish(cloud_message(scan, instance=instance.astype(np.uint32)))
    client.wait(lambda: objects and objects[-1].revision == 1)
    asked = client.call(QueryObjects, '/rescene4d/query_objects', QueryObjects.Request())
    return client, {item.object_id: item for item in asked.objects}


def test_goal_is_free_and_faces_the_object(room, tmp_path):
    """The pose that the example would send stands on free floor and looks at the object."""
    client, objects = room
    with SceneMemory.inspect(tmp_path / 'memory') as memory:
        xyz = memory.scan(1).xyz
        boxes = {record.object_id: record.box for record in memory.snapshot().objects}
    chosen = min(objects, key=lambda i: objects[i].box.size.x * objects[i].box.size.y)
    code, printed = run(client, chosen, '--dry-run', '--robot', 2.5, 2.5)
    assert code == 0, printed
    number, x, y, yaw, frame = SAID.search(printed).groups()
    assert (int(number), frame) == (chosen, 'map')
    place = np.array([float(x), float(y)])
    stands = (xyz[:, 2] > 0.1) & (distances_to(boxes[chosen], xyz) > 0.08)
    assert np.hypot(*(xyz[stands, :2] - place).T).min() > RADIUS - 0.01
    assert (np.hypot(*(xyz[:, :2] - place).T) < 0.2).any()  # observed floor below it
    aim = np.array(boxes[chosen].center[:2]) - place
    assert math.cos(math.atan2(aim[1], aim[0]) - float(yaw)) > math.cos(0.02)


@pytest.mark.skipif(
    find_spec('nav2_msgs') is None,
    reason='nav2_msgs is not installed (it is not among the PyPI wheels)',
)
@pytest.mark.parametrize('accepts', [True, False])
def test_nav2_gets_the_goal(room, accepts):
    """With Nav2's own action type, over DDS: the goal that was printed is the goal that comes."""
    from nav2_msgs import action as actions

    client, objects = room
    goals = []

    def navigate(handle):
        goals.append(handle.request.pose)
        handle.succeed()
        return actions.NavigateToPose.Result()

    server = ActionServer(
        client.node,
        actions.NavigateToPose,
        '/navigate_to_pose',
        navigate,
        goal_callback=lambda _: GoalResponse.ACCEPT if accepts else GoalResponse.REJECT,
    )
    code, printed = run(client, min(objects), '--robot', 2.5, 2.5)
    server.destroy()
    if not accepts:
        assert code != 0
        assert 'Nav2 refused the goal' in printed
        return
    assert code == 0, printed
    assert printed.rstrip().endswith('arrived')
    _, x, y, _, frame = SAID.search(printed).groups()
    (goal,) = goals
    assert (goal.header.frame_id, goal.header.stamp.sec > 0) == (frame, True)
    assert goal.pose.position.x == pytest.approx(float(x), abs=0.006)
    assert goal.pose.position.y == pytest.approx(float(y), abs=0.006)
