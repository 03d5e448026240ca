"""Real .ply, .pcd and .npz files, written by Open3D and NumPy."""

import os
import resource

import numpy as np
import open3d as o3d
import pytest
from rescene4d_ros.data.readers.cloud_files import read_cloud
from rescene4d_ros.errors import FileFormatError, ScanError


@pytest.fixture
def points():
    """Return float32 points and colors."""
    rng = np.random.default_rng(0)
    return (
        rng.normal(size=(300, 3)).astype(np.float32),
        rng.integers(0, 256, (300, 3), dtype=np.uint8),
    )


def write(path, xyz, rgb=None, normals=None):
    """Write a cloud with Open3D."""
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(xyz))
    if rgb is not None:
        cloud.colors = o3d.utility.Vector3dVector(rgb / 255)
    if normals is not None:
        cloud.normals = o3d.utility.Vector3dVector(normals)
    assert o3d.io.write_point_cloud(str(path), cloud)


@pytest.mark.parametrize('suffix', ['ply', 'pcd', 'npz'])
def test_values_and_order_are_exact(tmp_path, points, suffix):
    """Every bit of float32 coordinates and 8-bit colors, in the order of the file."""
    xyz, rgb = points
    path = tmp_path / f'room.{suffix}'
    if suffix == 'npz':
        np.savez(path, xyz=xyz.astype(np.float64), rgb=rgb.astype(np.float32))
    else:
        write(path, xyz, rgb, normals=np.tile((0.0, 0.0, 1.0), (300, 1)))
    scan, kept = read_cloud(path, 42, frame_id='atlas')
    assert scan.xyz.tobytes() == xyz.tobytes()
    np.testing.assert_array_equal(scan.rgb, rgb)
    assert kept.all()
    assert (scan.stamp_ns, scan.frame_id, scan.name) == (42, 'atlas', path.name)
    if suffix != 'npz':
        np.testing.assert_array_equal(scan.normals, np.tile((0, 0, 1), (300, 1)))


@pytest.mark.parametrize('suffix', ['ply', 'pcd', 'npz'])
def test_not_finite_points_are_dropped(tmp_path, points, suffix):
    """And the mask says which."""
    xyz, rgb = points
    xyz[5] = np.nan
    path = tmp_path / f'room.{suffix}'
    np.savez(path, xyz=xyz, rgb=rgb) if suffix == 'npz' else write(path, xyz, rgb)
    scan, kept = read_cloud(path, 1)
    assert np.flatnonzero(~kept).tolist() == [5]
    assert len(scan) == len(scan.rgb) == 299


def test_color_is_optional(tmp_path, points):
    """No color is None."""
    np.savez(tmp_path / 'a.npz', xyz=points[0])
    write(tmp_path / 'a.ply', points[0])
    assert read_cloud(tmp_path / 'a.npz', 1)[0].rgb is None
    assert read_cloud(tmp_path / 'a.ply', 1)[0].rgb is None


@pytest.mark.parametrize('suffix', ['ply', 'pcd', 'npz'])
def test_truncated_files_are_refused(tmp_path, points, suffix):
    """Not read as a smaller cloud."""
    path = tmp_path / f'room.{suffix}'
    np.savez(path, xyz=points[0]) if suffix == 'npz' else write(path, *points)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FileFormatError, match='truncated|damaged'):
        read_cloud(path, 1)


def test_truncated_text_is_refused(tmp_path, points):
    """ASCII files end anywhere, also within a number."""
    path = tmp_path / 'room.ply'
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points[0]))
    o3d.io.write_point_cloud(str(path), cloud, write_ascii=True)
    assert len(read_cloud(path, 1)[0]) == 300
    path.write_bytes(path.read_bytes().rstrip().rpartition(b' ')[0])
    with pytest.raises(FileFormatError, match='expected 300 points .* got 299 points'):
        read_cloud(path, 1)


@pytest.mark.parametrize('suffix', ['ply', 'pcd', 'npz'])
def test_noise_is_refused(tmp_path, suffix):
    """Bytes of nothing."""
    path = tmp_path / f'room.{suffix}'
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(FileFormatError):
        read_cloud(path, 1)


@pytest.mark.parametrize(
    ('arrays', 'text'),
    [
        ({'vertices': np.zeros((5, 3))}, "expected an array 'xyz' .* got: vertices"),
        ({'xyz': np.zeros((5, 2))}, r'got \(5, 2\)'),
        ({'xyz': np.zeros((5, 3)), 'rgb': np.zeros((4, 3))}, r'expected rgb of shape \(5, 3\)'),
        ({'xyz': np.zeros((5, 3)), 'rgb': np.full((5, 3), 300)}, 'from 0 to 255'),
        ({'xyz': np.zeros((0, 3))}, 'empty'),
        ({'xyz': np.full((5, 3), np.nan)}, 'finite'),
    ],
)
def test_unusable_arrays_are_refused(tmp_path, arrays, text):
    """With what was expected and what came."""
    np.savez(tmp_path / 'a.npz', **arrays)
    with pytest.raises(ScanError, match=text):
        read_cloud(tmp_path / 'a.npz', 1)


def test_arrays_of_other_names_are_told(tmp_path, points):
    """Colors under another name would be missed by nobody."""
    np.savez(tmp_path / 'a.npz', xyz=points[0], colour=points[1], intensity=points[0][:, 0])
    (finding,) = read_cloud(tmp_path / 'a.npz', 1)[0].findings
    assert "also 'colour', 'intensity'" in str(finding)
    assert 'rename' in finding.remedy


def test_files_without_coordinates_are_refused(tmp_path):
    """A PLY of colors alone, a PCD of intensities alone, and one without points."""
    ply = tmp_path / 'a.ply'
    ply.write_text('ply\nformat ascii 1.0\nelement vertex 1\nproperty uchar red\nend_header\n7\n')
    pcd = tmp_path / 'a.pcd'
    pcd.write_text(
        'VERSION .7\nFIELDS intensity\nSIZE 4\nTYPE F\nCOUNT 1\nWIDTH 1\nHEIGHT 1\n'
        'POINTS 1\nDATA ascii\n0\n'
    )
    for path, got in ((ply, 'red'), (pcd, 'intensity')):
        with pytest.raises(ScanError, match=f'expected fields x, y, z, got: {got}'):
            read_cloud(path, 1)
    ply.write_text(
        'ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\n'
        'property float y\nproperty float z\nend_header\n'
    )
    with pytest.raises(ScanError, match='empty'):
        read_cloud(ply, 1)


def test_other_formats_are_refused(tmp_path):
    """With the formats that are read."""
    (tmp_path / 'a.obj').write_text('v 0 0 0')
    with pytest.raises(FileFormatError, match='expected .ply, .pcd, .npz'):
        read_cloud(tmp_path / 'a.obj', 1)


def test_an_array_of_another_name_is_no_array(tmp_path, points):
    """A damaged name in a .npz file would drop the colors without a word."""
    path = tmp_path / 'room.npz'
    np.savez(path, xyz=points[0], rgb=points[1])
    data = path.read_bytes()
    last = data.rindex(b'rgb.npy')
    for name in (b'rgb.npx', b'rgc.npy'):
        path.write_bytes(data[:last] + name + data[last + 7 :])
        with pytest.raises(FileFormatError, match='damaged'):
            read_cloud(path, 1)


@pytest.mark.parametrize(('dtype', 'top'), [('f4', 1), ('f8', 1), ('f8', 255), ('u2', 65535)])
def test_arrays_of_colors_in_every_range(tmp_path, points, dtype, top):
    """Floats from 0 to 1 are no black cloud."""
    rgb = (points[1] * (top / 255)).astype(dtype)
    np.savez(tmp_path / 'a.npz', xyz=points[0], rgb=rgb, path=points[0][:5])
    scan, _ = read_cloud(tmp_path / 'a.npz', 1)
    np.testing.assert_array_equal(scan.rgb, points[1])
    np.testing.assert_array_equal(scan.sensor_path, points[0][:5])


@pytest.mark.parametrize('suffix', ['.ply', '.pcd', '.npz', '.las', '.laz', '.e57'])
def test_pipes_devices_and_folders_are_no_clouds(tmp_path, suffix):
    """They would be read without end."""
    pipe, device, folder = (tmp_path / f'{n}{suffix}' for n in ('pipe', 'device', 'folder'))
    os.mkfifo(pipe)
    device.symlink_to('/dev/zero')
    folder.mkdir()
    for path in (pipe, device, folder):
        with pytest.raises(FileFormatError, match='got a folder, pipe or device'):
            read_cloud(path, 1)
    for name in (f'absent{suffix}', f'{"x" * 5000}{suffix}', f'nul\0{suffix}'):
        with pytest.raises(FileFormatError, match='expected a file that can be read'):
            read_cloud(tmp_path / name, 1)


@pytest.mark.parametrize('n_bytes', [1 << 38, 1 << 31])
def test_sparse_files_are_refused_before_they_are_read(tmp_path, n_bytes):
    """A file of 2 GiB for two points, or of more than the memory of the machine."""
    headers = {
        '.ply': b'ply\nformat binary_little_endian 1.0\nelement vertex 2\nproperty float x\n'
        b'property float y\nproperty float z\nend_header\n',
        '.pcd': b'FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 2\nHEIGHT 1\nDATA binary\n',
    }
    for suffix, header in headers.items():
        path = tmp_path / f'sparse{suffix}'
        with path.open('wb') as file:
            file.write(header)
            file.truncate(n_bytes)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(FileFormatError, match='GB, got|as its header says, got'):
            read_cloud(path, 1)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


@pytest.mark.parametrize('name', ['rgb', 'rgba', 'color', 'colors'])
def test_names_of_colors_in_npz(tmp_path, points, name):
    """Three or four values a point."""
    xyz, rgb = points
    for values in (rgb, np.column_stack([rgb, rgb[:, 0]]), rgb / 255):
        np.savez(tmp_path / 'room.npz', xyz=xyz, **{name: values})
        np.testing.assert_array_equal(read_cloud(tmp_path / 'room.npz', 1)[0].rgb, rgb)


def test_arrays_of_npz_cannot_hide(tmp_path, points):
    """A damaged length in the table of contents takes the next entry for a comment."""
    path = tmp_path / 'room.npz'
    np.savez_compressed(path, xyz=points[0], rgb=points[1])
    data = bytearray(path.read_bytes())
    first = data.index(b'PK\x01\x02')
    second = data.index(b'PK\x01\x02', first + 1)
    end = data.index(b'PK\x05\x06')
    data[first + 32 : first + 34] = (end - second).to_bytes(2, 'little')  # of its comment
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match='1 arrays in the place of 2'):
        read_cloud(path, 1)
