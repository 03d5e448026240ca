"""`rescene4d replay` as a user runs it: a bag, the same clouds as files, bad input, a restart."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
import json
import os
from pathlib import Path
import subprocess
import sys

import numpy as np
import open3d as o3d
from PIL import Image
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.cli.visits.inputs import parse_time
from rescene4d_ros.cli.visits.replay import summary_of_refused
from rescene4d_ros.data.readers.bags.snapshots import read_snapshots
from rescene4d_ros.data.readers.bags.writing import write_snapshots
from rescene4d_ros.errors import ScanError
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

SAMPLE = Path(__file__).resolve().parents[2] / 'data' / 'sample'
ENV = {**os.environ, 'OMP_NUM_THREADS': '1', 'OMP_WAIT_POLICY': 'PASSIVE'}


def replay(*arguments):
    """Run the command; what imports torch takes seconds to start anew for each test."""
    printed, told = StringIO(), StringIO()
    with redirect_stdout(printed), redirect_stderr(told):
        code = main(['replay', *map(str, arguments)])
    return subprocess.CompletedProcess(arguments, code, printed.getvalue(), told.getvalue())


def replay_as_process(*arguments):
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, '-m', 'rescene4d_ros.cli.main', 'replay', *map(str, arguments)],
        capture_output=True,
        text=True,
        env=ENV,
    )


def documents(folder):
    """Return objects and changes without the names of the visits' files."""
    objects = json.loads((folder / 'objects.json').read_text())
    for visit in objects['visits']:
        visit.pop('name')
    return objects, json.loads((folder / 'changes.json').read_text())


@pytest.fixture(scope='module')
def snapshots():
    """Return the scans of the sample bag."""
    return [scan for scan, _ in read_snapshots(SAMPLE)]


@pytest.fixture(scope='module')
def from_bag(tmp_path_factory):
    """Return the output folder of a replay of the sample bag."""
    folder = tmp_path_factory.mktemp('bag')
    done = replay(SAMPLE, '--memory', folder / 'memory', '--out', folder / 'out')
    assert done.returncode == 0, done.stderr
    return folder / 'out'


def test_a_parameter_of_the_node_is_taken_and_a_wrong_one_refused(snapshots, tmp_path):
    """No instance has a score of 1, so none becomes an object."""
    write_snapshots(tmp_path / 'bag', snapshots[:1])
    places = '--memory', tmp_path / 'memory', '--out', tmp_path / 'out'
    for wrong in ('tracker.windows=2', 'score_threshold=1', 'inference.score_threshold=2'):
        done = replay(tmp_path / 'bag', *places, '--set', wrong)
        assert done.returncode == 2
        assert wrong.partition('=')[0].rpartition('.')[2] in done.stderr
    assert not (tmp_path / 'memory').exists()
    done = replay(tmp_path / 'bag', *places, '--set', 'tracker.birth_score=1')
    assert done.returncode == 0, done.stderr
    assert '0 objects seen' in done.stdout


@pytest.mark.slow
def test_arrays_follow_the_input(from_bag, snapshots):
    """Each visit has one row per input point, in the documented types, and something is found."""
    for k, scan in enumerate(snapshots, start=1):
        with np.load(from_bag / f'visit_{k}.npz') as arrays:
            assert {n: (a.shape, a.dtype) for n, a in arrays.items()} == {
                'instance_id': ((len(scan),), np.dtype(np.int64)),
                'class_id': ((len(scan),), np.dtype(np.int32)),
                'score': ((len(scan),), np.dtype(np.float32)),
            }
            has_object = arrays['instance_id'] > 0
            assert has_object.any()
            np.testing.assert_array_equal(arrays['class_id'] >= 0, has_object)
            assert (arrays['score'][~has_object] == 0).all()


def test_ply_files_give_the_same_ids_and_changes(from_bag, snapshots, tmp_path):
    """The same points as .ply, with the stamps given, are the same visits."""
    files, times = [], []
    for k, scan in enumerate(snapshots):
        cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(scan.xyz.astype(np.float64)))
        cloud.colors = o3d.utility.Vector3dVector(scan.rgb / 255.0)
        files.append(tmp_path / f'cloud_{k}.ply')
        assert o3d.io.write_point_cloud(str(files[-1]), cloud)
        times.append(f'{scan.stamp_ns // 10**9}.{scan.stamp_ns % 10**9:09d}')
    done = replay(
        *files, '--times', *times, '--memory', tmp_path / 'memory', '--out', tmp_path / 'out'
    )
    assert done.returncode == 0, done.stderr
    assert documents(tmp_path / 'out') == documents(from_bag)
    for k in range(1, len(snapshots) + 1):
        with (
            np.load(tmp_path / 'out' / f'visit_{k}.npz') as a,
            np.load(from_bag / f'visit_{k}.npz') as b,
        ):
            for name in b.files:
                np.testing.assert_array_equal(a[name], b[name])


def test_npz_with_bad_points_and_a_second_run(snapshots, tmp_path):
    """NaN points keep their rows and belong to nothing; a second run goes on with the memory."""
    first = snapshots[0]
    xyz = first.xyz.copy()
    xyz[::100] = np.nan
    np.savez(tmp_path / 'monday.npz', xyz=xyz, rgb=first.rgb)
    arguments = ('--memory', tmp_path / 'memory', '--out', tmp_path / 'out')
    assert replay(tmp_path / 'monday.npz', *arguments, '--picture').returncode == 0
    picture = np.asarray(Image.open(tmp_path / 'out' / 'visits.png').convert('RGB'))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    with np.load(tmp_path / 'out' / 'visit_1.npz') as arrays:
        assert len(arrays['instance_id']) == len(xyz)
        assert (arrays['instance_id'][::100] == 0).all()
    ids = {o['object_id'] for o in documents(tmp_path / 'out')[0]['objects']}
    np.savez(tmp_path / 'friday.npz', xyz=first.xyz, rgb=first.rgb)
    done = replay(tmp_path / 'friday.npz', *arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'out' / 'visit_2.npz').exists()
    objects = documents(tmp_path / 'out')[0]['objects']
    kept = [o for o in objects if o['object_id'] in ids and o['state'] == 'PRESENT']
    assert len(kept) >= 0.8 * len(ids)


def test_bad_files_are_refused_and_the_rest_is_done(snapshots, tmp_path):
    """Every bad cloud is named with its remedy; the good one after them is processed."""
    np.savez(tmp_path / 'a_empty.npz', xyz=np.zeros((0, 3), np.float32))
    np.savez(tmp_path / 'b_nan.npz', xyz=np.full((9, 3), np.nan, np.float32))
    np.savez(tmp_path / 'c_fields.npz', points=np.zeros((9, 3), np.float32))
    (tmp_path / 'd_text.ply').write_text('not a cloud')
    np.savez(tmp_path / 'e_good.npz', xyz=snapshots[0].xyz, rgb=snapshots[0].rgb)
    done = replay(tmp_path, '--memory', tmp_path / 'memory', '--out', tmp_path / 'out')
    assert done.returncode == 1
    refused = [line for line in done.stderr.splitlines() if line.startswith('refused: ')]
    assert len(refused) == 4
    for name, line in zip(('a_empty', 'b_nan', 'c_fields', 'd_text'), refused):
        assert name in line
        assert 'expected' in line
    assert (tmp_path / 'out' / 'visit_1.npz').exists()


def test_bad_message_in_a_bag_is_refused_and_the_rest_is_done(snapshots, tmp_path):
    """The visit is named, those around it are processed, and the count is told at the end."""
    store = get_typestore(Stores.ROS2_JAZZY)
    clouds = [scan.take(np.arange(0, len(scan), 4)) for scan in snapshots[:2]]
    write_snapshots(tmp_path / 'whole', clouds)
    with (
        Reader(tmp_path / 'whole') as reader,
        Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        topic = writer.add_connection('/snapshots', 'sensor_msgs/msg/PointCloud2', typestore=store)
        first, last = (data for _, _, data in reader.messages())
        for stamp, data in enumerate((first, first[: len(first) // 2], b'not a message', last)):
            writer.write(topic, stamp, data)
    done = replay(tmp_path / 'bag', '--memory', tmp_path / 'memory', '--out', tmp_path / 'out')
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    refused = [line for line in lines if line.startswith('refused: ')]
    # The half of the first one has its stamp; it is passed over when the whole one is read.
    assert [line.split(':')[1] for line in refused] == [' bag', ' bag snapshot 3']
    assert 'got 1 of 4 with the stamp of another' in refused[0]
    assert lines[-1] == '2 of 4 visits were refused, the others are processed'
    objects = documents(tmp_path / 'out')[0]
    assert [visit['visit_id'] for visit in objects['visits']] == [1, 2]
    assert (tmp_path / 'out' / 'visit_2.npz').exists()


@pytest.mark.parametrize(
    ('refused', 'total', 'line'),
    [
        (1, 1, 'the visit was refused, nothing is processed'),
        (3, 3, 'all 3 visits were refused, nothing is processed'),
        (1, 2, '1 of 2 visits was refused, the other is processed'),
        (2, 3, '2 of 3 visits were refused, the other is processed'),
        (1, 3, '1 of 3 visits was refused, the others are processed'),
        (2, 4, '2 of 4 visits were refused, the others are processed'),
    ],
)
def test_the_last_line_fits_the_numbers(refused, total, line):
    assert summary_of_refused(refused, total) == line


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [(('nothing.ply',), 'no such file'), ((SAMPLE, '--times', '5'), '--times is for files')],
)
def test_wrong_usage_says_what_to_do(arguments, text, tmp_path):
    """Exit code 2 and one line, of the process."""
    done = replay_as_process(
        *arguments, '--memory', tmp_path / 'memory', '--out', tmp_path / 'out'
    )
    assert done.returncode == 2
    assert text in done.stderr


def test_times():
    """ISO 8601 without a zone is UTC; numbers are seconds."""
    assert parse_time('1970-01-02') == 86_400 * 10**9
    assert parse_time('1970-01-01T01:00:00+01:00') == 0
    assert parse_time('1.5') == 1_500_000_000
    assert parse_time('1769428800.000000001') == 1_769_428_800_000_000_001
    with pytest.raises(ScanError, match='ISO 8601'):
        parse_time('yesterday')
