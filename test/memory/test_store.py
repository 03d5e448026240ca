"""The store: what goes in comes out, also in another process; what does not fit is refused."""

from __future__ import annotations

from dataclasses import asdict, replace
import logging

import numpy as np
import pytest
from rescene4d_ros.errors import (
    DuplicateVisitError,
    FileFormatError,
    MemoryFormatError,
    ScanError,
    StorageError,
    VisitOrderError,
)
from rescene4d_ros.geometry.se3 import upright
from rescene4d_ros.memory.database import memory_metadata
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Scan, VisitStatus
from rescene4d_ros.structures.free_space import FreeSpace


def same(a, b) -> bool:
    """Return whether two values are equal to the last bit, arrays and nested values included."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_new_visit_waits_for_processing(open_memory, make_scan):
    scan = make_scan(1)
    visit = open_memory().add_visit(scan)
    assert visit.status == VisitStatus.PENDING
    assert visit.n_points == len(scan)


@pytest.mark.parametrize('left_out', ['rgb', 'normals', 'sensor_path', 'nothing'])
def test_points_survive_closing(open_memory, make_scan, left_out):
    whole = make_scan(3)
    scan = Scan(**{**vars(whole), **({left_out: None} if left_out != 'nothing' else {})})
    memory = open_memory()
    visit = memory.add_visit(scan)
    memory.close()
    assert same(vars(open_memory().scan(visit.visit_id)), vars(scan))


def test_free_cells_survive_closing(open_memory, make_scan):
    is_free = np.random.default_rng(0).random((5, 6, 7)) < 0.5
    pose = upright(0.3, np.array([1.0, 2, 3]))
    memory = open_memory()
    visit = memory.add_visit(replace(make_scan(3), free=FreeSpace(pose, is_free, 0.1)))
    memory.close()
    free = open_memory().scan(visit.visit_id).free
    assert free is not None
    assert free.cell == 0.1
    assert same([free.map_T_grid, np.ascontiguousarray(free.is_free)], [pose, is_free])


def test_facts_survive_closing(open_memory, make_scan, make_facts):
    memory = open_memory()
    for day in (1, 2, 3):
        facts = make_facts(memory, memory.add_visit(make_scan(day)), births=2)
        assert memory.commit(facts) == day
    before = memory.snapshot(), memory.changes(), memory.labels(2), dict(memory.records)
    memory.close()
    again = open_memory()
    after = again.snapshot(), again.changes(), again.labels(2), dict(again.records)
    assert same(
        [asdict(before[0]), [asdict(c) for c in before[1]], before[2]],
        [asdict(after[0]), [asdict(c) for c in after[1]], after[2]],
    )
    assert same(
        {i: asdict(r) for i, r in before[3].items()}, {i: asdict(r) for i, r in after[3].items()}
    )
    assert same(
        {i: asdict(r) for i, r in before[3].items()},
        {i: asdict(r) for i, r in facts.records.items()},
    )
    assert memory.past == again.past
    assert [c.visit_id for c in again.changes(since_revision=2)] == [3] * 4
    assert find_faults(again) == ()
    assert len(again.journal()) == 6


def test_ids_are_never_given_twice_also_after_reopening(open_memory, make_scan, make_facts):
    given = []
    for day in range(1, 6):
        memory = open_memory()
        first = memory.metadata.next_object_id
        memory.commit(make_facts(memory, memory.add_visit(make_scan(day)), births=day))
        given += range(first, memory.metadata.next_object_id)
        memory.close()
    assert given == list(range(1, 16))


def test_pending_visits_are_in_stamp_order(open_memory, make_scan, make_facts):
    memory = open_memory()
    for day in (1, 4):
        memory.commit(make_facts(memory, memory.add_visit(make_scan(day))))
    for day in (9, 7, 8):
        memory.add_visit(make_scan(day))
    assert [v.name for v in memory.pending()] == ['day 7', 'day 8', 'day 9']


def test_same_stamp_is_refused_and_nothing_is_stored(open_memory, make_scan):
    memory = open_memory()
    memory.add_visit(make_scan(1))
    with pytest.raises(DuplicateVisitError, match="visit 1 'day 1'"):
        memory.add_visit(make_scan(1, n=77))
    assert len(memory.visits()) == 1
    assert memory.stray_files() == set()


def test_late_visit_is_stored_and_says_what_to_do(open_memory, make_scan, make_facts):
    memory = open_memory()
    memory.commit(make_facts(memory, memory.add_visit(make_scan(5))))
    late = make_scan(2)
    with pytest.raises(VisitOrderError, match='reprocess'):
        memory.add_visit(late)
    assert [(v.name, v.status) for v in memory.visits()] == [
        ('day 2', VisitStatus.LATE),
        ('day 5', VisitStatus.DONE),
    ]
    assert same(vars(memory.scan(2)), vars(late))
    assert memory.pending() == ()


def test_other_frame_and_no_points_are_refused(open_memory, make_scan):
    memory = open_memory()
    with pytest.raises(ScanError, match="'map', got 'odom'"):
        memory.add_visit(Scan(**{**vars(make_scan(1)), 'frame_id': 'odom'}))
    with pytest.raises(ScanError, match='got none'):
        memory.add_visit(make_scan(1).take(np.zeros(0, int)))


@pytest.mark.parametrize(
    ('how', 'said'),
    [
        ({'map_id': 'cellar'}, "map_id 'cellar', but this memory has 'hall'"),
        ({'frame_id': 'odom'}, "frame_id 'odom'"),
        ({'class_names': ('chair', 'sofa')}, 'differing: sofa, table'),
        ({'class_names': ('table', 'chair')}, 'their order'),
    ],
)
def test_another_map_frame_or_class_list_is_refused(open_memory, how, said):
    open_memory().close()
    with pytest.raises(MemoryFormatError, match=said):
        open_memory(**how)
    open_memory()  # the refused attempt left no lock


def test_newer_schema_is_refused(open_memory, tmp_path):
    with open_memory() as memory, memory.database.writing() as connection:
        memory_metadata.store(connection, {'schema': 99})
    with pytest.raises(MemoryFormatError, match='got 99; update'):
        open_memory()
    with pytest.raises(MemoryFormatError, match='got 99; update'):
        SceneMemory.inspect(tmp_path / 'memory')


def test_other_weights_only_warn(open_memory, make_scan, make_facts, caplog):
    """At every start, while there are visits of other weights."""
    memory = open_memory(weights_hash='a' * 40)
    memory.commit(make_facts(memory, memory.add_visit(make_scan(1))))
    memory.close()
    with caplog.at_level(logging.WARNING):
        open_memory(weights_hash='a' * 40).close()
        assert caplog.text == ''
        for _ in range(2):
            caplog.clear()
            memory = open_memory(weights_hash='b' * 40)
            assert memory.metadata.weights_hash == 'b' * 40
            memory.close()
            assert '1 visits were segmented with other weights' in caplog.text
            assert 'reprocess' in caplog.text


@pytest.mark.parametrize('url', [None])
def test_opening_what_is_not_there_says_so(tmp_path, open_memory):
    with pytest.raises(MemoryFormatError, match='found no such folder'):
        open_memory(tmp_path / 'nowhere', create=False)
    with pytest.raises(MemoryFormatError, match='found none'):
        SceneMemory.inspect(tmp_path)
    (tmp_path / 'memory').mkdir()
    (tmp_path / 'memory' / 'memory.sqlite3').write_bytes(b'no database at all' * 100)
    with pytest.raises(MemoryFormatError, match='backup'):
        open_memory()


@pytest.mark.parametrize('damage', ['truncated', 'altered', 'missing'])
def test_damaged_points_are_noticed(open_memory, make_scan, tmp_path, damage):
    memory = open_memory()
    memory.add_visit(make_scan(1))
    file = next((tmp_path / 'memory' / 'visits').glob('*.npz'))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == 'missing':
        file.unlink()
    else:
        file.write_bytes(data if damage == 'altered' else data[: len(data) // 2])
    with pytest.raises(FileFormatError, match='restore'):
        memory.scan(1)
    assert len(find_faults(memory)) == 1


def test_failed_visit_keeps_its_reason_and_points(open_memory, make_scan):
    memory = open_memory()
    visit = memory.add_visit(make_scan(1))
    memory.fail(visit.visit_id, 'ValueError: odd')
    assert memory.visits()[0].status == VisitStatus.FAILED
    assert memory.failure(1) == 'ValueError: odd'
    assert len(memory.scan(1)) == 300
    assert memory.pending() == ()


def test_reader_sees_the_memory_while_a_writer_has_it(
    open_memory, make_scan, make_facts, tmp_path
):
    memory = open_memory()
    memory.commit(make_facts(memory, memory.add_visit(make_scan(1))))
    with SceneMemory.inspect(tmp_path / 'memory') as reader:
        assert same(asdict(reader.snapshot()), asdict(memory.snapshot()))
        memory.commit(make_facts(memory, memory.add_visit(make_scan(2))))
        assert reader.snapshot().revision == 2
        with pytest.raises(StorageError, match='only reads'):
            reader.add_visit(make_scan(3))
