"""Files of scanners and phones: LAS, LAZ, E57, written by their own libraries."""

import struct

import laspy
import lazrs
import numpy as np
import pye57
import pytest
from rescene4d_ros.data.readers.cloud_files import read_cloud
from rescene4d_ros.errors import FileFormatError, ScanError

UTM = np.array([691000.0, 5334000.0, 0.0])


def write_las(path, cloud, shift=(0, 0, 0), version='1.4', colors='u2', point_format=7):
    """Write the small cloud; returns the path."""
    header = laspy.LasHeader(point_format=point_format, version=version)
    header.scales, header.offsets = [0.001] * 3, shift
    las = laspy.LasData(header)
    las.x, las.y, las.z = (cloud.xyz.astype('f8') + shift).T
    if colors:
        scale = 257 if colors == 'u2' else 1
        las.red, las.green, las.blue = (cloud.rgb.astype(int) * scale).T
    las.write(str(path))
    return path


@pytest.mark.parametrize('suffix', ['.las', '.laz', '.LAZ'])
@pytest.mark.parametrize(('version', 'point_format'), [('1.2', 3), ('1.4', 7)])
@pytest.mark.parametrize('colors', ['u2', 'u1', ''])
def test_las(cloud, tmp_path, suffix, version, point_format, colors):
    """Colors of 16 bits, of 8 bits in the place of 16, and none."""
    path = tmp_path / f'room{suffix}'
    write_las(path, cloud, (0, 0, 0), version, colors, point_format)
    scan, kept = read_cloud(path, 1)
    np.testing.assert_allclose(scan.xyz, cloud.xyz, atol=1e-6)
    assert kept.all()
    if colors:
        np.testing.assert_array_equal(scan.rgb, cloud.rgb)
    else:
        assert scan.rgb is None


@pytest.mark.parametrize('suffix', ['.las', '.laz'])
def test_las_far_from_zero(cloud, tmp_path, suffix):
    """As surveyors give it."""
    scan, _ = read_cloud(write_las(tmp_path / f'room{suffix}', cloud, UTM), 1)
    assert scan.origin == tuple(UTM)
    np.testing.assert_allclose(scan.xyz, cloud.xyz, atol=1e-6)


@pytest.mark.parametrize('suffix', ['.las', '.laz'])
def test_las_cut_anywhere(cloud, tmp_path, suffix):
    """Also one whose header knows of fewer points than there are."""
    path = write_las(tmp_path / f'room{suffix}', cloud)
    data = path.read_bytes()
    for size in range(0, len(data), 13):
        path.write_bytes(data[:size])
        with pytest.raises(FileFormatError, match='expected a whole .las or .laz file'):
            read_cloud(path, 1)
    if suffix == '.las':
        counted = data.index((64).to_bytes(8, 'little'), 240)
        path.write_bytes(data[:counted] + (60).to_bytes(8, 'little') + data[counted + 8 :])
        with pytest.raises(FileFormatError, match='60 points in the header and 64 in the file'):
            read_cloud(path, 1)


@pytest.mark.parametrize(('version', 'point_format'), [('1.3', 4), ('1.4', 9)])
def test_las_with_waveforms_behind_the_points(cloud, tmp_path, version, point_format):
    """LAS 1.3 names the place of that record alone, and counts it among no others."""
    path = write_las(tmp_path / 'room.las', cloud, (0, 0, 0), version, '', point_format)
    data = bytearray(path.read_bytes())
    data[227:235] = len(data).to_bytes(8, 'little')
    head = struct.pack('<H16sHQ32s', 0, b'LASF_Spec', 65535, 900, b'')
    path.write_bytes(data + head + b'w' * 900)
    scan, _ = read_cloud(path, 1)
    np.testing.assert_allclose(scan.xyz, cloud.xyz, atol=1e-6)
    path.write_bytes(data[:-40] + head + b'w' * 900)
    with pytest.raises(FileFormatError, match='expected a whole .las'):
        read_cloud(path, 1)


@pytest.mark.parametrize('sizes', [(10, 30, 24), (64,), (64, 0)])
def test_chunks_of_any_size(cloud, tmp_path, sizes):
    """As COPC has them, also where an empty one is the last."""
    las = write_las(tmp_path / 'plain.las', cloud).read_bytes()
    start, records = struct.unpack_from('<II', las, 96)
    (step,) = struct.unpack_from('<H', las, 105)
    vlr = lazrs.LazVlr.new_for_compression(7, 0, use_variable_size_chunks=True)
    data = bytes(vlr.record_data())
    record = struct.pack('<H16sHH32s', 0, b'laszip encoded', 22204, len(data), b'') + data
    head = bytearray(las[:start])
    struct.pack_into('<II', head, 96, start + len(record), records + 1)
    head[104] |= 0x80  # compressed
    with open(tmp_path / 'room.laz', 'w+b') as file:
        file.write(bytes(head) + record)
        compressor, at = lazrs.LasZipCompressor(file, vlr), start
        for k, size in enumerate(sizes):
            compressor.compress_many(las[at : at + size * step])
            at += size * step
            if k + 1 < len(sizes):
                compressor.finish_current_chunk()
        compressor.done()
    scan, _ = read_cloud(tmp_path / 'room.laz', 1)
    np.testing.assert_allclose(scan.xyz, cloud.xyz, atol=1e-6)
    np.testing.assert_array_equal(scan.rgb, cloud.rgb)


def test_las_that_promises_too_much(cloud, tmp_path):
    """4 billion records before the points would take hours, and as many points all memory."""
    path = write_las(tmp_path / 'room.las', cloud)
    data = bytearray(path.read_bytes())
    for place, width in ((100, 4), (247, 8)):
        path.write_bytes(data[:place] + b'\xff' * width + data[place + width :])
        with pytest.raises(FileFormatError, match='records before the points|more than 50000000'):
            read_cloud(path, 1)


def write_e57(path, stations):
    """Write stations of (xyz, rgb, rotation, translation)."""
    with pye57.E57(str(path), mode='w') as file:
        for xyz, rgb, rotation, translation in stations:
            data = {f'cartesian{a}': xyz[:, k].astype('f8') for k, a in enumerate('XYZ')}
            data |= {f'color{c}': rgb[:, k] for k, c in enumerate(('Red', 'Green', 'Blue'))}
            data['cartesianInvalidState'] = (np.arange(len(xyz)) == 5).astype('i1')
            file.write_scan_raw(data, rotation=rotation, translation=translation)
    return path


def test_e57(cloud, tmp_path):
    """Two stations come into one frame; where they stood is the sensor's path."""
    half = np.sqrt(0.5)
    turned = np.stack([cloud.xyz[:, 1], -cloud.xyz[:, 0], cloud.xyz[:, 2]], axis=1)
    stations = [
        (cloud.xyz, cloud.rgb, np.array([1.0, 0, 0, 0]), np.zeros(3)),
        (turned, cloud.rgb, np.array([half, 0, 0, half]), np.array([1.0, 2, 0])),
    ]
    scan, kept = read_cloud(write_e57(tmp_path / 'room.e57', stations), 1)
    assert np.flatnonzero(~kept).tolist() == [5, 69]  # those that the scanner calls invalid
    valid = np.arange(64) != 5
    both = np.vstack([cloud.xyz[valid], cloud.xyz[valid] + (1, 2, 0)])
    np.testing.assert_allclose(scan.xyz, both, atol=1e-6)
    np.testing.assert_array_equal(scan.rgb, np.vstack([cloud.rgb[valid]] * 2))
    np.testing.assert_allclose(scan.sensor_path, [[0, 0, 0], [1, 2, 0]])


def test_e57_far_from_zero_and_damaged(cloud, tmp_path):
    """Poses in UTM keep their digits; each page of the file has a checksum."""
    station = (cloud.xyz, cloud.rgb, np.array([1.0, 0, 0, 0]), UTM)
    path = write_e57(tmp_path / 'room.e57', [station])
    scan, _ = read_cloud(path, 1)
    assert scan.origin == tuple(UTM)
    np.testing.assert_allclose(scan.xyz, cloud.xyz[np.arange(64) != 5], atol=1e-6)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(40):
        bad = bytearray(data)
        bad[rng.integers(len(bad))] ^= 1 << rng.integers(8)
        path.write_bytes(bad)
        try:
            again, _ = read_cloud(path, 1)
        except FileFormatError:
            continue
        np.testing.assert_array_equal(again.xyz, scan.xyz)
    for size in range(0, len(data), 97):
        path.write_bytes(data[:size])
        with pytest.raises(FileFormatError, match='expected a whole .e57 file'):
            read_cloud(path, 1)


def write_spherical(path, xyz, rgb, move):
    """Write one station by libE57: angles and ranges, 16 bit colors, at a place."""
    file = pye57.libe57.ImageFile(str(path), 'w')
    structure, number = pye57.libe57.StructureNode, pye57.libe57.FloatNode

    def of(**nodes):
        made = structure(file)
        for name, node in nodes.items():
            made.set(name, node)
        return made

    def real(value=0.0):
        return number(file, float(value), pye57.libe57.E57_DOUBLE, -1e9, 1e9)

    x, y, z = (xyz - move).T.astype('f8')
    distance = np.sqrt(x * x + y * y + z * z)
    columns = {
        'sphericalRange': distance,
        'sphericalAzimuth': np.arctan2(y, x),
        'sphericalElevation': np.arcsin(z / distance),
    }
    prototype = {name: real() for name in columns}
    for k, name in enumerate(('colorRed', 'colorGreen', 'colorBlue')):
        columns[name] = rgb[:, k] * 257.0
        prototype[name] = pye57.libe57.IntegerNode(file, 0, 0, 65535)
    empty = pye57.libe57.VectorNode(file, True)
    points = pye57.libe57.CompressedVectorNode(file, of(**prototype), empty)
    turn = of(w=real(1), x=real(), y=real(), z=real())
    pose = of(rotation=turn, translation=of(**{a: real(v) for a, v in zip('xyz', move)}))
    stations = pye57.libe57.VectorNode(file, True)
    file.root().set('data3D', stations)
    stations.append(of(pose=pose, points=points))
    buffers = pye57.libe57.VectorSourceDestBuffer()
    for name, column in columns.items():
        buffers.append(pye57.libe57.SourceDestBuffer(file, name, column, len(column), True, True))
    writer = points.writer(buffers)
    writer.write(len(xyz))
    writer.close()
    file.close()


def test_e57_of_angles_and_ranges(cloud, tmp_path):
    """Points and colors of another writer, at the place of the station."""
    move = np.array([3.0, -1.0, 0.5])
    write_spherical(tmp_path / 'room.e57', cloud.xyz, cloud.rgb, move)
    scan, _ = read_cloud(tmp_path / 'room.e57', 1)
    np.testing.assert_allclose(scan.xyz, cloud.xyz, atol=1e-6)
    np.testing.assert_array_equal(scan.rgb, cloud.rgb)
    np.testing.assert_allclose(scan.sensor_path, [move], atol=1e-6)


def test_e57_station_without_colors(cloud, tmp_path):
    """Those of the other one are kept; its own points are black, and told."""
    colors = {f'color{c}': cloud.rgb[:, k] for k, c in enumerate(('Red', 'Green', 'Blue'))}
    plain = {f'cartesian{a}': cloud.xyz[:, k].astype('f8') for k, a in enumerate('XYZ')}
    with pye57.E57(str(tmp_path / 'room.e57'), mode='w') as file:
        file.write_scan_raw(plain | colors)
        file.write_scan_raw(plain)
    scan, _ = read_cloud(tmp_path / 'room.e57', 1)
    np.testing.assert_allclose(scan.xyz, np.vstack([cloud.xyz] * 2), atol=1e-6)
    np.testing.assert_array_equal(scan.rgb, np.vstack([cloud.rgb, 0 * cloud.rgb]))
    (found,) = scan.findings
    assert (found.code, found.measured) == ('color', '64 of 128 points whose color is NaN')


@pytest.mark.parametrize('suffix', ['.las', '.laz'])
@pytest.mark.parametrize(('version', 'point_format'), [('1.2', 3), ('1.4', 7)])
def test_las_points_withheld_or_noise_are_left_out(cloud, tmp_path, suffix, version, point_format):
    """Withheld is deleted, as LAS says; a file of nothing else is refused."""
    path = write_las(tmp_path / f'room{suffix}', cloud, version=version, point_format=point_format)
    las = laspy.read(path)
    las.classification[1], las.classification[3] = 7, 18
    las.classification[4] = 6
    las.withheld[5] = 1
    las.write(str(path))
    scan, kept = read_cloud(path, 1)
    np.testing.assert_array_equal(np.flatnonzero(~kept), [1, 3, 5])
    np.testing.assert_allclose(scan.xyz, cloud.xyz[kept], atol=1e-6)
    (told,) = scan.findings
    assert (told.code, told.measured[:6]) == ('marked', '3 of ' + str(len(kept))[0])
    las.withheld[:] = 1
    las.write(str(path))
    with pytest.raises(ScanError, match='marks as withheld or noise'):
        read_cloud(path, 1)
