"""Fusion of masks and change regions: who agrees, what is split off, what is new."""

import numpy as np
import pytest
from rescene4d_ros.structures import MaskSource, OTHER_OBJECT, Segmentation
from rescene4d_ros.tracking.regions.changed_things import ChangedThing
from rescene4d_ros.tracking.regions.fusion import fuse

N = 1000  # points of a visit
NOTHING = np.zeros(0, dtype=np.int64)
NO_IDS = [np.zeros(N, dtype=np.int64)]


def segmentation(before, now, scores):
    """Return instances as ranges of points of two visits; one entry per instance."""
    labels = []
    for ranges in (before, now):
        label = np.full(N, -1, np.int32)
        for instance, points in enumerate(ranges):
            label[slice(*points)] = instance
        labels.append(label)
    n = len(scores)
    return Segmentation(
        tuple(labels),
        np.eye(18, dtype=np.float32)[np.full(n, 2)],
        np.array(scores, np.float32),
        np.zeros((n, 4), np.float32),
        tuple((label >= 0).astype(np.float32) for label in labels),
        np.arange(n),
    )


def thing(before=NOTHING, now=NOTHING, quality=0.8):
    """Return a thing that left some points and came to others."""
    return ChangedThing((np.array(before, dtype=int), np.array(now, dtype=int)), quality)


def points_of(fused, instance, visit=1):
    """Return the points of an instance."""
    return np.flatnonzero(fused.segmentation.labels[visit] == instance)


@pytest.mark.parametrize(('score', 'wins'), [(0.5, range(100, 200)), (0.3, range(100, 260))])
def test_the_better_outline_of_one_thing_wins(score, wins):
    """A region of quality 0.8 has an outline of 0.4: a mask of a higher score keeps its own."""
    found = segmentation([(0, 0)], [(100, 200)], [score])
    fused = fuse(found, [thing(now=range(100, 260))], NO_IDS)
    assert points_of(fused, 0).tolist() == list(wins)
    assert len(fused.segmentation) == 1
    assert fused.came == {0: 0.8}
    assert fused.segmentation.source_of(0) is MaskSource.NETWORK


def test_a_thing_on_a_larger_one_is_split_off():
    """The larger one stays where it was, so what came is another."""
    found = segmentation([(100, 500)], [(100, 560)], [0.7])
    fused = fuse(found, [thing(now=range(480, 560))], NO_IDS)
    assert points_of(fused, 0).tolist() == list(range(100, 480))
    assert points_of(fused, 1).tolist() == list(range(480, 560))
    assert fused.segmentation.source_of(1) is MaskSource.CHANGE
    assert fused.segmentation.class_probs[1].argmax() == OTHER_OBJECT
    assert fused.segmentation.scores[1] == pytest.approx(0.4)
    assert found.labels[1][500] == 0, 'what was given is not altered'


def test_a_surer_mask_is_not_split():
    found = segmentation([(100, 500)], [(100, 560)], [0.9])
    assert len(fuse(found, [thing(now=range(480, 560))], NO_IDS).segmentation) == 1


def test_the_end_of_a_thing_that_was_shifted_is_no_other_thing():
    """Where part of the same instance left, the whole of it moved."""
    found = segmentation([(100, 500)], [(180, 580)], [0.7])
    ends = [thing(now=range(500, 580)), thing(before=range(100, 180))]
    fused = fuse(found, ends, NO_IDS)
    assert len(fused.segmentation) == 1
    np.testing.assert_array_equal(fused.segmentation.labels[1], found.labels[1])


def test_a_region_without_mask_is_an_observation_and_masks_without_change_stay():
    found = segmentation([(0, 100)], [(0, 100)], [0.9])
    fused = fuse(found, [thing(now=range(300, 400))], NO_IDS)
    assert points_of(fused, 0).tolist() == list(range(100))
    assert points_of(fused, 1).tolist() == list(range(300, 400))
    assert fused.segmentation.queries.tolist() == [0, 1]


def test_a_move_spans_the_visits_and_is_discovered_where_no_object_was():
    none = segmentation([], [], [])
    moved = thing(range(100), range(500, 600), 0.7)
    fused = fuse(none, [moved], NO_IDS)
    assert points_of(fused, 0, visit=0).tolist() == list(range(100))
    (one,) = fused.discoveries
    assert (one.visit, one.instance, one.points.tolist()) == (0, 0, list(range(100)))
    known = np.zeros(N, dtype=np.int64)
    known[:60] = 5
    assert fuse(none, [moved], [known]).discoveries == ()


def test_what_left_is_discovered_without_an_instance():
    fused = fuse(segmentation([], [], []), [thing(range(50, 150))], NO_IDS)
    (one,) = fused.discoveries
    assert one.instance is None
    assert len(fused.segmentation) == 0


def test_without_regions_nothing_changes():
    found = segmentation([(0, 100)], [(0, 100)], [0.9])
    assert fuse(found, [], NO_IDS).segmentation is found
