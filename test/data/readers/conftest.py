"""A small cloud with colors, and files of it that are put together byte by byte."""

import numpy as np
import pytest

NAMES = ('x', 'y', 'z', 'red', 'green', 'blue')
PLY_TYPES = {
    'f4': 'float',
    'f8': 'double',
    'u1': 'uchar',
    'u2': 'ushort',
    'i4': 'int',
    'i2': 'short',
}


class SmallCloud:
    """64 points with colors, the same in every test."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.xyz = rng.uniform(-2, 3, (64, 3)).astype('f4').round(3)
        self.rgb = rng.integers(0, 256, (64, 3)).astype('u1')

    def rows(self, xyz='f4', rgb='u1', order='<', names=NAMES, scale=1.0):
        """Return the points as a structured array (64,); colors times `scale`."""
        rows = np.zeros(64, [(n, order + (xyz if k < 3 else rgb)) for k, n in enumerate(names)])
        for k, name in enumerate(names):
            rows[name] = self.xyz[:, k] if k < 3 else self.rgb[:, k - 3].astype(float) * scale
        return rows

    def check(self, scan, color=True):
        """Assert that a scan holds exactly these points."""
        np.testing.assert_array_equal(scan.xyz, self.xyz)
        assert scan.xyz.dtype == np.float32
        if color:
            np.testing.assert_array_equal(scan.rgb, self.rgb)
        else:
            assert scan.rgb is None


@pytest.fixture
def cloud():
    """Return the small cloud."""
    return SmallCloud()


def ply_header(rows, kind, count=None, newline='\n', extra=()):
    """Return the lines of a .ply header for a structured array."""
    lines = [
        'ply',
        f'format {kind} 1.0',
        f'element vertex {len(rows) if count is None else count}',
    ]
    lines += [f'property {PLY_TYPES[rows.dtype[n].str[1:]]} {n}' for n in rows.dtype.names]
    return newline.join([*lines, *extra, 'end_header', '']).encode()


def text_rows(rows, newline='\n'):
    """Return a structured array as text, a row a line."""
    lines = (' '.join(f'{float(v):.9g}' for v in row.tolist()) for row in rows)
    return newline.join([*lines, '']).encode()


@pytest.fixture
def ply_bytes():
    """Return the function that makes a whole .ply file of a structured array."""

    def make(rows, kind='binary_little_endian', **header):
        body = text_rows(rows, header.get('newline', '\n')) if kind == 'ascii' else rows.tobytes()
        return ply_header(rows, kind, **header) + body

    return make


@pytest.fixture
def pcd_bytes():
    """Return the function that makes a whole .pcd file of a structured array."""

    def make(rows, kind='binary', body=None, keep=None):
        types = [rows.dtype[n] for n in rows.dtype.names]
        header = {
            'VERSION': '0.7',
            'FIELDS': ' '.join(rows.dtype.names),
            'SIZE': ' '.join(str(t.itemsize) for t in types),
            'TYPE': ' '.join(t.kind.upper() for t in types),
            'COUNT': ' '.join('1' for _ in types),
            'WIDTH': str(len(rows)),
            'HEIGHT': '1',
            'VIEWPOINT': '0 0 0 1 0 0 0',
            'POINTS': str(len(rows)),
        }
        lines = [f'{k} {v}' for k, v in header.items() if keep is None or k in keep]
        body = body if body is not None else text_rows(rows) if kind == 'ascii' else rows.tobytes()
        return '\n'.join(['# .PCD v0.7', *lines, f'DATA {kind}', '']).encode() + body

    return make


@pytest.fixture
def read(tmp_path):
    """Return the function that writes bytes to a file and reads it as a scan."""
    from rescene4d_ros.data.readers.cloud_files import read_cloud

    def read_bytes(data, suffix='.ply', **arguments):
        path = tmp_path / f'room{suffix}'
        path.write_bytes(data)
        return read_cloud(path, 1, **arguments)[0]

    return read_bytes
