"""PCD files of every version, type and kind of data."""

import numpy as np
import open3d as o3d
import pytest
from rescene4d_ros.data.readers.formats.lzf import decompress
from rescene4d_ros.errors import FileFormatError, ScanError


def literal(data):
    """Return LZF data that only announce runs of bytes."""
    runs = (data[k : k + 32] for k in range(0, len(data), 32))
    return b''.join(bytes([len(run) - 1]) + run for run in runs)


def compressed(rows, pack=literal):
    """Return the body of a binary_compressed file: field by field."""
    plain = b''.join(np.ascontiguousarray(rows[n]).tobytes() for n in rows.dtype.names)
    packed = pack(plain)
    return np.array([len(packed), len(plain)], '<u4').tobytes() + packed


@pytest.mark.parametrize('kind', ['ascii', 'binary', 'binary_compressed'])
@pytest.mark.parametrize('xyz', ['f4', 'f8'])
@pytest.mark.parametrize('names', [('red', 'green', 'blue'), ('r', 'g', 'b')])
@pytest.mark.parametrize(('rgb', 'scale'), [('u1', 1), ('u2', 257), ('f4', 1 / 255), ('i2', 1)])
def test_types(cloud, pcd_bytes, read, kind, xyz, names, rgb, scale):
    """Coordinates of both sizes, separate colors of 8 and 16 bits and from 0 to 1."""
    rows = cloud.rows(xyz, rgb, names=('x', 'y', 'z', *names), scale=scale)
    body = compressed(rows) if kind == 'binary_compressed' else None
    cloud.check(read(pcd_bytes(rows, kind, body), '.pcd'))


@pytest.mark.parametrize('kind', ['ascii', 'binary'])
@pytest.mark.parametrize('packed', ['u4', 'i4', 'f4'])
def test_packed_colors(cloud, pcd_bytes, read, kind, packed):
    """As PCL packs them, in each type of 32 bits."""
    rows = np.zeros(64, [('x', 'f4'), ('y', 'f4'), ('z', 'f4'), ('rgb', packed)])
    for k, axis in enumerate('xyz'):
        rows[axis] = cloud.xyz[:, k]
    bits = cloud.rgb.astype('u4') @ np.array([1 << 16, 1 << 8, 1], 'u4')
    rows['rgb'] = bits.astype('u4').view(packed)
    cloud.check(read(pcd_bytes(rows, kind), '.pcd'))


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        (b'FIELDS', b'COLUMNS'),
        (b'POINTS 64\n', b''),
        (b'WIDTH 64\nHEIGHT 1\n', b''),
        (b'WIDTH 64\nHEIGHT 1', b'WIDTH 8\nHEIGHT 8'),
        (b'COUNT 1 1 1 1 1 1\n', b''),
        (b'# .PCD v0.7\n', b''),
        (b'VIEWPOINT', b'# a comment\n\nVIEWPOINT'),
        (b'# .PCD', b'\xef\xbb\xbf# .PCD'),
        (b'FIELDS x y z', b'fields  X\tY Z '),
    ],
)
def test_header_forms(cloud, pcd_bytes, read, old, new):
    """Old names, what may be left out, organized clouds, comments, upper and lower case."""
    data = pcd_bytes(cloud.rows())
    assert old in data
    cloud.check(read(data.replace(old, new, 1), '.pcd'))


def test_viewpoint_is_told(cloud, pcd_bytes, read):
    """Points stay as they are: libraries differ in what it means."""
    good = pcd_bytes(cloud.rows())
    assert not read(good, '.pcd').findings
    for new in (b'VIEWPOINT 1 2 1.5 0.7071 0 0 0.7071', b'VIEWPOINT here'):
        scan = read(good.replace(b'VIEWPOINT 0 0 0 1 0 0 0', new), '.pcd')
        cloud.check(scan)
        (found,) = scan.findings
        assert (found.code, found.measured) == ('viewpoint', new.decode())


def test_old_files_without_types(cloud, pcd_bytes, read):
    """Version 0.5 knew float32 only."""
    rows = cloud.rows()[['x', 'y', 'z']]
    rows = np.rec.fromarrays([rows[n] for n in 'xyz'], names='x,y,z')
    keep = ('FIELDS', 'WIDTH', 'HEIGHT')
    cloud.check(read(pcd_bytes(rows, keep=keep), '.pcd'), color=False)


@pytest.mark.parametrize('newline', [b'\r\n', b'\r'])
def test_line_ends(cloud, pcd_bytes, read, newline):
    """In the header of binary data, and everywhere in text."""
    head, body = pcd_bytes(cloud.rows()).split(b'DATA binary\n')
    head = (head + b'DATA binary\n').replace(b'\n', newline)
    cloud.check(read(head + body, '.pcd'))
    cloud.check(read(pcd_bytes(cloud.rows(), 'ascii').replace(b'\n', newline), '.pcd'))


@pytest.mark.parametrize('kind', ['binary', 'binary_compressed'])
def test_zeros_behind_the_data(cloud, pcd_bytes, read, kind):
    """Those of a page are padding; a byte too many is not, though it is a zero."""
    rows = cloud.rows()
    body = None if kind == 'binary' else compressed(rows)
    data = pcd_bytes(rows, kind, body)
    start = data.index(b'\n', data.index(b'DATA')) + 1
    for length in (4096 - start, -len(data) % 4096):
        cloud.check(read(data + bytes(length), '.pcd'))
    with pytest.raises(FileFormatError, match='expected'):
        read(data + bytes(1), '.pcd')


def test_padding_and_counts(cloud, pcd_bytes, read):
    """Fields called _ hold nothing, and one field may hold many values."""
    rows = np.zeros(64, [('x', 'f4'), ('y', 'f4'), ('z', 'f4'), ('_', 'u1'), ('h', 'f4', (33,))])
    for k, axis in enumerate('xyz'):
        rows[axis] = cloud.xyz[:, k]
    data = pcd_bytes(rows).replace(b'COUNT 1 1 1 1 1', b'COUNT 1 1 1 1 33')
    data = data.replace(b'SIZE 4 4 4 1 132', b'SIZE 4 4 4 1 4').replace(b'F F F U V', b'F F F U F')
    cloud.check(read(data, '.pcd'), color=False)


@pytest.mark.parametrize('kind', ['binary', 'binary_compressed'])
def test_cut_anywhere(cloud, pcd_bytes, read, kind):
    """Or longer than the header says."""
    rows = cloud.rows()
    body = compressed(rows) if kind == 'binary_compressed' else None
    data = pcd_bytes(rows, kind, body)
    for size in range(0, len(data), 11):
        with pytest.raises(FileFormatError, match='expected'):
            read(data[:size], '.pcd')
    with pytest.raises(FileFormatError, match='truncated or'):
        read(data + b'1', '.pcd')
    with pytest.raises(FileFormatError, match='truncated or'):
        read(data + bytes(70_000), '.pcd')
    cloud.check(read(data + bytes(4000), '.pcd'))  # as PCL up to 1.8 writes them


@pytest.mark.parametrize(
    ('new', 'text'),
    [
        (lambda row: row.rpartition(b' ')[0], r'got 64; 5 values in line 41'),
        (lambda row: row + b' 7', r'7 values in line 41'),
        (lambda row: b'# ' + row, "got '#' in line 41"),
        (lambda row: row.replace(b'.', b','), 'in line 41'),
        (lambda row: row + b'\n', None),
        (lambda row: b'', 'got 63'),
    ],
)
def test_text_rows(cloud, pcd_bytes, read, new, text):
    """One line a point; what is not is named with its line."""
    lines = pcd_bytes(cloud.rows(), 'ascii').split(b'\n')
    lines[40] = new(lines[40])
    data = b'\n'.join(lines)
    if text is None:
        cloud.check(read(data, '.pcd'))
        return
    with pytest.raises(FileFormatError, match=text):
        read(data, '.pcd')


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        (b'SIZE 4 4 4', b'SIZE 4 4 3'),
        (b'TYPE F F F', b'TYPE F F X'),
        (b'COUNT 1', b'COUNT 0'),
        (b'COUNT 1', b'COUNT -1'),
        (b'POINTS 64', b'POINTS 63'),
        (b'POINTS 64', b'POINTS x'),
        (b'FIELDS x y z', b'FIELDS x y x'),
        (b'FIELDS x y z', b'FIELDS x y'),
        (b'DATA binary', b'DATA zipped'),
        (b'POINTS 64', b'POINTS 64\nPOINTS 64'),
    ],
)
def test_headers_that_are_none(cloud, pcd_bytes, read, old, new):
    """What does not fit each other is refused before any data are read."""
    with pytest.raises(FileFormatError, match='expected a .pcd header'):
        read(pcd_bytes(cloud.rows()).replace(old, new, 1), '.pcd')


def test_whole_numbers_are_refused(cloud, pcd_bytes, read):
    """Millimeters as int32 are no meters."""
    rows = np.rec.fromarrays((cloud.xyz * 1000).astype('i4').T, names='x,y,z')
    with pytest.raises(ScanError, match='int32.* scale them to meters'):
        read(pcd_bytes(rows), '.pcd')


def test_compressed_by_another_writer(cloud, tmp_path, read):
    """Open3D's files, with copies of earlier bytes in them."""
    xyz = np.repeat(cloud.xyz, 50, axis=0)
    points = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(xyz))
    path = str(tmp_path / 'open3d.pcd')
    assert o3d.io.write_point_cloud(path, points, compressed=True)
    data = (tmp_path / 'open3d.pcd').read_bytes()
    assert b'binary_compressed' in data
    assert len(data) < xyz.nbytes / 2
    np.testing.assert_array_equal(read(data, '.pcd').xyz, xyz)


@pytest.mark.parametrize(
    ('packed', 'size', 'plain'),
    [
        (b'\x00a', 1, b'a'),
        (b'\x00a\x20\x00', 4, b'aaaa'),
        (b'\x01ab\xe0\x01\x01', 12, b'ab' * 6),
        (b'\x00a', 2, None),
        (b'\x05a', 6, None),
        (b'\x20\x00', 3, None),
        (b'\x00a\x20', 4, None),
        (b'\x00a\xe0', 4, None),
        (b'\x00a\x20\x05', 4, None),
        (b'\x00a\x20\x00', 3, None),
        (b'', 0, b''),
    ],
)
def test_lzf(packed, size, plain):
    """Runs, copies that overlap, and what would read or write outside."""
    assert decompress(packed, size) == plain
