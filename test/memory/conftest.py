"""Small visits and facts, made without a segmenter; databases of SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
import time

import numpy as np
import pytest
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState, Scan
from rescene4d_ros.tracking.records import LinkedObservation, ObjectRecord, Observation, VisitFacts

DAY = 86_400 * 10**9
CLASSES = ('chair', 'table')


@pytest.fixture
def new_schema_url(postgres):
    """Return a function that makes a schema on the server, for one memory, and returns its URL."""
    return lambda: new_schema(postgres)


@pytest.fixture
def schema_url(new_schema_url):
    """Return the URL of a new schema on the server."""
    return new_schema_url()


def new_schema(server) -> str:
    """Make a schema; return its URL."""
    name = f'memory_{time.monotonic_ns()}'
    with server.connect() as connection:
        connection.execute(f'CREATE SCHEMA {name}')
    return f'{server.url}&options=-csearch_path%3D{name}'


@pytest.fixture(params=['sqlite', 'postgresql'])
def new_url(request):
    """Return a function that gives every memory its database; None = SQLite in its folder."""
    if request.param == 'sqlite':
        return lambda: None
    server = request.getfixturevalue('postgres')
    return lambda: new_schema(server)


@pytest.fixture
def url(new_url):
    """Return where the test's memory has its database."""
    return new_url()


@pytest.fixture
def open_memory(tmp_path, url):
    """Return a function that opens the test's memory; all are closed at the end."""
    opened = []

    def open_it(path=tmp_path / 'memory', **how):
        if path == tmp_path / 'memory':
            how.setdefault('url', url)
        how = {'map_id': 'hall', 'frame_id': 'map', 'class_names': CLASSES, **how}
        opened.append(SceneMemory.open(path, **how))
        return opened[-1]

    yield open_it
    for memory in opened:
        memory.close()


@pytest.fixture
def make_scan():
    """Return a function that makes the scan of a day, with every optional array."""

    def make(day: int, n: int = 300, name: str = '') -> Scan:
        rng = np.random.default_rng(day)
        xyz = rng.normal(size=(n, 3)).astype(np.float32)
        return Scan(
            xyz,
            day * DAY,
            rng.integers(0, 256, (n, 3)).astype(np.uint8),
            (xyz / np.linalg.norm(xyz, axis=1, keepdims=True)).astype(np.float32),
            rng.normal(size=(4, 3)).astype(np.float32),
            name=name or f'day {day}',
        )

    return make


@pytest.fixture
def make_facts():
    """Return a function that makes facts: all known objects seen again, and some births."""

    def make(memory: SceneMemory, visit, births: int = 1) -> VisitFacts:
        scan = memory.scan(visit.visit_id)
        rng = np.random.default_rng(visit.visit_id)
        next_id = memory.metadata.next_object_id
        records = {
            i: replace(record, last_seen_ns=scan.stamp_ns) for i, record in memory.records.items()
        }
        for object_id in range(next_id, next_id + births):
            records[object_id] = ObjectRecord(
                object_id,
                ObjectState.PRESENT,
                False,
                0.5,
                Box(tuple(rng.normal(size=3).tolist()), (0.5, 0.25, 0.1), -1.25),
                scan.stamp_ns,
                scan.stamp_ns,
                None,
                1,
                0.75,
                'new',
                np.array([0.25, 0.75], np.float32),
                rng.normal(size=4).astype(np.float32),
                rng.normal(size=6).astype(np.float32),
                rng.normal(size=(5, 3)).astype(np.float32),
            )
        labels = np.resize([0, *records], len(scan)).astype(np.int64)
        linked = {
            i: LinkedObservation(
                Observation(
                    np.flatnonzero(labels == i),
                    record.xyz,
                    record.box,
                    record.class_probs,
                    record.score,
                    record.feature,
                    record.color,
                    {},
                ),
                'test',
            )
            for i, record in records.items()
        }
        changes = tuple(
            Change(
                ChangeKind.MOVED,
                i,
                'table',
                0.5,
                visit.visit_id,
                record.box,
                record.box,
                np.linalg.qr(rng.normal(size=(4, 4)))[0],
                None,
                scan.stamp_ns,
            )
            for i, record in records.items()
            if i < next_id
        )
        return VisitFacts(
            visit, linked, dict.fromkeys(records, ObjectState.PRESENT), changes, labels, records
        )

    return make
