"""PointCloud2 messages of every layout, from rosbags' types; and what is refused."""

import array

import numpy as np
import pytest
from rescene4d_ros.data.readers.columns import with_origin
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
        (np.zeros(3, [(a, '<i4') for a in 'xyz']), {}, r'x \(int32\)'),
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


@pytest.mark.parametrize('offset', [*range(2147483640, 2147483649), 4294967295, 13])
@pytest.mark.parametrize('field', [0, 2, 3])
def test_fields_outside_of_the_point_are_refused(offset, field):
    """Memory beside the data is never read: in 32 bits, offset + size would overflow."""
    made = message(cloud()[0])
    made.fields[field].offset = offset
    with pytest.raises(ScanError, match='expected fields within a point of 16 bytes'):
        scan_from_cloud(made)


@pytest.mark.parametrize('count', [2, 5, 2**30, 2**32 - 1])
def test_counts(count):
    """x, y, z hold one number each; no field is longer than the point."""
    made = message(cloud()[0])
    made.fields[0].count = count
    text = 'as one float32' if count == 2 else 'fields within a point'
    with pytest.raises(ScanError, match=text):
        scan_from_cloud(made)


def test_a_count_of_zero_is_one():
    """Some drivers leave it out."""
    points, coordinates, _ = cloud()
    made = message(points)
    for field in made.fields:
        field.count = 0
    np.testing.assert_array_equal(scan_from_cloud(made).xyz, coordinates)


@pytest.mark.parametrize(
    'override',
    [
        {'row_step': 100, 'height': 3},
        {'point_step': 15},
        {'point_step': 17},
        {'point_step': 0},
        {'point_step': 2**32 - 1},
        {'width': 13},
        {'width': 2**32 - 1, 'height': 2**32 - 1},
        {'data': np.zeros(193, np.uint8)},
        {'data': np.zeros(191, np.uint8)},
        {'data': np.zeros(0, np.uint8)},
    ],
)
def test_numbers_that_do_not_fit_each_other_are_refused(override):
    """Every byte of the data is accounted for."""
    made = message(cloud()[0])
    for name, value in override.items():
        setattr(made, name, value)
    with pytest.raises(ScanError, match='expected .* got'):
        scan_from_cloud(made)


def test_row_step_of_one_row_says_nothing():
    """Some drivers leave it zero."""
    points, coordinates, _ = cloud()
    np.testing.assert_array_equal(scan_from_cloud(message(points, row_step=0)).xyz, coordinates)
    organized = message(points, 3, 5)
    organized.data = organized.data[:-5]  # the padding of the last row
    np.testing.assert_array_equal(scan_from_cloud(organized).xyz, coordinates)


@pytest.mark.parametrize(('sec', 'nanosec'), [(7, 10**9), (7, 2**32 - 1), (-1, 0)])
def test_stamps_that_are_none_are_refused(sec, nanosec):
    """A second has 10^9 ns, and visits are made after 1970."""
    made = message(cloud()[0])
    made.header.stamp.sec, made.header.stamp.nanosec = sec, nanosec
    with pytest.raises(ScanError, match='nanosec below 1000000000'):
        scan_from_cloud(made)


@pytest.mark.parametrize('order', ['<', '>'])
def test_doubles_far_from_zero_keep_their_digits(order):
    """An origin is subtracted before float32, or that of the map is taken."""
    points, coordinates, _ = cloud(order=order, xyz='f8')
    points['x'] += 5412345.678
    made = message(points, big=order == '>')
    scan, _ = decode_cloud(made)
    assert scan.origin == (5412000.0, 0, 0)
    np.testing.assert_allclose(scan.xyz, coordinates + (345.678, 0, 0), atol=1e-4)
    np.testing.assert_array_equal(scan_from_cloud(made).xyz, scan.xyz)
    near = with_origin(scan, (5411000.0, -1000.0, 0.0))
    np.testing.assert_allclose(near.xyz, coordinates + (1345.678, 1000, 0), atol=2e-4)
    assert near.origin == (5411000.0, -1000.0, 0.0)
    with pytest.raises(ScanError, match='another place is another map'):
        with_origin(scan, (0.0, 0.0, 0.0))


@pytest.mark.parametrize('code', [0, 9, 255])
@pytest.mark.parametrize('name', ['x', 'x\0', '_', '', 'é' * 500])
def test_datatypes_and_names(code, name):
    """Unknown datatypes are refused, whatever the field is called."""
    made = message(cloud()[0])
    made.fields[3].name, made.fields[3].datatype = name, code
    with pytest.raises(ScanError, match='datatypes 1 to 8'):
        scan_from_cloud(made)


def test_a_name_twice_is_refused():
    """Which of them is meant is not known."""
    made = message(cloud()[0])
    made.fields[3].name = 'x'
    with pytest.raises(ScanError, match="'x' twice"):
        scan_from_cloud(made)


def test_array_for_writing_comes_back_bit_by_bit():
    """Including columns beside the color, on any bits of float32 that coordinates have."""
    rng = np.random.default_rng(2)
    bits = rng.integers(0x20000000, 0x44000000, (50, 3), dtype=np.uint32)  # 1e-19 m to 512 m
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


def test_viewpoints_are_the_path_of_the_sensor():
    """Fields vp_x, vp_y, vp_z name the places once each, and go to the map with the points."""
    rng = np.random.default_rng(3)
    path = np.array([[0.5, 0, 1], [0.7, 0, 1], [0.9, 0.1, 1]], np.float32)
    seen_from = path[[0, 1, 0, 1, 2, 2, 1]]
    scan = Scan(rng.uniform(1, 2, (7, 3)).astype(np.float32), 9)
    columns = {f'vp_{axis}': seen_from[:, k].copy() for k, axis in enumerate('xyz')}
    points = cloud_array(scan, **columns)
    shift = np.eye(4)
    shift[0, 3] = 10
    np.testing.assert_array_equal(scan_from_cloud(message(points)).sensor_path, path)
    moved, _ = decode_cloud(message(points), map_T_cloud=shift)
    np.testing.assert_allclose(moved.sensor_path, path + np.float32([10, 0, 0]))
