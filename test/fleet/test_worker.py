"""Workers on a real server: order, refusals, kills, stalls; each visit is processed once."""

from __future__ import annotations

from collections import Counter
import os
import signal
from threading import Event

import numpy as np
import pytest
from rescene4d_ros.errors import LeaseLostError
from rescene4d_ros.fleet.database import DepositStatus, PROCESSED
from rescene4d_ros.fleet.visit_guard import Outcome
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.tracker import SceneTracker

from .conftest import DAY_NS, files_of, rows_of, SETTINGS, wait_until

DONE = DepositStatus.DONE


def inspected(database, tmp_path, map_id='hall') -> SceneMemory:
    """Open the memory of a map as a robot does."""
    return SceneMemory.inspect(tmp_path / 'reader', url=database.map_url(map_id))


def processed(database, tmp_path, map_id) -> Counter:
    """Return how often the journal of a map says that each visit was processed."""
    with inspected(database, tmp_path, map_id) as memory:
        entries = memory.journal(JournalAction.VISIT_PROCESSED)
    return Counter(entry['visit_id'] for entry in entries)


@pytest.mark.slow
def test_visits_are_processed_as_on_one_machine(
    database, robot, visit, make_worker, tmp_path, points
):
    depositor = robot()
    for day in (2, 1, 3):
        depositor.add(visit(day, 150.0))
    assert len(list(depositor.send())) == 3
    assert depositor.waiting == 0
    worker = make_worker()
    with database.listening(PROCESSED) as connection:
        worker.run(Event(), until_idle=True)
        told = [database.notifications(connection, 5.0) for _ in range(3)]
    outcomes = [Outcome.from_json(text) for notices in told for _, text in notices]
    assert [(o.map_id, o.status, o.visit_id, o.revision) for o in outcomes] == [
        ('hall', DONE, k, k) for k in (1, 2, 3)
    ]
    rows = rows_of(database)
    assert [(row.status, row.visit_id, row.revision) for row in rows] == [
        (DONE, 2, 2),
        (DONE, 1, 1),
        (DONE, 3, 3),
    ]
    alone = SceneMemory.open(
        tmp_path / 'alone', 'hall', 'map', worker._work._segmenter.class_names
    )
    with alone, inspected(database, tmp_path) as fleet:
        tracker = SceneTracker(alone, worker._work._segmenter, SETTINGS['tracker'])
        for day in (1, 2, 3):
            tracker.add_visit(visit(day, 150.0))
        assert fleet.changes() == alone.changes()
        assert len(fleet.changes()) > 0
        kept = [
            [(o.object_id, o.box, o.state, o.score) for o in memory.snapshot().objects]
            for memory in (alone, fleet)
        ]
        assert kept[0] == kept[1]
        assert files_of(points) == set(fleet.keys().values())
    assert worker.stats.outcomes == {DONE: 3}
    assert worker.stats.ids == 1


def test_deposit_sent_twice_is_stored_once(database, robot, visit, points):
    depositor = robot()
    for _ in range(2):
        depositor.add(visit(1))
        assert list(depositor.send()) == [1]
    other = visit(1, density=30.0)
    depositor.add(other)
    assert list(depositor.send()) == []
    assert depositor.waiting == 0
    assert [row.n_points for row in rows_of(database)] == [len(visit(1))]
    kept = list((depositor._spool._folder / 'refused').glob('*.visit'))
    assert depositor._spool.read(kept[0])[0].n_points == len(other)


def test_deposits_that_cannot_be_visits_are_refused_with_a_reason(
    database, robot, visit, make_worker, points
):
    depositor = robot()
    millimetres = visit(2)
    depositor.add(visit(1))
    depositor.add(type(millimetres)(millimetres.xyz * 1000, millimetres.stamp_ns))
    depositor.add(visit(3))
    depositor.add(visit(4))
    list(depositor.send())
    lost = rows_of(database)[2].file
    os.remove(f'{points}/map_hall/{lost}')
    worker = make_worker()
    worker.run(Event(), until_idle=True)
    rows = rows_of(database)
    assert [row.status for row in rows] == ['DONE', 'REFUSED', 'REFUSED', 'DONE']
    assert 'unit' in rows[1].reason
    assert 'found none' in rows[2].reason
    assert rows[1].file in files_of(points)
    assert worker.stats.outcomes == {DONE: 2, DepositStatus.REFUSED: 2}


@pytest.mark.slow
def test_late_visit_is_taken_in(database, robot, visit, make_worker, tmp_path):
    depositor, worker = robot(), make_worker()
    for day in (1, 3, 2):
        depositor.add(visit(day))
        list(depositor.send())
        worker.run(Event(), until_idle=True)
    assert [row.status for row in rows_of(database)] == ['DONE'] * 3
    with inspected(database, tmp_path) as memory:
        assert [v.stamp_ns // DAY_NS for v in memory.visits()] == [1, 2, 3]
        assert len(memory.journal(JournalAction.VISITS_REPROCESSED)) == 1


@pytest.mark.slow
def test_map_that_a_person_has_open_waits(database, robot, visit, make_worker, tmp_path):
    depositor, worker = robot(), make_worker()
    depositor.add(visit(1))
    list(depositor.send())
    worker.run(Event(), until_idle=True)
    depositor.add(visit(2))
    list(depositor.send())
    (tmp_path / 'person').mkdir()
    with SceneMemory.edit(tmp_path / 'person', url=database.map_url('hall')):
        worker.run(Event(), until_idle=True)
        assert rows_of(database)[1].status == 'PENDING'
        assert worker.stats.errors >= 1
    wait_until(lambda: worker.run(Event(), until_idle=True) or rows_of(database)[1].status == DONE)


def test_killed_worker_loses_nothing_and_nothing_is_processed_twice(
    database, robot, visit, start_worker, tmp_path
):
    maps = ('hall', 'cellar', 'attic')
    for map_id in maps:
        depositor = robot(map_id)
        for day in (1, 2):
            depositor.add(visit(day))
        list(depositor.send())
    victim = start_worker(slow=60.0)
    wait_until(lambda: any(row.visit_id for row in rows_of(database)))  # stored, not processed
    os.kill(victim.pid, signal.SIGKILL)
    start_worker()
    start_worker()
    wait_until(lambda: all(row.status == DONE for row in rows_of(database)))
    for map_id in maps:
        assert processed(database, tmp_path, map_id) == {1: 1, 2: 1}
    assert sorted(row.attempts for row in rows_of(database)) == [0, 0, 0, 0, 0, 1]


@pytest.mark.slow
def test_stalled_worker_cannot_store_what_another_one_has_done(
    database, robot, visit, start_worker, make_worker, tmp_path
):
    depositor = robot()
    depositor.add(visit(1))
    list(depositor.send())
    stalled = start_worker(slow=0.3)
    wait_until(lambda: rows_of(database)[0].visit_id)
    os.kill(stalled.pid, signal.SIGSTOP)
    other = make_worker()
    wait_until(lambda: other.run(Event(), until_idle=True) or rows_of(database)[0].status == DONE)
    os.kill(stalled.pid, signal.SIGCONT)
    depositor.add(visit(2))
    list(depositor.send())
    wait_until(lambda: rows_of(database)[1].status == DONE)  # by either
    assert processed(database, tmp_path, 'hall') == {1: 1, 2: 1}
    with inspected(database, tmp_path) as memory:
        assert memory.metadata.revision == 2


def test_lease_that_was_taken_undoes_the_transaction(
    database, robot, visit, make_worker, tmp_path
):
    depositor, worker = robot(), make_worker(lease=0.5)
    depositor.add(visit(1))
    list(depositor.send())
    segment = worker._work._segmenter.segment

    def taken_meanwhile(*arguments):
        with database.transaction() as connection:
            connection.exec_driver_sql(
                'UPDATE rescene4d_fleet.leases SET number = number + 1;'
                'UPDATE rescene4d_fleet.heartbeats SET number = number + 1,'
                " until = now() + interval '1 hour'"
            )
        return segment(*arguments)

    worker._work._segmenter.segment = taken_meanwhile
    worker.run(Event(), until_idle=True)
    assert worker.stats.lost == 1
    assert rows_of(database)[0].status == 'PENDING'
    assert processed(database, tmp_path, 'hall') == {}


@pytest.mark.slow
def test_visit_that_ends_its_workers_is_failed(database, robot, visit, start_worker, make_worker):
    depositor = robot()
    for day in (1, 2):
        depositor.add(visit(day))
    list(depositor.send())
    for attempts in (0, 1):
        victim = start_worker(slow=60.0, lease=0.5)
        wait_until(lambda: rows_of(database)[0].visit_id)
        wait_until(lambda expected=attempts: rows_of(database)[0].attempts == expected)
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
    worker = make_worker(attempts=2)
    wait_until(lambda: worker.run(Event(), until_idle=True) or rows_of(database)[1].status == DONE)
    first = rows_of(database)[0]
    assert (first.status, first.attempts) == ('FAILED', 2)
    assert '2 workers ended' in first.reason


def test_guard_refuses_an_older_number(database, robot, visit, make_worker):
    depositor, worker = robot(), make_worker()
    depositor.add(visit(1))
    list(depositor.send())
    with worker._taker.take() as lease:
        assert worker._taker.take() is None
        lease.number -= 1
        with pytest.raises(LeaseLostError, match='another worker'):
            worker._work.process(lease, Event())
        lease.number += 1
    assert np.unique([row.status for row in rows_of(database)]).tolist() == ['PENDING']
