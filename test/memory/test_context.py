"""Which earlier visits are the context of a new one, and what is kept beside the points."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from rescene4d_ros.memory.files.derived_cache import DerivedFiles
from rescene4d_ros.memory.maintenance import retention
from rescene4d_ros.scene.visit_window import (
    CELL,
    choose_context,
    coarse_cells,
    KIND,
    MIN_OVERLAP,
    overlap,
    SAME,
    SeenSpace,
)
from rescene4d_ros.structures import Scan, VisitStatus

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
    chosen = choose_context(array(own), [array(e) for e in earlier], n)
    assert set(chosen) == wanted
    assert list(chosen) == sorted(chosen)


def test_latest_of_like_visits_and_none_of_another_place():
    room, half, elsewhere = set(range(20)), set(range(10)), set(range(100, 120))
    seen = [array(s) for s in (room, half, room, elsewhere)]
    assert choose_context(array(room), seen, 1) == (2,)
    assert choose_context(array(room), seen, 2) == (0, 2)
    assert choose_context(array(room), seen, 9) == (0, 1, 2)
    assert choose_context(array(half), seen[:2], 1) == (1,)
    assert choose_context(array(elsewhere), seen[:3], 2) == ()


def box(day, low):
    """Return a visit of a cube of 2 m."""
    rng = np.random.default_rng(day)
    return Scan((rng.random((400, 3)) * 2 + (low, 0, 0)).astype(np.float32), day * DAY)


def test_cells_are_kept_beside_the_points_and_go_with_them(open_memory, make_facts, caplog):
    """A new process takes them from there; damaged ones are worked out again; none are left."""
    memory = open_memory()
    for day, low in ((1, 0.0), (2, 5.0), (3, 0.1), (4, 5.1)):
        visit = memory.add_visit(box(day, low))
        memory.commit(make_facts(memory, visit))
    visits, keys = memory.visits(VisitStatus.DONE), memory.keys()
    assert keys == {v.visit_id: memory.key(v.visit_id) for v in visits}
    assert SeenSpace(memory).context(visits[3], visits[:3], 1) == (visits[1],)

    folder = memory.path / 'visits' / 'derived'
    assert len(list(folder.iterdir())) == 4
    for visit in visits[:3]:  # without their points: only the kept cells can tell
        (memory.path / 'visits' / keys[visit.visit_id]).rename(memory.path / f'{visit.visit_id}')
    assert SeenSpace(memory).context(visits[3], visits[:3], 1) == (visits[1],)
    kept = folder / f'{keys[2].removesuffix(".npz")}.{KIND}'
    kept.write_bytes(kept.read_bytes()[:-1])
    assert SeenSpace(memory).context(visits[3], visits[:3], 1) == ()
    assert 'no context' in caplog.text
    for visit in visits[:3]:
        (memory.path / f'{visit.visit_id}').rename(memory.path / 'visits' / keys[visit.visit_id])
    assert SeenSpace(memory).context(visits[3], visits[:3], 1) == (visits[1],)

    retention.delete_visit(memory, 2)
    assert not kept.exists()
    assert len(list(folder.iterdir())) == 3
    memory.close()
    (folder / f'{"0" * 40}.{KIND}').write_bytes(b'of points that are gone')
    open_memory()
    assert len(list(folder.iterdir())) == 3


def test_derived_files_that_were_used_last_stay(tmp_path):
    """Of one kind, however made; another kind is not counted."""
    files = DerivedFiles(tmp_path / 'derived')
    assert files.read('a.npz', 'features-1') is None
    for key in 'abc':
        files.write(f'{key}.npz', 'features-1', key.encode(), keep=3)
        files.write(f'{key}.npz', 'cells', b'')
    assert files.read('a.npz', 'features-1') == b'a'
    files.write('d.npz', 'features-2', b'd', keep=3)
    assert {k: files.read(f'{k}.npz', 'features-1') for k in 'abc'} == {
        'a': b'a',
        'b': None,
        'c': b'c',
    }
    assert files.read('d.npz', 'features-2') == b'd'
    assert files.read('b.npz', 'cells') == b''
    files.remove('d.npz')
    assert files.read('d.npz', 'features-2') is None


def test_where_nothing_can_be_kept_work_goes_on(tmp_path, caplog):
    """A file in the place of the folder: nothing is kept, nothing is raised."""
    (tmp_path / 'derived').write_text('in the way')
    files = DerivedFiles(tmp_path / 'derived')
    files.write('a.npz', 'cells', b'1')
    assert files.read('a.npz', 'cells') is None
    assert 'worked out again' in caplog.text
