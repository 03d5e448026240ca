"""A visit in the making survives the process that makes it."""

from dataclasses import replace
from pathlib import Path
import signal
import subprocess
import sys

import numpy as np
import pytest
from rescene4d_ros.errors import FileFormatError, StorageError
from rescene4d_ros.structures import Scan
from rescene4d_ros.visit_building.builder import VisitBuilder
from rescene4d_ros.visit_building.config import VisitBuildingConfig
from rescene4d_ros.visit_building.series import VisitSeries
from rescene4d_ros.visit_building.spool import read_spool, Spool

COARSE = VisitBuildingConfig(voxel_size=0.04)

MAKER = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from rescene4d_ros.visit_building.builder import VisitBuilder
from rescene4d_ros.visit_building.config import VisitBuildingConfig
from rescene4d_ros.visit_building.spool import Spool
from conftest import cloud_at
builder = VisitBuilder(VisitBuildingConfig(voxel_size=0.04), spool=Spool(Path(sys.argv[1])))
for k in range(30):
    builder.add(cloud_at(k))
print(builder.counts.keyframes, flush=True)
time.sleep(600)
"""


def test_a_killed_process_leaves_a_partial_visit(tmp_path):
    """After SIGKILL the spool gives the same visit, and says that it is partial."""
    path = tmp_path / 'visit.spool'
    command = [sys.executable, '-c', MAKER, path, Path(__file__).parent]
    maker = subprocess.Popen(command, stdout=subprocess.PIPE)
    keyframes = int(maker.stdout.readline())
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    maker.stdout.close()
    builder = VisitBuilder(COARSE)
    builder.restore(read_spool(path))
    assert builder.counts.keyframes == keyframes
    scan = builder.finish().scan
    assert 'partial' in {f.code for f in scan.findings}
    assert len(scan.sensor_path) == keyframes


def test_a_restored_visit_goes_on_as_if_nothing_had_happened(tmp_path, drive):
    """Kill and restore between two clouds change neither points nor path."""
    path, whole = tmp_path / 'visit.spool', VisitBuilder(COARSE)
    first = VisitBuilder(COARSE, spool=Spool(path))
    for cloud in drive[:40]:
        whole.add(cloud)
        first.add(cloud)
    second = VisitBuilder(COARSE, spool=Spool(path))
    second.restore(read_spool(path))
    for cloud in drive[40:60]:
        whole.add(cloud)
        second.add(cloud)
    a, b = whole.finish().scan, second.finish().scan
    np.testing.assert_array_equal(a.xyz, b.xyz)
    np.testing.assert_array_equal(a.rgb, b.rgb)
    np.testing.assert_array_equal(a.sensor_path, b.sensor_path)
    assert len(list(read_spool(path))) == second.counts.keyframes


def test_cut_and_damaged_records_cost_only_themselves(tmp_path, drive):
    """Whole records before the damage are read, whatever comes after them."""
    path = tmp_path / 'visit.spool'
    builder = VisitBuilder(COARSE, spool=Spool(path))
    ends = []
    for cloud in drive[:20]:
        builder.add(cloud)
        ends.append(path.stat().st_size)
    ends = sorted(set(ends))
    data = path.read_bytes()
    for size in (ends[0], ends[1] - 1, ends[1] + 5, ends[1] + 4000, ends[-1]):
        path.write_bytes(data[:size])
        assert len(list(read_spool(path))) == sum(end <= size for end in ends)
    damaged = bytearray(data)
    damaged[ends[2] + 5000] ^= 1
    path.write_bytes(damaged)
    assert len(list(read_spool(path))) == 3
    path.write_bytes(b'something else')
    with pytest.raises(FileFormatError, match='remove it'):
        list(read_spool(path))


def test_limits_of_the_disk(tmp_path, drive):
    """A spool that is full says so and the visit goes on; a disk that refuses is an error."""
    spool = Spool(tmp_path / 'visit.spool', max_bytes=1000)
    builder = VisitBuilder(COARSE, spool=spool)
    for cloud in drive[:20]:
        builder.add(cloud)
    assert spool.is_full
    assert builder.finish().scan.xyz.size
    spool.remove()
    assert not spool.path.exists()
    (tmp_path / 'file').write_text('')
    with pytest.raises(StorageError, match='free or remount'):
        Spool(tmp_path / 'file' / 'visit.spool')


def test_files_of_others_are_left_alone(tmp_path, drive):
    """A path that names another file, with more beside it: none is changed or removed."""
    path, other = tmp_path / 'visit[1].spool', tmp_path / 'visit[1].spool.txt'
    for file in (path, other):
        file.write_text('notes')
    series = VisitSeries(COARSE, spool_path=path)
    assert series.recover() == []
    for cloud in drive[:20]:
        scan = Scan(cloud.xyz.astype(np.float32), cloud.stamp_ns)
        series.offer(cloud.map_T_sensor, cloud.stamp_ns, False, lambda scan=scan: scan)
    assert len(series.finish().scan) > 1000
    assert [p.read_text() for p in (path, other)] == ['notes', 'notes']


def test_a_disk_that_refuses_costs_no_cloud(tmp_path, drive, caplog):
    """The visit goes on without its spool, and the log says so once."""
    spool, counted = Spool(tmp_path / 'visit.spool'), VisitBuilder(COARSE)
    builder = VisitBuilder(COARSE, spool=spool)
    spool.close()  # writes fail from here on, as on a disk that is gone
    spool._file = open('/dev/full', 'ab', buffering=0)
    for cloud in drive[:20]:
        builder.add(cloud)
        counted.add(cloud)
    np.testing.assert_array_equal(builder.finish().scan.xyz, counted.finish().scan.xyz)
    assert len([r for r in caplog.records if 'No space left' in r.getMessage()]) == 1


def offer_all(series, clouds):
    """Return the visits that end while a series takes clouds."""
    ended = []
    for cloud in clouds:
        scan = Scan(cloud.xyz.astype(np.float32), cloud.stamp_ns, cloud.rgb)
        ended += series.offer(cloud.map_T_sensor, cloud.stamp_ns, False, lambda scan=scan: scan)
    return ended


def test_a_restart_continues_the_visit_or_ends_it(tmp_path, drive):
    """Also after a kill in the middle of a write: one visit, with what came before and after."""
    path = tmp_path / 'visit.spool'
    offer_all(VisitSeries(COARSE, spool_path=path), drive[:30])
    path.write_bytes(path.read_bytes() + b'\x40\0\0\0\0\0\0\0torn')
    series = VisitSeries(COARSE, spool_path=path)
    assert series.recover(resume=True) == []
    assert series.is_resumed
    assert offer_all(series, drive[40:60]) == []
    assert not series.is_resumed
    visit = series.finish()
    assert 'partial' in {f.code for f in visit.scan.findings}
    assert visit.scan.stamp_ns > drive[40].stamp_ns
    parts = VisitBuilder(COARSE)
    for cloud in (*drive[:30], *drive[40:60]):
        parts.add(replace(cloud, xyz=cloud.xyz.astype(np.float32)))
    np.testing.assert_array_equal(visit.scan.xyz, parts.finish().scan.xyz)


def test_a_pause_ends_a_resumed_visit(tmp_path, drive):
    """A robot that is started again the next day delivers the visit of the day before."""
    path = tmp_path / 'visit.spool'
    offer_all(VisitSeries(COARSE, spool_path=path), drive[:30])
    series = VisitSeries(COARSE, spool_path=path)
    series.recover(resume=True)
    later = [replace(c, stamp_ns=c.stamp_ns + 86_400 * 10**9) for c in drive[:12]]
    (visit,) = offer_all(series, later)
    assert visit.scan.stamp_ns <= drive[29].stamp_ns
    assert series.counts.keyframes > 0


def test_one_cloud_is_a_visit_that_can_end(drive):
    """No time passes from its first cloud to its last, and yet there is something to end."""
    series = VisitSeries(replace(VisitBuildingConfig(), min_keyframes=1))
    assert not series.has_points
    offer_all(series, drive[:1])
    assert (series.has_points, series.seconds) == (True, 0.0)
    visit = series.finish()
    assert visit is not None
    assert len(visit.scan) > 1000
    assert not series.has_points
