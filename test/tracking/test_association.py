"""Who is who: rules that hold whatever the weights of the evidence are."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from rescene4d_ros.geometry.boxes import fit_box
from rescene4d_ros.geometry.place_evidence import MISSED_ZONE, Place, PlaceEvidence
from rescene4d_ros.structures import ObjectState
from rescene4d_ros.tracking.association.association import associate
from rescene4d_ros.tracking.association.pair_evidence import compare_shapes, gather
from rescene4d_ros.tracking.association.pair_scores import (
    CERTAIN,
    find_alternatives,
    loss_of_others,
    OTHER_ROOMS,
    usual_color,
    USUAL_OBJECTS,
)
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from rescene4d_ros.tracking.settings import TrackingSettings
from scipy.optimize import linear_sum_assignment

CHAIR, TABLE = np.eye(2, dtype=np.float32)
RED, BLUE = np.zeros(6, np.float32), np.array([0.3, 0.3, 1, 0.1, 0.1, 0.3], np.float32)
SETTINGS = TrackingSettings()


def shape(size=(0.5, 0.5, 0.9), at=(0.0, 0.0), seed=0, n=400) -> np.ndarray:
    """Return points on the surface of a standing box."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.5, 0.5, (n, 3))
    side = rng.integers(0, 3, n)
    points[np.arange(n), side] = np.sign(points[np.arange(n), side]) / 2
    return (points * size + (*at, size[2] / 2)).astype(np.float32)


def seen(xyz, kind=CHAIR, color=RED, votes=None) -> Observation:
    """Return an observation of some points."""
    return Observation(np.arange(len(xyz)), xyz, fit_box(xyz), kind, 0.9, kind, color, votes or {})


def known(number, xyz, kind=CHAIR, color=RED, is_gone=False) -> ObjectRecord:
    """Return a remembered object."""
    return ObjectRecord(
        number,
        ObjectState.PRESENT,
        is_gone,
        0.9,
        fit_box(xyz),
        1,
        1,
        None,
        1,
        0.0,
        '',
        kind,
        kind,
        color,
        xyz,
    )


def link(observations, records, places=None, **how):
    """Associate; places not given were seen empty."""
    records = {record.object_id: record for record in records}
    at = {i: (places or {}).get(i, Place.SEEN_EMPTY) for i in records}
    found = {
        i: PlaceEvidence(
            at[i], 0.0, 1.0, np.ones(len(record.xyz), bool), float(at[i] is Place.UNSEEN)
        )
        for i, record in records.items()
    }
    return associate(observations, records, found, SETTINGS, **how)


def ids(association):
    """Return the object id of each linked observation."""
    return {m: link.object_id for m, link in association.links.items()}


def alternatives(association):
    """Return the look-alikes of each ambiguous object."""
    links = association.links.values()
    return {link.object_id: link.alternatives for link in links if link.alternatives}


def test_first_visit_gives_only_births():
    result = link([seen(shape()), seen(shape(at=(2, 0)))], [])
    assert result.births == (0, 1)
    assert ids(result) == {}


def test_nothing_seen_links_nothing():
    assert link([], [known(1, shape())]).links == {}


def test_same_place_is_the_same_object_though_class_and_color_say_otherwise():
    result = link([seen(shape(seed=1), kind=TABLE)], [known(7, shape())])
    assert ids(result) == {0: 7}
    assert 'same place' in result.links[0].reason
    assert 0.5 < result.links[0].confidence <= 1


def test_moved_object_is_known_by_its_looks():
    result = link([seen(shape(at=(3, 1), seed=1))], [known(7, shape())])
    assert ids(result) == {0: 7}
    assert 'm from its old place' in result.links[0].reason


@pytest.mark.parametrize(
    'other',
    [{'color': BLUE}, {'xyz': shape((1.6, 0.4, 0.4), at=(3, 1))}, {'kind': TABLE, 'color': BLUE}],
)
def test_what_looks_different_elsewhere_is_new(other):
    result = link([seen(**{'xyz': shape(at=(3, 1), seed=1), **other})], [known(7, shape())])
    assert result.births == (0,)


def test_of_twins_the_one_that_stands_still_keeps_its_id():
    # The query claims that the chair at the old place of 1 is 2, and the far one is 1.
    still = seen(shape(seed=1), votes={2: 0.9})
    far = seen(shape(at=(4, 4), seed=2), votes={1: 0.9})
    result = link([still, far], [known(1, shape()), known(2, shape(at=(2, 2)))])
    assert ids(result) == {0: 1, 1: 2}


def test_shared_query_decides_between_lookalikes_that_both_moved():
    observations = [
        seen(shape(at=(4, 4), seed=1), votes={1: 0.9}),
        seen(shape(at=(4, 0), seed=2), votes={2: 0.9}),
    ]
    records = [known(1, shape(at=(0, 1))), known(2, shape(at=(0, 3)))]
    for order in permutations(range(2)):
        result = link([observations[k] for k in order], records)
        assert {order[m]: i for m, i in ids(result).items()} == {0: 1, 1: 2}


def test_query_does_not_carry_an_id_to_a_thing_of_another_size():
    result = link([seen(shape((2.5, 2.0, 0.3), at=(4, 4)), votes={1: 1.0})], [known(1, shape())])
    assert result.births == (0,)


def test_one_object_per_observation_and_one_observation_per_object():
    rng = np.random.default_rng(0)
    spots = rng.uniform(0, 6, (12, 2))
    observations = [seen(shape(at=at, seed=k)) for k, at in enumerate(spots[:10])]
    records = [known(k + 1, shape(at=at + 0.02, seed=50 + k)) for k, at in enumerate(spots[2:])]
    result = link(observations, records)
    assert len(set(ids(result).values())) == len(result.links)
    assert sorted([*result.links, *result.births, *result.fragments]) == list(range(10))


@pytest.mark.parametrize('old', [Place.UNSEEN, Place.SEEN_EMPTY])
@pytest.mark.parametrize('was_seen', [True, False])
def test_lookalike_in_a_room_never_entered_is_another_thing(old, was_seen):
    """Unless somebody looked at the old place, or at the new one before: then it moved."""
    result = link(
        [seen(shape(at=(3, 1), seed=1))],
        [known(7, shape())],
        {7: old},
        unobserved=lambda _: float(not was_seen),
    )
    assert result.births == (() if was_seen or old is Place.SEEN_EMPTY else (0,))


@pytest.mark.parametrize('before', [MISSED_ZONE, 1.0])
@pytest.mark.parametrize('now', [MISSED_ZONE, 1.0])
def test_lookalike_in_a_missed_zone_moved_if_both_visits_show_what_is_around(now, before):
    place = PlaceEvidence(Place.UNSEEN, 0.0, 0.0, np.zeros(400, dtype=bool), now)
    result = associate(
        [seen(shape(at=(3, 1), seed=1))],
        {7: known(7, shape())},
        {7: place},
        SETTINGS,
        unobserved=lambda _: before,
    )
    assert ids(result) == ({0: 7} if max(now, before) < 1 else {})


def test_what_moved_a_little_in_an_unseen_corner_is_the_same():
    result = link(
        [seen(shape(at=(0.7, 0), seed=1))],
        [known(7, shape())],
        {7: Place.UNSEEN},
        unobserved=lambda _: 1.0,
    )
    assert ids(result) == {0: 7}


def test_gone_object_is_preferred_to_one_whose_place_still_shows_it():
    records = [known(1, shape()), known(2, shape(at=(2, 2)), is_gone=True)]
    result = link([seen(shape(at=(4, 4), seed=1))], records, {1: Place.OCCUPIED})
    assert ids(result) == {0: 2}


@pytest.mark.parametrize('n', [25, 60])
def test_few_points_of_a_thing_that_left_its_place_are_that_thing(n):
    whole = shape(at=(2, 1), seed=4, n=4000)
    view = whole[(whole[:, 2] > 0.6) & (whole[:, 0] > 2.2)][:n]
    assert ids(link([seen(view)], [known(3, shape())])) == {0: 3}


def test_twin_that_was_there_comes_before_one_that_was_gone():
    records = [known(1, shape(), is_gone=True), known(2, shape())]
    result = link([seen(shape(at=(2, 2), seed=1))], records)
    assert ids(result) == {0: 2}
    assert alternatives(result) == {2: (1,)}


def test_confidence_is_that_of_all_choices():
    records = [known(k, shape(at=at)) for k, at in enumerate(((0, 0), (4, 0), (4, 4), (0, 4)), 1)]
    twins = link([seen(shape(at=(2, 2), seed=1))], records).links
    alone = link([seen(shape(at=(2, 2), seed=1))], records[:1]).links
    assert twins[0].confidence == pytest.approx(0.25, abs=0.03)
    assert alone[0].confidence > 0.9


def odds_of_a_move_among(n: int) -> float:
    """Return how likely a plain chair is to have moved, not to be new, among n others."""

    def plain(side):
        return replace(side, color=np.zeros(0, np.float32), feature=np.zeros(0, np.float32))

    slabs = [shape((3, 2, 0.1), at=(10 * k, 10), seed=k) for k in range(n)]
    result = link(
        [plain(seen(shape(at=(1, 1), seed=1, n=3000))), *(plain(seen(xyz)) for xyz in slabs)],
        [
            plain(known(7, shape(n=3000))),
            *(plain(known(k + 20, xyz)) for k, xyz in enumerate(slabs)),
        ],
    )
    assert ids(result) == {0: 7, **{k + 1: k + 20 for k in range(n)}}
    return result.links[0].confidence / (1 - result.links[0].confidence)


def test_twice_as_many_objects_make_a_move_half_as_likely():
    few, some, twice = (odds_of_a_move_among(n) for n in (4, 29, 59))
    assert some / twice == pytest.approx(2)
    assert few / some == pytest.approx(30 / USUAL_OBJECTS)
    assert odds_of_a_move_among(9) == pytest.approx(few)


def test_color_that_the_room_is_full_of_tells_nothing_apart():
    def among(color):
        slabs = [shape((3, 2, 0.1), at=(10 * k, 10), seed=k) for k in range(60)]
        return link(
            [
                seen(shape((0.5, 0.5, 0.8), at=(3, 1), seed=1)),
                *(seen(xyz, TABLE, color) for xyz in slabs),
            ],
            [
                known(7, shape()),
                *(known(k + 20, xyz, TABLE, color) for k, xyz in enumerate(slabs)),
            ],
        )

    assert ids(among(BLUE))[0] == 7
    assert among(RED).births == (0,)


def test_evidence_is_not_altered_where_more_is_compared():
    """What was gathered stays as it is; the comparison of shapes gives evidence of its own."""
    observations, objects = [seen(shape(at=(3, 1), seed=1))], [known(7, shape())]
    places = [PlaceEvidence(Place.SEEN_EMPTY, 0.0, 1.0, np.ones(400, dtype=bool))]
    before = gather(observations, objects, places, 0.5)
    after = compare_shapes(before, observations, objects, [(0, 0)])
    assert np.isnan(before.shape[0, 0])
    assert 0 < after.shape[0, 0] <= 1


@pytest.mark.parametrize('seed', range(4))
def test_usual_color_is_the_mean_over_all_other_objects(seed):
    color = np.random.default_rng(seed).uniform(-5, 4, (5, seed * 20 + 1))
    for m, o in np.ndindex(color.shape):
        pool = [*np.exp(np.delete(color[m], o)), *[1.0] * OTHER_ROOMS]
        assert usual_color(color)[m, o] == pytest.approx(np.log(np.mean(pool)))


def test_piece_of_a_split_mask_is_part_of_its_object():
    whole = shape((2.0, 0.9, 0.8), seed=3, n=6000)
    left, right = whole[whole[:, 0] < 0.4], whole[whole[:, 0] >= 0.4]
    result = link([seen(left), seen(right)], [known(5, shape((2.0, 0.9, 0.8), n=6000))])
    assert ids(result) == {0: 5}
    assert result.fragments == {1: 0}


def test_features_and_colors_that_are_missing_are_no_evidence():
    bare = replace(
        seen(shape(seed=1)), feature=np.zeros(0, np.float32), color=np.zeros(0, np.float32)
    )
    assert ids(link([bare], [known(7, shape())])) == {0: 7}


def test_twins_that_both_moved_are_ambiguous_with_each_other():
    observations = [seen(shape(at=(4, 4), seed=1)), seen(shape(at=(0, 4), seed=2))]
    result = link(observations, [known(1, shape()), known(2, shape(at=(4, 0)))])
    assert sorted(ids(result).values()) == [1, 2]
    assert alternatives(result) == {1: (2,), 2: (1,)}
    assert any('may as well be 2' in link.reason for link in result.links.values())


def test_twin_that_is_missing_is_an_alternative_of_the_one_that_is_seen():
    result = link(
        [seen(shape(at=(2, 2), seed=1))], [known(3, shape()), known(8, shape(at=(4, 4)))]
    )
    (given,) = ids(result).values()
    assert alternatives(result) == {given: (11 - given,)}


@pytest.mark.parametrize(
    'told',
    [
        {'votes': ({1: 0.9}, {2: 0.9})},  # the network knows them apart
        {'color': (RED, BLUE)},  # so does their color
        {'at': ((0, 0), (4, 4))},
    ],
)  # only one of them has moved
def test_what_can_be_told_apart_is_not_ambiguous(told):
    spots, colors = told.get('at', ((2, 4), (4, 2))), told.get('color', (RED, RED))
    votes = told.get('votes', ({}, {}))
    observations = [
        seen(shape(at=at, seed=k), color=color, votes=vote)
        for k, (at, color, vote) in enumerate(zip(spots, colors, votes))
    ]
    result = link(
        observations,
        [known(1, shape(), color=colors[0]), known(2, shape(at=(4, 0)), color=colors[1])],
    )
    assert ids(result) == {0: 1, 1: 2}
    assert alternatives(result) == {}


def test_three_twins_rearranged_name_both_others():
    spots = ((3, 5), (5, 3), (5, 5))
    observations = [seen(shape(at=at, seed=k)) for k, at in enumerate(spots)]
    records = [known(k + 1, shape(at=at)) for k, at in enumerate(((0, 0), (0, 1), (1, 0)))]
    assert alternatives(link(observations, records)) == {1: (2, 3), 2: (1, 3), 3: (1, 2)}


def test_thing_of_another_size_is_no_alternative():
    observations = [
        seen(shape(at=(4, 4), seed=1)),
        seen(shape((1.6, 0.4, 0.4), at=(0, 4), seed=2)),
    ]
    result = link(observations, [known(1, shape()), known(2, shape((1.6, 0.4, 0.4), (4, 0)))])
    assert ids(result) == {0: 1, 1: 2}
    assert alternatives(result) == {}


def slow_alternatives(score, chosen, n_objects, birth, margin):
    """Try every assignment there is."""
    totals = {}
    for columns in permutations(range(score.shape[1]), len(score)):
        total = score[range(len(score)), columns].sum()
        for pair in enumerate(columns):
            totals[pair] = max(totals.get(pair, -np.inf), total)
    best = max(totals.values())
    found = {
        m: tuple(
            k
            for k in range(n_objects)
            if k != o and score[m, k] >= birth - margin and best - totals[m, k] <= margin
        )
        for m, o in chosen.items()
    }
    return {m: others for m, others in found.items() if others}


@pytest.mark.parametrize('seed', range(8))
def test_alternatives_are_those_of_all_assignments(seed):
    rng = np.random.default_rng(seed)
    m, o = rng.integers(1, 4), rng.integers(1, 5)
    births = np.where(np.eye(m, dtype=bool), 0.0, -1e4)
    score = np.hstack([rng.uniform(-3, 5, (m, o)).round(), births])
    rows, columns = linear_sum_assignment(-score)
    chosen = {int(r): int(c) for r, c in zip(rows, columns) if c < o}
    loss = loss_of_others(score, chosen, o)
    assert find_alternatives(score, loss, chosen, o, 0.0, 1.0) == slow_alternatives(
        score, chosen, o, 0.0, 1.0
    )


@pytest.mark.parametrize('seed', range(8))
def test_a_loss_up_to_a_limit_is_the_whole_one(seed):
    rng = np.random.default_rng(seed)
    m, o = rng.integers(5, 40, 2)
    births = np.where(np.eye(m, dtype=bool), 0.0, -1e4)
    score = np.hstack([rng.normal(-4, 6, (m, o)), births])
    chosen = {int(r): int(c) for r, c in zip(*linear_sum_assignment(-score)) if c < o}
    whole = loss_of_others(score, chosen, o)
    for limit in (2.0, 6.0, CERTAIN):
        cut = loss_of_others(score, chosen, o, limit)
        small = whole <= limit
        assert small.sum() > m
        assert cut[small] == pytest.approx(whole[small])
        assert (cut[~small] > limit - 1e-9).all()
    assert np.exp(-cut).sum(1) == pytest.approx(np.exp(-whole).sum(1), abs=1e-4)


def test_what_no_network_saw_is_neither_like_nor_unlike_by_features():
    one, other = seen(shape()), seen(shape(at=(2.0, 0.0)), TABLE)
    found = replace(one, feature=np.zeros_like(CHAIR))  # as a change region gives it
    here = PlaceEvidence(Place.OCCUPIED, 1.0, 1.0, np.ones(400, dtype=bool))
    evidence = gather([one, found, other], [known(1, shape())], [here], 0.5)
    assert evidence.feature[:, 0].tolist() == [1.0, 0.5, 0.0]
