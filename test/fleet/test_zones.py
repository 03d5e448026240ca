"""Several robots on one map: they deposit at any time, and a worker takes one visit at a time."""

from __future__ import annotations

from dataclasses import replace
from threading import Event, Thread

import numpy as np
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import ChangeKind, ObjectState

from .conftest import BOX, DAY_NS, rows_of, TABLE, wait_until

HOUR_NS = 3600 * 10**9
DENSITY = 150.0  # points per m^2, enough to know a thing by what came
NEXT = np.array([8.0, 0.0, 0.0], np.float32)  # m; from the zone of one robot to that of the other


def in_other_zone(scan):
    """Return a visit of the zone beside, an hour later."""
    path = None if scan.sensor_path is None else scan.sensor_path + NEXT
    stamp_ns = scan.stamp_ns + HOUR_NS
    return replace(scan, xyz=scan.xyz + NEXT, stamp_ns=stamp_ns, sensor_path=path)


def test_two_robots_in_two_zones_of_one_map(database, robot, visit, make_worker, tmp_path):
    """Neither waits for the other's visit; what came in one zone is its own, with its own id."""
    first, second = robot('hall'), robot('hall')
    worker = make_worker()
    masks, is_at_work, may_go_on = worker._work._segmenter, Event(), Event()
    segment = masks.segment

    def slowly(*arguments):
        is_at_work.set()
        assert may_go_on.wait(60.0)
        return segment(*arguments)

    masks.segment = slowly
    stop = Event()
    process = Thread(target=worker.run, args=(stop,))
    process.start()
    try:
        first.add(visit(1, DENSITY))
        list(first.send())
        assert is_at_work.wait(60.0)
        # The visit of the first robot is at hand for as long as this takes.
        for day in (1, 2, 3):
            second.add(in_other_zone(visit(day, DENSITY)))
        for day in (2, 3):
            first.add(visit(day, DENSITY))
        senders = [Thread(target=lambda r=r: list(r.send())) for r in (second, first)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert (first.waiting, second.waiting) == (0, 0)
        assert [row.status for row in rows_of(database)] == ['PENDING'] * 6
        may_go_on.set()
        wait_until(lambda: all(row.status == 'DONE' for row in rows_of(database)))
    finally:
        stop.set()
        may_go_on.set()
        process.join()
    with SceneMemory.inspect(tmp_path / 'reader', url=database.map_url('hall')) as memory:
        done = [entry['visit_id'] for entry in memory.journal(JournalAction.VISIT_PROCESSED)]
        objects, changes = memory.snapshot().objects, memory.changes()
        stamps = {v.visit_id: v.stamp_ns for v in memory.visits()}
    assert [stamps[k] for k in done] == sorted(stamps.values())  # each once, in order
    assert len(stamps) == 6
    middle = np.array([BOX[0][0], TABLE[0][0]]).mean()  # of all that can be in a zone
    zones = {o.object_id: bool(o.box.center[0] > middle + NEXT[0] / 2) for o in objects}
    assert len(zones) == len(objects)  # no id twice
    assert sorted(zones.values()) == [False, True]
    added = {c.object_id: stamps[c.visit_id] for c in changes if c.kind == ChangeKind.ADDED}
    assert added == {i: 3 * DAY_NS + HOUR_NS * zone for i, zone in zones.items()}
    assert len(changes) == 2
    # The newest visit shows one zone: what is in the other one is not observed, and not gone.
    states = {zones[o.object_id]: o.state for o in objects}
    assert states == {True: ObjectState.PRESENT, False: ObjectState.NOT_OBSERVED}
