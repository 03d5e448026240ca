"""PLY files of every form that the format allows, and damaged ones, which are refused."""

import numpy as np
import plyfile
import pytest
from rescene4d_ros.errors import FileFormatError, ScanError

KINDS = ('ascii', 'binary_little_endian', 'binary_big_endian')
ORDER = {'ascii': '<', 'binary_little_endian': '<', 'binary_big_endian': '>'}


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(
    ('old', 'new'),
    [
        (b'', b''),
        (b'element vertex', b'element  vertex'),
        (b'property float x', b'property\tfloat   x '),
        (b'property float x', b'obj_info num_cols 4\nproperty float x'),
        (b'property float x', b'comment between\n\nproperty float x'),
        (b'element', b'comment was: element vertex 12 of part A\nelement'),
        (b'float x', b'float32 X'),
        (b'ply\nformat', b'ply\ncomment made by hand\nobj_info before\nformat'),
        (b'ply', b'\xef\xbb\xbfply'),
        (b'property uchar red', b'property uint8 Red'),
    ],
)
def test_header_forms(cloud, ply_bytes, read, kind, old, new):
    """Blanks, comments and obj_info anywhere, upper case, other names of types, UTF-8's mark."""
    data = ply_bytes(cloud.rows(order=ORDER[kind]), kind)
    assert old in data
    cloud.check(read(data.replace(old, new, 1)))


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('newline', ['\n', '\r\n', '\r'])
def test_line_ends(cloud, ply_bytes, read, kind, newline):
    """Also where the first byte of the data is one of a line's end."""
    rows = cloud.rows(order=ORDER[kind])
    cloud.check(read(ply_bytes(rows, kind, newline=newline)))
    if kind != 'ascii':
        for first in (b'\n', b'\r'):
            rows.view('u1')[0] = first[0]
            assert len(read(ply_bytes(rows, kind, newline=newline))) == 64


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('xyz', ['f4', 'f8'])
@pytest.mark.parametrize(('rgb', 'scale'), [('u1', 1), ('u2', 257), ('i4', 1), ('f4', 1 / 255)])
def test_number_types(cloud, ply_bytes, read, kind, xyz, rgb, scale):
    """Floats of both sizes; colors of 8 and 16 bits and from 0 to 1."""
    cloud.check(read(ply_bytes(cloud.rows(xyz, rgb, ORDER[kind], scale=scale), kind)))


@pytest.mark.parametrize('order', ['=', '<', '>'])
def test_meshes_of_another_writer(cloud, tmp_path, read, order):
    """Elements before the points, and faces of several lengths behind them."""
    camera = np.zeros(100, [('a', 'f8'), ('b', 'f8')])
    faces = np.zeros(3, [('vertex_indices', 'O')])
    faces['vertex_indices'] = [np.arange(n, dtype='i4') for n in (3, 4, 5)]
    elements = [
        plyfile.PlyElement.describe(camera, 'camera'),
        plyfile.PlyElement.describe(cloud.rows(), 'vertex'),
        plyfile.PlyElement.describe(faces, 'face', val_types={'vertex_indices': 'i4'}),
    ]
    path = tmp_path / 'mesh.ply'
    plyfile.PlyData(elements, text=order == '=', byte_order=order).write(str(path))
    data = path.read_bytes()
    cloud.check(read(data))
    for cut in (3, 9, len(data) // 2):
        with pytest.raises(FileFormatError, match='expected'):
            read(data[:-cut])


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('length', ['char', 'ushort', 'int'])
def test_lists_among_the_values_of_points(cloud, read, order, length):
    """A list of another length in each row; a cut one is not read as memory."""
    size = {'char': 'i1', 'ushort': 'u2', 'int': 'i4'}[length]
    kind = 'binary_little_endian' if order == '<' else 'binary_big_endian'
    body = b''
    for k, row in enumerate(cloud.rows(order=order)):
        near = np.arange(k % 4, dtype=order + 'i4')
        body += np.array([len(near)], order + size).tobytes() + near.tobytes() + row.tobytes()
    names = '\n'.join(f'property float {a}' for a in 'xyz')
    colors = '\n'.join(f'property uchar {c}' for c in ('red', 'green', 'blue'))
    head = (
        f'ply\nformat {kind} 1.0\nelement vertex 64\nproperty list {length} int near\n'
        f'{names}\n{colors}\nend_header\n'
    ).encode()
    cloud.check(read(head + body))
    for cut in (1, 3, 200):
        with pytest.raises(FileFormatError, match='truncated'):
            read(head + body[:-cut])
    if size != 'u2':  # a length below zero
        first = np.array([-1], order + size).tobytes()
        with pytest.raises(FileFormatError, match='truncated'):
            read(head + first + body[len(first) :])


@pytest.mark.parametrize('kind', KINDS[1:])
def test_cut_anywhere(cloud, ply_bytes, read, kind):
    """A byte less or some bytes more than the header says."""
    data = ply_bytes(cloud.rows(order=ORDER[kind]), kind)
    for size in range(0, len(data), 7):
        with pytest.raises(FileFormatError, match='expected'):
            read(data[:size])
    with pytest.raises(FileFormatError, match=r'expected 64 points .* truncated'):
        read(data[:-1])
    with pytest.raises(FileFormatError, match='the header does not fit the data'):
        read(data + b'1')
    cloud.check(read(data + b'\n'))


def test_text_without_last_newline_or_lines(cloud, ply_bytes, read):
    """Values are parted by blanks: the last row may end anywhere, rows may share lines."""
    data = ply_bytes(cloud.rows(), 'ascii')
    cloud.check(read(data.rstrip()))
    head, body = data.split(b'end_header\n')
    cloud.check(read(head + b'end_header\n' + body.replace(b'\n', b' ')))
    pairs = body.split(b'\n')
    two = b'\n'.join(a + b' ' + b for a, b in zip(pairs[0:64:2], pairs[1:64:2]))
    cloud.check(read(head + b'end_header\n' + two))
    cloud.check(read(head + b'end_header\n\n' + body.replace(b'\n', b' \r\n\n')))


def changed(data, row, new):
    """Return a text file with one row of its data replaced."""
    lines = data.split(b'\n')
    start = lines.index(b'end_header') + 1
    lines[start + row] = new(lines[start + row]) if callable(new) else new
    return b'\n'.join(lines), start + row + 1


@pytest.mark.parametrize('row', [0, 30, 63])
@pytest.mark.parametrize(
    'new',
    [
        b'# x y z',
        b'some words in the row',
        lambda line: line.replace(b'.', b','),
        lambda line: line.replace(b' ', b'_'),
        lambda line: line.rpartition(b' ')[0],
        lambda line: line + b' 7',
        lambda line: line.rpartition(b' ')[0] + b' 300',
        lambda line: line.rpartition(b' ')[0] + b' 1.5',
        lambda line: line + b'\0',
        lambda line: b'0x10 ' + line.partition(b' ')[2],
        lambda line: b'1e ' + line.partition(b' ')[2],
    ],
)
def test_damaged_text_rows_are_refused_with_their_line(cloud, ply_bytes, read, row, new):
    """Never read as other points."""
    data, line = changed(ply_bytes(cloud.rows(), 'ascii'), row, new)
    with pytest.raises(FileFormatError, match=rf'line {line}\b|at point {row + 1}\b'):
        read(data)


@pytest.mark.parametrize('keep', [3, 5])
def test_rows_without_what_the_header_promises(cloud, ply_bytes, read, keep):
    """Colors that are in no row."""
    head, body = ply_bytes(cloud.rows(), 'ascii').split(b'end_header\n')
    short = b'\n'.join(b' '.join(line.split()[:keep]) for line in body.splitlines())
    with pytest.raises(FileFormatError, match=f'6 values in each line, got .* {keep} values'):
        read(head + b'end_header\n' + short)


def test_a_value_too_few_and_one_too_many_do_not_make_up(cloud, ply_bytes, read):
    """The number of values alone would be right."""
    data, line = changed(ply_bytes(cloud.rows(), 'ascii'), 5, lambda r: r.rpartition(b' ')[0])
    data, _ = changed(data, 9, lambda r: r + b' 7')
    with pytest.raises(FileFormatError, match=f'5 values in line {line}'):
        read(data)


@pytest.mark.parametrize(
    ('old', 'new', 'text'),
    [
        (b'vertex 64', b'vertex 6_4', 'vertex 6_4'),
        (b'vertex 64', b'vertex -1', 'vertex -1'),
        (b'vertex 64', b'vertex 99999999999999999999', 'line 3'),
        (b'vertex 64', b'vertex 64 64', 'line 3'),
        (b'element vertex', b'element face', 'one element vertex, got: face'),
        (b'float y', b'float x', 'got x twice'),
        (b'float y', b'quaternion y', 'quaternion y'),
        (b'float y', b'list float int y', 'line 5'),
        (b'1.0', b'2.0', 'binary_little_endian 2.0'),
        (b'format binary_little_endian 1.0\n', b'', 'its format'),
        (b'end_header', b'end', "'end'|end_header"),
        (b'ply', b'plx', "starts with 'ply'"),
    ],
)
def test_headers_that_are_none(cloud, ply_bytes, read, old, new, text):
    """Each is named with its line."""
    with pytest.raises(FileFormatError, match=text):
        read(ply_bytes(cloud.rows()).replace(old, new, 1))


def test_a_promise_of_many_points_takes_no_memory(cloud, ply_bytes, read):
    """A count of 10^17 in a small file."""
    for kind in KINDS:
        data = ply_bytes(cloud.rows(), kind, count=10**17)
        with pytest.raises(FileFormatError, match='expected 100000000000000000'):
            read(data)
        lists = data.replace(b'end_header', b'property list uchar int near\nend_header')
        with pytest.raises(FileFormatError, match='expected'):
            read(lists)


@pytest.mark.parametrize('kind', KINDS[1:])
def test_wrong_byte_order_in_the_header(cloud, ply_bytes, read, kind):
    """Coordinates of 1e-21 to 1e38 are those of no scan."""
    order = '>' if ORDER[kind] == '<' else '<'
    for xyz in ('f4', 'f8'):
        with pytest.raises(ScanError, match='byte order'):
            read(ply_bytes(cloud.rows(xyz, order=order), kind))
