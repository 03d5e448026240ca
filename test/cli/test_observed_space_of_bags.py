"""Path and free cells beside the snapshots of a bag, as a robot records them."""

from pathlib import Path

import numpy as np
from rescene4d_ros.cli.visits.inputs import find_visits
from rescene4d_ros.data.readers.bags.messages import CLOUD, SPACE
from rescene4d_ros.data.readers.bags.serialization import SPACE_FIELDS, typestore
from rescene4d_ros.data.readers.bags.writing import cloud_message
from rescene4d_ros.structures import Scan
from rosbags.rosbag2 import StoragePlugin, Writer

STORE = typestore()
T = STORE.types
T0 = 1_764_000_000 * 10**9
HOUR = 3600 * 10**9
POINTS = np.random.default_rng(1).uniform([-2, -2, 0], [2, 2, 1.2], (400, 3)).astype('f4')


def space(stamp_ns, frame, n_bytes):
    """Return what was seen at a visit: a path of one place, and 2 x 3 x 4 cells at (1, 1, 0)."""
    stamp = T['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 10**9))
    point = T['geometry_msgs/msg/Point']
    free = np.array([0b100001, 0, 0b10000000], np.uint8)[:n_bytes]
    header = T['std_msgs/msg/Header'](stamp, frame)
    size = np.array([2, 3, 4], np.uint32)
    return T[SPACE](header, [point(0.5, 0.0, 1.0)], 0.2, point(1.0, 1.0, 0.0), size, free)


def test_fields_are_those_of_the_message():
    text = (Path(__file__).resolve().parents[2] / 'msg' / 'ObservedSpace.msg').read_text()
    fields = [line.split('#')[0].split() for line in text.splitlines()]
    assert [f for f in fields if f] == [line.split() for line in SPACE_FIELDS.split('\n') if line]


def test_each_snapshot_gets_the_message_of_its_stamp(tmp_path):
    """One that comes late, or says nothing, leaves the snapshot as it is, with a finding."""
    said = [(T0, 'map', 3), (T0 + HOUR, 'map', 2), (T0 + 2 * HOUR, 'odom', 3)]
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        clouds = writer.add_connection('/snapshots', CLOUD, typestore=STORE)
        spaces = writer.add_connection('/observed_space', SPACE, typestore=STORE)
        for stamp in (T0, T0 + HOUR, T0 + 2 * HOUR, T0 + 3 * HOUR):
            message = cloud_message(Scan(POINTS, stamp), T)
            writer.write(clouds, stamp, STORE.serialize_cdr(message, CLOUD))
        for stamp, *how in said:  # after all snapshots
            data = STORE.serialize_cdr(space(stamp, *how), SPACE)
            writer.write(spaces, stamp + 4 * HOUR, data)
    first, *others = (read(None)[0] for read in find_visits([tmp_path / 'bag']).visits())
    np.testing.assert_allclose(first.sensor_path, [[0.5, 0, 1]])
    assert first.free is not None
    places = np.array([[1.1, 1.1, 0.1], [1.3, 1.1, 0.1], [1.3, 1.5, 0.1], [1.3, 1.5, 0.7]])
    assert first.free.at(places).tolist() == [True, False, True, True]
    assert not first.findings
    assert [(s.sensor_path, s.free) for s in others] == [(None, None)] * 3
    assert [[f.code for f in s.findings] for s in others] == [['observed_space']] * 2 + [[]]
