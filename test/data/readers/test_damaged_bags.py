"""Recordings that were killed, cut, damaged, compressed or made by ROS 1."""

import sqlite3
import struct
import zlib

import numpy as np
import pytest
from rescene4d_ros.data.readers.bags.compression import zstd
from rescene4d_ros.data.readers.bags.messages import CLOUD, Damage
from rescene4d_ros.data.readers.bags.parts import parts_of, read_messages
from rescene4d_ros.data.readers.bags.snapshots import snapshots
from rescene4d_ros.data.readers.bags.survey import survey
from rescene4d_ros.data.readers.bags.writing import write_snapshots
from rescene4d_ros.errors import FileFormatError, ScanError
from rescene4d_ros.structures import Scan
from rosbags import rosbag1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
import yaml

HOUR = 3600 * 10**9


def scans(count, cloud):
    """Return scans an hour apart, each moved by 1 m."""
    return [Scan(cloud.xyz + np.float32(k), 10**18 + k * HOUR, cloud.rgb) for k in range(count)]


def serialized(scan, tmp_path):
    """Return a scan as the bytes of its message."""
    write_snapshots(tmp_path / f'one_{scan.stamp_ns}', [scan])
    (snapshot,) = snapshots(tmp_path / f'one_{scan.stamp_ns}')
    return snapshot.message.data


def write(folder, cloud, tmp_path, count=4, plugin=StoragePlugin.SQLITE3, compress=None):
    """Write a bag of another storage or compression."""
    store = get_typestore(Stores.ROS2_JAZZY)
    writer = Writer(folder, version=9, storage_plugin=plugin)
    if compress:
        writer.set_compression(compress, CompressionFormat.ZSTD)
    with writer:
        topic = writer.add_connection('/snapshots', CLOUD, typestore=store)
        for scan in scans(count, cloud):
            writer.write(topic, scan.stamp_ns, serialized(scan, tmp_path))
    return folder


def check(path, cloud, numbers):
    """Assert that a bag gives the scans of these numbers."""
    got = [snapshot.read()[0] for snapshot in snapshots(path)]
    assert len(got) == len(numbers)
    for scan, k in zip(got, numbers):
        np.testing.assert_array_equal(scan.xyz, cloud.xyz + np.float32(k))
        assert scan.stamp_ns == 10**18 + k * HOUR


@pytest.mark.parametrize(
    ('plugin', 'compress'),
    [
        (StoragePlugin.MCAP, None),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, None),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
        (StoragePlugin.SQLITE3, CompressionMode.FILE),
    ],
)
def test_storages_and_compressions(cloud, tmp_path, plugin, compress):
    """Also a file alone, without its folder's metadata."""
    folder = write(tmp_path / 'bag', cloud, tmp_path, 4, plugin, compress)
    check(folder, cloud, range(4))
    (file,) = (p for p in folder.iterdir() if p.suffix != '.yaml')
    check(file, cloud, range(4))
    (folder / 'metadata.yaml').unlink()
    check(folder, cloud, range(4))
    assert survey(folder).damage[0].at_end


@pytest.mark.parametrize('compression', [None, *rosbag1.Writer.CompressionFormat])
def test_ros1_bags(cloud, tmp_path, compression):
    """Whole, and killed: its whole messages are read."""
    store = get_typestore(Stores.ROS1_NOETIC)
    ros2 = get_typestore(Stores.ROS2_JAZZY)
    writer = rosbag1.Writer(tmp_path / 'old.bag')
    if compression:
        writer.set_compression(compression)
    with writer:
        topic = writer.add_connection('/snapshots', CLOUD, typestore=store)
        for scan in scans(12, cloud):
            message = ros2.deserialize_cdr(serialized(scan, tmp_path), CLOUD)
            header = store.types['std_msgs/msg/Header'](1, message.header.stamp, 'map')
            message = store.types[CLOUD](**{**vars(message), 'header': header})
            writer.write(topic, scan.stamp_ns, store.serialize_ros1(message, CLOUD))
    check(tmp_path / 'old.bag', cloud, range(12))
    assert not survey(tmp_path / 'old.bag').damage
    data = (tmp_path / 'old.bag').read_bytes()
    (tmp_path / 'killed.bag').write_bytes(data[: len(data) // 2])
    found = list(read_messages([tmp_path / 'killed.bag'], frozenset({CLOUD})))
    assert found[-1].at_end
    if not compression:
        assert 1 <= len(found) - 1 < 12


def test_killed_recording_is_read_to_its_last_whole_message(cloud, tmp_path):
    """Cut at every 97th byte: never a message more or less than there is whole."""
    write_snapshots(tmp_path / 'bag', scans(12, cloud))
    file = tmp_path / 'bag' / 'bag.mcap'
    data = file.read_bytes()
    size = len(serialized(scans(1, cloud)[0], tmp_path))
    counts = []
    for end in range(9, len(data) - 9, 97):
        file.write_bytes(data[:end])
        found = list(read_messages([file], frozenset({CLOUD})))
        whole = [m for m in found if not isinstance(m, Damage)]
        counts.append(len(whole))
        assert all(len(m.data) == size for m in whole)
        assert len(whole) * size <= end < (len(whole) + 1) * (size + 31) + 20_000
        if end < data.rindex(b'\x0f\x04\0\0\0\0\0\0\0'):  # before the end of the data
            assert found[-1].at_end
    assert counts == sorted(counts)
    assert counts[-1] == 12


def with_checksums(data):
    """Return an MCAP file with the chunk checksums that rosbag2 writes, and where chunks start."""
    data, at, starts = bytearray(data), 8, []
    while data[at] != 15:
        (length,) = struct.unpack_from('<Q', data, at + 1)
        if data[at] == 6:  # times, size, checksum, compression, size, records
            (name,) = struct.unpack_from('<I', data, at + 9 + 28)
            assert name == 0
            checksum = zlib.crc32(data[at + 9 + 40 : at + 9 + length])
            struct.pack_into('<I', data, at + 9 + 24, checksum)
            starts.append(at)
        at += 9 + length
    return data, starts


def test_a_damaged_chunk_costs_no_other(cloud, tmp_path):
    """Each cloud of this size has a chunk of its own; the first holds the topic."""
    large = [s.take(np.arange(64).repeat(2000)) for s in scans(4, cloud)]
    write_snapshots(tmp_path / 'bag', large)
    file = tmp_path / 'bag' / 'bag.mcap'
    data, starts = with_checksums(file.read_bytes())
    assert len(starts) == 4
    file.write_bytes(data)
    whole = [m.data for m in read_messages([file], frozenset({CLOUD}))]
    assert len(whole) == 4
    for bad in range(1, 4):
        for place in (starts[bad] + 60, starts[bad] + 100_000):
            damaged = bytearray(data)
            damaged[place] ^= 255
            file.write_bytes(damaged)
            found = list(read_messages([file], frozenset({CLOUD})))
            assert sum(isinstance(m, Damage) for m in found) == 1
            read = [m.data for m in found if not isinstance(m, Damage)]
            assert read == whole[:bad] + whole[bad + 1 :]


def test_damaged_message_of_a_compressed_bag(cloud, tmp_path):
    """It is refused, the others are read."""
    folder = write(tmp_path / 'bag', cloud, tmp_path, 3, compress=CompressionMode.MESSAGE)
    (file,) = folder.glob('*.db3')
    database = sqlite3.connect(file)
    (data,) = database.execute('select data from messages where id=2').fetchone()
    for bad in (b'garbage', data[:40], data[:9] + b'\xff' * 9 + data[18:], 7):
        database.execute('update messages set data=? where id=2', (bad,))
        database.commit()
        got, refused = [], len(survey(folder).damage)
        for snapshot in snapshots(folder):
            try:
                got.append(snapshot.read()[0].stamp_ns)
            except ScanError:
                refused += 1
        assert got == [10**18, 10**18 + 2 * HOUR]
        assert refused == 1
    database.close()


def test_damaged_database_is_read_as_far_as_it_goes(cloud, tmp_path):
    """Pages overwritten, or the file cut."""
    folder = write(tmp_path / 'bag', cloud, tmp_path, 30)
    (file,) = folder.glob('*.db3')
    data = file.read_bytes()
    for size in range(100, len(data), 4096):
        file.write_bytes(data[:size])
        try:
            found = list(read_messages([file], frozenset({CLOUD})))
        except FileFormatError:
            continue
        assert len(found) <= 31
    file.write_bytes(data[:-4096] + bytes(4096))
    found = list(read_messages([file], frozenset({CLOUD})))
    assert sum(not isinstance(m, Damage) for m in found) >= 15


def test_names_that_are_no_text(cloud, tmp_path):
    """In the tables of a damaged database; the topic is not found, and the error says so."""
    folder = write(tmp_path / 'bag', cloud, tmp_path, 2)
    (file,) = folder.glob('*.db3')
    data = file.read_bytes()
    assert data.count(CLOUD.encode()) > 0
    file.write_bytes(data.replace(CLOUD.encode(), CLOUD.encode()[:-1] + b'\xc2'))
    with pytest.raises(FileFormatError, match='got: none'):
        list(snapshots(folder))


def test_metadata_cannot_name_files_elsewhere(cloud, tmp_path):
    """Names are taken inside of the folder; damaged metadata are told and done without."""
    write_snapshots(tmp_path / 'secret', scans(1, cloud))
    write_snapshots(tmp_path / 'bag', scans(2, cloud))
    metadata = tmp_path / 'bag' / 'metadata.yaml'
    text = metadata.read_text()
    metadata.write_text(text.replace('- bag.mcap', '- ../secret/secret.mcap'))
    files, damage = parts_of(tmp_path / 'bag')
    assert [f.name for f in files] == ['bag.mcap']
    assert 'secret.mcap' in damage[0].text
    for bad in ('', ': {', '[1, 2]', 'rosbag2_bagfile_information: 7'):
        metadata.write_text(bad)
        check(tmp_path / 'bag', cloud, range(2))


def test_metadata_that_names_a_file_of_another_kind(cloud, tmp_path):
    """The file is damage that is told; the parts of the bag are read."""
    write_snapshots(tmp_path / 'bag', scans(2, cloud))
    metadata = tmp_path / 'bag' / 'metadata.yaml'
    document = yaml.safe_load(metadata.read_text())
    document['rosbag2_bagfile_information']['relative_file_paths'].append(metadata.name)
    metadata.write_text(yaml.safe_dump(document))
    check(tmp_path / 'bag', cloud, range(2))
    assert 'metadata.yaml: expected a file of a bag' in survey(tmp_path / 'bag').damage[-1].text


def test_a_survey_keeps_no_cloud(cloud, tmp_path):
    """What is kept of a cloud is a few numbers."""
    import tracemalloc

    large = cloud.xyz.repeat(3000, axis=0)
    write_snapshots(tmp_path / 'bag', (Scan(large, k * HOUR + 1) for k in range(20)))
    survey(tmp_path / 'bag')
    tracemalloc.start()
    seen = survey(tmp_path / 'bag')
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(seen.clouds) == 20
    message = 16 * len(large)
    assert kept < message
    assert most < 8 * message


def test_a_bomb_of_zeros_fills_no_disk(tmp_path):
    """A recording does not unpack to thousands of times its size."""
    path = tmp_path / 'bag.mcap.zstd'
    with zstd.open(path, 'wb') as file:
        for _ in range(80):
            file.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 18
    with pytest.raises(FileFormatError, match='more than 1000 times their size'):
        survey(path)


def test_views_in_the_place_of_tables(cloud, tmp_path):
    """One of rows without end is not asked."""
    (file,) = write(tmp_path / 'bag', cloud, tmp_path, 1).glob('*.db3')
    database = sqlite3.connect(file)
    database.execute('ALTER TABLE messages RENAME TO others')
    database.execute(
        'CREATE VIEW messages AS WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n) '
        'SELECT k AS id, 1 AS topic_id, 1 AS timestamp, NULL AS data FROM n'
    )
    database.commit()
    database.close()
    with pytest.raises(FileFormatError, match='views in the place of tables'):
        survey(file)
