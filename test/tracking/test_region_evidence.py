"""Fast kernels of change regions beside the same in plain loops, on clouds of random points."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rescene4d_ros.geometry.cloud import DepthMap, PASSED, RAY_RANGE, share_past
from rescene4d_ros.geometry.floor.structure import CLEARLY_BELOW, LEVEL, UPRIGHT
from rescene4d_ros.tracking.regions import candidates, region_evidence
from rescene4d_ros.tracking.regions.candidates import (
    _Clusters,
    _distinct,
    _Neighbors,
    compare,
    LEAST_POINTS,
    OPENING_NEIGHBORS,
)
from rescene4d_ros.tracking.regions.region_evidence import (
    BoostedTrees,
    BORDER,
    CONTINUED,
    fitted_quality,
    IN_PLANE,
    RegionEvidence,
    TERMS,
)
from rescene4d_ros.tracking.regions.surfaces import columns_of, VisitSurfaces

SEEDS = st.integers(0, 2**32 - 1)
few = settings(max_examples=6)  # a random cloud of hundreds of points has every case


def random_surfaces(rng, n=400) -> VisitSurfaces:
    """Return random points over a floor, in a box of 1.2 m."""
    xyz = rng.random((n, 3)) * (1.2, 1.2, 0.9)
    xyz[: n // 3, 2] = rng.normal(0, 0.005, n // 3)
    normals = rng.normal(size=(n, 3))
    normals[: n // 3] = (0, 0, 1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    rgb = rng.integers(0, 256, (n, 3)).astype(np.float32)
    none = np.zeros(n, np.int64)
    return VisitSurfaces(
        xyz.astype(np.float32), normals.astype(np.float32), rgb, none, np.arange(n)
    )


def slow_evidence(pair, other_distance, points) -> dict[str, float]:
    """Return the terms of one candidate, point by point."""
    surfaces, other = pair.surfaces, pair.other
    xyz, distance = surfaces.xyz[points].astype(np.float64), pair.distance[points]
    low, high, middle = xyz.min(0), xyz.max(0), xyz.mean(0)
    _, spread, axes = np.linalg.svd(xyz - middle)
    deviation = spread[::-1] / np.sqrt(len(points))
    lowest, bare = {}, {}
    for column, z, gone in zip(
        columns_of(other.xyz).tolist(), other.xyz[:, 2], other_distance > pair.changed_at
    ):
        lowest[column] = min(lowest.get(column, np.inf), z)
        if gone:
            bare[column] = min(bare.get(column, np.inf), z)
    below = [lowest.get(column, np.inf) for column in columns_of(surfaces.xyz[points]).tolist()]
    footprint = set(columns_of(surfaces.xyz[points]).tolist())
    limit = high[2] + 0.05
    border, static = slow_border(pair, points)
    plane, around = 0, 0
    for point in other.coarse.astype(np.float64):
        if (point > low - CONTINUED).all() and (point < high + CONTINUED).all():
            around += 1
            plane += abs((point - middle) @ axes[2]) < IN_PLANE
    continued = plane / max(around, 1)
    upward = [abs(z) for z in surfaces.normals[points, 2]]
    return {
        'size': np.log(len(points)),
        'distance': distance.mean(),
        'median_distance': np.median(distance),
        'shell': np.mean([d < 2 * pair.changed_at for d in distance]),
        'uncovered': np.mean([d >= 0.3 for d in distance]),
        'thickness': deviation[0],
        'width': deviation[1],
        'length': deviation[2],
        'bottom': low[2] - surfaces.floor_z,
        'top': high[2] - surfaces.floor_z,
        'past': np.mean([a < z - CLEARLY_BELOW for a, z in zip(below, surfaces.xyz[points, 2])]),
        'shown': np.mean(np.isfinite(below)),
        'seen_past': np.mean([other.seen_past(surfaces.xyz[[k]])[0] for k in points]),
        'bared': np.mean([bare.get(column, np.inf) < limit for column in footprint]),
        'observed': np.mean([lowest.get(column, np.inf) < limit for column in footprint]),
        'border': border / len(points),
        'static_border': static / border if border else 0.0,
        'continued': continued,
        'continued_plane': continued if deviation[0] < 0.02 else 0.0,
        'level': np.mean([z > LEVEL for z in upward]),
        'upright': np.mean([z < UPRIGHT for z in upward]),
        'wall': surfaces.is_wall[points].mean(),
        'color': pair.color_change[points].astype(np.float64).mean(),
        'changed': np.mean([d > pair.changed_at for d in distance]),
    }


def slow_border(pair, points) -> tuple[int, int]:
    """Return how many other points lie in the cells of a candidate or beside, and unchanged."""
    cells = [tuple(cell) for cell in np.floor(pair.surfaces.xyz.astype(float) / BORDER)]
    own = {cells[k] for k in points}
    chosen = set(points.tolist())
    border = [
        k
        for k, (x, y, z) in enumerate(cells)
        if k not in chosen
        and any(abs(x - a) <= 1 and abs(y - b) <= 1 and abs(z - c) <= 1 for a, b, c in own)
    ]
    return len(border), int((~pair.changed[border]).sum())


@settings(max_examples=3)
@given(SEEDS)
def test_evidence_equals_plain_loops(seed):
    rng = np.random.default_rng(seed)
    now, then = random_surfaces(rng), random_surfaces(rng)
    pair, other = compare(now, then), compare(then, now)
    center = rng.random((3, 1, 3)) * 0.9
    sets = [
        np.flatnonzero(np.linalg.norm(now.xyz - at, axis=1) < rng.uniform(0.15, 0.4))
        for at in center
    ]
    sets = [points for points in (*sets, np.arange(40)) if len(points) > 3]
    values = RegionEvidence(pair, other.distance, sets).measure()
    assert values.shape == (len(sets), len(TERMS))
    for points, row in zip(sets, values):
        slow = slow_evidence(pair, other.distance, points)
        assert tuple(slow) == TERMS
        np.testing.assert_allclose(row, list(slow.values()), rtol=1e-6, atol=1e-7)


@few
@given(SEEDS)
def test_views_past_points_equal_plain_loops(seed):
    """A view looks past a point if all that it shows around that direction lies behind it."""
    rng = np.random.default_rng(seed)
    shown, asked = rng.random((300, 3)) * 3, rng.random((20, 3)) * 3
    places = rng.random((3, 3)) * 3 + (0, 0, 0.2)
    views = [DepthMap(place, shown) for place in places]
    past, reached = np.zeros(20), np.zeros(20)
    for view, place in zip(views, places):
        depth: dict[int, float] = {}
        for key, point in zip(view._bins(shown)[0].tolist(), shown):
            depth[key] = min(depth.get(key, np.inf), np.linalg.norm(point - place))
        for k, key in enumerate(view._bins(asked)[0].tolist()):
            distance = np.linalg.norm(asked[k] - place)
            if key not in depth or distance >= RAY_RANGE:
                continue
            reached[k] += 1
            beside = [
                key + row * view._columns + column for row in (-1, 0, 1) for column in (-1, 0, 1)
            ]
            past[k] += min(depth.get(b, np.inf) for b in beside) > distance + PASSED
    np.testing.assert_allclose(share_past(views, asked), past / np.maximum(reached, 1))


@few
@given(SEEDS)
def test_connected_parts_equal_those_grown_point_by_point(seed):
    rng = np.random.default_rng(seed)
    xyz, gap = rng.random((250, 3)) * 0.6, 0.09
    mask = rng.random(250) < 0.7
    near = (np.linalg.norm(xyz[:, None] - xyz, axis=2) <= gap) & mask & mask[:, None]
    kept = mask & (near.sum(1) - 1 >= OPENING_NEIGHBORS)
    parts = [p for p in slow_parts(near, kept) if len(p) >= LEAST_POINTS]
    found = _Neighbors(xyz, np.ones(250, bool), gap).components(mask)
    assert sorted(map(tuple, found)) == sorted(map(tuple, parts))
    assert [part.dtype for part in found] == [np.int64] * len(found)


def slow_parts(near, kept) -> list[list[int]]:
    """Return the connected parts of some points, each grown from one of them."""
    left, parts = set(np.flatnonzero(kept).tolist()), []
    while left:
        part, open_ends = set(), [left.pop()]
        while open_ends:
            k = open_ends.pop()
            part.add(k)
            beside = left & set(np.flatnonzero(near[k]).tolist())
            left -= beside
            open_ends += beside
        parts.append(sorted(part))
    return parts


@few
@given(SEEDS)
def test_growth_takes_whole_clusters(seed):
    """Of each cluster of which more than a share is in a region, all of it."""
    rng = np.random.default_rng(seed)
    xyz, gap = rng.random((200, 3)) * 0.6, 0.08
    mask = rng.random(200) < 0.8
    near = (np.linalg.norm(xyz[:, None] - xyz, axis=2) <= gap) & mask & mask[:, None]
    region = np.sort(rng.choice(200, 30, replace=False))
    grown = set(region.tolist())
    for cluster in slow_parts(near, mask):
        inside = len(set(cluster) & set(region.tolist()))
        if inside > candidates.GROW_SHARE * len(cluster):
            grown |= set(cluster)
    expected = sorted(grown) if len(grown) <= candidates.GROW_MOST * 30 else region.tolist()
    assert _Clusters(xyz, mask, gap).grown(region).tolist() == expected


@few
@given(SEEDS)
def test_repeated_sets_are_left_out(seed):
    """A set goes if an earlier one nearly equals it, whether or not that one went itself."""
    rng = np.random.default_rng(seed)
    sets = [np.sort(rng.choice(60, rng.integers(20, 60), replace=False)) for _ in range(8)]
    sets += [np.delete(s, 0) for s in sets]
    kept = []
    for k, one in enumerate(sets):
        mine = set(one.tolist())
        alike = [len(mine & set(s.tolist())) / len(mine | set(s.tolist())) for s in sets[:k]]
        if max(alike, default=0) < candidates.SAME_SET:
            kept.append(one.tolist())
    assert [one.tolist() for one in _distinct(sets, 60)] == kept


@few
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30))
def test_median_equals_that_of_numpy(values):
    assert region_evidence._median_of(np.array(values)) == pytest.approx(np.median(values))


@given(st.integers(0, 2**32 - 1))
def test_trees_equal_a_walk_by_hand(seed):
    """The vectorized walk gives what following each tree node by node gives."""
    rng = np.random.default_rng(seed)
    trees, depth, terms = 3, 3, 4
    n_nodes = 2 ** (depth + 1) - 1
    first_leaf = 2**depth - 1
    term = rng.integers(0, terms, (trees, n_nodes)).astype(np.int16)
    term[:, first_leaf:] = -1
    node = np.arange(n_nodes)
    model = BoostedTrees(
        term,
        rng.normal(size=(trees, n_nodes)),
        np.tile(2 * node + 1, (trees, 1)).astype(np.int16),
        np.tile(2 * node + 2, (trees, 1)).astype(np.int16),
        rng.normal(size=(trees, n_nodes)),
        float(rng.normal()),
    )
    rows = rng.normal(size=(5, terms))
    for row, found in zip(rows, model.probability(rows)):
        logit = model.base
        for t in range(trees):
            at = 0
            while model.term[t, at] >= 0:
                left = row[model.term[t, at]] <= model.limit[t, at]
                at = int((model.left if left else model.right)[t, at])
            logit += model.value[t, at]
        assert found == pytest.approx(1 / (1 + np.exp(-logit)))


def test_fitted_trees_are_for_these_terms():
    assert fitted_quality().term.max() < len(TERMS)
