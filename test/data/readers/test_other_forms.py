"""Forms of files that are rare and legal, and such as would be read as something else."""

import struct
import zipfile

import laspy
import numpy as np
from pye57 import libe57
import pytest
from rescene4d_ros.cli.visits.inputs import find_visits
from rescene4d_ros.data.readers.bags.parts import parts_of
from rescene4d_ros.data.readers.cloud_files import read_cloud
from rescene4d_ros.data.readers.point_cloud2 import decode_cloud
from rescene4d_ros.errors import FileFormatError, ScanError

from .files_to_damage import KINDS, message, N, RGB, ROS2, write_bag, XYZ

FIELD = ROS2.types['sensor_msgs/msg/PointField']
PLY = (
    'ply\nformat {} 1.0\nelement vertex {}\nproperty float x\nproperty float y\n'
    'property float z\n{}end_header\n'
)
PACKED = RGB.astype('<u4') @ np.array([1 << 16, 1 << 8, 1], '<u4')


def pcd_of(colors, declared='F'):
    """Return a PCD text with packed colors as they are written."""
    rows = (f'{x:.6g} {y:.6g} {z:.6g} {c}' for (x, y, z), c in zip(XYZ, colors))
    return (
        f'FIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F {declared}\nWIDTH {N}\nHEIGHT 1\n'
        'DATA ascii\n' + '\n'.join(rows)
    )


@pytest.mark.parametrize(
    ('colors', 'worst', 'told'),
    [
        ([f'{v:.9g}' for v in PACKED.view('<f4')], 0, 0),
        ([f'{v:.5g}' for v in PACKED.view('<f4')], 255, 1),
        ([str(v | 0xFF000000) for v in PACKED], 0, 0),
    ],
)
def test_packed_colors_in_text(tmp_path, colors, worst, told):
    """Floats need all digits, because their bits are colors; a warning says where some lack."""
    path = tmp_path / 'a.pcd'
    path.write_text(pcd_of(colors))
    scan, _ = read_cloud(path, 1)
    assert np.abs(scan.rgb.astype(int) - RGB).max() <= worst
    assert len([f for f in scan.findings if f.code == 'color']) == told


@pytest.mark.parametrize('word', ['1.#QNAN', '-1.#IND', '-nan(ind)', 'NaN', '-inf', '1.#INF00'])
def test_numbers_that_are_none(tmp_path, word):
    """As C libraries write them."""
    path = tmp_path / 'a.ply'
    path.write_text(PLY.format('ascii', 2, '') + f'{word} 0 0\n1 2 3\n')
    scan, kept = read_cloud(path, 1)
    np.testing.assert_array_equal(scan.xyz, [[1, 2, 3]])
    assert kept.tolist() == [False, True]


def test_strips_of_triangles(tmp_path):
    """-1 parts them."""
    strips = 'element tristrips 1\nproperty list int int vertex_indices\n'
    data = struct.pack('<6i', 5, 0, 1, 2, -1, 3)
    (tmp_path / 'a.ply').write_bytes(
        PLY.format('binary_little_endian', N, strips).encode() + XYZ.tobytes() + data
    )
    np.testing.assert_array_equal(read_cloud(tmp_path / 'a.ply', 1)[0].xyz, XYZ)


@pytest.mark.parametrize('count', [0, 1])
def test_grids_of_organized_clouds(tmp_path, count):
    """Of a scanner's rows and columns, each with its point or none; they are no faces."""
    grid = 'element range_grid 2\nproperty list uchar int vertex_indices\n'
    points = PLY.format('binary_little_endian', N, grid).encode() + XYZ.tobytes()
    path, first = tmp_path / 'a.ply', struct.pack('<Bi', 1, 0)
    path.write_bytes(points + first + struct.pack(f'<B{count}i', count, *[N - 1] * count))
    np.testing.assert_array_equal(read_cloud(path, 1)[0].xyz, XYZ)
    path.write_bytes(points + first + struct.pack('<Bi', 1, N))
    with pytest.raises(FileFormatError, match=f'on points 0 to {N - 1}, got others'):
        read_cloud(path, 1)


@pytest.mark.parametrize('name', ['positions', 'points'])
def test_arrays_of_open3d(tmp_path, name):
    """Its tensor clouds; where xyz is there it counts, and the other is named."""
    path = tmp_path / 'a.npz'
    np.savez(path, **{name: XYZ}, colors=RGB)
    scan, _ = read_cloud(path, 1)
    np.testing.assert_array_equal(scan.xyz, XYZ)
    np.testing.assert_array_equal(scan.rgb, RGB)
    assert not scan.findings
    np.savez(path, **{name: XYZ + 1}, xyz=XYZ)
    scan, _ = read_cloud(path, 1)
    np.testing.assert_array_equal(scan.xyz, XYZ)
    assert [f.code for f in scan.findings] == ['arrays']


def test_arrays_of_every_version(tmp_path):
    with zipfile.ZipFile(tmp_path / 'a.npz', 'w') as file:
        for name, array, version in (('xyz', XYZ, (3, 0)), ('rgb', RGB, (2, 0))):
            with file.open(f'{name}.npy', 'w', force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, version)
    scan, _ = read_cloud(tmp_path / 'a.npz', 1)
    np.testing.assert_array_equal(scan.rgb, RGB)


@pytest.mark.parametrize(
    ('arrays', 'text'),
    [
        ({'instance': np.full(N, 2**64 - 1, np.uint64)}, 'instance as one whole number'),
        ({'instance': np.ones(N, int), 'score': np.full(N, 1e300)}, 'score as one finite'),
        ({'instance': np.ones(N, int), 'score': np.array(['a'] * N)}, 'score as one finite'),
    ],
)
def test_numbers_that_do_not_fit(tmp_path, arrays, text):
    np.savez(tmp_path / 'a.npz', xyz=XYZ, **arrays)
    with pytest.raises(ScanError, match=text):
        read_cloud(tmp_path / 'a.npz', 1)


@pytest.mark.parametrize('where', [np.inf, 1e30, 2e4])
def test_places_of_a_sensor_that_saw_nothing(tmp_path, where):
    """They would be evidence about what is absent."""
    np.savez(tmp_path / 'a.npz', xyz=XYZ.astype('f8'), path=[[0, 0, 1], [where, 0, 1]])
    if not np.isfinite(where):
        with pytest.raises(ScanError, match='finite path'):
            read_cloud(tmp_path / 'a.npz', 1)
        return
    scan, _ = read_cloud(tmp_path / 'a.npz', 1)
    np.testing.assert_array_equal(scan.sensor_path, [[0, 0, 1]])
    assert [f.code for f in scan.findings] == ['sensor_path']


def test_an_array_that_unpacks_to_much_more(tmp_path):
    path = tmp_path / 'bomb.npz'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file, file.open('xyz.npy', 'w') as e:
        header = {'descr': '<f4', 'fortran_order': False, 'shape': (7_000_000, 3)}
        np.lib.format.write_array_header_1_0(e, header)
        for _ in range(84):
            e.write(bytes(1_000_000))
    with pytest.raises(FileFormatError, match='unpacks to more than'):
        read_cloud(path, 1)


def test_bytes_behind_a_laz_file(tmp_path):
    header = laspy.LasHeader(point_format=7, version='1.4')
    header.scales = [0.001] * 3
    las = laspy.LasData(header)
    las.x, las.y, las.z = XYZ.T.astype('f8')
    las.write(str(tmp_path / 'a.laz'))
    data = (tmp_path / 'a.laz').read_bytes()
    (tmp_path / 'a.laz').write_bytes(data + bytes(200))
    with pytest.raises(FileFormatError, match='bytes behind the points'):
        read_cloud(tmp_path / 'a.laz', 1)


def write_e57(path, colors, most):
    """Write integers of a range, without limits of colors, as laser scanners do."""
    file = libe57.ImageFile(str(path), 'w')
    root, scan, row = file.root(), libe57.StructureNode(file), libe57.StructureNode(file)
    for name in ('formatName', 'guid', 'coordinateMetadata'):
        text = 'ASTM E57 3D Imaging Data File' if name == 'formatName' else name
        root.set(name, libe57.StringNode(file, text))
    for name in ('versionMajor', 'versionMinor'):
        root.set(name, libe57.IntegerNode(file, int(name == 'versionMajor')))
    scans = libe57.VectorNode(file, True)
    root.set('data3D', scans)
    scans.append(scan)
    columns = {f'cartesian{a}': XYZ[:, k].astype('f8') for k, a in enumerate('XYZ')}
    for name in columns:
        row.set(name, libe57.ScaledIntegerNode(file, 0, -(2**31), 2**31 - 1, 0.001, 0.0))
    for k, name in enumerate(('Red', 'Green', 'Blue')):
        columns[f'color{name}'] = colors[:, k].astype('f8')
        row.set(f'color{name}', libe57.IntegerNode(file, 0, 0, most))
    vector = libe57.CompressedVectorNode(file, row, libe57.VectorNode(file, True))
    scan.set('points', vector)
    buffers = libe57.VectorSourceDestBuffer()
    for name, column in columns.items():
        buffers.append(libe57.SourceDestBuffer(file, name, column, N, True, True))
    writer = vector.writer(buffers)
    writer.write(N)
    writer.close()
    file.close()


@pytest.mark.parametrize('darkest', [1, 2, 255])
def test_dark_colors_stay_dark(tmp_path, darkest):
    """The type says the range, not the brightest value of a channel."""
    colors = np.minimum(RGB, (200, darkest, 1))
    write_e57(tmp_path / 'a.e57', colors, 255)
    np.testing.assert_array_equal(read_cloud(tmp_path / 'a.e57', 1)[0].rgb, colors)
    write_e57(tmp_path / 'b.e57', colors.astype(int) * 257, 65535)
    np.testing.assert_array_equal(read_cloud(tmp_path / 'b.e57', 1)[0].rgb, colors)


def test_many_fields_end_soon():
    """A message of 2 MB with 60,000 fields would take minutes."""
    cloud = message(10**18)
    cloud.fields += [
        FIELD(name='n' * 9 + str(k), offset=0, datatype=2, count=1) for k in range(60000)
    ]
    with pytest.raises(ScanError, match='at most 1000 fields'):
        decode_cloud(cloud)
    cloud.fields = [FIELD(name='x' * 10**6, offset=0, datatype=7, count=1)]
    with pytest.raises(ScanError) as told:
        decode_cloud(cloud)
    assert len(str(told.value)) < 500


@pytest.mark.parametrize('frame', ['m' * 10**6, 'map\n', 'a\0b'])
def test_names_of_frames_have_bounds(frame):
    """They go to logs, diagnostics and messages."""
    cloud = message(10**18)
    cloud.header.frame_id = frame
    with pytest.raises(ScanError, match='printable characters') as told:
        decode_cloud(cloud)
    assert len(str(told.value)) < 300


@pytest.mark.parametrize('paths', ['bag.mcap', '[bag.mcap, 7]', '{bag.mcap: 1}', '[lost.mcap]'])
def test_metadata_of_other_forms(tmp_path, paths):
    """The files of the folder are the bag; where one is missing, others may be it, renamed."""
    kind = next(kind for kind in KINDS if kind.name == 'mcap')
    bag = tmp_path / 'bag'
    bag.mkdir()
    write_bag(tmp_path / 'made.mcap', *kind.arguments)
    (tmp_path / 'made.mcap').rename(bag / 'bag.mcap')
    told = f'rosbag2_bagfile_information: {{relative_file_paths: {paths}}}'
    (bag / 'metadata.yaml').write_text(told)
    assert parts_of(bag)[0] == [bag / 'bag.mcap']
    assert find_visits([bag]).count == 3
    (bag / 'metadata.yaml').write_text(
        'rosbag2_bagfile_information: {relative_file_paths: [bag.mcap]}'
    )
    (bag / 'copy.mcap').write_bytes((bag / 'bag.mcap').read_bytes())
    files, damage = parts_of(bag)
    assert files == [bag / 'bag.mcap']
    assert [d.at_end for d in damage] == [True]


def test_free_cells_of_an_npz_file(tmp_path):
    """They lie in the frame of the file, less the origin of the map as the points."""
    cells = np.zeros((4, 5, 6), np.uint8)
    cells[1, 2, 3] = 255
    corner = np.array([431_999.0, 10.0, 0.0])
    far = XYZ.astype('f8') + (432_000, 0, 0)
    arrays = {'free': cells, 'free_origin': corner, 'free_cell': 0.5}
    np.savez(tmp_path / 'a.npz', xyz=far, **arrays)
    scan, _ = read_cloud(tmp_path / 'a.npz', 1)
    assert scan.free is not None
    assert scan.origin[0] == 432_000.0
    places = np.array([[-1.0, 10, 0], [-0.25, 11.25, 1.75]])
    assert scan.free.at(places).tolist() == [False, True]
    assert not scan.findings
    for wrong in ({'free_cell': 0.0}, {'free': cells[0]}, {'free_origin': corner[:2]}):
        np.savez(tmp_path / 'b.npz', xyz=far, **(arrays | wrong))
        with pytest.raises(ScanError, match=r'b.npz'):
            read_cloud(tmp_path / 'b.npz', 1)
    np.savez(tmp_path / 'b.npz', xyz=far, free=cells)
    with pytest.raises(ScanError, match='write all three'):
        read_cloud(tmp_path / 'b.npz', 1)


@pytest.mark.parametrize('suffix', ['.ply', '.pcd'])
@pytest.mark.parametrize(
    ('data', 'said'),
    [
        (b'', 'an empty file; copy it again'),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n', 'git lfs pull'),
        (b'\n<!DOCTYPE html><html>Not found</html>', 'download the file itself'),
        (b'\x1f\x8b\x08\x00', 'packed by gzip; unpack it'),
        ('ply\nformat ascii 1.0\n'.encode('utf-16'), 'UTF-16; save it as ASCII'),
        (b'LASF\x00\x00', 'call it .las or .laz'),
        (b'solid cube\n', 'another format; export the cloud again'),
    ],
)
def test_what_is_in_a_file_of_another_kind_is_said(tmp_path, suffix, data, said):
    """With what to do about it."""
    path = tmp_path / f'room{suffix}'
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=said):
        read_cloud(path, 1)
