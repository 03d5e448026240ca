"""Every method on masks that are true, where its ids can be told beforehand, and on a network."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.evaluation import ComparisonConfig, METHODS, TrueMasks
from rescene4d_ros.evaluation.methods import (
    joint,
    query_index,
    remember,
    run_method,
    shown,
    windows,
)
from rescene4d_ros.evaluation.observations import stack
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.metrics import reduce_sequence, ScoreRules, summarize
from rescene4d_ros.structures import ChangeKind

RULES = ScoreRules(min_region=20)
NUMBERED = (
    'joint',
    'per_visit_semantic',
    'per_visit_geometric',
    'pairwise',
    'ema',
    'query_index',
    'oracle_link',
    'memory',
    'memory_without_path',
    'memory_oracle_masks',
    'memory_oracle_masks_without_path',
)


def scores(observations, name):
    """Return the scores of one method on one case."""
    prediction, _ = run_method(name, observations)
    return summarize([reduce_sequence(observations.case.scored, prediction, RULES)], RULES)


def issued(case, prediction):
    """Return the ids that each true object got, visit by visit; 0 = none."""
    reduced = reduce_sequence(case.scored, prediction, RULES)
    return dict(zip(case.scored.instance_ids.tolist(), reduced.ids.issued.T.tolist()))


@pytest.mark.parametrize('name', NUMBERED)
def test_still_room_is_perfect_on_true_masks(case, places, seen, name):
    """Whatever links the masks, nothing that stays is lost, switched or said to change."""
    found = scores(seen(case(places, places, places)), name)
    assert (found['t_map'], found['map'], found['id_switch_rate']) == (1.0, 1.0, 0.0)
    assert found['false_change_rate'] == 0.0


@pytest.mark.parametrize(
    ('name', 'keeps'),
    [
        ('joint', True),
        ('per_visit_semantic', True),
        ('per_visit_geometric', False),
        ('pairwise', True),
        ('oracle_link', True),
        ('memory', True),
        ('memory_oracle_masks', True),
    ],
)
def test_moved_farther_than_place_can_tell(case, places, seen, name, keeps):
    """The chair goes to the other end: who links by place makes two of it."""
    made = case(places, places | {1: (0.5, 2.2)})
    prediction, _ = run_method(name, seen(made))
    first, second = issued(made, prediction)[1]
    assert first > 0
    assert second > 0
    assert (first == second) == keeps
    stated = {c.kind for c in prediction.changes if c.visit == 1}
    assert stated == ({ChangeKind.MOVED} if keeps else {ChangeKind.ADDED, ChangeKind.REMOVED})


@pytest.mark.parametrize(
    ('name', 'keeps'),
    [
        ('joint', True),
        ('pairwise', False),
        ('ema', False),
        ('per_visit_semantic', True),
        ('per_visit_geometric', True),
        ('oracle_link', True),
        ('memory', True),
    ],
)
def test_away_for_a_visit(case, places, seen, name, keeps):
    """The table leaves and returns: who looks back one visit only has forgotten it."""
    made = case(places, {i: places[i] for i in (1, 3)}, places)
    before, between, after = issued(made, run_method(name, seen(made))[0])[2]
    assert between == 0
    assert (before == after > 0) == keeps


def test_windows_of_joint_share_a_visit_but_no_longer_past(case, places, seen):
    """Ids go on over the seam; what is away in the shared visit is new afterwards."""
    gone = {i: places[i] for i in (1, 3)}
    made = case(places, gone, places, places)
    for window, keeps in ((0, True), (3, True), (2, False)):
        observations = seen(made, window=window)
        ids = issued(made, run_method('joint', observations)[0])
        assert len(set(ids[1])) == len(set(ids[3])) == 1
        before, between, *after = ids[2]
        assert between == 0
        assert len(set(after)) == 1
        assert (before == after[0]) == keeps
        masks, numbers = joint(observations)
        assert [len(m) for m in masks] == [len(n) for n in numbers] == [3, 2, 3, 3]


@pytest.mark.parametrize('n_visits', range(1, 13))
@pytest.mark.parametrize('most', [0, 2, 3, 5])
def test_windows_cover_everything_and_share_one_visit(n_visits, most):
    cut = list(windows(n_visits, most))
    assert (cut[0][0], cut[-1][1]) == (0, n_visits)
    assert all(0 < end - first <= (most or n_visits) for first, end in cut)
    assert all(second[0] == first[1] - 1 for first, second in zip(cut, cut[1:]))
    assert all(second[1] > first[1] for first, second in zip(cut, cut[1:]))


def test_window_of_one_visit_is_refused():
    with pytest.raises(ConfigError, match='at least 2'):
        ComparisonConfig(window=1)


def test_oracle_link_misses_only_what_the_masks_miss(case, places, seen):
    """Chair and table trade places."""
    made = case(places, places | {1: places[2], 2: places[1]})
    found = scores(seen(made), 'oracle_link')
    assert (found['id_switch_rate'], found['t_map']) == (0.0, 1.0)


def test_memory_gives_truth_from_true_masks(case, places, seen):
    """Classes, scores, ids and changes of a memory that sees the truth."""
    made = case(places, places | {1: (0.5, 2.2)}, {2: places[2], 3: places[3]})
    found = scores(seen(made), 'memory_oracle_masks')
    assert (found['t_map'], found['id_switch_rate'], found['merge_rate']) == (1.0, 0.0, 0.0)
    assert (found['change_precision'], found['change_recall']) == (1.0, 1.0)
    assert found['move_error_cm_median'] < 3


def test_true_masks_leave_out_what_is_no_object(case, places):
    """A wall with an instance id is no mask; the masks of two visits are never one."""
    made = case(places, places)
    walls = tuple(
        replace(
            v,
            objects=tuple(replace(o, class_id=18) if o.instance_id == 3 else o for o in v.objects),
        )
        for v in made.truth.visits
    )
    masks = TrueMasks(made.sequence, replace(made.truth, visits=walls))
    found = masks.segment(made.sequence.scans, ['a', 'b'])
    assert len(found) == 4
    for label, visit in zip(found.labels, made.truth.visits):
        np.testing.assert_array_equal(label >= 0, np.isin(visit.instance, (1, 2)))
    assert not set(shown(found, 0)) & set(shown(found, 1))


@pytest.fixture
def segmenter(weights):
    """Return an untrained network under whose thresholds something is found."""
    return Segmenter.load(
        InferenceConfig(weights=str(weights), device='cpu', torch_threads=1, score_threshold=0.0)
    )


def test_shared_features_change_nothing(case, places, seen, segmenter, weights):
    """Windows and single visits of the cache are those of a segmenter that keeps nothing."""
    made = case(places, places, places)
    observations = seen(made, segmenter)
    fresh = Segmenter.load(segmenter.config)
    scans = made.sequence.scans
    for first, end in ((0, 3), (1, 3), (2, 3)):
        kept, new = observations.window(first, end), fresh.segment(scans[first:end])
        for a, b in zip(kept.labels, new.labels, strict=True):
            np.testing.assert_array_equal(a, b)
    for t, single in enumerate(observations.singles()):
        assert observations.window(t, t + 1) is single
        np.testing.assert_array_equal(single.labels[0], fresh.segment(scans[t : t + 1]).labels[0])


def test_stacked_parts_one_cloud_into_its_visits(case, places, seen, segmenter):
    """Labels are those of the joined cloud, but for masks with too few points in a visit."""
    made = case(places, places | {1: (0.5, 2.2)})
    parted, scans = seen(made, segmenter).stacked(), made.sequence.scans
    whole = Segmenter.load(segmenter.config).segment([stack(scans)]).labels[0]
    assert [len(label) for label in parted.labels] == [len(scan) for scan in scans]
    for label, of_whole in zip(parted.labels, np.split(whole, [len(scans[0])])):
        sizes = Counter(of_whole.tolist())
        expected = [
            i if sizes[i] >= segmenter.config.min_points else -1 for i in of_whole.tolist()
        ]
        assert label.tolist() == expected
    bare = stack([scans[0], replace(scans[1], rgb=None)])
    assert (bare.rgb, len(bare)) == (None, len(scans[0]) + len(scans[1]))


def test_query_index_is_the_query(case, places, seen, segmenter):
    """Ids are the numbers of queries; further parts of a query are linked to nothing."""
    observations = seen(case(places, places, places), segmenter)
    masks, ids = query_index(observations)
    ever = Counter()
    for numbers, single, visit in zip(ids, observations.singles(), masks, strict=True):
        assert len(numbers) == len(visit) == len(set(numbers.tolist())) > 0
        queries = single.queries[shown(single, 0)] + 1
        assert set(queries.tolist()) <= set(numbers.tolist())
        ever.update(set(numbers.tolist()) - set(queries.tolist()))
    assert set(ever.values()) <= {1}


@pytest.mark.parametrize('n_visits', [1, 3])
def test_every_method_runs_on_a_network(case, places, seen, segmenter, n_visits):
    """Also where there is one visit only: one mask per object and visit, inside the cloud."""
    made = case(*[places] * n_visits)
    observations = seen(made, segmenter, window=2)
    for name in METHODS:
        prediction, seconds = run_method(name, observations)
        n_points = len(made.scored.visit)
        assert seconds >= 0
        assert ((prediction.points >= 0) & (prediction.points < n_points)).all()
        mask = np.repeat(np.arange(len(prediction)), np.diff(prediction.starts))
        claims = Counter(zip(prediction.object_ids[mask].tolist(), prediction.points.tolist()))
        assert max(claims.values(), default=1) == 1
        assert len(set(prediction.points.tolist())) == len(prediction.points), 'masks overlap'
        # The memory ignores instances of so low a score; regions of change have no masks.
        if name not in ('memory', 'memory_without_path', 'change_regions'):
            assert len(prediction) > 0, name


COSTS = {  # s of three visits: 10 for the features of each, 1 to segment each
    'joint': 33,
    'per_visit_semantic': 33,
    'per_visit_geometric': 33,
    'pairwise': 33,
    'ema': 33,
    'query_index': 33,
    'oracle_link': 33,
    'memory': 35,
    'memory_without_path': 35,
    'memory_oracle_masks': 0,
    'memory_oracle_masks_without_path': 0,
}


@pytest.mark.parametrize('backwards', [False, True])
def test_costs_are_those_of_a_method_alone(slow, seen, backwards):
    """Whoever comes first computes; whoever comes later is charged the same."""
    made, segmenter = slow
    observations = seen(made, segmenter, clock=lambda: segmenter.now)
    for name in sorted(COSTS, reverse=backwards):
        assert run_method(name, observations)[1] == COSTS[name], name


def test_nothing_is_computed_twice(slow, seen):
    """All methods: features once per visit, and no set of visits is segmented again."""
    made, segmenter = slow
    observations = seen(made, segmenter)
    for name in COSTS:
        run_method(name, observations)
    assert len(segmenter.known) == 3
    assert len(segmenter.asked) == len(set(segmenter.asked)) == 6  # 3 alone, 2 pairs, all
    assert segmenter.now == 3 * 10 + 3 * 1 + 2 * 2 + 3


@pytest.mark.parametrize('sensor_path', [True, False])
def test_the_memory_gets_a_path_or_none(case, places, seen, sensor_path):
    """Both rows of a table come of one run: the masks are the same, the path is left out."""
    made = case(places, places)
    path = np.zeros((2, 3), np.float32) + 1
    scans = tuple(replace(scan, sensor_path=path) for scan in made.sequence.scans)
    made = replace(made, sequence=replace(made.sequence, scans=scans))
    stored = []

    class Kept(TrueMasks):
        def segment(self, scans, keys):
            stored.extend(scans)
            return super().segment(scans, keys)

    masks = Kept(made.sequence, made.truth)
    remember(seen(made), masks, sensor_path=sensor_path)
    assert stored
    assert all((scan.sensor_path is not None) == sensor_path for scan in stored)


@pytest.mark.parametrize(('window', 'counts'), [(1, [1, 1, 1]), (2, [1, 2, 2])])
def test_the_memory_segments_as_many_visits_as_its_window(case, places, seen, window, counts):
    made = case(places, places, places)
    segmented = []

    class Counted(TrueMasks):
        def segment(self, scans, keys):
            segmented.append(len(scans))
            return super().segment(scans, keys)

    observations = seen(made, tracker_window=window)
    found = remember(observations, Counted(made.sequence, made.truth))
    assert segmented == counts
    assert len(found.object_ids) == len(places)


def test_memory_takes_what_was_segmented_before(case, places, seen, segmenter):
    """Masks of the comparison are those that the memory's own segmenter would have made."""
    made = case(places, places | {1: (0.5, 2.2)}, places)
    shared = run_method('memory', seen(made, segmenter))[0]
    alone = remember(seen(made), Segmenter.load(segmenter.config))
    for field in ('points', 'starts', 'classes', 'scores', 'object_ids'):
        np.testing.assert_array_equal(getattr(shared, field), getattr(alone, field))


def test_published_masks_of_a_network_are_scored(case, places, seen, segmenter):
    """The masks overlap, so one point may be in several; precision is defined, changes are not."""
    made = case(places, places)
    prediction, _ = run_method('published', seen(made, segmenter, published_top=30))
    assert len(prediction) == 30
    assert len(set(prediction.points.tolist())) < len(prediction.points)
    assert (np.diff(prediction.scores) <= 0).all()
    scores = summarize([reduce_sequence(made.scored, prediction, RULES)], RULES)
    assert scores['t_map'] is not None
    assert scores['change_f1'] is None


def test_superpoints_of_the_data_set_are_used(case, places, seen, segmenter):
    made = case(places)
    cubes = np.unique(np.floor(made.sequence.scans[0].xyz / 0.4), axis=0, return_inverse=True)[1]
    own = replace(made, superpoint=(cubes.ravel(),))
    observations = seen(own, segmenter)
    prediction, _ = run_method('published', observations)
    starts, cells = prediction.starts, cubes.ravel()
    for a, b in zip(starts, starts[1:]):
        inside = np.zeros(len(cells), bool)
        inside[prediction.points[a:b]] = True
        share = np.bincount(cells, inside) / np.bincount(cells)
        assert ((share < 0.1) | (share > 0.9)).mean() > 0.9  # but for voxels of two superpoints
