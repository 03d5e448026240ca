"""Whole files of every kind, from writers that are not ours, and ways to damage them."""

from dataclasses import dataclass

import laspy
import numpy as np
import plyfile
import pye57
from rosbags import rosbag1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

CLOUD = 'sensor_msgs/msg/PointCloud2'
N = 40
RNG = np.random.default_rng(7)
XYZ = RNG.uniform(-2, 3, (N, 3)).round(3).astype('f4')
RGB = RNG.integers(0, 256, (N, 3)).astype('u1')
ROWS = np.zeros(N, [(a, '<f4') for a in 'xyz'] + [(c, 'u1') for c in ('red', 'green', 'blue')])
for _k, _name in enumerate(ROWS.dtype.names):
    ROWS[_name] = XYZ[:, _k] if _k < 3 else RGB[:, _k - 3]
ROS2 = get_typestore(Stores.ROS2_JAZZY)
ROS1 = get_typestore(Stores.ROS1_NOETIC)


def message(stamp_ns, types=ROS2.types, header=None):
    """Return the cloud as a PointCloud2."""
    fields = [
        types['sensor_msgs/msg/PointField'](name=n, offset=int(o), datatype=t, count=1)
        for n, o, t in (
            ('x', 0, 7),
            ('y', 4, 7),
            ('z', 8, 7),
            ('r', 12, 2),
            ('g', 13, 2),
            ('b', 14, 2),
        )
    ]
    stamp = types['builtin_interfaces/msg/Time'](stamp_ns // 10**9, stamp_ns % 10**9)
    header = header or types['std_msgs/msg/Header'](stamp, 'map')
    return types[CLOUD](
        header=header,
        height=1,
        width=N,
        fields=fields,
        is_bigendian=False,
        point_step=15,
        row_step=15 * N,
        data=np.frombuffer(ROWS.tobytes(), np.uint8),
        is_dense=True,
    )


def write_ply(path, order):
    """Write with plyfile: points, and faces of several lengths."""
    faces = np.zeros(5, [('vertex_indices', 'O')])
    faces['vertex_indices'] = [np.arange(n, dtype='i4') for n in (3, 3, 4, 3, 5)]
    elements = [
        plyfile.PlyElement.describe(ROWS, 'vertex'),
        plyfile.PlyElement.describe(faces, 'face', val_types={'vertex_indices': 'i4'}),
    ]
    plyfile.PlyData(elements, text=order == '=', byte_order=order).write(str(path))


def write_pcd(path, kind):
    """Write with Open3D."""
    import open3d as o3d

    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(XYZ))
    cloud.colors = o3d.utility.Vector3dVector(RGB / 255)
    assert o3d.io.write_point_cloud(
        str(path), cloud, write_ascii=kind == 'ascii', compressed=kind == 'compressed'
    )


def write_npz(path, save):
    """Write with NumPy."""
    save(path, xyz=XYZ.astype('f8'), rgb=RGB)


def write_las(path, version):
    """Write with laspy, compressed by lazrs where the suffix is .laz."""
    header = laspy.LasHeader(point_format=3 if version == '1.2' else 7, version=version)
    header.scales = [0.001] * 3
    las = laspy.LasData(header)
    las.x, las.y, las.z = XYZ.T.astype('f8')
    las.red, las.green, las.blue = RGB.T.astype('u2') * 257
    las.write(str(path))


def write_e57(path):
    """Write with pye57."""
    with pye57.E57(str(path), mode='w') as file:
        data = {f'cartesian{a}': XYZ[:, k].astype('f8') for k, a in enumerate('XYZ')}
        data |= {f'color{c}': RGB[:, k].copy() for k, c in enumerate(('Red', 'Green', 'Blue'))}
        file.write_scan_raw(data)


def write_bag(path, plugin, compress=None):
    """Write three visits with rosbags; the one file of the bag goes to the path."""
    folder = path.parent / f'{path.name}_bag'
    writer = Writer(folder, version=9, storage_plugin=plugin)
    if compress:
        writer.set_compression(compress, CompressionFormat.ZSTD)
    with writer:
        topic = writer.add_connection('/cloud', CLOUD, typestore=ROS2)
        for k in range(3):
            stamp = (k + 1) * 3600 * 10**9
            writer.write(topic, stamp, ROS2.serialize_cdr(message(stamp), CLOUD))
    (file,) = (p for p in folder.iterdir() if p.suffix != '.yaml')
    path.write_bytes(file.read_bytes())


def write_ros1(path, compression):
    """Write three visits as a bag of ROS 1."""
    writer = rosbag1.Writer(path)
    if compression:
        writer.set_compression(compression)
    with writer:
        topic = writer.add_connection('/cloud', CLOUD, typestore=ROS1)
        for k in range(3):
            stamp_ns = (k + 1) * 3600 * 10**9
            stamp = ROS1.types['builtin_interfaces/msg/Time'](stamp_ns // 10**9, 0)
            header = ROS1.types['std_msgs/msg/Header'](k, stamp, 'map')
            made = message(stamp_ns, ROS1.types, header)
            writer.write(topic, stamp_ns, ROS1.serialize_ros1(made, CLOUD))


@dataclass(frozen=True)
class Kind:
    """One kind of file: how it is written, and what protects its bytes."""

    name: str
    suffix: str
    write: object
    arguments: tuple = ()
    checksum: bool = False  # a flipped bit is always found
    plain: bool = False  # a flipped byte changes one point, or is found


KINDS = (
    Kind('ply text', '.ply', write_ply, ('=',), plain=True),
    Kind('ply little', '.ply', write_ply, ('<',), plain=True),
    Kind('ply big', '.ply', write_ply, ('>',), plain=True),
    Kind('pcd text', '.pcd', write_pcd, ('ascii',), plain=True),
    Kind('pcd binary', '.pcd', write_pcd, ('binary',), plain=True),
    Kind('pcd compressed', '.pcd', write_pcd, ('compressed',)),
    Kind('npz', '.npz', write_npz, (np.savez,), checksum=True),
    Kind('npz compressed', '.npz', write_npz, (np.savez_compressed,), checksum=True),
    Kind('las', '.las', write_las, ('1.2',)),
    Kind('laz', '.laz', write_las, ('1.4',)),
    Kind('e57', '.e57', write_e57, checksum=True),
    Kind('mcap', '.mcap', write_bag, (StoragePlugin.MCAP,)),
    Kind('mcap zstd', '.mcap.zstd', write_bag, (StoragePlugin.MCAP, CompressionMode.FILE)),
    Kind('sqlite', '.db3', write_bag, (StoragePlugin.SQLITE3,)),
    Kind('sqlite zstd', '.db3', write_bag, (StoragePlugin.SQLITE3, CompressionMode.MESSAGE)),
    Kind('ros1', '.bag', write_ros1, (None,)),
    Kind('ros1 lz4', '.bag', write_ros1, (rosbag1.Writer.CompressionFormat.LZ4,)),
    Kind('ros1 bz2', '.bag', write_ros1, (rosbag1.Writer.CompressionFormat.BZ2,)),
)
NUMBERS = (0, 1, 127, 128, 255)


def damage(data, seed):
    """
    Damage a file.

    Returns
    -------
    str
        'cut', 'shift' (bytes removed or put in), 'flip' (few bytes changed), 'header' (bytes near
        the front or back set to edges of numbers), 'word' (a number in text replaced).
    bytes

    """
    rng = np.random.default_rng(seed)
    what = ('cut', 'shift', 'flip', 'header', 'word')[seed % 5]
    bad = bytearray(data)
    if what == 'cut':
        return what, bytes(bad[: rng.integers(len(bad))])
    if what == 'shift':
        at, count = rng.integers(len(bad)), int(rng.integers(1, 40))
        if rng.random() < 0.5:
            del bad[at : at + count]
        else:
            bad[at:at] = rng.integers(0, 256, count).astype('u1').tobytes()
    elif what == 'flip':
        for at in rng.integers(len(bad), size=rng.integers(1, 4)):
            bad[at] ^= 1 << rng.integers(8)
    elif what == 'header':
        front = rng.random() < 0.8
        for at in rng.integers(min(len(bad), 400), size=rng.integers(1, 9)):
            bad[at if front else -at - 1] = rng.choice(NUMBERS)
    else:
        places = [k for k, byte in enumerate(bad[:600]) if 48 <= byte <= 57]
        if places:
            at = places[rng.integers(len(places))]
            bad[at : at + 1] = rng.choice([b'', b'-', b'99999999999', b'0', b'x', b' ', b'\0'])
    return what, bytes(bad)
