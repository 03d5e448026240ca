"""Which earlier visits are the context of a new one, and what is kept beside the points."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rescene4d_ros.memory.maintenance import retention
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.scene.visit_window import (
    CELL,
    choose_visits,
    coarse_cells,
    KIND,
    MIN_OVERLAP,
    overlap,
    SAME,
    VisitSelector,
)
from rescene4d_ros.structures import Scan, Segmentation
from rescene4d_ros.tracking.settings import TrackerConfig

DAY = 86_400 * 10**9
CELLS = st.sets(st.integers(0, 30), max_size=20)


def array(cells):
    """Return a set as the cells of a visit."""
    return np.array(sorted(cells), dtype=np.int64)


@given(st.lists(st.tuples(*[st.floats(-2e3, 2e3, width=32)] * 3), max_size=40))
def test_cells_are_those_of_a_set_of_triples(points):
    """As many cells as distinct triples of floors, and the same ones in any order."""
    xyz = np.array(points, np.float32).reshape(-1, 3)
    cells = coarse_cells(xyz)
    triples = {tuple(np.floor(np.float64(p) / CELL)) for p in xyz}
    assert len(cells) == len(triples)
    assert (np.diff(cells) > 0).all()
    np.testing.assert_array_equal(coarse_cells(xyz[::-1]), cells)


def test_points_beyond_the_grid_are_no_error():
    """A stray point far away is a cell like any other, and the rest is as without it."""
    near = np.random.default_rng(0).normal(size=(50, 3))
    cells = coarse_cells(np.r_[near, [[1e12, -1e12, 0]]])
    assert np.isin(coarse_cells(near), cells).all()
    assert len(cells) == len(coarse_cells(near)) + 1


@given(CELLS, CELLS)
def test_overlap_is_the_share_of_common_cells(own, other):
    assert overlap(array(own), array(other)) == (len(own & other) / len(own) if own else 0)


@settings(max_examples=300)
@given(CELLS, st.lists(CELLS, max_size=8), st.integers(0, 4))
def test_choice_equals_its_definition(own, earlier, n):
    """One after the other: the latest of those that are nearly the best of what is left."""
    left, wanted = list(range(len(earlier))), set()
    while len(wanted) < n:
        share = {t: len(own & earlier[t]) / len(own) if own else 0.0 for t in left}
        share = {t: s for t, s in share.items() if s >= MIN_OVERLAP}
        if not share:
            break
        nearly = [t for t in share if share[t] > max(share.values()) - SAME]
        wanted.add(max(nearly))
        left.remove(max(nearly))
    chosen = choose_visits(array(own), [array(e) for e in earlier], n)
    assert set(chosen) == wanted
    assert list(chosen) == sorted(chosen)


def test_latest_of_like_visits_and_none_of_another_place():
    room, half, elsewhere = set(range(20)), set(range(10)), set(range(100, 120))
    seen = [array(s) for s in (room, half, room, elsewhere)]
    assert choose_visits(array(room), seen, 1) == (2,)
    assert choose_visits(array(room), seen, 2) == (0, 2)
    assert choose_visits(array(room), seen, 9) == (0, 1, 2)
    assert choose_visits(array(half), seen[:2], 1) == (1,)
    assert choose_visits(array(elsewhere), seen[:3], 2) == ()


def box(day, low):
    """Return a visit of a cube of 2 m."""
    rng = np.random.default_rng(day)
    return Scan((rng.random((400, 3)) * 2 + (low, 0, 0)).astype(np.float32), day * DAY)


@pytest.fixture
def memory(tmp_path):
    """Return a memory of four visits: two places in turn."""
    with SceneMemory.open(tmp_path / 'memory', 'flat', 'map', ('box',)) as memory:
        for day, low in ((1, 0.0), (2, 5.0), (3, 0.1), (4, 5.1)):
            memory.add_visit(box(day, low))
        yield memory


def test_cells_are_kept_beside_the_points_and_go_with_them(memory, caplog):
    """A new process takes them from there; damaged ones are worked out again; none are left."""
    *earlier, newest = memory.visits()
    keys, scan = memory.keys(), memory.scan(newest.visit_id)

    def selected():
        return VisitSelector(memory, 1).select(newest, earlier, scan)

    assert selected() == (earlier[1],)
    folder = memory.path / 'visits' / 'derived'
    assert len(list(folder.iterdir())) == 4
    for visit in earlier:  # without their points: only the kept cells can tell
        (memory.path / 'visits' / keys[visit.visit_id]).rename(memory.path / f'{visit.visit_id}')
    assert selected() == (earlier[1],)
    kept = folder / f'{keys[2].removesuffix(".npz")}.{KIND}'
    kept.write_bytes(kept.read_bytes()[:-1])
    assert selected() == ()
    assert 'no other visit is segmented together' in caplog.text
    for visit in earlier:
        (memory.path / f'{visit.visit_id}').rename(memory.path / 'visits' / keys[visit.visit_id])
    assert selected() == (earlier[1],)

    retention.delete_visit(memory, 2)
    assert not kept.exists()
    assert len(list(folder.iterdir())) == 3
    memory.close()
    (folder / f'{"0" * 40}.{KIND}').write_bytes(b'of points that are gone')
    SceneMemory.open(memory.path, 'flat', 'map', ('box',)).close()
    assert len(list(folder.iterdir())) == 3


class NoInstances:
    """Find nothing."""

    def segment(self, scans, keys) -> Segmentation:
        """Return no instance."""
        labels = tuple(np.full(len(scan), -1, np.int32) for scan in scans)
        none = np.zeros((0, 1), np.float32)
        return Segmentation(labels, none, none[:, 0], none, labels)


def test_points_of_a_visit_are_read_once(memory, monkeypatch):
    """Of the next window only the new visit is read, and the update carries its points."""
    read, original = [], type(memory.files).read

    def count(files, key):
        read.append(key)
        return original(files, key)

    monkeypatch.setattr(type(memory.files), 'read', count)
    tracker, keys = SceneTracker(memory, NoInstances(), TrackerConfig()), memory.keys()
    for visit in memory.visits():
        update = tracker.process_next()
        assert update.visit.visit_id == visit.visit_id
        assert np.array_equal(update.scan.xyz, original(memory.files, keys[visit.visit_id]).xyz)
    assert tracker.process_next() is None
    assert read.count(keys[4]) == 1
    assert len(read) == 4 + 2  # the earlier visits of both places that are not the latest one
