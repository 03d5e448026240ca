"""The visit that is built of a drive: complete, without what moved, bounded, from good input."""

import dataclasses

import numpy as np
import pytest
from rescene4d_ros.errors import ScanError
from rescene4d_ros.structures import Severity
from rescene4d_ros.visit_building.builder import VisitBuilder
from rescene4d_ros.visit_building.config import VisitBuildingConfig
from rescene4d_ros.visit_building.posed_clouds import PosedCloud
from scipy.spatial import cKDTree

COARSE = VisitBuildingConfig(voxel_size=0.04)


def built(clouds, config=COARSE):
    builder = VisitBuilder(config)
    for cloud in clouds:
        builder.add(cloud)
    return builder.finish()


@pytest.fixture(scope='module')
def visit(drive):
    return built(drive)


def test_static_surfaces_stay_and_the_person_vanishes(drive, visit, make_cloud, on_static):
    """The visit covers what an empty room shows, and no point is where the person walked."""
    scan = visit.scan
    clouds_with_person = np.concatenate(
        [c.xyz @ c.map_T_sensor[:3, :3].T + c.map_T_sensor[:3, 3] for c in drive[10:60]]
    )
    assert (~on_static(clouds_with_person)).sum() > 2000
    assert (~on_static(scan.xyz)).mean() < 0.001
    assert (~on_static(visit.left_out)).sum() > 300
    still = built([make_cloud(k) for k in range(120)]).scan.xyz
    assert (cKDTree(scan.xyz).query(still)[0] < 0.05).mean() > 0.995


def test_what_leaves_during_the_visit_is_dropped(make_cloud, on_static):
    """A box that stands for the first half of a drive, and is hit often, is not in the visit."""
    box = np.array([[-1.5, 0.2, 0.0], [-1.1, 0.6, 0.8]])
    table = np.array([[0.6, 0.8, 0.0], [1.6, 1.5, 0.7]])
    clouds = [make_cloud(k, boxes=(table, box) if k < 60 else (table,)) for k in range(120)]
    assert (~on_static(built(clouds[:60]).scan.xyz)).mean() > 0.005
    assert (~on_static(built(clouds).scan.xyz)).mean() < 0.001


def test_what_arrives_is_kept_once_it_stays(make_cloud, on_static):
    """A box that comes half way is in the visit; one of the last moments may be a person."""
    box = np.array([[-1.5, 0.2, 0.0], [-1.1, 0.6, 0.8]])
    table = np.array([[0.6, 0.8, 0.0], [1.6, 1.5, 0.7]])
    for since, least, most in ((60, 0.005, 1.0), (113, 0.0, 0.001)):
        clouds = [make_cloud(k, boxes=(table, box)[: 1 + (k >= since)]) for k in range(120)]
        assert least <= (~on_static(built(clouds).scan.xyz)).mean() <= most


def test_path_and_viewpoints_say_where_the_sensor_was(drive, visit):
    """Each point has the place of a keyframe from which it was in range."""
    scan = visit.scan
    places = np.array([c.map_T_sensor[:3, 3] for c in drive])
    assert (cKDTree(places).query(scan.sensor_path)[0] < 1e-6).all()
    assert set(np.unique(visit.viewpoint)) <= set(range(len(scan.sensor_path)))
    seen_from = scan.sensor_path[visit.viewpoint]
    assert np.linalg.norm(scan.xyz - seen_from, axis=1).max() < COARSE.max_range + 0.1
    assert (scan.rgb == 90).all()
    assert drive[0].stamp_ns < scan.stamp_ns <= drive[-1].stamp_ns


@pytest.mark.parametrize('cuts', [(1,), (2, 61), (40, 41, 119)])
def test_pauses_between_clouds_change_nothing(drive, visit, cuts):
    """The same keyframes give the same visit, however and with whatever else they come."""
    builder = VisitBuilder(COARSE)
    for k, cloud in enumerate(drive):
        if k in cuts and k > 20:
            builder.finish()  # looking does not disturb
        if builder.wants(cloud.map_T_sensor, cloud.stamp_ns):
            builder.add(cloud)
    again = builder.finish()
    np.testing.assert_array_equal(again.scan.xyz, visit.scan.xyz)
    np.testing.assert_array_equal(again.scan.sensor_path, visit.scan.sensor_path)
    np.testing.assert_array_equal(again.viewpoint, visit.viewpoint)


def test_frame_of_the_points_does_not_matter(drive, visit):
    """Points that come in the map frame give the same surface."""
    in_map = [
        dataclasses.replace(
            c, xyz=c.xyz @ c.map_T_sensor[:3, :3].T + c.map_T_sensor[:3, 3], is_in_map=True
        )
        for c in drive
    ]
    other = built(in_map).scan
    assert len(other) == pytest.approx(len(visit.scan), rel=0.001)
    assert (cKDTree(visit.scan.xyz).query(other.xyz)[0] < 0.001).mean() > 0.999


def test_memory_is_bounded_and_a_full_volume_is_told(drive, caplog):
    """No more voxels than allowed; the finding and the log say what to do."""
    builder = VisitBuilder(dataclasses.replace(COARSE, max_voxels=2000))
    for cloud in drive[:40]:
        builder.add(cloud)
        assert builder.n_voxels <= 2000
    scan = builder.finish().scan
    assert len(scan) <= 2000
    full = next(f for f in scan.findings if f.code == 'volume_full')
    assert full.severity is Severity.WARNING
    assert 'max_voxels' in full.remedy
    assert [r for r in caplog.records if 'volume_full' in r.getMessage()][1:] == []


def test_a_map_far_from_zero_keeps_its_precision(drive, visit):
    """Poses in UTM give the same visit, less its origin."""
    shift = np.array([432_000.0, 5_331_000.0, 0.0])
    moved = []
    for cloud in drive:
        pose = cloud.map_T_sensor.copy()
        pose[:3, 3] += shift
        moved.append(dataclasses.replace(cloud, map_T_sensor=pose))
    scan = built(moved).scan
    assert scan.origin == tuple(shift)
    assert (cKDTree(visit.scan.xyz).query(scan.xyz)[0] < 0.001).mean() > 0.99


def changed_pose(cloud, **values):
    pose = cloud.map_T_sensor.copy()
    for where, value in values.items():
        pose['xyz'.index(where), 3] = value
    return dataclasses.replace(cloud, map_T_sensor=pose)


BAD = {
    'NaN or infinite': lambda c: changed_pose(c, x=np.nan),
    'a rotation and a shift': lambda c: dataclasses.replace(c, map_T_sensor=2 * np.eye(4)),
    '0 points': lambda c: dataclasses.replace(c, xyz=np.zeros((0, 3)), rgb=None),
    'none in this range': lambda c: dataclasses.replace(c, xyz=c.xyz * np.nan),
    'the localization jumped': lambda c: changed_pose(c, x=2.9),
    'check the clocks': lambda c: dataclasses.replace(c, stamp_ns=1_700_000_000 * 10**9),
    'set header.stamp': lambda c: dataclasses.replace(c, stamp_ns=0),
}


@pytest.mark.parametrize('words', BAD)
def test_bad_input_is_refused_and_the_visit_goes_on(drive, words):
    """The error says what is wrong; the clouds around it make the visit as if it had not come."""
    builder, expected = VisitBuilder(COARSE), VisitBuilder(COARSE)
    for k, cloud in enumerate(drive[:12]):
        if k == 8:
            with pytest.raises(ScanError, match=words):
                builder.add(BAD[words](cloud))
        builder.add(cloud)
        expected.add(cloud)
    np.testing.assert_array_equal(builder.finish().scan.xyz, expected.finish().scan.xyz)
    assert builder.counts.refused == 1


def test_shapes_are_checked():
    """A cloud of other shapes is refused before it does harm."""
    with pytest.raises(ScanError, match=r'points \(N, 3\)'):
        PosedCloud(np.zeros((3, 4)), np.eye(4), 10**18)
    with pytest.raises(ScanError, match='one color per point'):
        PosedCloud(np.zeros((3, 3)), np.eye(4), 10**18, np.zeros((2, 3), np.uint8))


def test_an_empty_visit_says_why(make_cloud):
    """Without keyframes, or with one that nothing confirms, there is no scan."""
    with pytest.raises(ScanError, match='check the topic'):
        VisitBuilder(COARSE).finish()
    with pytest.raises(ScanError, match='lower min_keyframes'):
        built([make_cloud(0)])
