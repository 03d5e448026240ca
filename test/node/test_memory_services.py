"""Questions and corrections over DDS: a node that has seen four visits, asked as a robot would."""

from dataclasses import replace
import json
import time

from geometry_msgs.msg import Point
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.msg import Moment, SceneChange, SceneObject
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import change_to_msg, time_to_msg
from rescene4d_ros.node.tools.marker_picture import replay
from rescene4d_ros.questions.asking import ask as ask_in_words
from rescene4d_ros.questions.asking import zone_of
from rescene4d_ros.srv import AskMemory, CorrectObject, ObjectHistory, QueryChanges, QueryObjects

CORRECT = CorrectObject.Request
DAY_NS = 86_400 * 10**9


def at_visit(visit_id):
    """Return the moment of a visit."""
    return Moment(kind=Moment.VISIT, visit_id=visit_id)


def at_time(stamp_ns):
    """Return a moment by the clock."""
    return Moment(kind=Moment.TIME, time=time_to_msg(stamp_ns))


@pytest.fixture
def filled(client, start_node, visits, cloud_message):
    """Return a running node that has processed four visits, and what it published of them."""
    node = start_node(autostart='true')
    objects = client.listen(interfaces.OBJECTS)
    for number, scan in enumerate(visits, 1):
        client.publish(cloud_message(scan))
        client.wait(lambda n=number: objects and objects[-1].revision == n)
    return node, objects


def as_sent(message):
    """Return a message as it arrives: with numbers of the precision of their fields."""
    return deserialize_message(serialize_message(message), type(message))


def instances(cloud):
    """Return the field `instance` of a segmented cloud."""
    offset = next(f.offset for f in cloud.fields if f.name == 'instance')
    data = np.frombuffer(cloud.data, np.uint8).reshape(-1, cloud.point_step)
    return data[:, offset : offset + 4].copy().view(np.uint32)[:, 0].tolist()


def center(box):
    """Return the middle of a box message."""
    middle: Point = box.pose.position
    return middle.x, middle.y, middle.z


def test_questions_and_corrections(client, processes, filled, visits, cloud_message, tmp_path):
    """Every question is answered as the memory on disk answers it, and corrections are kept."""
    node, objects = filled

    def ask(kind, **request):
        name = {
            QueryObjects: 'query_objects',
            QueryChanges: 'query_changes',
            ObjectHistory: 'object_history',
            AskMemory: 'ask_memory',
        }[kind]
        return client.call(kind, f'/rescene4d/{name}', kind.Request(**request))

    def correct(kind, **request):
        return client.call(
            CorrectObject, '/rescene4d/correct_object', CorrectObject.Request(kind=kind, **request)
        )

    known = {item.object_id: item for item in objects[-1].objects}
    path = tmp_path / 'memory'
    with SceneMemory.inspect(path) as memory:
        # Where is everything, now and at a visit, by visit number and by the clock.
        everything = ask(QueryObjects)
        assert (everything.success, everything.message, everything.revision) == (True, '', 4)
        assert everything.header.frame_id == 'map'
        assert everything.header.stamp == time_to_msg(visits[3].stamp_ns)
        assert [o.object_id for o in everything.objects] == sorted(
            i for i, o in known.items() if o.state != SceneObject.ABSENT
        )
        shown = [set(memory.labels(visit_id).tolist()) for visit_id in (2, 3, 4)]
        one = min(shown[0] & shown[1] - {0})  # seen before and after it is split in two
        for moment, stamp_ns in (
            (Moment(), None),
            (at_visit(2), visits[1].stamp_ns),
            (at_time(visits[2].stamp_ns + 5), visits[2].stamp_ns),
        ):
            (found,) = ask(QueryObjects, object_id=one, at=moment).objects
            wanted = queries.where_is(memory, one, stamp_ns)
            assert (found.object_id, found.class_name, found.state) == (
                one,
                wanted.class_name,
                wanted.state,
            )
            assert center(found.box) == pytest.approx(wanted.box.center)
            assert found.since == time_to_msg(wanted.since_ns)
            assert found.last_seen == time_to_msg(wanted.last_seen_ns)
        name = known[one].class_name
        assert [o.object_id for o in ask(QueryObjects, class_name=name).objects] == [
            o.object_id for o in everything.objects if o.class_name == name
        ]
        assert ask(QueryObjects, at=at_time(1)).objects == []

        # The past of one object.
        past = ask(ObjectHistory, object_id=one)
        wanted = queries.history_of(memory, one)
        assert [(e.visit_id, e.state, e.has_box, e.reason) for e in past.events] == [
            (e.visit_id, e.state, e.box is not None, e.reason) for e in wanted
        ]
        assert (past.object_id, past.name, past.is_locked) == (one, '', False)

        # In words, as the command line answers.
        for question in (f'where is the {name}?', 'what changed since visit 1?', 'qwrtz'):
            said = ask(AskMemory, question=question)
            wanted = ask_in_words(memory, question, time.time_ns(), zone_of('UTC'))
            assert (said.success, said.answer) == (True, wanted.text), said.message
            assert said.outcome == wanted.outcome.value
            assert list(said.object_ids) == [fact.object_id for fact in wanted.objects]
            assert json.loads(said.facts)['text'] == wanted.text
        for request, hint in (
            ({'question': ' '}, 'expected a question'),
            ({'question': 'a' * 501}, 'at most 500'),
            ({'question': 'where is it?', 'time_zone': 'Mars/Olympus'}, 'Europe/Berlin'),
        ):
            refused = ask(AskMemory, **request)
            assert not refused.success
            assert hint in refused.message

    # Corrections, each seen on ~/objects.
    def shown_after(answer):
        assert answer.success, answer.message
        client.wait(lambda: objects[-1].revision == answer.revision)
        return {item.object_id for item in objects[-1].objects}

    markers = client.listen(interfaces.MARKERS)
    assert shown_after(correct(CORRECT.RENAME, object_id=one, name='Omas Stuhl')) == set(known)
    assert shown_after(correct(CORRECT.LOCK, object_id=one)) == set(known)
    asked = ask(ObjectHistory, object_id=one)
    assert (asked.name, asked.is_locked) == ('Omas Stuhl', True)
    refused = correct(CORRECT.SPLIT, object_id=one, from_visit=3)
    assert (refused.success, refused.revision) == (False, 6)
    assert 'unlock' in refused.message
    shown_after(correct(CORRECT.UNLOCK, object_id=one))
    split = correct(CORRECT.SPLIT, object_id=one, from_visit=3)
    assert split.object_id > max(known)
    assert shown_after(split) == {*known, split.object_id}
    merged = correct(CORRECT.MERGE, object_id=split.object_id, other_id=one)
    assert merged.object_id == one
    assert shown_after(merged) == set(known)
    client.wait(lambda: {i for ns, i in replay(markers) if ns.endswith('boxes')} == set(known))
    clouds = client.listen(interfaces.SEGMENTED_CLOUD)
    client.wait(lambda: clouds)
    assert set(instances(clouds[-1])) == shown[2]
    (found,) = ask(QueryObjects, object_id=split.object_id).objects  # by its alias
    assert (found.object_id, found.name) == (one, 'Omas Stuhl')

    # What changed, in all and in parts that make up the whole.
    with SceneMemory.inspect(path) as memory:
        stamps = {v.visit_id: v.stamp_ns for v in memory.visits()}
        wanted = [as_sent(change_to_msg(c)) for c in queries.changed_between(memory, 0, stamps[4])]
    whole = ask(QueryChanges)
    assert whole.success
    assert whole.changes == wanted
    assert SceneChange.MERGED in {c.kind for c in whole.changes}
    parts = [
        ask(QueryChanges, until=at_visit(2)),
        ask(QueryChanges, after=at_visit(2), until=at_time(stamps[3])),
        ask(QueryChanges, after=at_visit(3)),
    ]
    assert [c for part in parts for c in part.changes] == wanted

    undone = correct(CORRECT.UNDO)
    assert 'objects merged' in undone.message
    assert shown_after(undone) == {*known, split.object_id}

    # What cannot be met is answered with what to do, changes nothing and ends nothing.
    before = ask(QueryObjects).revision
    for answer, hint in (
        (ask(QueryObjects, object_id=99), 'no object 99'),
        (ask(QueryObjects, object_id=2**64 - 1), 'no object'),
        (ask(QueryObjects, class_name='unicorn'), 'there are: chair, table, box'),
        (ask(QueryObjects, object_id=one, class_name='chair'), 'leave one out'),
        (ask(QueryObjects, object_id=one, at=at_time(1)), 'later time'),
        (ask(QueryObjects, at=at_visit(99)), 'there are: 1, 2, 3, 4'),
        (ask(QueryObjects, at=Moment(kind=9)), 'Moment.msg'),
        (ask(QueryChanges, after=at_visit(3), until=at_visit(1)), 'exchange'),
        (ask(QueryChanges, until=at_visit(99)), 'there are: 1, 2, 3, 4'),
        (ask(ObjectHistory), 'no object 0'),
        (correct(CORRECT.UNKNOWN), 'expected a kind'),
        (correct(77), 'got 77'),
        (correct(CORRECT.RENAME, object_id=99, name='x'), 'no object 99'),
        (correct(CORRECT.MERGE, object_id=one, other_id=one), 'are one already'),
        (correct(CORRECT.SPLIT, object_id=one, from_visit=99), 'got 99'),
        (correct(CORRECT.SPLIT, object_id=one, from_visit=1), 'choose a later'),
    ):
        assert not answer.success
        assert hint in answer.message, answer.message
        assert answer.revision == before

    # While a visit is processed: an answer at once, and neither visit nor correction is lost.
    client.publish(cloud_message(replace(visits[0], stamp_ns=visits[3].stamp_ns + DAY_NS)))
    renamed = correct(CORRECT.RENAME, object_id=one, name='Opas Stuhl')
    assert renamed.success
    client.wait(lambda: objects[-1].revision == before + 2)
    assert objects[-1].visit_id == 5
    assert ask(ObjectHistory, object_id=one).name == 'Opas Stuhl'

    assert processes.stop(node) == 0
    assert 'Traceback' not in node.log.read_text()
    with SceneMemory.inspect(path) as memory:
        assert memory.names() == {one: 'Opas Stuhl'}
        assert split.object_id in memory.records
        assert memory.locked() == frozenset()
