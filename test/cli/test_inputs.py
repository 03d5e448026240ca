"""Which visits inputs hold: natural order, bags alone or whole, drives, stamps, frames."""

import shutil

import numpy as np
import pytest
from rescene4d_ros.cli.visits.inputs import DAY_NS, find_visits, parse_time
from rescene4d_ros.data.readers.bags.messages import CLOUD, TRANSFORMS
from rescene4d_ros.data.readers.bags.writing import write_snapshots
from rescene4d_ros.errors import RescenError, ScanError
from rescene4d_ros.structures import Scan
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
import yaml

STORE = get_typestore(Stores.ROS2_JAZZY)
T = STORE.types
T0 = 1_764_000_000 * 10**9
HOUR = 3600 * 10**9
POINTS = np.random.default_rng(1).uniform([-2, -2, 0], [2, 2, 1.2], (400, 3)).astype('f4')


def cloud(stamp_ns, frame='map', points=POINTS):
    """Return a PointCloud2."""
    fields = [
        T['sensor_msgs/msg/PointField'](name=c, offset=4 * k, datatype=7, count=1)
        for k, c in enumerate('xyz')
    ]
    stamp = T['builtin_interfaces/msg/Time'](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return T[CLOUD](
        header=T['std_msgs/msg/Header'](stamp=stamp, frame_id=frame),
        height=1,
        width=len(points),
        fields=fields,
        is_bigendian=False,
        point_step=12,
        row_step=12 * len(points),
        data=points.view('u1').reshape(-1),
        is_dense=True,
    )


def transforms(stamp_ns, parent, child, x):
    """Return a TFMessage with one shift."""
    stamp = T['builtin_interfaces/msg/Time'](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    header = T['std_msgs/msg/Header'](stamp=stamp, frame_id=parent)
    motion = T['geometry_msgs/msg/Transform'](
        translation=T['geometry_msgs/msg/Vector3'](x=x, y=0.0, z=0.0),
        rotation=T['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0),
    )
    stamped = T['geometry_msgs/msg/TransformStamped'](
        header=header, child_frame_id=child, transform=motion
    )
    return T[TRANSFORMS](transforms=[stamped])


def write_bag(folder, stamps, frame='map', recorded=None, tf=(), points=POINTS):
    """Write clouds, and transforms (topic, stamp, parent, child, x)."""
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {
            name: writer.add_connection(name, TRANSFORMS, typestore=STORE)
            for name in {t[0] for t in tf}
        }
        for name, stamp, *rest in tf:
            data = STORE.serialize_cdr(transforms(stamp, *rest), TRANSFORMS)
            writer.write(topics[name], stamp, data)
        clouds = writer.add_connection('/cloud', CLOUD, typestore=STORE)
        for k, stamp in enumerate(stamps):
            data = STORE.serialize_cdr(cloud(stamp, frame, points + np.float32(k)), CLOUD)
            writer.write(clouds, (recorded or stamps)[k], data)
    return folder


def stamps_of(inputs):
    """Read all visits; return their stamps."""
    return [read()[0].stamp_ns for read in inputs.visits()]


def test_folder_in_natural_order(tmp_path):
    """scan2 is older than scan10; upper case is a cloud too; what is left out is told."""
    one = b'ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\n'
    for name in ('scan2.ply', 'scan10.ply', 'SCAN11.PLY'):
        (tmp_path / name).write_bytes(one + b'property float z\nend_header\n0 0 0\n')
    (tmp_path / 'notes.txt').write_text('x')
    inputs = find_visits([tmp_path], newest_ns=5)
    scans = [read()[0] for read in inputs.visits()]
    assert [s.name for s in scans] == ['scan2.ply', 'scan10.ply', 'SCAN11.PLY']
    assert [s.stamp_ns for s in scans] == [5 + k * DAY_NS for k in (1, 2, 3)]
    assert inputs.notes == [f'{tmp_path}: 1 files left out, no clouds: notes.txt']


def test_split_bag(tmp_path):
    """A file stands for itself, the folder for all, both files give each visit once."""
    write_bag(tmp_path / 'split', [T0, T0 + HOUR])
    write_bag(tmp_path / 'b', [T0 + 2 * HOUR, T0 + 3 * HOUR])
    shutil.copy(tmp_path / 'b' / 'b.mcap', tmp_path / 'split' / 'split_1.mcap')
    metadata = tmp_path / 'split' / 'metadata.yaml'
    info = yaml.safe_load(metadata.read_text())
    info['rosbag2_bagfile_information']['relative_file_paths'].append('split_1.mcap')
    metadata.write_text(yaml.safe_dump(info))
    first, second = tmp_path / 'split' / 'split.mcap', tmp_path / 'split' / 'split_1.mcap'
    all_four = [T0 + k * HOUR for k in range(4)]
    assert stamps_of(find_visits([first])) == all_four[:2]
    assert stamps_of(find_visits([second, first])) == all_four
    assert stamps_of(find_visits([tmp_path / 'split'])) == all_four
    inputs = find_visits([first, first])
    assert stamps_of(inputs) == all_four[:2]
    assert inputs.notes == [f'{first}: named twice, taken once']
    second.unlink()
    inputs = find_visits([tmp_path / 'split'])
    assert stamps_of(inputs) == all_four[:2]
    assert 'expected this part of the bag' in inputs.refused[0]


def test_clouds_of_a_drive_are_refused_in_one_line(tmp_path):
    """In a frame of the robot, and in the map; days apart they are visits."""
    stamps = [T0 + k * 2 * 10**8 for k in range(60)]
    inputs = find_visits([write_bag(tmp_path / 'drive', stamps, 'base_link')])
    assert (inputs.count, inputs.refused_count, len(inputs.refused)) == (0, 60, 1)
    assert "60 clouds in 'base_link' 0.2 s apart" in inputs.refused[0]
    assert 'frames of one drive, not visits' in inputs.refused[0]
    assert not list(inputs.visits())
    drive = write_bag(tmp_path / 'map', [*stamps[:12], T0 + HOUR])
    inputs = find_visits([drive])
    assert stamps_of(inputs) == [T0 + HOUR]
    assert inputs.refused_count == 12
    assert "12 clouds in 'map' 0.2 s apart: these are frames of one drive" in inputs.refused[0]
    assert stamps_of(find_visits([drive], bursts='last')) == [stamps[11], T0 + HOUR]
    assert len(stamps_of(find_visits([drive], bursts='each'))) == 13


def test_transforms_of_the_bag_take_clouds_to_the_map(tmp_path):
    """By the time of each cloud; a cloud before the first transform is refused alone."""
    tf = [
        ('/tf_static', T0, 'base_link', 'lidar', 0.5),
        ('/tf', T0 + HOUR - 10**8, 'map', 'base_link', 10.0),
        ('/tf', T0 + HOUR + 10**8, 'map', 'base_link', 12.0),
    ]
    bag = write_bag(tmp_path / 'bag', [T0, T0 + HOUR], 'lidar', tf=tf)
    inputs = find_visits([bag])
    early, late = inputs.visits()
    with pytest.raises(RescenError, match='record /tf'):
        early()
    scan, _ = late()
    assert scan.frame_id == 'map'
    np.testing.assert_allclose(scan.xyz, POINTS + 1 + (11.5, 0, 0), atol=1e-5)
    np.testing.assert_allclose(scan.sensor_path, [[11.5, 0, 0]], atol=1e-6)


def test_path_of_the_sensor_is_read_from_the_bag(tmp_path):
    """For clouds in the map, as mapping nodes publish them; told where it is not known."""
    tf = [('/tf', T0 + k * HOUR // 7200, 'map', 'lidar', float(k)) for k in range(-4, 3)]
    bag = write_bag(tmp_path / 'bag', [T0, T0 + HOUR], tf=tf)
    inputs = find_visits([bag], sensor_frame='lidar', path_duration=1.0)
    first, second = (read(None)[0] for read in inputs.visits())
    np.testing.assert_allclose(first.sensor_path[:, 0], [-2, -1, 0])
    assert second.sensor_path is None
    assert [f.code for f in second.findings] == ['sensor_path']
    assert all(read(None)[0].sensor_path is None for read in find_visits([bag]).visits())


def test_zero_of_a_frame_far_away_is_no_sensor(tmp_path):
    """A cloud in UTM was not seen from the zero of UTM."""
    far = (POINTS + [44_800, 0, 0]).astype('f4')
    tf = [('/tf_static', T0, 'map', 'utm', -44_800.0)]
    bag = write_bag(tmp_path / 'bag', [T0], 'utm', tf=tf, points=far)
    ((scan, _),) = [read(None) for read in find_visits([bag]).visits()]
    assert scan.sensor_path is None
    np.testing.assert_allclose(scan.xyz, POINTS, atol=0.02)


def test_stamps_of_zero_are_those_of_recording(tmp_path):
    """With a word."""
    recorded = [T0, T0 + HOUR, T0 + 2 * HOUR]
    inputs = find_visits([write_bag(tmp_path / 'bag', [0, 0, 0], recorded=recorded)])
    assert stamps_of(inputs) == recorded
    assert '3 clouds have a header.stamp of zero' in inputs.notes[0]


def test_repeated_stamps(tmp_path):
    """The same cloud again is left out; another one with the same stamp is refused."""
    write_snapshots(tmp_path / 'same', [Scan(POINTS, T0)] * 3)
    inputs = find_visits([tmp_path / 'same'])
    assert stamps_of(inputs) == [T0]
    assert '2 of 3 clouds repeat one before' in inputs.notes[0]
    assert not inputs.refused
    inputs = find_visits([write_bag(tmp_path / 'bag', [T0, T0, T0 + HOUR])])
    assert stamps_of(inputs) == [T0, T0 + HOUR]
    assert inputs.refused_count == 1
    assert 'got 1 of 3 with the stamp of another' in inputs.refused[0]


def test_clouds_come_in_the_order_of_their_stamps(tmp_path):
    """In a bag, of several bags, and of files with times; as little is read at a time."""
    stamps = [T0 + k * HOUR for k in (2, 5, 0, 3)]
    recorded = [T0 + k * HOUR for k in range(4)]
    one = write_bag(tmp_path / 'one', stamps, recorded=recorded)
    other = write_bag(tmp_path / 'other', [T0 + k * HOUR for k in (1, 4)])
    inputs = find_visits([one])
    scans = [read()[0] for read in inputs.visits()]
    assert [scan.stamp_ns for scan in scans] == sorted(stamps)
    np.testing.assert_array_equal(scans[0].xyz, POINTS + np.float32(2))  # the third
    assert 'not stored in the order of their stamps' in inputs.notes[0]
    inputs = find_visits([one, other])
    assert stamps_of(inputs) == [T0 + k * HOUR for k in range(6)]
    for name in 'ab':
        np.savez(tmp_path / f'{name}.npz', xyz=POINTS)
    inputs = find_visits([tmp_path / 'a.npz', tmp_path / 'b.npz'], times=['7', '5'])
    assert [read()[0].name for read in inputs.visits()] == ['b.npz', 'a.npz']
    assert inputs.notes == ['--times: clouds are taken in the order of their times']


def test_inputs_that_hold_nothing(tmp_path):
    """Each with what was expected."""
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ScanError, match='or a bag, found neither'):
        find_visits([tmp_path / 'empty'])
    with pytest.raises(ScanError, match='no such file'):
        find_visits([tmp_path / 'nothing.ply'])
    np.savez(tmp_path / 'a.npz', xyz=POINTS)
    with pytest.raises(ScanError, match='one per cloud'):
        find_visits([tmp_path / 'a.npz'], times=['1', '2'])


@pytest.mark.parametrize(
    ('text', 'ns'),
    [
        ('2026-01-01T00:00:00.123457', 1_767_225_600_123_457_000),
        ('2026-01-01T05:45+05:45', 1_767_225_600_000_000_000),
        ('1767225600.123456789', 1_767_225_600_123_456_789),
        ('0', 0),
    ],
)
def test_times_are_exact(text, ns):
    """To the last digit that is given."""
    assert parse_time(text) == ns


@pytest.mark.parametrize(
    'text',
    ['nan', 'inf', '-1', '1e400', '1e999999', '99999999999', '1969-12-31', '2039-01-01', '', 'x'],
)
def test_times_that_no_visit_has(text):
    """Stamps of ROS end in 2038."""
    with pytest.raises(ScanError, match='from 1970 to 2038'):
        parse_time(text)


def test_times_in_the_future_are_told(tmp_path):
    """Later visits would come too late for them."""
    np.savez(tmp_path / 'room.npz', xyz=POINTS)
    given = ['2026-01-03']
    now = parse_time('2026-01-01')
    assert not find_visits([tmp_path], times=['2026-01-01'], now_ns=now).notes
    (note,) = find_visits([tmp_path], times=given, now_ns=now).notes
    assert '48 h later' in note
    write_bag(tmp_path / 'bag', [now + 48 * HOUR])
    (note,) = find_visits([tmp_path / 'bag'], now_ns=now).notes
    assert '48 h later' in note
