"""Questions to a story with a known answer, by library and by command."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.editing import corrections
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState

DAY = 86_400 * 10**9
THERE = Box((4.0, 5.0, 0.5), (1.0, 1.0, 1.0))


@pytest.fixture
def story(open_memory, make_scan, make_facts):
    """
    Return a memory of four visits, at days 1 to 4, and the tables 1 and 2.

    Table 1 is removed at visit 2, not observed at 3, and back at another place at 4. Table 2
    stands still.
    """
    memory = open_memory()
    memory.commit(make_facts(memory, memory.add_visit(make_scan(1)), births=2))
    for day, state, kind in (
        (2, ObjectState.ABSENT, ChangeKind.REMOVED),
        (3, ObjectState.NOT_OBSERVED, None),
        (4, ObjectState.PRESENT, ChangeKind.REAPPEARED),
    ):
        facts = make_facts(memory, memory.add_visit(make_scan(day)), births=0)
        before = memory.records[1]
        linked, records = dict(facts.linked), dict(facts.records)
        if state == ObjectState.PRESENT:
            observation = replace(linked[1].observation, box=THERE)
            linked[1] = replace(linked[1], observation=observation)
            records[1] = replace(records[1], box=THERE, state=state, is_gone=False)
        else:
            del linked[1]
            records[1] = replace(before, state=state, is_gone=True)
        changes = (
            ()
            if kind is None
            else (
                Change(
                    kind,
                    1,
                    'table',
                    0.75,
                    day,
                    before.box,
                    None if day == 2 else THERE,
                    None,
                    DAY,
                    day * DAY,
                ),
            )
        )
        labels = np.where((facts.object_ids == 1) & (1 not in linked), 0, facts.object_ids)
        memory.commit(
            replace(
                facts,
                linked=linked,
                records=records,
                changes=changes,
                states={**facts.states, 1: state},
                object_ids=labels,
            )
        )
    assert find_faults(memory) == ()
    return memory


@pytest.mark.parametrize(
    ('day', 'state', 'since', 'last'),
    [
        (1, ObjectState.PRESENT, 1, 1),
        (2, ObjectState.ABSENT, 2, 1),
        (3, ObjectState.NOT_OBSERVED, 2, 1),
        (4, ObjectState.PRESENT, 4, 4),
    ],
)
def test_where_is_it_since_when(story, day, state, since, last):
    place = queries.where_is(story, 1, day * DAY)
    assert (place.state, place.since_ns, place.last_seen_ns) == (state, since * DAY, last * DAY)
    assert (place.box == THERE) == (day == 4)
    assert queries.where_is(story, 2, day * DAY).since_ns == DAY


def test_now_is_the_latest_visit(story):
    for object_id in (1, 2):
        assert queries.where_is(story, object_id) == queries.where_is(story, object_id, 4 * DAY)


def test_before_its_first_visit_nothing_is_known(story):
    with pytest.raises(MemoryFormatError, match='no visit had seen it'):
        queries.where_is(story, 1, DAY - 1)
    with pytest.raises(MemoryFormatError, match='found no object 9'):
        queries.where_is(story, 9)


@pytest.mark.parametrize(('day', 'ids'), [(0, []), (1, [1, 2]), (2, [2]), (3, [2]), (4, [1, 2])])
def test_objects_of_a_class_at_a_time(story, day, ids):
    """One that is gone stays gone at day 3, which does not look there."""
    assert [p.object_id for p in queries.of_class(story, 'table', day * DAY)] == ids
    assert queries.of_class(story, 'chair', day * DAY) == ()
    with pytest.raises(MemoryFormatError, match='there are: chair, table'):
        queries.of_class(story, 'stool')


@pytest.mark.parametrize(
    ('after', 'until', 'kinds'),
    [
        (0, 4, [ChangeKind.REMOVED, ChangeKind.REAPPEARED]),
        (1, 2, [ChangeKind.REMOVED]),
        (2, 3, []),
        (2, 4, [ChangeKind.REAPPEARED]),
    ],
)
def test_what_changed_between_two_times(story, after, until, kinds):
    found = queries.changed_between(story, after * DAY, until * DAY)
    assert [c.kind for c in found] == kinds


def test_numbers_beyond_the_columns_are_answered(story):
    """No database is asked for an id or a time that it cannot hold."""
    for object_id in (0, -1, 2**31, 2**64 - 1):
        with pytest.raises(MemoryFormatError, match=f'no object {object_id}'):
            queries.where_is(story, object_id)
    assert queries.of_class(story, None, 2**70) == queries.of_class(story, None)
    assert queries.of_class(story, None, -(2**70)) == ()
    assert queries.changed_between(story, -(2**70), 2**70) == queries.changed_between(
        story, -1, 2**60
    )


def test_history_holds_every_visit_and_the_past_of_aliases(story):
    past = queries.history_of(story, 1)
    assert [(e.visit_id, e.state) for e in past] == [
        (1, ObjectState.PRESENT),
        (2, ObjectState.ABSENT),
        (3, ObjectState.NOT_OBSERVED),
        (4, ObjectState.PRESENT),
    ]
    assert [len(e.changes) for e in past] == [0, 1, 0, 1]
    assert past[0].reason == 'test'
    corrections.merge(story, 1, 2)
    joined = queries.history_of(story, 2)
    assert {e.object_id for e in joined} == {1, 2}
    assert [e.visit_id for e in joined] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert queries.where_is(story, 2).object_id == 1


def ask(capsys, *arguments) -> str:
    """Return what the command prints."""
    assert main(['memory', *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_command_answers_while_a_writer_works(story, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '160')
    assert 'gone' in ask(capsys, 'where', story.path, 1, '--at', '1970-01-03')
    assert '1970-01-05' in ask(capsys, 'where', story.path, 1)
    tables = ask(capsys, 'list', story.path, 'table')
    assert '4.00 5.00 0.50' in tables
    assert ask(capsys, 'list', story.path) == tables  # there is nothing else
    told = ask(capsys, 'changes', story.path, '--after', 2, '--until', '1970-01-05')
    assert 'REAPPEARED' in told
    assert 'REMOVED' not in told
    assert 'not seen' in ask(capsys, 'history', story.path, 1)
    assert ask(capsys, 'journal', story.path).count('visit processed') == 4


def test_command_corrects_and_deletes(story, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '160')
    path = story.path
    assert main(['memory', 'lock', str(path), '1']) == 2  # the test has it open
    assert 'to be the only writer' in capsys.readouterr().err
    story.close()
    ask(capsys, 'rename', path, 2, 'desk of the library')
    assert 'desk of the library' in ask(capsys, 'where', path, 2)
    assert 'object 2 is object 1' in ask(capsys, 'merge', path, 1, 2)
    assert 'undone: objects merged' in ask(capsys, 'undo', path)
    assert 'object 2 is object 3' in ask(capsys, 'split', path, 2, '--from-visit', 3)
    ask(capsys, 'lock', path, 3)
    assert main(['memory', 'delete-object', str(path), '3']) == 2
    assert 'locked' in capsys.readouterr().err
    ask(capsys, 'unlock', path, 3)
    ask(capsys, 'delete-object', path, 3)
    assert 'points went' in ask(capsys, 'thin', path, '--before', 4, '--spacing', 0.4)
    ask(capsys, 'delete-visit', path, 1)
    assert '1 visits are deleted' in ask(capsys, 'delete-before', path, '--before', '1970-01-04')
    assert 'schema 4' in ask(capsys, 'upgrade', path)
    assert main(['memory', 'thin', str(path), '--before', 'soon']) == 2
    assert 'expected a moment' in capsys.readouterr().err
    assert 'all is well' in ask(capsys, 'check', path)
