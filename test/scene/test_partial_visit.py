"""A visit to one room of a floor that is known: only what is around it is looked at."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.mask_source import GivenMasks
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import GivenInstances, INSTANCE_CLASSES, ObjectState, Scan

DAY = 86_400 * 10**9
SIDE, STEP = 13.0, 0.06  # m
ROOM = 4.0  # m; the part of the floor that is visited again
BOXES = [
    ((0.8, 0.8), (0.5, 0.5, 0.7), (200, 40, 40)),
    ((2.6, 0.9), (0.8, 0.4, 0.9), (40, 60, 200)),
    ((9.0, 9.0), (0.6, 0.6, 0.6), (40, 200, 60)),
    ((10.5, 3.0), (0.5, 0.7, 0.8), (220, 220, 60)),
]
UNNOTICED = ((1.2, 2.8), (0.5, 0.45, 0.8), (240, 140, 20))  # no mask at the first visit


def shell(low, size, color):
    """Return the sides and the top of a box, with its color."""
    axes = [np.arange(0, s + STEP / 2, STEP) for s in size]
    grid = np.stack(np.meshgrid(*axes, indexing='ij'), -1).reshape(-1, 3)
    side = (grid[:, :2] < STEP / 2) | (grid[:, :2] > np.array(size[:2]) - STEP)
    grid = grid[side.any(axis=1) | (grid[:, 2] > size[2] - STEP)]
    return grid + (*low, STEP), np.tile(color, (len(grid), 1))


def scan_of(boxes, side, stamp_ns, names):
    """Return a scan of a square floor with boxes on it; `names` are their instances."""
    rng = np.random.default_rng(stamp_ns // DAY)
    floor = np.stack(np.meshgrid(*[np.arange(0, side, STEP)] * 2), -1).reshape(-1, 2)
    parts, colors, instance = [], [], []
    for name, box in zip(names, boxes):
        points, color = shell(*box)
        below = (floor > box[0]) & (floor < np.add(box[0], box[1][:2]))
        floor = floor[~below.all(axis=1)]
        parts.append(points)
        colors.append(color)
        instance.append(np.full(len(points), name))
    parts.append(np.c_[floor, np.zeros(len(floor))])
    colors.append(np.full((len(floor), 3), 120))
    instance.append(np.zeros(len(floor), int))
    xyz = np.concatenate(parts) + rng.normal(0, 0.002, (sum(map(len, parts)), 3))
    given = GivenInstances(np.concatenate(instance))
    rgb = np.concatenate(colors).astype(np.uint8)
    return Scan(xyz.astype(np.float32), stamp_ns, rgb, given=given)


@pytest.fixture(scope='module')
def followed(tmp_path_factory):
    """Return the memory after the whole floor and then one room of it, and both scans."""
    first = scan_of([*BOXES, UNNOTICED], SIDE, DAY, [1, 2, 3, 4, 0])
    moved = ((2.9, 2.6), *UNNOTICED[1:])
    second = scan_of([*BOXES[:2], moved], ROOM, 2 * DAY, [1, 2, 3])
    folder = tmp_path_factory.mktemp('floor') / 'memory'
    with SceneMemory.open(folder, 'floor', 'map', INSTANCE_CLASSES) as memory:
        tracker = SceneTracker(memory, GivenMasks())
        yield memory, first, [tracker.add_visit(scan) for scan in (first, second)]


def test_what_is_in_the_room_keeps_its_id_and_the_rest_is_not_observed(followed):
    memory, first, (before, after) = followed
    ids = [
        int(np.unique(before.object_ids[first.given.instance == k]).item()) for k in (1, 2, 3, 4)
    ]
    states = {item.object_id: item.state for item in memory.snapshot().objects}
    assert [states[i] for i in ids[:2]] == [ObjectState.PRESENT] * 2
    assert [states[i] for i in ids[2:]] == [ObjectState.NOT_OBSERVED] * 2
    assert set(ids[:2]) <= set(np.unique(after.object_ids).tolist())


def test_what_its_move_makes_known_is_found_in_the_whole_visit(followed):
    """The points of the earlier visit are counted in all of it, not in the part looked at."""
    memory, first, (before, _) = followed
    labels = memory.labels(before.visit.visit_id)
    new = np.flatnonzero((labels > 0) & (before.object_ids == 0))
    low, size = np.array(UNNOTICED[0]), np.array(UNNOTICED[1][:2])
    over = ((first.xyz[:, :2] > low - 0.1) & (first.xyz[:, :2] < low + size + 0.1)).all(axis=1)
    box = np.flatnonzero(over & (first.xyz[:, 2] > 0.1))
    assert len(np.intersect1d(new, box)) > 0.8 * max(len(new), len(box))


class Asked(GivenMasks):
    """Given masks that note how many points of each name were asked for."""

    def __init__(self):
        self.asked = []

    def segment(self, scans, keys):
        """Return the instances that the scans carry."""
        self.asked.append(dict(zip(keys, map(len, scans))))
        return super().segment(scans, keys)


def test_the_room_of_a_later_visit_has_the_name_of_a_tile_of_the_earlier_one(tmp_path):
    """Three rooms in a row; the middle one is visited again."""
    side, up = np.arange(0, 21, STEP), np.arange(0, 2.4, STEP)
    plan = np.stack(np.meshgrid(side, side[side < 7]), -1).reshape(-1, 2)
    across = np.stack(np.meshgrid(side[side < 7], up), -1).reshape(-1, 2)
    walls = [np.c_[np.full(len(across), x), across] for x in (0, 6.9, 7.0, 13.9, 14.0, 20.9)]
    xyz = np.concatenate([np.c_[plan, np.zeros(len(plan))], *walls]).astype(np.float32)
    none = np.zeros(len(xyz), int)
    first = Scan(xyz, DAY, given=GivenInstances(none))
    room = first.take(np.flatnonzero((xyz[:, 0] > 6.95) & (xyz[:, 0] < 13.95)))
    masks = Asked()
    with SceneMemory.open(tmp_path / 'memory', 'floor', 'map', INSTANCE_CLASSES) as memory:
        tracker = SceneTracker(memory, masks)
        tracker.add_visit(first)
        tracker.add_visit(replace(room, stamp_ns=2 * DAY))
        (whole,) = masks.asked[0]
    (name, points), (own, _) = masks.asked[1].items()
    assert name.visit == whole
    assert own not in ('', whole)
    assert len(room) <= points < 0.5 * len(first)
