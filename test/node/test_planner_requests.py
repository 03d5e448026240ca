"""What planners and operators ask of a running node: places, shapes, pause, other memories."""

from dataclasses import replace
from functools import partial
import os
from pathlib import Path
import sqlite3
import time

from action_msgs.msg import GoalStatus
from geometry_msgs.msg import Point, Quaternion, Transform, Vector3
from nav_msgs.srv import GetMap
import numpy as np
import pytest
from rclpy.action import ActionClient
from rescene4d_ros.action import ReprocessVisits
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.msg import SceneObject
from rescene4d_ros.node.diagnostics import NodeStats
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.parameters import MemoryConfig
from rescene4d_ros.node.requests.memories import wanted_memory
from rescene4d_ros.node.services import MemoryServices
from rescene4d_ros.srv import (
    ApproachObject,
    CorrectObject,
    KeepOutShapes,
    ListMemories,
    LoadMemory,
    MoveMap,
    QueryObjects,
)
from std_srvs.srv import Trigger

DAY_NS = 86_400 * 10**9


def done(client, future):
    """Return the result of a future."""
    client.wait(future.done)
    return future.result()


def refused(client):
    """Return the number of refused clouds, and why the newest one was."""
    level, message, values = client.diagnostics.entry('scans')
    return int(values['refused'] or 0), message


def moves_in(changes):
    """Return the messages that say that the map moved."""
    return [message for message in changes if not message.visit_id]


@pytest.fixture
def rooms(rooms_from):
    """Return four visits (scan, instance) of a toy room, the newest of yesterday."""
    return rooms_from(time.time_ns() - 4 * DAY_NS)


def test_requests_of_planners_and_operators(client, start_node, rooms, cloud_message, tmp_path):
    """One node is asked everything, as two nodes would take twice as long to start."""
    start_node(autostart='true', inference__source='given')
    objects, client.diagnostics = client.listen(interfaces.OBJECTS), client.listen_to_diagnostics()
    changes = client.listen(interfaces.CHANGES)

    def publish(scan, instance):
        client.publish(cloud_message(scan, instance=instance.astype(np.uint32)))

    for number, room in enumerate(rooms[:2], 1):
        publish(*room)
        client.wait(lambda n=number: objects and objects[-1].revision == n)

    def ask(service, short_name, /, **request):
        return client.call(service, f'/rescene4d/{short_name}', service.Request(**request))

    # Places.
    (tmp_path / 'memory' / 'zones.yaml').write_text(
        'left: {polygon: [[-1, -1], [1.5, -1], [1.5, 4], [-1, 4]]}'
    )
    query = partial(ask, QueryObjects, 'query_objects')
    every = query().objects
    assert len(every) > 1
    assert all(0.3 < item.still_there < 1 for item in every)  # seen some days ago
    inside = [item for item in every if item.box.pose.position.x < 1.5]
    assert [o.object_id for o in query(zone='left').objects] == [o.object_id for o in inside]
    assert all(item.zones == ['left'] for item in query(zone='left').objects)
    corner = Point(x=3.0, y=3.0, z=0.0)
    near = query(has_point=True, point=corner, most=1).objects
    distances = [item.distance for item in query(has_point=True, point=corner).objects]
    assert distances == sorted(distances)
    assert near[0].distance == distances[0]
    assert 'there are: left' in query(zone='attic').message
    for state in (SceneObject.PRESENT, SceneObject.ABSENT, SceneObject.NOT_OBSERVED):
        expected = [o.object_id for o in objects[-1].objects if o.state == state]
        assert [o.object_id for o in query(states=[state]).objects] == expected
    assert query(states=[SceneObject.PRESENT], zone='left').objects == query(zone='left').objects
    assert '2 (ABSENT)' in query(states=[0]).message
    assert 'leave one out' in query(states=[1], object_id=every[0].object_id).message

    # What a planner needs.
    shapes = ask(KeepOutShapes, 'keep_out_shapes', least_still_there=0.001)
    assert shapes.success, shapes.message
    assert [*shapes.object_ids] == [o.object_id for o in every]
    assert all(len(polygon.points) == 4 for polygon in shapes.polygons)
    chosen = min(every, key=lambda o: o.box.size.x * o.box.size.y)
    pose = ask(
        ApproachObject,
        'approach_object',
        object_id=chosen.object_id,
        robot_radius=0.05,
        distance=0.1,
    )
    assert pose.success, pose.message
    assert pose.clearance >= 0
    assert pose.object.object_id == chosen.object_id
    assert not ask(ApproachObject, 'approach_object', object_id=999).success
    grid = ask(GetMap, 'change_grid').map
    assert grid.header.frame_id == 'map'
    assert len(grid.data) == grid.info.width * grid.info.height > 0

    # Pause, resume, save.
    assert ask(Trigger, 'pause').success
    publish(*rooms[2])
    client.wait(lambda: refused(client)[0] == 1)
    assert 'paused' in refused(client)[1]
    assert ask(Trigger, 'resume').success
    publish(*rooms[2])
    client.wait(lambda: objects[-1].revision == 3)
    saved = ask(Trigger, 'save')
    assert saved.success
    assert 'revision 3' in saved.message

    # The map moves, and the memory follows until that is undone.
    quarter = Quaternion(x=0.0, y=0.0, z=np.sqrt(0.5), w=np.sqrt(0.5))
    motion = Transform(translation=Vector3(x=10.0, y=0.0, z=0.0), rotation=quarter)
    moved = ask(MoveMap, 'move_map', new_from_old=motion, reason='loop closed')
    assert moved.success, moved.message
    assert moved.map_from_memory.translation.x == 10
    client.wait(lambda: objects[-1].header.frame_id == 'map_local')
    assert query().header.frame_id == 'map_local'
    client.wait(lambda: len(moves_in(changes)) == 1)
    told = moves_in(changes)[0]
    assert (told.map_id, told.revision, len(told.changes)) == ('map', moved.revision, 0)
    assert told.header.frame_id == 'map_local'
    assert told.header.stamp.sec > 0
    assert (
        'unit quaternion'
        in ask(
            MoveMap,
            'move_map',
            new_from_old=Transform(rotation=Quaternion(x=1.0, y=1.0, z=0.0, w=0.0)),
        ).message
    )
    publish(moved_visit(rooms[3][0]), rooms[3][1])
    client.wait(lambda: objects[-1].revision >= 5)
    with SceneMemory.inspect(tmp_path / 'memory') as memory:
        stored = memory.scan(memory.visits()[-1].visit_id).xyz
        np.testing.assert_allclose(stored, rooms[3][0].xyz, atol=1e-4)
    undone = ask(CorrectObject, 'correct_object', kind=CorrectObject.Request.UNDO)
    assert 'map moved' in undone.message
    client.wait(lambda: objects[-1].header.frame_id == 'map')
    client.wait(lambda: len(moves_in(changes)) == 2)
    assert moves_in(changes)[1].revision > told.revision

    # A reprocess with progress.
    action = ActionClient(client.node, ReprocessVisits, '/rescene4d/reprocess_visits')
    client.wait(action.server_is_ready)
    heard = []
    goal = done(client, action.send_goal_async(ReprocessVisits.Goal(), heard.append))
    assert goal.accepted
    found = done(client, goal.get_result_async())
    assert found.status == GoalStatus.STATUS_SUCCEEDED
    assert found.result.success
    wrong = done(client, action.send_goal_async(ReprocessVisits.Goal(from_visit=999)))
    assert not wrong.accepted

    # Another memory, and back.
    ids = [o.object_id for o in objects[-1].objects]
    load = partial(ask, LoadMemory, 'load_memory')
    assert 'set create and map_id' in load(name='upstairs').message
    assert 'name of a folder' in load(name='../memory').message
    other = load(name='upstairs', map_id='upstairs', create=True)
    assert other.success, other.message
    assert (other.map_id, other.objects) == ('upstairs', 0)
    client.wait(lambda: objects[-1].map_id == 'upstairs')
    listed = ask(ListMemories, 'list_memories')
    assert listed.current == 'upstairs'
    assert (listed.names, listed.map_ids) == (['memory', 'upstairs'], ['map', 'upstairs'])
    assert [*listed.visits] == [4, 0]
    assert load(name='memory', map_id='attic').success is False  # of another map: as before
    assert ask(ListMemories, 'list_memories').current == 'upstairs'
    assert load(name='memory').success
    client.wait(lambda: objects[-1].map_id == 'map')
    assert [o.object_id for o in objects[-1].objects] == ids


def test_memories_are_listed_while_the_one_in_use_works(client, tmp_path):
    """Another one may keep its reader waiting, here by a lock; nothing else waits for it."""
    with SceneMemory.open(tmp_path / 'here', 'map', 'map', ('chair',)) as memory:
        slow = tmp_path / 'slow' / 'memory.sqlite3'
        slow.parent.mkdir()
        holder = sqlite3.connect(slow)
        holder.execute('create table empty (x)')
        holder.execute('begin exclusive')
        unused = (lambda *_: None,) * 3
        services = MemoryServices(client.node, memory, NodeStats(), *unused, may_correct=False)
        try:
            listed = client.send(ListMemories, '/client/list_memories', ListMemories.Request())
            client.wait(lambda: times_open(slow) == 2)  # here, and by who waits for the lock
            assert not listed.done()
            assert memory.mutex.acquire(timeout=0)
            memory.mutex.release()
            holder.close()
            answer = done(client, listed)
        finally:
            holder.close()
            services.close()
    assert answer.success
    assert [*zip(answer.names, answer.map_ids)] == [('here', 'map'), ('slow', '')]


def times_open(path):
    """Return how often this process has a file open."""
    links = Path('/proc/self/fd').iterdir()
    return sum(os.path.realpath(link) == str(path) for link in links)


def moved_visit(scan):
    """Return a scan in the map after it turned by a quarter and moved by 10 m."""
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    return replace(
        scan, xyz=(scan.xyz @ turn.T + np.float32([10, 0, 0])), normals=scan.normals @ turn.T
    )


@pytest.mark.parametrize('name', ['', '.', '..', 'a/b', '/etc', 'x' * 256, 'я' * 128, 'a\0b'])
def test_only_names_beside_the_memory(name, tmp_path):
    with pytest.raises(ConfigError, match='name of a folder'):
        wanted_memory(MemoryConfig(path=str(tmp_path / 'a')), LoadMemory.Request(name=name))
