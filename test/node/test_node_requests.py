"""Requests of people and programs, over DDS: many at once, long ones, and those that exclude."""

from functools import partial
import threading

import pytest
from rescene4d_ros.msg import SceneObject
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.tools.marker_picture import replay
from rescene4d_ros.srv import CorrectObject, ObjectHistory, QueryChanges, QueryObjects, Reprocess

RENAME = CorrectObject.Request.RENAME
EXCLUDE, INCLUDE = CorrectObject.Request.EXCLUDE_VISIT, CorrectObject.Request.INCLUDE_VISIT


def ask(client, **request):
    """Ask where objects are."""
    return client.call(QueryObjects, '/rescene4d/query_objects', QueryObjects.Request(**request))


def correct(client, **request):
    """Correct an object."""
    return client.call(
        CorrectObject, '/rescene4d/correct_object', CorrectObject.Request(**request)
    )


@pytest.mark.slow
def test_requests_to_reprocess_are_merged(client, processes, running):
    """Two hundred requests are a few runs."""
    node, objects, _ = running
    name, answers = '/rescene4d/reprocess', []
    for _ in range(25):  # as many at a time as DDS keeps answers of
        futures = [
            client.send(Reprocess, name, Reprocess.Request(from_visit=k % 2)) for k in range(8)
        ]
        client.wait(lambda futures=futures: all(f.done() for f in futures))
        answers += [f.result() for f in futures]
    assert all(a.accepted for a in answers)
    joined = sum('joined' in a.message for a in answers)
    client.wait(lambda: node.log.read_text().count('visits processed anew') >= 200 - joined)
    assert node.log.read_text().count('visits processed anew') <= 200 - joined
    assert joined > 100
    assert processes.stop(node) == 0


def test_long_texts_are_refused(client, processes, running):
    """A name of a megabyte is stored by nobody."""
    node, objects, _ = running
    one = objects[-1].objects[0].object_id
    answer = correct(client, kind=RENAME, object_id=one, name='x' * 10**6)
    assert (answer.success, answer.revision) == (False, 0) or not answer.success
    assert '200' in answer.message
    assert not ask(client, class_name='x' * 10**6).success
    assert correct(client, kind=RENAME, object_id=one, name='x' * 200).success
    assert processes.stop(node) == 0


def test_node_that_may_not_be_corrected(client, processes, start_node, visits, cloud_message):
    """It offers questions alone."""
    node = start_node(autostart='true', corrections='false')
    client.wait(lambda: client.state() == 'active')
    assert ask(client).success
    offered = {name for name, _ in client.node.get_service_names_and_types()}
    assert '/rescene4d/query_objects' in offered
    changing = 'correct_object reprocess move_map pause resume load_memory'.split()
    assert not offered & {f'/rescene4d/{name}' for name in changing}
    assert not any('reprocess_visits' in name for name in offered)
    assert processes.stop(node) == 0


def test_names_reach_objects_and_labels(client, processes, running, visits, cloud_message):
    """At once, and after the next visit."""
    node, objects, _ = running
    markers = client.listen(interfaces.MARKERS)
    one = objects[-1].objects[0].object_id
    answer = correct(client, kind=RENAME, object_id=one, name='Omas Stuhl')
    client.wait(lambda: objects[-1].revision == answer.revision)
    assert {o.object_id: o.name for o in objects[-1].objects}[one] == 'Omas Stuhl'
    client.publish(cloud_message(visits[1]))
    client.wait(lambda: objects[-1].revision == answer.revision + 1)
    assert {o.object_id: o.name for o in objects[-1].objects}[one] == 'Omas Stuhl'
    label = f'Omas Stuhl #{one}'
    client.wait(lambda: any(m.text.startswith(label) for m in replay(markers).values()))
    assert processes.stop(node) == 0


def test_visit_is_excluded_and_included_again(client, processes, running, visits, cloud_message):
    """What later visits showed is judged without it, and with it again."""
    node, objects, diagnostics = running
    for number, scan in enumerate(visits[1:3], 2):
        client.publish(cloud_message(scan))
        client.wait(lambda n=number: objects[-1].revision == n)

    def visits_known():
        return max((len(o.visit_ids) for o in objects[-1].objects), default=0)

    answer = correct(client, kind=EXCLUDE, visit_id=2)
    assert answer.success, answer.message
    client.wait(lambda: objects[-1].revision > answer.revision)  # visit 3 was processed anew
    assert visits_known() == 2
    refused = correct(client, kind=EXCLUDE, visit_id=2)
    assert (refused.success, 'excluded' in refused.message) == (False, True)
    assert not correct(client, kind=EXCLUDE, visit_id=77).success
    included = correct(client, kind=INCLUDE, visit_id=2)
    assert included.success, included.message
    client.wait(lambda: objects[-1].revision > included.revision)
    assert visits_known() == 3
    client.wait(lambda: diagnostics.entry('memory')[2]['late visits'] == '0')
    assert all(o.state != SceneObject.UNKNOWN for o in objects[-1].objects)
    assert processes.stop(node) == 0


@pytest.mark.slow
def test_twenty_threads_call_while_visits_come(
    client, new_client, processes, running, visits, cloud_message
):
    """Every request is answered, and every visit is processed."""
    node, objects, diagnostics = running
    one = objects[-1].objects[0].object_id
    requests = (
        (QueryObjects, 'query_objects', QueryObjects.Request()),
        (QueryObjects, 'query_objects', QueryObjects.Request(object_id=one)),
        (QueryChanges, 'query_changes', QueryChanges.Request()),
        (ObjectHistory, 'object_history', ObjectHistory.Request(object_id=one)),
        (CorrectObject, 'correct_object', CorrectObject.Request(kind=RENAME, object_id=one)),
    )
    answers, failures = [], []
    callers = [new_client(beside=client) for _ in range(20)]

    def call(caller, number):
        try:
            for k in range(5):
                kind, name, request = requests[(number + k) % len(requests)]
                answers.append(caller.call(kind, f'/rescene4d/{name}', request))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=partial(call, c, k)) for k, c in enumerate(callers)]
    for thread in threads:
        thread.start()
    for scan in visits[1:]:
        client.publish(cloud_message(scan))
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(answers) == 100
    assert [a.message for a in answers if not a.success] == []
    client.wait(lambda: diagnostics.entry('inference')[2]['processed'] == '4')
    assert diagnostics.entry('node')[0] == b'\x00'
    assert processes.stop(node) == 0
