"""PointCloud2 messages of every layout, from rosbags' types; and what is refused."""

import array

import numpy as np
import pytest
from rescene4d_ros.data.readers.point_cloud2 import (
    cloud_array,
    cloud_fields,
    decode_cloud,
    scan_from_cloud,
)
from rescene4d_ros.errors import ScanError
from rescene4d_ros.structures import Scan
from rosbags.typesys import get_typestore, Stores

TYPES = get_typestore(Stores.ROS2_JAZZY).types
CODES = {'i1': 1, 'u1': 2, 'i2': 3, 'u2': 4, 'i4': 5, 'u4': 6, 'f4': 7, 'f8': 8}


def message(points, height=1, pad=0, big=False, **override):
    """Return a structured array as a PointCloud2, rows padded by `pad` bytes."""
    points = np.ascontiguousarray(points)
    dtype = points.dtype
    fields = [
        TYPES['sensor_msgs/msg/PointField'](
            name=n, offset=int(o), datatype=CODES[t.base.str[1:]], count=1
        )
        for n, (t, o, *_) in dtype.fields.items()
    ]
    width = len(points) // height
    stamp = TYPES['builtin_interfaces/msg/Time'](7, 8)
    rows = np.frombuffer(points.tobytes(), np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, pad)))
    values = {
        'header': TYPES['std_msgs/msg/Header'](stamp, 'atlas'),
        'height': height,
        'width': width,
        'fields': fields,
        'is_bigendian': big,
        'point_step': dtype.itemsize,
        'row_step': width * dtype.itemsize + pad,
        'data': rows.reshape(-1),
        'is_dense': False,
        **override,
    }
    return TYPES['sensor_msgs/msg/PointCloud2'](**values)


def cloud(n=12, order='<', xyz='f4', rgb='u4', extra=()):
    """Return points with all fields and the xyz and rgb that went in."""
    rng = np.random.default_rng(0)
    dtype = [(a, order + xyz) for a in 'xyz'] + [*extra, ('rgb', order + rgb)]
    points = np.zeros(n, dtype)
    coordinates = rng.normal(size=(n, 3)).astype(np.float32)
    colors = rng.integers(0, 256, (n, 3), dtype=np.uint8)
    for k, a in enumerate('xyz'):
        points[a] = coordinates[:, k]
    packed = colors.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    points['rgb'] = packed.astype(order + 'u4').view(order + rgb)
    return points, coordinates, colors


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('xyz', ['f4', 'f8'])
@pytest.mark.parametrize('rgb', ['u4', 'f4'])
@pytest.mark.parametrize(('height', 'pad'), [(1, 0), (3, 0), (3, 5)])
def test_layouts(order, xyz, rgb, height, pad):
    """Byte order, float width, packing, rows and fields in between change nothing."""
    extra = [('intensity', order + 'f4'), ('ring', order + 'u2')]
    points, coordinates, colors = cloud(order=order, xyz=xyz, rgb=rgb, extra=extra)
    scan, kept = decode_cloud(message(points, height, pad, order == '>'))
    np.testing.assert_array_equal(scan.xyz, coordinates)
    np.testing.assert_array_equal(scan.rgb, colors)
    assert scan.xyz.dtype == np.float32
    assert kept.all()
    assert (scan.stamp_ns, scan.frame_id) == (7 * 10**9 + 8, 'atlas')


def test_data_of_rclpy_is_an_array():
    """Rclpy gives array.array instead of a NumPy array."""
    points, coordinates, _ = cloud()
    data = array.array('B')
    data.frombytes(points.tobytes())
    np.testing.assert_array_equal(scan_from_cloud(message(points, data=data)).xyz, coordinates)


def test_separate_colors_and_normals():
    """Fields r, g, b and normal_x, normal_y, normal_z."""
    dtype = [(a, '<f4') for a in ('x', 'y', 'z', 'normal_x', 'normal_y', 'normal_z')]
    points = np.zeros(4, dtype + [(c, 'u1') for c in 'rgb'])
    points['normal_z'], points['g'] = 1, 200
    scan = scan_from_cloud(message(points))
    np.testing.assert_array_equal(scan.normals, [[0, 0, 1]] * 4)
    np.testing.assert_array_equal(scan.rgb, [[0, 200, 0]] * 4)


def test_cloud_without_color():
    """Has none, not black."""
    assert scan_from_cloud(message(cloud()[0][['x', 'y', 'z']])).rgb is None


def test_points_that_are_not_finite_are_dropped_in_order():
    """And the mask says which."""
    points, coordinates, colors = cloud()
    points['x'][2], points['z'][7] = np.nan, np.inf
    scan, kept = decode_cloud(message(points))
    assert np.flatnonzero(~kept).tolist() == [2, 7]
    np.testing.assert_array_equal(scan.xyz, coordinates[kept])
    np.testing.assert_array_equal(scan.rgb, colors[kept])


@pytest.mark.parametrize(
    ('points', 'override', 'text'),
    [
        (cloud()[0][['x', 'y', 'rgb']], {}, 'expected fields x, y, z'),
        (np.zeros(3, [(a, '<i4') for a in 'xyz']), {}, r'x \(i4\)'),
        (np.zeros(3, [('intensity', '<f4')]), {}, 'got: intensity'),
        (cloud(0)[0], {}, 'got an empty cloud'),
        (cloud()[0], {'width': 0, 'data': np.zeros(0, np.uint8)}, 'got an empty cloud'),
        (np.full(5, np.nan, [(a, '<f4') for a in 'xyz']), {}, 'expected finite points, got 5'),
        (cloud()[0], {'data': np.zeros(10, np.uint8)}, 'expected 192 bytes .* got 10'),
        (np.zeros(3, [(a, '<f4') for a in 'xyz'] + [('rgb', '<f8')]), {}, 'packed in 32 bits'),
    ],
)
def test_unusable_clouds_are_refused(points, override, text):
    """Each with what was expected and what came."""
    with pytest.raises(ScanError, match=text):
        scan_from_cloud(message(points, **override))


def test_unknown_datatype_is_refused():
    """PointField knows the codes 1 to 8."""
    made = message(cloud()[0])
    made.fields[1].datatype = 9
    with pytest.raises(ScanError, match="'y'"):
        scan_from_cloud(made)


def test_array_for_writing_comes_back_bit_by_bit():
    """Including columns beside the color, on any bits a float32 can have."""
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 0x7F000000, (50, 3), dtype=np.uint32)
    scan = Scan(bits.view(np.float32), 5, rng.integers(0, 256, (50, 3), dtype=np.uint8))
    instance = np.arange(50, dtype=np.uint32)
    points = cloud_array(
        scan,
        instance=instance,
        class_=instance.astype(np.int32) - 1,
        score=np.linspace(0, 1, 50, dtype=np.float32),
    )
    got = scan_from_cloud(message(points))
    assert got.xyz.tobytes() == scan.xyz.tobytes()
    np.testing.assert_array_equal(got.rgb, scan.rgb)
    assert cloud_fields(points) == [
        ('x', 0, 7, 1),
        ('y', 4, 7, 1),
        ('z', 8, 7, 1),
        ('rgb', 12, 7, 1),
        ('instance', 16, 6, 1),
        ('class', 20, 5, 1),
        ('score', 24, 7, 1),
    ]
    np.testing.assert_array_equal(points['class'], instance.astype(int) - 1)
