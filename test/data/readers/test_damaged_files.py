"""
Files and messages damaged in every way: what was written comes out, or a refusal.

Never an exception of another library, never memory, never more time or memory than a whole file.
"""

import os
import resource
import time

from hypothesis import given, HealthCheck, settings, strategies
import numpy as np
import pytest
from rescene4d_ros.cli.visits.inputs import find_visits
from rescene4d_ros.data.readers.bags.messages import Recorded, Topic
from rescene4d_ros.data.readers.bags.snapshots import Snapshot
from rescene4d_ros.data.readers.point_cloud2 import decode_cloud
from rescene4d_ros.errors import RescenError

from .files_to_damage import CLOUD, damage, KINDS, message, N, RGB, ROS2, XYZ

FEW = 60  # inputs per kind
# Those of the slow tests: 20 kinds make 112,000. FUZZ_SEEDS=START:STOP goes on or elsewhere.
MANY = range(*map(int, os.environ.get('FUZZ_SEEDS', '0:5600').split(':')))
SLOWEST = 20.0  # s of the processor; far above what any input takes
MOST_MEMORY = 600 << 20  # bytes above what the process had
SEEDS = strategies.integers(0, 2**40)
CHECKS = settings(
    max_examples=FEW,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def check_many(check):
    """Check the seeds `MANY`; a failure names its own, from which a run can go on."""
    for seed in MANY:
        try:
            check(seed)
        except BaseException as error:
            error.add_note(f'seed {seed}; repeat with FUZZ_SEEDS={seed}:{seed + 1}')
            raise


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Return the function that gives a kind's whole file as bytes."""
    folder = tmp_path_factory.mktemp('whole')
    made = {}

    def of(kind):
        if kind.name not in made:
            path = folder / f'{kind.name.replace(" ", "_")}{kind.suffix}'
            kind.write(path, *kind.arguments)
            made[kind.name] = path.read_bytes()
        return made[kind.name]

    return of


def read_all(path):
    """Return the scans of a file, and how many refusals there were."""
    try:
        inputs = find_visits([path])
    except RescenError:
        return [], 1
    scans, refused = [], inputs.refused_count + len(inputs.notes)
    for read in inputs.visits():
        try:
            scans.append(read()[0])
        except RescenError:
            refused += 1
    return scans, refused


def is_as_written(scan):
    """Return whether a scan is the cloud that was written."""
    same = len(scan) == N and np.abs(scan.xyz - XYZ).max() < 1e-5
    return bool(same and scan.rgb is not None and (scan.rgb == RGB).all())


def bits(scans):
    """Return all bytes of scans: reading twice must not differ."""
    return [(s.xyz.tobytes(), None if s.rgb is None else s.rgb.tobytes()) for s in scans]


def changed_points(scan):
    """Return how many points are not as written."""
    if len(scan) != N:
        return N
    return int(((np.abs(scan.xyz - XYZ) > 1e-5).any(1) | (scan.rgb != RGB).any(1)).sum())


def check_damaged(kind, data, seed, path):
    """Read a damaged file and check that nothing was made up; return the seconds it took."""
    what, bad = damage(data, seed)
    path.write_bytes(bad)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    scans, refused = read_all(path)
    took = time.process_time() - started
    assert took < SLOWEST
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < MOST_MEMORY
    assert bits(scans) == bits(read_all(path)[0])
    is_bag = len(scans) + refused > 1 or kind.suffix not in ('.ply', '.pcd', '.npz')
    if what == 'cut' and kind.name in ('ply text', 'pcd text'):
        assert all(changed_points(s) <= 1 for s in scans)  # the last number may have lost digits
    elif what == 'cut':
        assert all(map(is_as_written, scans))
        assert scans or refused or is_bag
    elif kind.checksum and what in ('flip', 'shift'):
        assert all(map(is_as_written, scans))
    elif kind.plain and what == 'flip':
        assert all(len(s) != N or s.rgb is None or changed_points(s) <= 3 for s in scans)
    elif kind.plain and what == 'shift' and 'text' not in kind.name:
        # In the header, a name may be another one; in the data, the length tells.
        assert all(s.rgb is None or is_as_written(s) for s in scans)
    return took


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
def test_whole_files_are_read(whole, kind, tmp_path):
    """Otherwise nothing that follows would mean anything."""
    path = tmp_path / f'whole{kind.suffix}'
    path.write_bytes(whole(kind))
    scans, refused = read_all(path)
    assert len(scans) == (3 if kind.name.split()[0] in ('mcap', 'sqlite', 'ros1') else 1)
    assert all(map(is_as_written, scans))
    assert not refused


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
@CHECKS
@given(seed=SEEDS)
def test_damaged_files(whole, kind, tmp_path, seed):
    """A few of each kind."""
    check_damaged(kind, whole(kind), seed, tmp_path / f'damaged{kind.suffix}')


@pytest.mark.slow
@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
def test_many_damaged_files(whole, kind, tmp_path, record_property):
    """Many; the slowest one is told."""
    slowest = [0.0]

    def check(seed):
        took = check_damaged(kind, whole(kind), seed, tmp_path / f'damaged{kind.suffix}')
        slowest[0] = max(slowest[0], took)

    check_many(check)
    record_property('slowest_s', round(slowest[0], 3))


def check_bytes_of_message(seed):
    """Damage a serialized message."""
    data = ROS2.serialize_cdr(message(10**18), CLOUD).tobytes()
    what, bad = damage(data, seed)
    snapshot = Snapshot('bag snapshot 1', 1, Recorded(Topic('/cloud', CLOUD), 10**18, bad))
    try:
        scan, kept = snapshot.read()
    except RescenError:
        return
    again, _ = snapshot.read()
    assert bits([scan]) == bits([again])
    assert kept.sum() == len(scan)
    if what == 'cut':
        assert is_as_written(scan)


def check_numbers_of_message(seed):
    """Set the numbers of a message to edges; its data stay."""
    rng = np.random.default_rng(seed)
    made = message(10**18)
    edges = (0, 1, 3, 14, 15, 16, N, 2**31 - 4, 2**31 - 1, 2**31, 2**32 - 1, 15 * N)
    for _ in range(rng.integers(1, 4)):
        value = int(edges[rng.integers(len(edges))])
        name = rng.choice(
            ['width', 'height', 'point_step', 'row_step', 'offset', 'count', 'datatype']
        )
        target = (
            made.fields[rng.integers(len(made.fields))]
            if name in ('offset', 'count', 'datatype')
            else made
        )
        setattr(target, str(name), value % 256 if name == 'datatype' else value)
    try:
        scan, kept = decode_cloud(made)
    except RescenError:
        return
    again, _ = decode_cloud(made)
    assert bits([scan]) == bits([again])
    assert len(scan) <= len(kept) <= 15 * N
    # Every coordinate is made of bytes of the data.
    data = np.frombuffer(bytes(made.data), np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(data, 4)
    known = set(map(bytes, windows)) | set(map(bytes, windows[:, ::-1]))
    if all(f.datatype == 7 for f in made.fields[:3]):
        assert {v.tobytes() for v in scan.xyz.ravel()} <= known


@CHECKS
@given(seed=SEEDS)
def test_bytes_of_messages(seed):
    """A few."""
    check_bytes_of_message(seed)


@CHECKS
@given(seed=SEEDS)
def test_numbers_of_messages(seed):
    """A few."""
    check_numbers_of_message(seed)


@pytest.mark.slow
def test_many_bytes_of_messages():
    """Many."""
    check_many(check_bytes_of_message)


@pytest.mark.slow
def test_many_numbers_of_messages():
    """Many."""
    check_many(check_numbers_of_message)
