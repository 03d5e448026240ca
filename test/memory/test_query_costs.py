"""Questions to long memories: answered as by reading everything, while little is read."""

from __future__ import annotations

from contextlib import closing, contextmanager
from datetime import UTC
import sqlite3

import numpy as np
import pytest
from rescene4d_ros.errors import MemoryDamagedError, StorageError
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.database import history_queries, row_access, schema
from rescene4d_ros.memory.database.engine import state_of
from rescene4d_ros.memory.database.history_queries import TURNS
from rescene4d_ros.memory.database.manifest import FILE_NAME
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.questions import asking
from rescene4d_ros.structures import Box, ChangeKind, ObjectState, VisitStatus
from rescene4d_ros.tracking.object_ids import resolve
from sqlalchemy import event, text
from sqlalchemy.pool import Pool

HOUR = 3600 * 10**9


@pytest.fixture
def make_long(open_memory, make_scan, make_facts, tmp_path, new_url):
    """
    Return a function that makes a memory of many visits, written as rows.

    Objects are born at the first visits, seen three times of four, change now and then; some
    became aliases. Visits are numbered in another order than they were made in.
    """

    def make(n_visits: int, n_objects: int):
        memory = open_memory(tmp_path / f'{n_visits} {n_objects}', url=new_url())
        first = memory.add_visit(make_scan(1, n=2 * n_objects))
        memory.commit(make_facts(memory, first, births=n_objects))
        rng = np.random.default_rng(n_visits)
        stamps = np.arange(2, n_visits + 1) * HOUR + memory.scan(1).stamp_ns
        numbers = rng.permutation(np.arange(2, n_visits + 1)).tolist()
        visits, states, seen, changes = [], [], [], []
        for number, stamp in zip(numbers, stamps.tolist()):
            visits.append(
                {
                    'visit_id': number,
                    'stamp_ns': stamp,
                    'status': VisitStatus.DONE,
                    'name': '',
                    'file': f'{number}',
                    'n_points': 0,
                    'reason': '',
                }
            )
            late = stamp == stamps[-1]
            for i in range(1, n_objects + 1):
                state = (
                    ObjectState.PRESENT
                    if late and i % 5
                    else ObjectState(
                        rng.choice(
                            [ObjectState.PRESENT, ObjectState.ABSENT, ObjectState.NOT_OBSERVED],
                            p=[0.75, 0.125, 0.125],
                        )
                    )
                )
                states.append({'visit_id': number, 'object_id': i, 'state': state})
                box = Box(tuple(rng.normal(size=3).tolist()), (1.0, 1.0, 1.0), 0.0)
                if state == ObjectState.PRESENT:
                    seen.append(
                        {
                            'visit_id': number,
                            'object_id': i,
                            'n_points': 9,
                            'score': 0.5,
                            'box': box,
                            'link_reason': f'seen {number}',
                            'class_probs': np.ones(2, np.float32) / 2,
                            'feature': np.empty(0),
                            'color': np.empty(0),
                            'alternatives': (),
                        }
                    )
                if rng.random() < 2 / n_visits:
                    changes.append(
                        {
                            'change_id': 1 + len(changes),
                            'revision': 2,
                            'visit_id': number,
                            'kind': ChangeKind(rng.choice(ChangeKind)),
                            'object_id': i,
                            'other_id': 0,
                            'class_name': 'table',
                            'confidence': 0.5,
                            'before': box,
                            'after': box,
                            'evidence_after_ns': stamp,
                        }
                    )
        aliases = [
            {'alias_id': 4, 'object_id': 3, 'visit_id': 1},
            {'alias_id': 9, 'object_id': 4, 'visit_id': 1},
        ]
        with memory.database.correcting(JournalAction.VISITS_REPROCESSED, {}) as (connection, _):
            for table, rows in (
                (schema.visits, visits),
                (schema.states, states),
                (schema.observations, seen),
                (schema.changes, changes),
                (schema.aliases, aliases),
            ):
                connection.execute(table.insert(), rows)
            connection.execute(
                schema.objects.delete().where(schema.objects.c.object_id.in_([4, 9]))
            )
            connection.execute(schema.notes.insert().values(object_id=3, name='desk'))
        memory.database.checkpoint()  # on a server, so that it knows how large its tables are
        return memory

    return make


def read_everything(memory) -> dict[int, list]:
    """Return what each visit said of every object, by reading all rows."""
    aliases = memory.aliases()
    when = {visit.visit_id: visit.stamp_ns for visit in memory.visits()}
    seen = {(s.visit_id, s.object_id): s for s in memory.observations()}
    changes = {}
    for change in memory.changes():
        changes.setdefault((change.visit_id, change.object_id), []).append(change)
    states = {(visit, i): state for i, past in memory.past.items() for visit, state in past}
    pasts = {}
    for key in sorted({*states, *changes}, key=lambda key: (when[key[0]], -key[1])):
        here = seen.get(key)
        pasts.setdefault(resolve(key[1], aliases), []).append(
            queries.Event(
                key[0],
                when[key[0]],
                key[1],
                states.get(key, ObjectState.UNKNOWN),
                here and here.box,
                here.reason if here else '',
                tuple(changes.get(key, ())),
            )
        )
    return pasts


def place_of(memory, object_id, events, at_ns) -> queries.ObjectLocation | None:
    """Return where an object was, by its whole past."""
    past = [e for e in events if e.stamp_ns <= at_ns]
    seen = [e for e in past if e.box is not None]
    if not seen:
        return None
    turns = [e.stamp_ns for e in past if {c.kind for c in e.changes} & set(TURNS)]
    latest = [e.state for e in past if e.stamp_ns == past[-1].stamp_ns]
    return queries.ObjectLocation(
        object_id,
        memory.names().get(object_id, ''),
        memory.metadata.class_names[memory.records[object_id].class_id],
        ObjectState.PRESENT if ObjectState.PRESENT in latest else latest[-1],
        seen[-1].box,
        turns[-1] if turns else seen[0].stamp_ns,
        seen[-1].stamp_ns,
    )


def test_answers_are_those_of_reading_everything(make_long):
    memory = make_long(60, 12)
    pasts = read_everything(memory)
    assert sorted(pasts) == [1, 2, 3, 5, 6, 7, 8, 10, 11, 12]
    for object_id, events in pasts.items():
        assert repr(queries.history_of(memory, object_id)) == repr(tuple(events))
    assert queries.history_of(memory, 9) == queries.history_of(memory, 3)
    stamps = [visit.stamp_ns for visit in memory.visits()]
    for at_ns in (stamps[0] - 1, *stamps[::7], stamps[-1] + 1):
        places = {i: place_of(memory, i, events, at_ns) for i, events in sorted(pasts.items())}
        assert queries.of_class(memory, None, at_ns) == tuple(
            place for place in places.values() if place is not None and not place.is_gone
        )
        for i, place in places.items():
            assert place is None or queries.where_is(memory, i, at_ns) == place
    when = {visit.visit_id: visit.stamp_ns for visit in memory.visits()}
    for after, until in ((0, stamps[-1]), (stamps[20], stamps[40]), (stamps[-1], stamps[0])):
        assert repr(queries.changed_between(memory, after, until)) == repr(
            tuple(
                sorted(
                    (c for c in memory.changes() if after < when[c.visit_id] <= until),
                    key=lambda c: (when[c.visit_id], c.object_id, c.kind),
                )
            )
        )


@contextmanager
def counted_steps():
    """Count the steps of all SQLite queries of this process; give a list with the number."""
    steps = [0]

    def count() -> None:
        steps[0] += 1

    def watch(connection, *_) -> None:
        connection.set_progress_handler(count, 1)

    event.listen(Pool, 'checkout', watch)
    try:
        yield steps
    finally:
        event.remove(Pool, 'checkout', watch)


QUESTIONS = {
    'where': lambda memory, _: queries.where_is(memory, 1),
    'where, by an alias': lambda memory, _: queries.where_is(memory, 9),
    'list': lambda memory, _: queries.of_class(memory, None),
    'changes': lambda memory, newest: queries.changed_between(memory, newest - 3 * HOUR, newest),
}


@pytest.mark.parametrize('new_url', [lambda: None], ids=['sqlite'])
def test_questions_cost_no_more_in_a_long_memory(make_long):
    """With ten times as many visits a reader asks, and works hardly more."""
    costs = {}
    for n_visits in (20, 200):
        long = make_long(n_visits, 12)
        newest = long.visits()[-1].stamp_ns
        for name, ask in QUESTIONS.items():
            # Opening is not counted: it compares the whole database with itself.
            with SceneMemory.inspect(long.path) as memory, counted_steps() as steps:
                ask(memory, newest)
            costs[n_visits, name] = steps[0]
    for name in QUESTIONS:
        assert costs[200, name] < 1.5 * costs[20, name]


@pytest.mark.parametrize('new_url', [lambda: None], ids=['sqlite'])
def test_question_asked_again_costs_no_more_in_a_long_memory(make_long):
    """Also for objects that are absent: the visits are known, and little of the past is read."""
    costs = []
    for n_visits in (20, 200):
        long = make_long(n_visits, 12)
        newest = long.visits()[-1].stamp_ns
        with SceneMemory.inspect(long.path) as memory:
            first = asking.ask(memory, 'what is in the room?', newest, UTC)
            with counted_steps() as steps:
                assert asking.ask(memory, 'what is in the room?', newest, UTC).text == first.text
        costs.append(steps[0])
    assert costs[1] < 1.5 * costs[0]


def exclude_and_fail(memory) -> None:
    """Change a visit in a transaction that is taken back."""
    with memory.database.correcting(JournalAction.VISIT_EXCLUDED, {}) as (connection, _):
        row_access.change_visit(connection, 1, status=VisitStatus.EXCLUDED)
        raise StorageError('the disk is full')


@pytest.mark.parametrize('new_url', [lambda: None], ids=['sqlite'])
def test_visits_are_read_again_after_every_change(open_memory, make_scan, make_facts):
    memory = open_memory()
    first = memory.add_visit(make_scan(1))
    assert [v.status for v in memory.visits()] == [VisitStatus.PENDING]
    memory.commit(make_facts(memory, first))
    assert [v.status for v in memory.visits()] == [VisitStatus.DONE]
    with pytest.raises(StorageError):
        exclude_and_fail(memory)
    assert [v.status for v in memory.visits()] == [VisitStatus.DONE]
    with SceneMemory.inspect(memory.path) as reader:
        assert len(reader.visits()) == 1
        memory.add_visit(make_scan(2))
        assert len(reader.visits()) == 2
        with closing(sqlite3.connect(memory.path / FILE_NAME)) as other:
            other.execute('UPDATE visits SET name = ? WHERE visit_id = 2', ('altered',))
            other.commit()
        for opened in (reader, memory):
            with pytest.raises(MemoryDamagedError, match='visit_id 2'):
                opened.visits()


@pytest.mark.parametrize('new_url', [lambda: None], ids=['sqlite'])
def test_history_of_one_object_costs_no_more_among_many(make_long):
    costs = []
    for n_objects in (10, 100):
        path = make_long(20, n_objects).path
        with SceneMemory.inspect(path) as memory, counted_steps() as steps:
            queries.history_of(memory, 1)
        costs.append(steps[0])
    assert costs[1] < 1.5 * costs[0]


def rows_read(connection) -> int:
    """Return how many rows, of tables with many per visit, a server has read for this session."""
    return int(
        connection.execute(
            text(
                'SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) '
                'FROM pg_stat_xact_user_tables WHERE schemaname = current_schema() '
                "AND relname IN ('states', 'observations', 'changes')"
            )
        ).scalar()
    )


@pytest.mark.parametrize('new_url', ['postgresql'], indirect=True)
def test_server_reads_few_rows_for_a_question(make_long):
    memory = make_long(200, 40)  # 8000 states, 6000 observations
    newest = memory.visits()[-1].stamp_ns
    told = {}
    for name, ask in (
        ('where', lambda c: history_queries.known_of(c, [1], newest)),
        ('list', lambda c: history_queries.known_of(c, range(10, 40), newest)),
        ('changes', lambda c: history_queries.changes_between(c, newest - 3 * HOUR, newest)),
        ('history', lambda c: history_queries.events_of(c, 1)),
    ):
        with memory.database.reading() as connection:
            # Tables as small as these a server would rather read whole.
            connection.execute(text('SET LOCAL enable_seqscan = off'))
            before = rows_read(connection)
            ask(connection)
            told[name] = rows_read(connection) - before
    assert told['where'] < 40
    assert told['list'] < 30 * 40
    assert told['changes'] < 20
    assert told['history'] < 2 * 200 + 20


def test_visits_are_the_same_whatever_was_known_of_them(open_memory, make_scan, make_facts):
    """After a row changed and after one came, as read anew; the other rows are kept."""
    memory = open_memory()

    def compare() -> row_access.VisitList:
        with memory.database.reading() as connection:
            anew = row_access.visit_list(connection, state_of(connection), None)
        found = memory.database.visit_list()
        assert found.visits == anew.visits == memory.visits()
        assert found.files == anew.files == memory.keys()
        assert list(found.marks) == [visit.visit_id for visit in anew.visits]
        return found

    assert compare().visits == ()
    for day in (3, 1, 2):
        memory.add_visit(make_scan(day))
    before = compare()
    memory.fail(3, 'a reason')
    after = compare()
    assert after.infos[3].status == VisitStatus.FAILED
    assert all(after.infos[i] is before.infos[i] for i in (1, 2))
    memory.commit(make_facts(memory, after.infos[1], births=2))
    assert compare().infos[1].status == VisitStatus.DONE
    added = memory.add_visit(make_scan(10))
    assert compare().visits[-1] == added
