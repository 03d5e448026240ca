"""What all readers make of coordinates, colors and normals."""

import numpy as np
import pytest
from rescene4d_ros.data.readers.columns import scan_of_columns
from rescene4d_ros.errors import ScanError
from rescene4d_ros.geometry.se3 import upright

UTM = np.array([691000.25, 5334000.75, 520.0])


def columns(xyz, **more):
    """Return columns of points (N, 3)."""
    return {axis: xyz[:, k] for k, axis in enumerate('xyz')} | more


def scan_of(columns, **arguments):
    """Return the scan of columns."""
    return scan_of_columns(columns, 1, 'room', **arguments)[0]


@pytest.mark.parametrize(
    'names',
    [
        ('red', 'green', 'blue'),
        ('r', 'g', 'b'),
        ('diffuse_red', 'diffuse_green', 'diffuse_blue'),
        ('Red', 'GREEN', 'Blue'),
        ('colour_red', 'colour_green', 'colour_blue'),
        ('vertex_r', 'vertex_g', 'vertex_b'),
        ('scalar_R', 'scalar_G', 'scalar_B'),
    ],
)
@pytest.mark.parametrize(
    ('dtype', 'top'), [('u1', 255), ('u2', 65535), ('i4', 255), ('f4', 1), ('f8', 255), ('>f4', 1)]
)
def test_colors_by_name_and_type(cloud, names, dtype, top):
    """Every name and type gives the same colors."""
    rgb = (cloud.rgb.astype(float) * (top / 255)).astype(dtype)
    cloud.check(scan_of(columns(cloud.xyz, **{n: rgb[:, k] for k, n in enumerate(names)})))


@pytest.mark.parametrize('name', ['rgb', 'color', 'colors'])
def test_colors_in_one_field(cloud, name):
    """Three or four values a point."""
    alpha = np.full((64, 1), 255, 'u1')
    cloud.check(scan_of(columns(cloud.xyz, **{name: cloud.rgb})))
    cloud.check(scan_of(columns(cloud.xyz, **{name: np.hstack([cloud.rgb, alpha])})))


def test_colors_that_are_not_complete_are_named(cloud):
    """Not dropped without a word."""
    scan = scan_of(columns(cloud.xyz, red=cloud.rgb[:, 0], green=cloud.rgb[:, 1]))
    assert scan.rgb is None
    assert [(f.code, f.measured) for f in scan.findings] == [('color', 'only red, green')]
    scan = scan_of(columns(cloud.xyz, color_code=cloud.rgb[:, 0], scattered=cloud.rgb[:, 1]))
    assert [(f.code, f.measured) for f in scan.findings] == [('color', 'only color_code')]


@pytest.mark.parametrize('field', ['rgb', 'rgba'])
def test_packed_colors(cloud, field):
    """As whole numbers, as floats of their bits, and as floats of their value (text of PCL)."""
    red, green, blue = cloud.rgb.T.astype('u4')
    packed = red << 16 | green << 8 | blue
    opaque = packed | np.uint32(255 << 24)
    for column in (packed, opaque, opaque.view('i4'), packed.view('f4'), packed.astype('f4')):
        cloud.check(scan_of(columns(cloud.xyz, **{field: column})))


def test_colors_of_gaussian_splats(cloud):
    """The constant of their harmonics is the color."""
    values = (cloud.rgb / 255 - 0.5) / 0.28209479177387814
    fields = {f'f_dc_{k}': values[:, k].astype('f4') for k in range(3)}
    cloud.check(scan_of(columns(cloud.xyz, **fields)))


@pytest.mark.parametrize(
    'red',
    [
        np.full(64, -1, 'i1'),
        np.full(64, 300, 'i4'),
        np.full(64, np.nan),
        np.full(64, 70000.0),
        np.full(64, np.inf),
    ],
)
def test_colors_out_of_every_range_are_refused(cloud, red):
    """Clipping them would make other colors."""
    zero = np.zeros(64, red.dtype)
    with pytest.raises(ScanError, match='expected colors from 0 to 255'):
        scan_of(columns(cloud.xyz, red=red, green=zero, blue=zero))


@pytest.mark.parametrize('kind', ['u1', 'f4'])
def test_clouds_that_are_all_black_have_no_color(cloud, kind):
    """A place for colors that nobody filled; one point with a color fills it."""
    black = dict.fromkeys(('red', 'green', 'blue'), np.zeros(len(cloud.xyz), kind))
    scan = scan_of({**columns(cloud.xyz), **black})
    assert scan.rgb is None
    assert [f.code for f in scan.findings] == ['color']
    red = np.zeros(len(cloud.xyz), kind)
    red[5] = 1
    scan = scan_of({**columns(cloud.xyz), **black, 'red': red})
    assert scan.rgb is not None
    assert scan.rgb.any(axis=1).tolist().index(True) == 5


def test_points_that_no_camera_saw(cloud):
    """One color that is NaN costs no other, and is told."""
    rgb = cloud.rgb / 255
    rgb[5, 1] = np.nan
    scan = scan_of(columns(cloud.xyz, **dict(zip(('red', 'green', 'blue'), rgb.T))))
    expected = cloud.rgb.copy()
    expected[5] = 0
    np.testing.assert_array_equal(scan.rgb, expected)
    assert [f.measured for f in scan.findings] == ['1 of 64 points whose color is NaN']


def test_large_coordinates_keep_their_digits(cloud):
    """A multiple of 1 km is subtracted in double; the scan says which."""
    scan = scan_of(columns(cloud.xyz.astype('f8') + UTM))
    assert scan.origin == (691000.0, 5334000.0, 0.0)
    np.testing.assert_allclose(scan.xyz, cloud.xyz + (0.25, 0.75, 520), atol=1e-4)
    assert not scan.findings


def test_origin_of_the_map_is_used_for_later_visits(cloud):
    """Also for a cloud that needs none of its own."""
    given = (690000.0, 5330000.0, 0.0)
    scan = scan_of(columns(cloud.xyz + UTM), origin=given)
    assert scan.origin == given
    np.testing.assert_allclose(scan.xyz, cloud.xyz + UTM - given, atol=1e-3)
    assert scan_of(columns(cloud.xyz.astype('f8')), origin=(0.0, 0.0, 0.0)).origin == (0, 0, 0)


@pytest.mark.parametrize(('shift', 'origin'), [(UTM, (0, 0, 0)), ((0, 0, 0), tuple(UTM))])
def test_a_cloud_far_from_the_origin_of_the_map_is_refused(cloud, shift, origin):
    """Its float32 coordinates would have steps of half a meter."""
    with pytest.raises(ScanError, match='another place is another map with a memory of its own'):
        scan_of(columns(cloud.xyz.astype('f8') + shift), origin=origin)


def test_coordinates_that_are_coarse_already_are_refused(cloud):
    """Steps of half a meter; text has the digits and is read."""
    with pytest.raises(ScanError, match=r'float32 coordinates of 5334002 m, .* steps of 0.5 m'):
        scan_of(columns((cloud.xyz + UTM).astype('f4')))
    scan = scan_of(columns((cloud.xyz + (100000, 0, 0)).astype('f4')))
    assert [f.code for f in scan.findings] == ['precision']
    with pytest.raises(ScanError, match='steps of 0.5 m'):  # as E57 and converters give it
        scan_of(columns((cloud.xyz + UTM).astype('f4').astype('f8')))


def test_one_far_point_moves_no_origin(cloud):
    """The middle of the cloud decides."""
    xyz = cloud.xyz.astype('f8')
    xyz[7] = 1e5
    assert scan_of(columns(xyz)).origin == (0, 0, 0)
    assert scan_of(columns(xyz.astype('f4'))).origin == (0, 0, 0)


@pytest.mark.parametrize('value', [1e30, -1e9])
def test_coordinates_of_no_scan_are_refused(cloud, value):
    """Three of 64 points."""
    xyz = cloud.xyz.copy()
    xyz[:3] = value
    with pytest.raises(ScanError, match='got 3 points of up to .* outliers'):
        scan_of(columns(xyz))


def test_bytes_read_as_tiny_numbers_are_refused(cloud):
    """Whole numbers of meters in the other byte order are below 1e-30."""
    xyz = np.rint(cloud.xyz).astype('>f4').view('<f4')
    with pytest.raises(ScanError, match='below 1e-30; the byte order'):
        scan_of(columns(xyz))


def test_normals(cloud):
    """Of length one; none where one has no direction."""
    up = {'nx': np.zeros(64), 'ny': np.zeros(64), 'nz': np.full(64, 2.0)}
    np.testing.assert_array_equal(scan_of(columns(cloud.xyz, **up)).normals[5], [0, 0, 1])
    up['nz'][3] = 0
    assert scan_of(columns(cloud.xyz, **up)).normals is None


def test_points_of_another_frame_are_taken_to_the_map(cloud):
    """The sensor stood at that frame's zero."""
    motion = upright(np.pi / 2, (10, 0, 1))
    normals = {'nx': np.ones(64), 'ny': np.zeros(64), 'nz': np.zeros(64)}
    scan = scan_of(columns(cloud.xyz, **normals), map_T_source=motion)
    turned = np.stack([10 - cloud.xyz[:, 1], cloud.xyz[:, 0], 1 + cloud.xyz[:, 2]], axis=1)
    np.testing.assert_allclose(scan.xyz, turned, atol=1e-5)
    np.testing.assert_allclose(scan.normals[0], [0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(scan.sensor_path, [[10, 0, 1]])


def test_mask_and_findings_tell_of_dropped_points(cloud):
    """How many, and what share."""
    xyz = cloud.xyz.copy()
    xyz[:16] = np.nan
    scan, kept = scan_of_columns(columns(xyz), 1, 'room')
    assert kept.sum() == len(scan) == 48
    assert scan.findings[0].measured == '16 of 64 points (25.0%) that are NaN or infinite'
