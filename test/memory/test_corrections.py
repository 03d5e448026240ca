"""Names, locks, merges, splits: what they change, and that undo brings back every row."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.database import schema
from rescene4d_ros.memory.database.row_encoding import as_stored
from rescene4d_ros.memory.editing import corrections
from rescene4d_ros.memory.editing.reapply_splits import standing_splits
from rescene4d_ros.memory.editing.rebuild import rebuild_records
from rescene4d_ros.memory.editing.undo import undo
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.structures import ChangeKind, ObjectState
from sqlalchemy import select

DAY = 86_400 * 10**9
NOT_UNDONE = ('meta', 'journal', 'undo')  # these only grow


@pytest.fixture
def filled(open_memory, make_scan, make_facts):
    """Return a memory of three visits and six objects, two born at each."""
    memory = open_memory()
    for day in (1, 2, 3):
        memory.commit(make_facts(memory, memory.add_visit(make_scan(day)), births=2))
    return memory


def dump(memory) -> dict[str, list]:
    """Return every row that undo must bring back."""
    with memory.database.reading() as connection:
        return {
            name: sorted(map(repr, connection.execute(select(as_stored(table)))))
            for name, table in schema.tables.tables.items()
            if name not in NOT_UNDONE
        }


CORRECTIONS = {
    'rename': lambda memory: corrections.rename(memory, 1, 'reading chair'),
    'lock': lambda memory: corrections.lock(memory, 2),
    'merge': lambda memory: corrections.merge(memory, 4, 1),
    'split': lambda memory: corrections.split(memory, 1, 3),
}


@pytest.mark.parametrize('kind', CORRECTIONS)
def test_undo_brings_every_row_back_also_in_another_process(filled, open_memory, kind):
    before, records = dump(filled), repr(filled.records)
    CORRECTIONS[kind](filled)
    assert dump(filled) != before
    filled.close()
    memory = open_memory()
    undo(memory)
    assert dump(memory) == before
    assert repr(memory.records) == records
    assert find_faults(memory) == ()
    assert memory.journal()[-1]['action'] == 'undone'
    with pytest.raises(MemoryFormatError, match='found none'):
        undo(memory)


def test_corrections_are_undone_latest_first_and_journalled(filled):
    states = [dump(filled)]
    for correct in CORRECTIONS.values():
        correct(filled)
        states.append(dump(filled))
        assert find_faults(filled) == ()
    told = []
    for before in states[-2::-1]:
        told.append(undo(filled))
        assert dump(filled) == before
    assert told == ['object split', 'objects merged', 'object locked', 'object renamed']
    assert [e['action'] for e in filled.journal()][-8:] == [*told[::-1], *['undone'] * 4]


def test_each_correction_raises_the_revision(filled):
    for number, correct in enumerate(CORRECTIONS.values(), start=filled.metadata.revision + 1):
        correct(filled)
        assert filled.metadata.revision == number


def test_merged_id_leads_to_the_older_one(filled):
    assert corrections.merge(filled, 4, 1) == (4, 1)
    assert 4 not in filled.records
    assert filled.known_id(4) == 1
    change = filled.changes(since_revision=3)[-1]
    assert (change.kind, change.object_id, change.other_id) == (ChangeKind.MERGED, 4, 1)
    assert corrections.merge(filled, 1, 2) == (2, 1)
    assert corrections.merge(filled, 5, 2) == (5, 1)  # an alias may be named, too
    assert filled.aliases() == {4: 1, 2: 1, 5: 1}
    with pytest.raises(MemoryFormatError, match='are one already'):
        corrections.merge(filled, 5, 4)


def test_split_gives_the_later_visits_a_new_id(filled):
    labels = [filled.labels(visit) for visit in (1, 2, 3)]
    new = corrections.split(filled, 1, 2)
    assert new == 7
    assert filled.metadata.next_object_id == 8
    assert (filled.labels(1) == labels[0]).all()
    for visit in (2, 3):
        assert (
            filled.labels(visit) == np.where(labels[visit - 1] == 1, 7, labels[visit - 1])
        ).all()
    past = filled.past
    assert past[1] == (
        (1, ObjectState.PRESENT),
        (2, ObjectState.NOT_OBSERVED),
        (3, ObjectState.NOT_OBSERVED),
    )
    assert [visit for visit, _ in past[7]] == [2, 3]
    assert filled.records[1].last_seen_ns < filled.records[7].first_seen_ns
    undo(filled)
    assert corrections.split(filled, 1, 2) == 8  # 7 was given, and is not given again


@pytest.mark.parametrize(('object_id', 'visit'), [(1, 1), (3, 2), (5, 3), (1, 9), (9, 2)])
def test_split_where_nothing_was_seen_before_or_since_is_refused(filled, object_id, visit):
    before = dump(filled)
    with pytest.raises(MemoryFormatError):
        corrections.split(filled, object_id, visit)
    assert dump(filled) == before


def test_locked_object_is_neither_merged_nor_split_until_unlocked(filled):
    corrections.lock(filled, 1)
    for change in (
        lambda: corrections.merge(filled, 1, 2),
        lambda: corrections.split(filled, 1, 3),
    ):
        with pytest.raises(MemoryFormatError, match='unlock'):
            change()
    corrections.lock(filled, 1, False)
    assert corrections.merge(filled, 1, 2) == (2, 1)


def test_merge_is_taken_back_after_later_visits(filled, open_memory, make_scan, make_facts):
    corrections.merge(filled, 1, 4)
    for day in (4, 5):
        filled.commit(make_facts(filled, filled.add_visit(make_scan(day))))
    labels, events = filled.labels(2), queries.history_of(filled, 1)
    shown = [repr(e) for e in events if e.visit_id > 3]
    assert undo(filled).startswith('objects merged; 4 has its earlier observations')
    assert filled.aliases() == {}
    assert np.array_equal(filled.labels(2), labels)
    past = {i: queries.history_of(filled, i) for i in (1, 4)}
    assert [repr(e) for e in past[1] if e.visit_id > 3] == shown  # stays with the older one
    assert [(e.visit_id, e.state) for e in past[4]] == [
        (2, ObjectState.PRESENT),
        (3, ObjectState.PRESENT),
        (4, ObjectState.NOT_OBSERVED),
        (5, ObjectState.NOT_OBSERVED),
    ]
    assert (filled.records[4].last_seen_ns, filled.records[4].n_observations) == (3 * DAY, 2)
    assert (filled.records[1].last_seen_ns, filled.records[1].n_observations) == (5 * DAY, 5)
    assert not any(c.kind == ChangeKind.MERGED for c in filled.changes())
    assert find_faults(filled) == ()
    assert filled.journal()[-1]['detail'] == {'entry': 7, 'object': 4, 'from': 1, 'visits': [4, 5]}
    records = repr(filled.records)
    filled.close()
    memory = open_memory()
    assert repr(memory.records) == records
    memory.commit(make_facts(memory, memory.add_visit(make_scan(6))))
    with pytest.raises(MemoryFormatError, match='found none'):
        undo(memory)


def test_split_is_taken_back_after_later_visits(filled, make_scan, make_facts):
    new = corrections.split(filled, 1, 3)
    filled.commit(make_facts(filled, filled.add_visit(make_scan(4))))
    assert undo(filled) == f'object split; {new} is an alias of 1 from now on'
    assert filled.aliases() == {new: 1}
    seen = [e.visit_id for e in queries.history_of(filled, 1) if e.box is not None]
    assert sorted(set(seen)) == [1, 2, 3, 4]
    assert standing_splits(filled) == ()
    assert find_faults(filled) == ()


def test_what_was_worked_out_anew_is_not_undone(filled, make_facts):
    corrections.merge(filled, 1, 2)
    filled.rewrite([make_facts(filled, filled.visits()[-1], births=0)])
    before = dump(filled)
    with pytest.raises(MemoryFormatError, match="'visits reprocessed' came after.*memory split"):
        undo(filled)
    assert dump(filled) == before
    corrections.rename(filled, 1, 'x')
    assert undo(filled) == 'object renamed'


def test_past_of_a_merge_by_hand_can_be_gone_through_again(filled, make_scan, make_facts):
    """What was merged after visit 3 was two at that visit, and is one at the next."""
    corrections.merge(filled, 1, 4)
    for day in (4, 5):
        filled.commit(make_facts(filled, filled.add_visit(make_scan(day))))
    again = rebuild_records(filled, filled.visits())
    assert sorted(again) == sorted(filled.records)
    assert again[1].n_observations == 3 + 2 + 2  # of both, then of one
    assert corrections.split(filled, 3, 5) in filled.records


def test_name_and_lock_are_undone_also_after_later_visits(filled, make_scan, make_facts):
    corrections.rename(filled, 1, 'desk')
    corrections.lock(filled, 1)
    filled.commit(make_facts(filled, filled.add_visit(make_scan(4))))
    after = {name: rows for name, rows in dump(filled).items() if name != 'notes'}
    assert undo(filled) == 'object locked'
    assert (filled.names(), filled.locked()) == ({1: 'desk'}, frozenset())
    assert undo(filled) == 'object renamed'
    assert filled.names() == {}
    assert {name: rows for name, rows in dump(filled).items() if name != 'notes'} == after


def test_name_is_kept_by_lock_and_taken_away_by_an_empty_one(filled):
    corrections.rename(filled, 3, 'the old table')
    corrections.lock(filled, 3)
    assert filled.names() == {3: 'the old table'}
    corrections.rename(filled, 3, '')
    assert filled.names() == {}
    assert filled.locked() == {3}
