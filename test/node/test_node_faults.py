"""Faults of disk, database, messages and people, over DDS: the node says so and goes on."""

from contextlib import suppress
from pathlib import Path
import resource
import time

import numpy as np
import pytest
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.srv import CorrectObject, LoadMemory, ObjectHistory, QueryObjects, Reprocess
from sensor_msgs.msg import PointCloud2, PointField

OK, WARN, ERROR = b'\x00', b'\x01', b'\x02'
RENAME = CorrectObject.Request.RENAME
SMALL_SEGMENT = 64 << 20  # bytes; less than config/fastdds.xml asks for


def ask(client, **request):
    """Ask where objects are."""
    return client.call(QueryObjects, '/rescene4d/query_objects', QueryObjects.Request(**request))


def correct(client, **request):
    """Correct an object."""
    return client.call(
        CorrectObject, '/rescene4d/correct_object', CorrectObject.Request(**request)
    )


@pytest.mark.slow
def test_missing_points_of_the_newest_visit(
    client, processes, running, start_node, visits, cloud_message, tmp_path
):
    """Corrections work and are shown without the cloud; a restart becomes active."""
    node, objects, diagnostics = running
    one = objects[-1].objects[0].object_id
    (points,) = (tmp_path / 'memory' / 'visits').glob('*.npz')
    points.unlink()
    answer = correct(client, kind=RENAME, object_id=one, name='lost')
    assert answer.success, answer.message
    client.wait(lambda: objects[-1].revision == answer.revision)
    client.wait(lambda: 'restore' in diagnostics.entry('node')[1])
    assert diagnostics.entry('node')[0] == ERROR
    assert processes.stop(node) == 0
    node = start_node(autostart='true')
    client.wait(lambda: client.state() == 'active')
    assert [o.object_id for o in ask(client, object_id=one).objects] == [one]
    client.publish(cloud_message(visits[1]))
    client.wait(lambda: objects[-1].header.stamp == cloud_message(visits[1]).header.stamp)
    assert processes.stop(node) == 0


def test_folder_away_and_back(client, processes, running, visits, cloud_message, tmp_path):
    """An unmounted folder is reported; the cloud that came meanwhile is stored afterwards."""
    node, objects, diagnostics = running
    folder, away = tmp_path / 'memory', tmp_path / 'away'
    folder.rename(away)
    client.publish(cloud_message(visits[1]))
    client.wait(lambda: diagnostics.entry('memory')[0] == ERROR)
    assert 'mount' in diagnostics.entry('memory')[1]
    client.wait(lambda: diagnostics.entry('scans')[2]['held'] == '1')
    assert not folder.exists()  # nothing is begun anew in its place
    ask(client)  # answered, whatever is cached
    (tmp_path / 'file').touch()
    for name, told in (('..', 'name of a folder'), ('file', 'found no such folder')):
        request = LoadMemory.Request(name=name, map_id='map', create=True)
        answer = client.call(LoadMemory, '/rescene4d/load_memory', request)
        assert not answer.success
        assert told in answer.message
    assert not folder.exists()
    away.rename(folder)
    client.wait(lambda: client.state() == 'active')  # tried again, as at a start
    client.publish(cloud_message(visits[1]))  # what was held is given up with the memory
    client.wait(lambda: objects[-1].revision == 2)
    client.wait(lambda: diagnostics.entry('memory')[0] in (OK, WARN))
    client.wait(lambda: diagnostics.entry('node')[0] == OK)
    assert processes.stop(node) == 0


def test_start_without_the_folder(client, processes, running, start_node, tmp_path):
    """No second memory is begun where that is forbidden; the node starts once it is back."""
    node, objects, _ = running
    assert processes.stop(node) == 0
    folder, away = tmp_path / 'memory', tmp_path / 'away'
    folder.rename(away)
    diagnostics = client.listen_to_diagnostics()
    node = start_node(autostart='true', memory__create='false')
    client.wait(lambda: 'expected a scene memory' in diagnostics.entry('node')[1])
    assert client.state() == 'unconfigured'
    assert not folder.exists()
    away.rename(folder)
    client.wait(lambda: client.state() == 'active')
    client.wait(lambda: objects[-1].revision == 1)
    assert processes.stop(node) == 0


def test_damaged_database(client, processes, running, visits, cloud_message, tmp_path):
    """Every request is answered and every entry of the diagnostics goes on."""
    node, objects, diagnostics = running
    for path in (tmp_path / 'memory').glob('memory.sqlite3*'):
        path.write_bytes(b'\xa5' * max(4096, path.stat().st_size))
    for _ in range(2):
        answer = ask(client)
        assert not answer.success
        assert answer.message
        answer = client.call(
            ObjectHistory, '/rescene4d/object_history', ObjectHistory.Request(object_id=1)
        )
        assert not answer.success
        assert not correct(client, kind=RENAME, object_id=1, name='x').success
        answer = client.call(Reprocess, '/rescene4d/reprocess', Reprocess.Request())
        assert not answer.accepted
    client.publish(cloud_message(visits[1]))
    client.wait(lambda: diagnostics.entry('scans')[2]['received'] == '2')
    client.wait(lambda: diagnostics.entry('node')[0] == ERROR)
    assert client.state() == 'active'
    assert processes.stop(node) == 0


def test_full_disk(client, processes, running, visits, cloud_message):
    """While no file may grow the cloud is held; with room again it is stored and processed."""
    node, objects, diagnostics = running
    _, hard = resource.prlimit(node.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (1024, hard))
    client.publish(cloud_message(visits[1]))
    client.wait(lambda: diagnostics.entry('node')[0] == ERROR)
    assert 'free' in diagnostics.entry('node')[1]
    assert objects[-1].revision == 1
    refused = correct(client, kind=RENAME, object_id=objects[-1].objects[0].object_id, name='x')
    assert not refused.success
    assert 'free' in refused.message
    client.wait(lambda: 'request: ' in diagnostics.entry('node')[1])
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (hard, hard))
    client.wait(lambda: objects[-1].revision == 2)
    client.wait(lambda: diagnostics.entry('node')[0] == OK)  # though nobody asked again
    assert 'free' in diagnostics.entry('node')[2]['last problem']
    assert processes.stop(node) == 0


def malformed(good):
    """Yield clouds that no publisher should send."""

    def changed(**values):
        message = PointCloud2(
            header=good.header,
            height=good.height,
            width=good.width,
            fields=[
                PointField(name=f.name, offset=f.offset, datatype=f.datatype, count=f.count)
                for f in good.fields
            ],
            point_step=good.point_step,
            row_step=good.row_step,
        )
        message.data = good.data
        for key, value in values.items():
            setattr(message, key, value)
        return message

    for offset in (2**31 - 1, 2**31 - 4, 2**32 - 1, 10**6):
        message = changed()
        message.fields[2].offset = offset
        yield message
    for datatype, count in ((0, 1), (9, 1), (7, 0), (7, 5), (7, 2**32 - 1), (2, 1)):
        message = changed()
        message.fields[0].datatype, message.fields[0].count = datatype, count
        yield message
    yield changed(point_step=0)
    yield changed(point_step=2**32 - 1)
    yield changed(width=2**32 - 1, height=2**32 - 1)
    yield changed(row_step=1)
    yield changed(is_bigendian=True)
    yield changed(fields=[])
    message = changed()
    message.fields[1].name = 'x'
    yield message
    message = changed()
    message.fields[0].name = 'x' * 100_000
    yield message
    values = np.frombuffer(good.data, np.uint8).reshape(-1, good.point_step).copy()
    values[:, :12] = np.full(3, 1e30, np.float32).view(np.uint8)
    message = changed()
    message.data = values.tobytes()
    message.header.stamp.sec += 1
    yield message


def test_malformed_clouds(client, processes, running, visits, cloud_message):
    """Each is refused or found implausible, none ends the node, and the next visit works."""
    node, objects, diagnostics = running
    number, bad = 1, list(malformed(cloud_message(visits[1])))
    for start in range(0, len(bad), 5):  # as many as the subscription keeps
        for message in bad[start : start + 5]:
            number += 1
            client.publish(message)
        client.wait(
            lambda n=number: (
                diagnostics.entry('scans')[2]['received'] == str(n) or node.poll() is not None
            )
        )
        assert node.poll() is None, node.log.read_text()[-2000:]
    client.publish(cloud_message(visits[2]))
    client.wait(lambda: f'({len(visits[2])} points)' in node.log.read_text())
    client.wait(lambda: objects[-1].header.stamp == cloud_message(visits[2]).header.stamp)
    assert client.state() == 'active'
    assert processes.stop(node) == 0


def test_stamp_of_the_future_is_refused(client, processes, running, visits, cloud_message):
    """It would make all later visits late."""
    node, objects, diagnostics = running
    message = cloud_message(visits[1])
    message.header.stamp.sec = int(time.time()) + 3600
    client.publish(message)
    client.wait(lambda: 'max_future' in diagnostics.entry('scans')[1])
    client.publish(cloud_message(visits[1]))
    client.wait(lambda: objects[-1].revision == 2)
    assert diagnostics.entry('memory')[2]['late visits'] == '0'
    assert processes.stop(node) == 0


@pytest.mark.slow
def test_late_visit_is_taken_in_without_a_person(
    client, processes, start_node, visits, cloud_message
):
    """The visits after it are processed anew, and the objects know all of them."""
    node = start_node(autostart='true')
    objects, changes = client.listen(interfaces.OBJECTS), client.listen(interfaces.CHANGES)
    for scan in (visits[0], visits[2]):
        client.publish(cloud_message(scan))
    client.wait(lambda: objects and objects[-1].revision == 2)
    client.publish(cloud_message(visits[1]))
    client.wait(lambda: objects[-1].revision == 3)
    assert len(max((o.visit_ids for o in objects[-1].objects), key=len)) == 3
    assert objects[-1].header.stamp == cloud_message(visits[2]).header.stamp
    client.wait(lambda: len(changes) == 4)
    assert [c.visit_id for c in changes] == [1, 2, 3, 2]  # the late one and what came after it
    assert processes.stop(node) == 0


def test_diagnostics_without_a_clock_and_in_a_namespace(client, processes, start_node):
    """They come in every state, by the steady clock, and say that /clock is missing."""
    node = start_node(remap=('__ns:=/robot1',), use_sim_time='true')
    diagnostics = client.listen_to_diagnostics('robot1/rescene4d')
    client.wait(lambda: '/clock' in diagnostics.entry('node')[1])
    assert diagnostics.entry('node')[0] == WARN
    assert diagnostics[-1].header.stamp.sec > 0
    assert client.state('/robot1/rescene4d') == 'unconfigured'
    assert processes.stop(node) == 0


def test_loopback_profile_listens_on_loopback_alone(client, processes, start_node):
    """No UDP socket of the process is bound to an address that other machines reach."""
    node = start_node(env={'RESCENE4D_NETWORK': 'loopback', 'FASTDDS_DEFAULT_PROFILES_FILE': ''})
    client.wait(lambda: client.state() == 'unconfigured')
    inodes = set()
    for link in Path(f'/proc/{node.pid}/fd').iterdir():
        with suppress(OSError):  # closed meanwhile
            inodes.add(str(link.readlink()).removeprefix('socket:[').rstrip(']'))
    bound = set()
    with open(f'/proc/{node.pid}/net/udp') as table:
        for line in list(table)[1:]:
            columns = line.split()
            if columns[9] in inodes:
                bound.add(columns[1].split(':')[0])
    assert '0100007F' in bound
    assert bound <= {'0100007F', '0100FFEF'}  # 127.0.0.1, and the group joined there
    assert processes.stop(node) == 0


@pytest.mark.slow
def test_back_pressure_over_dds(client, processes, start_node, visits, cloud_message):
    """With `wait` clouds stay in DDS while too many visits wait; none is dropped in the node."""
    node = start_node(
        autostart='true', intake_when_full='wait', backlog_limit=1, snapshots_depth=10
    )
    objects, diagnostics = client.listen(interfaces.OBJECTS), client.listen_to_diagnostics()
    client.wait(lambda: objects)
    for scan in visits:
        client.publish(cloud_message(scan))
    client.wait(lambda: objects[-1].revision == len(visits))
    client.wait(lambda: diagnostics.entry('scans')[2]['stored'] == str(len(visits)))
    assert diagnostics.entry('scans')[2]['dropped'] == '0'
    assert processes.stop(node) == 0


@pytest.mark.slow
def test_no_shared_memory(client, processes, start_node, visits, cloud_message):
    """DDS that gets no segment says so and goes by UDP; clouds and answers arrive."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_SEGMENT, hard))  # as a small /dev/shm does
    try:
        node = start_node(autostart='true', fresh=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    objects = client.listen(interfaces.OBJECTS)
    client.wait(lambda: client.state() == 'active')
    assert 'Unable to Register SHM Transport' in node.log.read_text()
    client.publish(cloud_message(visits[0]))
    client.wait(lambda: objects and objects[-1].revision == 1)
    assert ask(client).objects
    assert processes.stop(node) == 0
