"""Player and recorder with real bags, processes and DDS."""

import signal

import numpy as np
import pytest
from rescene4d_ros.data.readers.bags.writing import write_snapshots
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.tools.recorder import typestore
from rosbags.rosbag2 import Reader


@pytest.fixture
def bag(visits, tmp_path):
    """Return a bag with three clouds."""
    path = tmp_path / 'visits'
    write_snapshots(path, visits[:3], '/map_cloud')
    return path


def read(path):
    """Return topic -> list of messages of a bag."""
    store, messages = typestore(), {}
    with Reader(path) as reader:
        for connection, _, data in reader.messages():
            messages.setdefault(connection.topic, []).append(
                store.deserialize_cdr(data, connection.msgtype)
            )
        types = {c.topic: c.msgtype for c in reader.connections}
    return messages, types


@pytest.mark.slow  # the test of `demo` takes the same way through both tools
def test_play_process_record(client, processes, weights, bag, visits, tmp_path):
    """A bag goes in, and the recorded bag holds what the node said of each visit."""
    recorder = processes.start('tools.recorder', tmp_path / 'recorded')
    client.wait(lambda: 'recording' in recorder.log.read_text())
    node = processes.start(
        'main',
        params={
            'autostart': 'true',
            'memory.path': tmp_path / 'memory',
            'inference.weights': weights,
            'inference.score_threshold': 0.0,
            'tracker.birth_score': 0.0,
        },
    )
    client.wait(lambda: 'hears all topics' in recorder.log.read_text())
    player = processes.start('tools.player', bag, '--acks', '--count', 2)
    assert processes.finish(player) == 0
    player = processes.start('tools.player', bag, '--acks', '--skip', 2)
    assert processes.finish(player) == 0, player.log.read_text()
    assert processes.stop(node) == 0
    assert processes.stop(recorder, signal.SIGTERM) == 0

    messages, types = read(tmp_path / 'recorded')
    assert types == {
        t.name.replace('~', '/rescene4d'): interfaces.type_name(t.type)
        for t in (
            interfaces.OBJECTS,
            interfaces.CHANGES,
            interfaces.MARKERS,
            interfaces.SEGMENTED_CLOUD,
        )
    }
    assert [m.revision for m in messages['/rescene4d/changes']] == [1, 2, 3]
    assert messages['/rescene4d/objects'][-1].revision == 3
    assert messages['/rescene4d/objects'][-1].objects
    stamps = [
        m.header.stamp.sec * 10**9 + m.header.stamp.nanosec
        for m in messages['/rescene4d/segmented_cloud']
    ]
    assert stamps == [scan.stamp_ns for scan in visits[:3]]
    cloud = messages['/rescene4d/segmented_cloud'][-1]
    xyz = np.asarray(cloud.data).reshape(-1, cloud.point_step)[:, :12].copy().view(np.float32)
    np.testing.assert_array_equal(xyz, visits[2].xyz)


def test_player_says_when_nobody_listens(processes, bag):
    """Exit code 1 after the timeout, not a bag played into the void."""
    player = processes.start('tools.player', bag, '--timeout', 0.5, '--to', 'nobody_listens_here')
    assert processes.finish(player) == 1
    assert 'nobody subscribed to nobody_listens_here' in player.log.read_text()


def test_player_and_recorder_refuse_wrong_paths(processes, bag, tmp_path):
    """Exit code 2 with what to do."""
    recorder = processes.start('tools.recorder', bag)
    assert processes.finish(recorder) == 2
    assert 'exists already' in recorder.log.read_text()
    for arguments, hint in (
        ((tmp_path / 'none',), 'check the path'),
        ((bag, '--topic', '/other'), '/map_cloud'),
        ((bag, '--skip', 3), 'no such clouds'),
    ):
        player = processes.start('tools.player', *arguments)  # before anybody listens
        assert processes.finish(player) == 2
        assert hint in player.log.read_text()
