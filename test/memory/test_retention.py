"""What is deleted is gone from every file; killed while deleting, the memory is whole."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing import get_context
import os
import signal
import time

import numpy as np
import pytest
from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.memory.editing import corrections
from rescene4d_ros.memory.editing.undo import undo
from rescene4d_ros.memory.maintenance import retention
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.memory.maintenance.thinning_policy import ThinningPolicy
from rescene4d_ros.memory.store import SceneMemory

DAY = 86_400 * 10**9
FORK = get_context('fork')


@pytest.fixture
def filled(open_memory, make_scan, make_facts):
    """Return a memory of four visits and eight objects, two born at each."""
    memory = open_memory()
    for day in (1, 2, 3, 4):
        memory.commit(make_facts(memory, memory.add_visit(make_scan(day)), births=2))
    return memory


def test_thinning_keeps_one_point_per_cube_and_its_id(filled):
    scans = [filled.scan(i) for i in (1, 2, 3, 4)]
    labels = [filled.labels(i) for i in (1, 2, 3, 4)]
    records = repr(filled.records)
    gone = retention.thin_visits(filled, 3 * DAY, 0.4)
    kept = [thin(scan.xyz, 0.4) for scan in scans[:2]]
    assert gone == sum(len(s) - len(k) for s, k in zip(scans, kept)) > 0
    for number, keep in enumerate(kept):
        assert np.array_equal(filled.scan(number + 1).xyz, scans[number].xyz[keep])
        assert np.array_equal(filled.labels(number + 1), labels[number][keep])
    assert np.array_equal(filled.scan(3).xyz, scans[2].xyz)
    assert repr(filled.records) == records
    assert find_faults(filled) == ()
    assert filled.journal()[-1]['detail']['points'] == gone
    assert retention.thin_visits(filled, 3 * DAY, 0.4) == 0  # nothing left to do


def test_policy_thins_only_old_visits_without_changes(
    open_memory, make_scan, make_facts, monkeypatch
):
    """The first, the newest and those with changes stay; ids, records and undo are as before."""
    memory = open_memory()
    for day in range(1, 13):
        facts = make_facts(memory, memory.add_visit(make_scan(day)), births=day < 3)
        # Visits 5 and 6 show changes, all others none.
        memory.commit(facts if day in (5, 6) else replace(facts, changes=()))
    corrections.merge(memory, 1, 2)
    policy = ThinningPolicy(memory, 0.4)
    assert policy.step(99 * DAY).visits == 0  # the merge can be undone row by row
    visit = memory.add_visit(make_scan(13))
    memory.commit(replace(make_facts(memory, visit), changes=()))
    before, records = memory.observations(), repr(memory.records)
    journal, past = memory.journal(), memory.past
    assert [v.visit_id for v in policy.due(12 * DAY)] == [2, 3, 4, 7, 8, 9, 10, 11]
    assert [policy.step(12 * DAY).visits for _ in range(3)] == [4, 4, 0]
    whole = {i for i in range(1, 14) if len(memory.scan(i)) == len(make_scan(i))}
    assert whole == {1, 5, 6, 12, 13}
    assert [v.n_points for v in memory.visits()] == [len(memory.scan(i)) for i in range(1, 14)]
    assert repr(memory.observations()) == repr(before)
    assert repr(memory.records) == records
    assert memory.past == past
    assert memory.journal()[: len(journal)] == journal
    assert find_faults(memory) == ()
    assert memory.stray_files() == set()
    monkeypatch.setattr(memory.files, 'read', None)  # nothing is read a second time
    assert ThinningPolicy(memory, 0.4).step(12 * DAY).visits == 0
    monkeypatch.undo()
    assert 'earlier observations' in undo(memory)
    assert sorted(memory.records) == [1, 2, 3]
    assert find_faults(memory) == ()


def test_deleted_object_is_in_no_file_and_no_table(filled, open_memory):
    corrections.rename(filled, 1, 'a secret name 4711')
    corrections.merge(filled, 1, 5)
    points = [filled.scan(v).xyz[np.isin(filled.labels(v), (1, 5))] for v in (1, 2, 3, 4)]
    retention.delete_object(filled, 5)  # by its alias
    for visit, secret in zip((1, 2, 3, 4), points):
        left = {tuple(point) for point in filled.scan(visit).xyz.tolist()}
        assert len(secret)
        assert not left & {tuple(point) for point in secret.tolist()}
        assert not np.isin(filled.labels(visit), (1, 5)).any()
    assert not {1, 5} & {o.object_id for o in filled.snapshot().objects}
    assert not {1, 5} & {c.object_id for c in filled.changes()}
    assert find_faults(filled) == ()
    assert filled.metadata.next_object_id == 9
    filled.close()
    for file in filled.path.glob('memory.sqlite3*'):
        assert b'a secret name 4711' not in file.read_bytes()
    with pytest.raises(MemoryFormatError, match='found no object 5'):
        open_memory().known_id(5)


def test_deleted_visit_takes_what_it_alone_showed(filled):
    name = filled.key(4)
    retention.delete_visit(filled, 4)
    assert [v.visit_id for v in filled.visits()] == [1, 2, 3]
    assert not (filled.path / 'visits' / name).exists()
    assert sorted(filled.records) == [1, 2, 3, 4, 5, 6]  # 7 and 8 were born there
    for object_id, record in filled.records.items():
        assert record.last_seen_ns == 3 * DAY
        shown = filled.scan(3).xyz[filled.labels(3) == object_id]
        assert {tuple(p) for p in record.xyz.tolist()} <= {tuple(p) for p in shown.tolist()}
    assert find_faults(filled) == ()
    with pytest.raises(MemoryFormatError, match='found none'):
        filled.scan(4)


def test_retention_by_age_keeps_the_newest_visit(filled):
    gone = retention.delete_visits_before(filled, 3 * DAY)
    assert [v.visit_id for v in gone] == [1, 2]
    assert [v.visit_id for v in retention.delete_visits_before(filled, 99 * DAY)] == [3]
    assert [v.visit_id for v in filled.visits()] == [4]
    assert sorted(filled.records) == list(range(1, 9))  # the newest shows them all
    assert find_faults(filled) == ()
    assert [e['action'] for e in filled.journal()][-3:] == ['visit deleted'] * 3


def test_ids_and_visits_go_on_after_a_deletion(filled, make_scan, make_facts):
    retention.delete_visit(filled, 4)
    retention.delete_object(filled, 2)
    visit = filled.add_visit(make_scan(4))  # the stamp is free again
    assert visit.visit_id == 5
    filled.commit(make_facts(filled, visit))
    assert sorted(filled.records) == [1, 3, 4, 5, 6, 9]
    assert find_faults(filled) == ()


def test_locked_object_is_not_deleted(filled):
    corrections.lock(filled, 7)
    with pytest.raises(MemoryFormatError, match='unlock'):
        retention.delete_object(filled, 7)
    with pytest.raises(MemoryFormatError, match='unlock'):
        retention.delete_visit(filled, 4)  # it alone shows 7
    assert len(filled.visits()) == 4


def delete_everything(path, told) -> None:
    """Thin, then delete objects and visits one after the other."""
    with SceneMemory.edit(path) as memory:
        os.write(told, b'open\n')
        retention.thin_visits(memory, 9 * DAY, 0.5)
        for object_id in (1, 2, 3):
            if object_id in memory.records:
                retention.delete_object(memory, object_id)
        retention.delete_visits_before(memory, 3 * DAY)


def test_killed_while_deleting_the_memory_is_whole(filled):
    filled.close()
    rng = np.random.default_rng(0)
    for _ in range(10):
        read_end, write_end = os.pipe()
        worker = FORK.Process(target=delete_everything, args=(filled.path, write_end))
        worker.start()
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            assert pipe.readline() == 'open\n'
            time.sleep(rng.uniform(0, 0.08))
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
        with SceneMemory.inspect(filled.path) as memory:
            # A file that no visit needs any more is left for the next call to remove.
            assert [f for f in find_faults(memory) if 'no stored visit' not in f] == []
    read_end, write_end = os.pipe()
    worker = FORK.Process(target=delete_everything, args=(filled.path, write_end))
    worker.start()
    worker.join()
    os.close(read_end)
    os.close(write_end)
    with SceneMemory.edit(filled.path) as memory:
        assert not {1, 2, 3} & set(memory.records)
        assert [v.visit_id for v in memory.visits()] == [3, 4]
        retention.delete_object(memory, 4)
        assert find_faults(memory) == ()
