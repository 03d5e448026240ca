"""Bags on disk: written and read here, also the sample of the repository."""

from dataclasses import replace
from pathlib import Path
import shutil

import numpy as np
import open3d as o3d
import pytest
from rescene4d_ros.data.readers.bags.snapshots import read_snapshots, snapshots
from rescene4d_ros.data.readers.bags.writing import write_snapshots
from rescene4d_ros.data.readers.cloud_files import read_cloud
from rescene4d_ros.data.readers.truth_files import read_truth
from rescene4d_ros.errors import FileFormatError, ScanError
from rescene4d_ros.structures import ObjectState, Scan
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
import yaml

SAMPLE = Path(__file__).resolve().parents[3] / 'data' / 'sample'


def make_scans(count=3):
    """Return scans at uneven stamps."""
    rng = np.random.default_rng(0)
    return [
        Scan(
            rng.normal(size=(200 + t, 3)).astype(np.float32),
            10**18 + t * 123456789012345,
            rng.integers(0, 256, (200 + t, 3), dtype=np.uint8),
            frame_id='atlas',
        )
        for t in range(count)
    ]


def test_bag_and_ply_give_the_same_bits(tmp_path):
    """Replaying a bag or its clouds as files cannot differ: same values, same order."""
    scans = make_scans()
    write_snapshots(tmp_path / 'bag', scans)
    for t, (scan, kept) in enumerate(read_snapshots(tmp_path / 'bag')):
        cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(scan.xyz))
        cloud.colors = o3d.utility.Vector3dVector(scan.rgb / 255)
        o3d.io.write_point_cloud(str(tmp_path / 'a.ply'), cloud)
        from_ply, _ = read_cloud(tmp_path / 'a.ply', scan.stamp_ns)
        for got in (scan, from_ply):
            assert got.xyz.tobytes() == scans[t].xyz.tobytes()
            assert got.rgb.tobytes() == scans[t].rgb.tobytes()
            assert got.stamp_ns == scans[t].stamp_ns
        assert scan.frame_id == 'atlas'
        assert kept.all()
    assert t == 2


def test_same_scans_same_bytes(tmp_path):
    """A sample can be made again and compared."""
    for folder in ('a', 'b'):
        (tmp_path / folder).mkdir()
        write_snapshots(tmp_path / folder / 'bag', make_scans())
    for name in ('bag.mcap', 'metadata.yaml'):
        one, two = (tmp_path / f / 'bag' / name for f in 'ab')
        assert one.read_bytes() == two.read_bytes()


def test_metadata_is_what_ros2_bag_play_wants(tmp_path):
    """Version 9, one file, and a reliable offer that our node's subscription accepts."""
    write_snapshots(tmp_path / 'bag', make_scans())
    text = (tmp_path / 'bag' / 'metadata.yaml').read_text()
    info = yaml.safe_load(text)['rosbag2_bagfile_information']
    assert info['version'] == 9
    assert info['storage_identifier'] == 'mcap'
    assert info['relative_file_paths'] == ['bag.mcap']
    topic = info['topics_with_message_count'][0]
    assert topic['message_count'] == 3
    assert topic['topic_metadata']['type'] == 'sensor_msgs/msg/PointCloud2'
    assert topic['topic_metadata']['type_description_hash'].startswith('RIHS01_')
    assert topic['topic_metadata']['offered_qos_profiles'][0]['reliability'] == 'reliable'


def test_file_in_place_of_its_folder(tmp_path):
    """The .mcap of a bag stands for the bag."""
    write_snapshots(tmp_path / 'bag', make_scans())
    assert len(list(read_snapshots(tmp_path / 'bag' / 'bag.mcap'))) == 3


@pytest.fixture
def two_topics(tmp_path):
    """Return an SQLite bag with two cloud topics and one of text."""
    write_snapshots(tmp_path / 'source', make_scans(1))
    store = get_typestore(Stores.ROS2_JAZZY)
    from rosbags.rosbag2 import Reader

    with Reader(tmp_path / 'source') as reader:
        data = next(iter(reader.messages()))[2]
    with Writer(tmp_path / 'two', version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        for topic in ('/left', '/right'):
            connection = writer.add_connection(
                topic, 'sensor_msgs/msg/PointCloud2', typestore=store
            )
            writer.write(connection, 1, data)
        connection = writer.add_connection('/text', 'std_msgs/msg/String', typestore=store)
        text = store.types['std_msgs/msg/String']('hello')
        writer.write(connection, 2, store.serialize_cdr(text, 'std_msgs/msg/String'))
    return tmp_path / 'two'


def test_topic_must_be_named_where_several_hold_clouds(two_topics):
    """With or without the leading slash."""
    with pytest.raises(FileFormatError, match='got: /left, /right'):
        list(read_snapshots(two_topics))
    for topic in ('/left', 'right'):
        assert len(list(read_snapshots(two_topics, topic))) == 1
    with pytest.raises(FileFormatError, match="called 'up'"):
        list(read_snapshots(two_topics, 'up'))


def test_file_of_another_format_is_refused(tmp_path):
    """An empty one, and one of other bytes."""
    write_snapshots(tmp_path / 'bag', make_scans())
    for data in (b'', b'\x89PNG\r\n' * 9):
        (tmp_path / 'bag' / 'bag.mcap').write_bytes(data)
        with pytest.raises(FileFormatError, match='expected an MCAP file'):
            list(read_snapshots(tmp_path / 'bag'))


def test_whatever_a_message_holds_it_is_a_scan_or_refused(tmp_path):
    """Wrong bytes in the header and fields, and messages cut off: one error that names it."""
    write_snapshots(tmp_path / 'bag', make_scans(2))
    first, second = snapshots(tmp_path / 'bag')
    rng = np.random.default_rng(0)
    refused = []
    for number in range(400):
        data = bytearray(first.message.data)
        data[rng.integers(200)] = rng.integers(256)
        data = bytes(data[: rng.integers(len(data)) if number % 4 == 0 else None])
        try:
            replace(first, message=replace(first.message, data=data)).read()
        except ScanError as error:
            refused.append(str(error))
    assert 100 < len(refused) < 400
    assert {text.partition(' expected')[0] for text in refused} == {'bag snapshot 1:'}
    assert len(second.read()[0]) == 201  # also after the bag is closed


def test_folder_without_a_bag_is_refused(tmp_path):
    """With what was expected in it."""
    with pytest.raises(FileFormatError, match=r'expected a bag with files \.mcap'):
        list(read_snapshots(tmp_path))


def test_sample_holds_what_it_promises():
    """Four visits days apart, at most 8 MB, with truth for every point."""
    assert sum(f.stat().st_size for f in SAMPLE.iterdir()) < 8e6
    truth = read_truth(SAMPLE)
    scans = [scan for scan, _ in read_snapshots(SAMPLE)]
    assert len(scans) == len(truth.visits) == 4
    stamps = [scan.stamp_ns for scan in scans]
    assert np.diff(stamps).min() > 86_400 * 10**9
    for scan, visit in zip(scans, truth.visits):
        assert len(scan) == len(visit.instance) == len(visit.semantic)
        known = {o.instance_id: o for o in visit.objects}
        for k in np.unique(visit.instance[visit.instance > 0]):
            assert known[k].in_room
            assert (visit.semantic[visit.instance == k] == known[k].class_id).all()
    changes = {o.change.name for v in truth.visits[1:] for o in v.objects}
    assert changes == {'UNKNOWN', 'MOVED', 'REMOVED', 'ADDED', 'REAPPEARED'}
    unseen = [o.state for v in truth.visits for o in v.objects].count(ObjectState.NOT_OBSERVED)
    assert unseen >= 1


def test_damaged_truth_is_refused(tmp_path):
    """A missing file, and another version."""
    with pytest.raises(FileFormatError, match='rooms sample'):
        read_truth(tmp_path)
    shutil.copytree(SAMPLE, tmp_path / 'sample')
    text = (tmp_path / 'sample' / 'truth.json').read_text()
    (tmp_path / 'sample' / 'truth.json').write_text(text.replace('"version": 1', '"version": 7'))
    with pytest.raises(FileFormatError, match='expected rescene4d-truth version 1, got .* 7'):
        read_truth(tmp_path / 'sample')
