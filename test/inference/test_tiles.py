"""Tiles of the floor plan: an object at a border is one, wherever the borders are."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.geometry.floor.pieces import pieces_of, room_around, rooms_of, rooms_of_window
from rescene4d_ros.geometry.floor.room_plan import RoomPlan
from rescene4d_ros.geometry.floor.tiles import TiledCloud, TileShape
from rescene4d_ros.geometry.point_sets import covers_more
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.inference.tiles.segment_tiles import segment_tiles
from rescene4d_ros.memory.derived_cache import DerivedFiles
from rescene4d_ros.scene.mask_source import GivenMasks
from rescene4d_ros.structures import GivenInstances, Scan, Segmentation
from scipy.spatial import cKDTree

EDGE = 4.0
LEAST = 20


def hall(rng, n=60, side=14.0):
    """Return a scan of a hall with boxes apart from each other, and the box of each point."""
    centers = np.stack(np.meshgrid(np.arange(8), np.arange(8)), -1).reshape(-1, 2)
    centers = centers[rng.choice(64, n, replace=False)] * side / 8 + 1.0
    points, boxes = [], []
    for k, center in enumerate(centers):
        size = rng.uniform(0.3, 1.1, 3)
        points.append(np.append(center, 0.7) + rng.uniform(-0.5, 0.5, (80, 3)) * size)
        boxes.append(np.full(80, k + 1))
    floor = np.c_[rng.uniform(0, side + 1, (3000, 2)), np.zeros(3000)]
    xyz = np.concatenate([*points, floor]).astype(np.float32)
    instance = np.concatenate([*boxes, np.zeros(3000, int)])
    return Scan(xyz, 1, given=GivenInstances(instance))


def partition(labels):
    """Return the points of each instance as a set of sets."""
    return {frozenset(np.flatnonzero(labels == k)) for k in np.unique(labels[labels >= 0])}


@pytest.mark.parametrize('seed', range(3))
def test_objects_are_whole_wherever_the_borders_of_tiles_are(seed):
    rng = np.random.default_rng(seed)
    scan = hall(rng)
    expected = partition(scan.given.instance - 1)
    for shift in rng.uniform(-EDGE, EDGE, (4, 2)):
        moved = replace(scan, xyz=scan.xyz + np.append(shift, 0).astype(np.float32))
        found = segment_tiles([moved], None, EDGE, LEAST, GivenMasks().segment)
        assert partition(found.labels[0]) == expected
        assert len(found.class_probs) == len(found.scores) == len(expected)
        assert ((found.point_scores[0] > 0) == (found.labels[0] >= 0)).all()


def test_storeys_over_each_other_share_no_tile():
    """A wardrobe stands over another: each is found by the tile of its own storey."""
    rng = np.random.default_rng(8)
    low = hall(rng, n=30)
    wall = np.c_[rng.uniform(0, 15, 9000), np.zeros(9000), rng.uniform(0, 2.4, 9000)]
    xyz = np.concatenate([low.xyz, wall.astype(np.float32)])
    instance = np.concatenate([low.given.instance, np.zeros(9000, int)])
    stacked = np.concatenate([xyz, xyz + np.float32([0, 0, 3.2])])
    names = np.concatenate([instance, np.where(instance > 0, instance + 100, 0)])
    scan = Scan(stacked, 1, given=GivenInstances(names))
    heights = []

    def segment(scans, keys):
        heights.append(np.ptp(scans[0].xyz[:, 2]))
        return GivenMasks().segment(scans, keys)

    found = segment_tiles([scan], None, EDGE, LEAST, segment)
    assert partition(found.labels[0]) == partition(names - 1)
    assert max(heights) < 2.5


def suite(rng, n=24):
    """Return a scan of three rooms in a row with boxes, two of them pictures on one wall."""
    low = hall(rng, n=n)
    low = low.take(np.flatnonzero(low.xyz[:, 1] < 5.0))
    side, up = np.arange(-0.5, 15.5, 0.05), np.arange(0, 2.4, 0.05)
    walls = []
    for x in (-0.5, 5.1, 5.2, 10.3, 10.4, 15.5):
        y, z = (grid.ravel() for grid in np.meshgrid(side[side < 5.5], up))
        walls.append(np.c_[np.full(y.size, x), y, z])
    for y in (-0.5, 5.5):
        x, z = (grid.ravel() for grid in np.meshgrid(side, up))
        walls.append(np.c_[x, np.full(x.size, y), z])
    shell = np.concatenate(walls)
    picture = np.zeros(len(shell), int)
    for number, x in ((901, 5.1), (902, 5.2)):
        on_wall = (shell[:, 0] == x) & (abs(shell[:, 1] - 2) < 0.4) & (abs(shell[:, 2] - 1) < 0.4)
        picture[on_wall] = number
    xyz = np.concatenate([low.xyz, shell.astype(np.float32)])
    instance = np.concatenate([low.given.instance, picture])
    return Scan(xyz, 1, given=GivenInstances(instance))


def test_rooms_are_tiles_and_both_sides_of_a_wall_are_in_them():
    scan = suite(np.random.default_rng(2))
    widths = []

    def segment(scans, keys):
        widths.append(np.ptp(scans[0].xyz[:, 0]))
        return GivenMasks().segment(scans, keys)

    found = segment_tiles([scan], None, EDGE, LEAST, segment)
    assert partition(found.labels[0]) == partition(scan.given.instance - 1)
    assert len(widths) == 3
    assert max(widths) < 6.5


def test_every_point_is_the_own_of_one_tile_and_a_later_visit_has_the_tiles_of_the_first():
    rng = np.random.default_rng(2)
    first, second = suite(rng), suite(rng, n=20)
    clouds = [first.xyz, second.xyz + np.float32(0.003)]
    pieces = list(pieces_of(clouds, EDGE, LEAST))
    for t, xyz in enumerate(clouds):
        own = np.concatenate([p.points[t][p.is_core[t]] for p in pieces])
        assert sorted(own) == list(range(len(xyz)))
    assert [p.name for p in pieces] == [p.name for p in pieces_of(clouds[:1], EDGE, LEAST)]


def test_the_room_around_a_later_visit_is_the_tile_of_the_earlier_one():
    """So the features of the earlier visit, kept by tile, are those of the room."""
    first = suite(np.random.default_rng(2)).xyz
    plan = RoomPlan.from_bytes(rooms_of([first], EDGE).to_bytes())
    tiles = {piece.name: piece.points[0] for piece in pieces_of([first], EDGE, LEAST)}
    for low, high in ((-0.5, 5.15), (5.15, 10.35), (10.35, 16.0)):
        room = first[(first[:, 0] > low) & (first[:, 0] < high)]
        name, points = room_around(room, first, plan, EDGE)
        assert points.tolist() == tiles[name].tolist()
    assert room_around(first[first[:, 0] < 8.0], first, plan, EDGE) is None


def test_a_visit_keeps_its_rooms_when_its_window_begins_with_it(tmp_path):
    """So what is known of it by room need not be worked out again."""
    rng = np.random.default_rng(2)
    first, third = suite(rng), suite(rng, n=20)
    stub = np.stack(np.meshgrid(np.arange(8.0, 8.1, 0.05), np.arange(0, 5, 0.05), [0]), -1)
    stub = stub.reshape(-1, 3) + np.arange(0, 2.4, 0.05)[:, None, None] * (0, 0, 1)
    xyz = np.concatenate([first.xyz, stub.reshape(-1, 3).astype(np.float32)])
    second = Scan(xyz, 2, given=GivenInstances(np.zeros(len(xyz), np.int64)))
    own = {piece.name for piece in pieces_of([second.xyz], EDGE, LEAST)}
    files, names = DerivedFiles(tmp_path), []

    def segment(scans, keys):
        names[-1].update(keys)
        return GivenMasks().segment(scans, keys)

    for window, keys in (
        ([first], ['a.npz']),
        ([first, second], ['a.npz', 'b.npz']),
        ([second, third], ['b.npz', 'c.npz']),
    ):
        names.append(set())
        segment_tiles(window, keys, EDGE, LEAST, segment, files)
    of_second = [{tile for key, tile in one if key == 'b.npz'} for one in names]
    assert of_second[1] == of_second[2]
    assert of_second[2] != own  # by itself it has other rooms
    names.append(set())
    segment_tiles([second, third], ['b.npz', 'c.npz'], EDGE, LEAST, segment)
    assert {tile for _, tile in names[-1]} == own


def test_rooms_are_those_of_another_visit_where_much_is_new():
    first = suite(np.random.default_rng(2)).xyz
    plan = rooms_of([first[first[:, 0] < 10.35]], EDGE)
    assert rooms_of_window([first[first[:, 0] < 9.8]], EDGE, plan) is plan
    found = rooms_of_window([first], EDGE, plan)
    assert found is not plan
    assert len(found.is_divided) > len(plan.is_divided)


def test_an_object_that_no_tile_holds_whole_is_the_union_of_its_parts():
    along = np.c_[np.linspace(-7, 7, 700), np.full(700, 0.2), np.full(700, 0.5)]
    scan = Scan(along.astype(np.float32), 1, given=GivenInstances(np.ones(700, np.int64)))
    found = segment_tiles([scan], None, EDGE, LEAST, GivenMasks().segment)
    assert (found.labels[0] == 0).all()


def components(scans, keys):
    """Segment visits by what touches, above the floor: one component is one object in all."""
    xyz = np.concatenate([scan.xyz for scan in scans])
    solid = np.flatnonzero(xyz[:, 2] > 0.05)
    label = np.full(len(xyz), -1, np.int32)
    rest = set(solid.tolist())
    tree, number = cKDTree(xyz), 0
    while rest:
        grown, label_of = [rest.pop()], number
        while grown:
            point = grown.pop()
            label[point] = label_of
            near = rest.intersection(tree.query_ball_point(xyz[point], 0.3))
            rest -= near
            grown += near
        number += 1
    ends = np.cumsum([len(scan) for scan in scans])[:-1]
    labels = tuple(np.split(label, ends))
    one = np.ones((number, 1), np.float32)
    scores = tuple((each >= 0).astype(np.float32) for each in labels)
    return Segmentation(labels, one, one[:, 0], one, scores)


def test_an_object_has_one_number_at_all_visits_and_nothing_is_found_elsewhere():
    """The second visit shows one part of the hall: the rest costs nothing."""
    rng = np.random.default_rng(7)
    first = hall(rng, n=30)
    here = (first.xyz[:, :2] < 6.0).all(axis=1)
    second = first.take(np.flatnonzero(here))
    asked = []

    def segment(scans, keys):
        asked.append(keys)
        return components(scans, keys)

    found = segment_tiles([first, second], ['a', 'b'], EDGE, LEAST, segment)
    assert (found.labels[0][here] == found.labels[1]).all()
    assert len(np.unique(found.labels[1])) > 5
    tiles = {f'{column}_{row}' for column in (0, 1) for row in (0, 1)}
    assert {key[1] for keys in asked for key in keys} == tiles
    assert (found.labels[0][(first.xyz[:, :2] > 10).any(axis=1)] == -1).all()


def test_a_visit_without_points_has_no_instances():
    nothing = Scan(np.zeros((0, 3), np.float32), 2, given=GivenInstances(np.zeros(0, np.int64)))
    scan = hall(np.random.default_rng(0))
    found = segment_tiles([scan, nothing], None, EDGE, LEAST, GivenMasks().segment)
    assert len(found) == len(found.labels[1]) == 0
    assert (found.labels[0] == -1).all()


def test_tiles_hold_every_point_once_in_a_core_and_overlap_by_their_margin():
    xyz = np.random.default_rng(3).uniform(-9, 9, (500, 3)).astype(np.float32)
    shape = TileShape(EDGE, 1.0)
    cloud = TiledCloud(xyz, shape)
    assert sum(cloud.counts().values()) == len(xyz)
    names = {shape.name_of(tile) for tile in cloud.counts()}
    assert len(names) == len(cloud.counts())
    assert not any('-' in name for name in names)  # it ends the kind of a file of features
    for tile in cloud.counts():
        low = np.array(tile[:2]) * EDGE
        inside = ((xyz[:, :2] >= low - 1) & (xyz[:, :2] < low + EDGE + 1)).all(axis=1)
        assert cloud.take(tile).tolist() == np.flatnonzero(inside).tolist()


def test_a_few_points_far_away_make_no_floor():
    rng = np.random.default_rng(4)
    room = np.c_[rng.uniform(0, 5, (4000, 2)), np.zeros(4000)]
    stray = np.c_[rng.uniform(-40, 40, (300, 2)), np.ones(300)]
    assert not covers_more([np.concatenate([room, stray]), room + 0.02], 49.0)
    assert covers_more([room, room + (5.5, 0, 0)], 49.0)
    assert not covers_more([room[:0]], 0.0)


def test_the_network_keeps_features_by_tile_and_gives_the_same_again(weights, scans, tmp_path):
    config = InferenceConfig(
        weights=str(weights), device='cpu', torch_threads=1, score_threshold=0.0, tile_size=1.3
    )
    fresh = Segmenter.load(config).segment(scans)
    keeping = Segmenter.load(config)
    keeping.keep_features(DerivedFiles(tmp_path / 'kept'))
    assert_same(keeping.segment(scans, ['monday.npz', 'friday.npz']), fresh)
    names = {path.name.split('_of_')[0] for path in (tmp_path / 'kept').iterdir()}
    assert {'monday.tile_0_0', 'friday.tile_1_1'} <= names
    again = Segmenter.load(config)
    again.keep_features(DerivedFiles(tmp_path / 'kept'))
    assert_same(again.segment(scans, ['monday.npz', 'friday.npz']), fresh)
    assert len(fresh) > 0


def test_a_room_is_one_pass(weights, scans):
    """The default tiles change nothing of a room."""
    config = InferenceConfig(weights=str(weights), device='cpu', torch_threads=1)
    one_pass = Segmenter.load(replace(config, tile_size=0.0)).segment(scans)
    assert_same(Segmenter.load(config).segment(scans), one_pass)


def assert_same(one, other):
    """Compare two segmentations bit by bit."""
    for field in ('labels', 'point_scores'):
        for a, b in zip(getattr(one, field), getattr(other, field), strict=True):
            np.testing.assert_array_equal(a, b)
    for field in ('class_probs', 'scores', 'features'):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
