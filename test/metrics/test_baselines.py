"""Simple linkers on masks whose right links are known."""

from itertools import permutations

import numpy as np
import pytest
from rescene4d_ros.evaluation.baselines import (
    appearance,
    changes_by_presence,
    link_by_average,
    link_by_class,
    link_by_place,
    link_by_query,
    link_by_truth,
    link_pairwise,
)
from rescene4d_ros.evaluation.linking import link, linked_sequence, Track, visit_masks, VisitMasks
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.summary import reduce_sequence, summarize
from rescene4d_ros.structures import ChangeKind, ObjectState, Segmentation

RULES = ScoreRules(min_region=1)


def masks(*objects, n_classes=3):
    """Return masks of ten points each: (class, feature, x of the center in m)."""
    n = len(objects)
    probs = np.full((n, n_classes), 0.1)
    for p, (c, _, _) in enumerate(objects):
        probs[p, c] = 1 - 0.1 * (n_classes - 1)
    x = np.array([o[2] for o in objects], dtype=float)
    cells = tuple(np.array([[round(v * 10) + k, 0, 0] for k in range(5)]) for v in x)
    return VisitMasks(
        tuple(np.arange(10 * p, 10 * p + 10) for p in range(n)),
        probs,
        np.full(n, 0.5),
        np.array([o[1] for o in objects], dtype=float),
        cells,
        np.column_stack([x, 0 * x, 0 * x]),
    )


CHAIR, TABLE = (1, 0, 0), (0, 1, 0)  # features


def lists(ids):
    """Return ids as plain lists."""
    return [i.tolist() for i in ids]


def test_each_finds_what_it_looks_for():
    """A chair that stays and a table that moves far: place loses the table, looks do not."""
    visits = [masks((0, CHAIR, 0.0), (1, TABLE, 2.0)), masks((1, TABLE, 5.0), (0, CHAIR, 0.1))]
    assert lists(link_by_class(visits)) == [[1, 2], [2, 1]]
    assert lists(link_pairwise(visits)) == [[1, 2], [2, 1]]
    assert lists(link_by_place(visits)) == [[1, 2], [3, 1]]


def test_place_tells_look_alikes_apart():
    """Two equal chairs in the other order: only the place says which is which."""
    visits = [masks((0, CHAIR, 0.0), (0, CHAIR, 2.0)), masks((0, CHAIR, 2.0), (0, CHAIR, 0.0))]
    assert lists(link_by_place(visits)) == [[1, 2], [2, 1]]


def test_who_remembers_over_a_gap():
    """Away for one visit: pairs of visits forget, tracks that wait do not."""
    visits = [masks((0, CHAIR, 0.0)), masks(), masks((0, CHAIR, 0.0))]
    assert lists(link_pairwise(visits)) == [[1], [], [2]]
    assert lists(link_by_average(visits)) == [[1], [], [2]]
    assert lists(link_by_average(visits, look_back=None)) == [[1], [], [1]]
    assert lists(link_by_place(visits)) == [[1], [], [1]]


def test_average_is_slower_than_the_last():
    """A feature that turns by 40 degrees a visit: the last is always near, the mean falls back."""
    turned = [(np.cos(a), np.sin(a), 0) for a in np.radians([0, 40, 80, 120])]
    visits = [masks((0, f, 0.0)) for f in turned]
    assert lists(link_pairwise(visits)) == [[1]] * 4
    assert lists(link_by_average(visits))[-1] != [1]


def test_query_numbers_are_ids():
    """From 1: 0 means none in scored files."""
    assert lists(link_by_query([[0, 2], [2, 1]])) == [[1, 3], [3, 2]]


def test_oracle_links_by_truth(scored):
    """The masks of one instance get its id; one on nothing gets an id that nobody has."""
    truth = scored.truth(
        [[4] * 10 + [7] * 10 + [0] * 10, [7] * 10 + [4] * 10 + [0] * 10], {4: 0, 7: 0}
    )
    visits = [masks((0, CHAIR, 0), (0, CHAIR, 1), (0, CHAIR, 2)) for _ in range(2)]
    sofa = masks((2, CHAIR, 0), (0, CHAIR, 1), (0, CHAIR, 2))
    assert link_by_truth([sofa, visits[1]], truth, RULES)[0].tolist()[:2] == [4, 7]
    ids = link_by_truth(visits, truth, RULES)
    assert [i[:2].tolist() for i in ids] == [[4, 7], [7, 4]]
    assert len({*ids[0].tolist(), *ids[1].tolist()}) == 4
    linked = linked_sequence(visits, ids, [30, 30])
    scores = summarize([reduce_sequence(truth, linked, RULES)], RULES)
    assert scores['t_map'] == 1.0
    assert scores['id_switch_rate'] == 0.0
    by_query = linked_sequence(visits, link_by_query([np.arange(3)] * 2), [30, 30])
    wrong = summarize([reduce_sequence(truth, by_query, RULES)], RULES)
    assert wrong['t_map'] == 0.0
    assert wrong['id_switch_rate'] == 1.0


def test_changes_of_who_is_there(scored):
    """Moved, gone, back, new; a hidden object is called removed, which the score card punishes."""
    visits = [
        masks((0, CHAIR, 0.0), (1, TABLE, 2.0)),
        masks((0, CHAIR, 0.1)),
        masks((0, CHAIR, 1.1), (1, TABLE, 2.0), (2, CHAIR, 3.0)),
    ]
    ids = [np.array([1, 2]), np.array([1]), np.array([1, 2, 3])]
    found = changes_by_presence(visits, ids)
    assert [(c.visit, c.kind, c.object_id) for c in found] == [
        (1, ChangeKind.REMOVED, 2),
        (2, ChangeKind.MOVED, 1),
        (2, ChangeKind.REAPPEARED, 2),
        (2, ChangeKind.ADDED, 3),
    ]
    np.testing.assert_allclose(found[1].after_T_before[:3, 3], [1.0, 0, 0])
    labels = [np.repeat([1, 2, 0], 10), np.repeat([1, 0, 0], 10), np.repeat([1, 2, 3], 10)]
    states = np.array([[1, 1, 1], [1, ObjectState.NOT_OBSERVED, 1], [0, 0, 1]])
    changes = np.array([[0, 0, ChangeKind.MOVED], [0, 0, 0], [0, 0, ChangeKind.ADDED]])
    truth = scored.truth(labels, {1: 0, 2: 1, 3: 2}, changes=changes, states=states)
    linked = linked_sequence(visits, ids, [30] * 3, found)
    scores = summarize([reduce_sequence(truth, linked, RULES)], RULES)
    assert (scores['change_precision'], scores['change_recall']) == (0.5, 1.0)
    assert scores['unobserved_as_removed_rate'] == 1.0
    assert scores['false_change_rate'] == 0.0
    assert scores['gap_recovery_recall'] == 1.0


def test_masks_of_a_segmentation():
    """Instances without points in the visit are left out; centers and cells are of the points."""
    segmentation = Segmentation(
        (np.array([0, 0, -1]), np.array([2, 0, 2])),
        np.eye(3, 4),
        np.array([0.9, 0.8, 0.7]),
        np.eye(3),
        (np.ones(3), np.ones(3)),
    )
    xyz = np.array([[0, 0, 0], [1, 1, 1], [0.4, 0, 0]], dtype=np.float32)
    found = visit_masks(segmentation, xyz, 0.5, visit=1)
    assert [p.tolist() for p in found.points] == [[1], [0, 2]]
    assert found.classes.tolist() == [0, 2]
    np.testing.assert_allclose(found.centers, [[1, 1, 1], [0.2, 0, 0]], atol=1e-6)
    assert [c.tolist() for c in found.cells] == [[[2, 2, 2]], [[0, 0, 0]]]


def slow_link(visits, similarity, least):
    """Try every assignment of every visit; tracks are the last masks, none is forgotten."""
    tracks, out, n_ids = [], [], 0
    for visit in visits:
        table = similarity(visit, tracks) if tracks and len(visit) else None
        best = (-1.0, ())
        for order in permutations([*range(len(tracks)), *[None] * len(visit)], len(visit)):
            pairs = [(p, k) for p, k in enumerate(order) if k is not None and table[p, k] >= least]
            best = max(
                best, (sum(table[p, k] for p, k in pairs), tuple(pairs)), key=lambda b: b[0]
            )
        ids = [0] * len(visit)
        for p, k in best[1]:
            ids[p] = tracks[k].object_id
        for p in range(len(visit)):
            if not ids[p]:
                n_ids += 1
                ids[p] = n_ids
        made = tracks_of(visit, ids)
        tracks = [next((m for m in made if m.object_id == k.object_id), k) for k in tracks]
        tracks += [m for m in made if m.object_id not in {k.object_id for k in tracks}]
        out.append(ids)
    return out


def tracks_of(visit, ids):
    """Return the masks of a visit as tracks."""
    return [
        Track(
            i,
            0,
            visit.class_probs[p],
            visit.features[p] / np.linalg.norm(visit.features[p]),
            visit.cells[p],
            visit.centers[p],
        )
        for p, i in enumerate(ids)
    ]


@pytest.mark.parametrize('seed', range(15))
def test_link_equals_brute_force(seed):
    """Random features: the same ids as trying all assignments."""
    rng = np.random.default_rng(seed)
    visits = [
        masks(
            *[
                (int(rng.integers(3)), rng.random(3), float(rng.random()))
                for _ in range(int(rng.integers(0, 4)))
            ]
        )
        for _ in range(3)
    ]
    assert lists(link(visits, appearance, 0.8)) == slow_link(visits, appearance, 0.8)
