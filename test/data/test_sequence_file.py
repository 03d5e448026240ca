"""Sequence files: what comes back, how small they are, and what is refused."""

import json
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rescene4d_ros.data.sequences.octahedral import decode_normals, encode_normals
from rescene4d_ros.data.sequences.sequence_file import as_stored, read_sequence, write_sequence
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures import Box, ChangeKind, ObjectState, Scan, ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject, VisitTruth


def make_sequence(n=2000, ids=300):
    """Return two visits with everything set, far from the origin of the map."""
    rng = np.random.default_rng(1)
    scans, visits = [], []
    for t in range(2):
        xyz = (rng.uniform(-8, 8, (n, 3)) + (1000.0, -2000.0, 30.0)).astype(np.float32)
        normals = rng.normal(size=(n, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        scans.append(
            Scan(
                xyz,
                10**18 + t,
                rng.integers(0, 256, (n, 3), dtype=np.uint8),
                normals.astype(np.float32),
                rng.normal(size=(7, 3)).astype(np.float32),
                'atlas',
                f'visit {t}',
            )
        )
        one = TrueObject(
            5,
            2,
            ObjectState.ABSENT,
            False,
            np.eye(4) * 1.5,
            Box((1.0, 2.0, 3.0), (0.5, 0.6, 0.7), -1.2),
            ChangeKind.REMOVED,
            3,
            0.25,
        )
        visits.append(
            VisitTruth(
                rng.integers(0, ids, n).astype(np.int32),
                rng.integers(-1, 20, n).astype(np.int32),
                (one,),
            )
        )
    return ScanSequence(tuple(scans), 'room'), SequenceTruth(tuple(visits))


@pytest.mark.parametrize('ids', [200, 60_000, 100_000])
def test_round_trip(tmp_path, ids):
    """All comes back; positions to half a millimetre, normals to one and a half degrees."""
    sequence, truth = make_sequence(ids=ids)
    write_sequence(tmp_path / 'a.npz', sequence, truth)
    got, got_truth = read_sequence(tmp_path / 'a.npz')
    assert got.name == 'room'
    for a, b in zip(sequence.scans, got.scans, strict=True):
        np.testing.assert_allclose(b.xyz, a.xyz, atol=0.00065)  # half a mm and float32 at 2 km
        np.testing.assert_array_equal(b.rgb, a.rgb)
        np.testing.assert_array_equal(b.sensor_path, a.sensor_path)
        assert (a.normals * b.normals).sum(axis=1).min() > np.cos(np.deg2rad(1.5))
        assert (b.stamp_ns, b.frame_id, b.name) == (a.stamp_ns, a.frame_id, a.name)
    for a, b in zip(truth.visits, got_truth.visits, strict=True):
        np.testing.assert_array_equal(b.instance, a.instance)
        np.testing.assert_array_equal(b.semantic, a.semantic)
        x, y = a.objects[0], b.objects[0]
        np.testing.assert_array_equal(x.map_T_object, y.map_T_object)
        for field in (
            'instance_id',
            'class_id',
            'state',
            'in_room',
            'box',
            'change',
            'ambiguity_group',
            'visible_share',
        ):
            assert getattr(x, field) == getattr(y, field), field


def test_as_stored_is_what_a_reader_gets(tmp_path):
    """To the last bit, with and without what is optional."""
    sequence, truth = make_sequence()
    bare = tuple(Scan(s.xyz, s.stamp_ns) for s in sequence.scans)
    for scans in (sequence.scans, bare):
        write_sequence(tmp_path / 'a.npz', ScanSequence(scans), truth)
        for scan, got in zip(scans, read_sequence(tmp_path / 'a.npz')[0].scans, strict=True):
            told = as_stored(scan)
            for field in ('xyz', 'rgb', 'normals', 'sensor_path'):
                np.testing.assert_array_equal(getattr(told, field), getattr(got, field))


def test_optional_arrays_stay_absent(tmp_path):
    """A scan without color, normals and path is read as one."""
    sequence, truth = make_sequence()
    bare = ScanSequence(tuple(Scan(s.xyz, s.stamp_ns) for s in sequence.scans))
    write_sequence(tmp_path / 'a.npz', bare, truth)
    scan = read_sequence(tmp_path / 'a.npz')[0].scans[1]
    assert scan.rgb is None
    assert scan.normals is None
    assert scan.sensor_path is None


def test_at_most_thirteen_bytes_per_point(tmp_path):
    """Even noise that cannot be compressed stays compact."""
    n = 20_000
    sequence, truth = make_sequence(n, ids=200)
    write_sequence(tmp_path / 'a.npz', sequence, truth)
    assert (tmp_path / 'a.npz').stat().st_size / (2 * n) < 13.2


def test_same_content_same_bytes(tmp_path):
    """Nothing of the clock or the machine gets into the file."""
    for name in ('a', 'b'):
        write_sequence(tmp_path / f'{name}.npz', *make_sequence())
    assert (tmp_path / 'a.npz').read_bytes() == (tmp_path / 'b.npz').read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ['a.npz', 'b.npz']


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file_is_refused(tmp_path, share):
    """Wherever the file ends early."""
    path = tmp_path / 'a.npz'
    write_sequence(path, *make_sequence())
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(FileFormatError, match='damaged'):
        read_sequence(path)


@pytest.mark.parametrize(
    ('key', 'value', 'text'),
    [('version', 99, 'expected version 1, got 99'), ('format', 'other', 'expected format')],
)
def test_other_version_or_format_is_refused(tmp_path, key, value, text):
    """With both versions named."""
    path = tmp_path / 'a.npz'
    write_sequence(path, *make_sequence())
    with np.load(path) as file:
        arrays = {k: file[k] for k in file.files}
    header = json.loads(arrays['header'].tobytes())
    header[key] = value
    arrays['header'] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(FileFormatError, match=text):
        read_sequence(path)


def test_zip_of_something_else_is_refused(tmp_path):
    """A zip is not enough."""
    path = tmp_path / 'a.npz'
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('hello.txt', 'hello')
    with pytest.raises(FileFormatError, match='expected a whole'):
        read_sequence(path)


def test_too_large_scan_is_refused_and_leaves_nothing(tmp_path):
    """16 bits of millimetres hold 65 m."""
    sequence, truth = make_sequence()
    far = sequence.scans[0].xyz.copy()
    far[0] += 100
    scans = (Scan(far, 1), sequence.scans[1])
    with pytest.raises(FileFormatError, match='65 m'):
        write_sequence(tmp_path / 'a.npz', ScanSequence(scans), truth)
    assert not list(tmp_path.iterdir())


@settings(max_examples=200)
@given(
    st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda v: np.linalg.norm(v) > 0.01)
)
def test_octahedral_normals(v):
    """Any direction comes back within one and a half degrees, also on the folds."""
    n = np.array([v]) / np.linalg.norm(v)
    got = decode_normals(encode_normals(n.astype(np.float32)))
    assert float((got * n).sum()) > np.cos(np.deg2rad(1.5))
