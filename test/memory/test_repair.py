"""Damage of every kind: an answer is right or refused with a remedy, and repair mends it."""

from __future__ import annotations

from contextlib import closing
import hashlib
import json
from pathlib import Path
import re
import shutil
import sqlite3
import sys

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.errors import (
    ConfigError,
    FileFormatError,
    MemoryDamagedError,
    MemoryFormatError,
    MemoryLockedError,
    RescenError,
)
from rescene4d_ros.memory.database import manifest, memory_metadata, row_access, schema
from rescene4d_ros.memory.database.engine import make_engine, translated
from rescene4d_ros.memory.database.manifest import locate
from rescene4d_ros.memory.database.memory_database import MemoryDatabase
from rescene4d_ros.memory.database.row_encoding import as_stored
from rescene4d_ros.memory.editing import corrections
from rescene4d_ros.memory.editing.undo import undo
from rescene4d_ros.memory.maintenance import retention
from rescene4d_ros.memory.maintenance.integrity import check
from rescene4d_ros.memory.maintenance.repair import repair
from rescene4d_ros.memory.store import MAX_NAME, SceneMemory
from rescene4d_ros.structures import VisitStatus
from sqlalchemy import update
from sqlalchemy.exc import StatementError

sys.path.insert(0, str(Path(__file__).parents[2] / 'benchmarks'))
import damage


@pytest.fixture
def filled(open_memory, make_scan, make_facts):
    """Return a closed memory of three visits and six objects, of which one has a name."""
    with open_memory() as memory:
        for day in (1, 2, 3):
            memory.commit(make_facts(memory, memory.add_visit(make_scan(day, n=600)), births=2))
        corrections.rename(memory, 2, 'desk')
    return memory.path


@pytest.fixture(scope='session')
def memories(tmp_path_factory):
    """Return a memory that the tracker made, closed and as a killed process leaves it."""
    return damage.make_memories(tmp_path_factory.mktemp('memories'))


def alter(path, table, where: str, **values) -> None:
    """Write into a database as another program would: without checksums."""
    database = MemoryDatabase.inspect(path, None)
    plain = as_stored(schema.tables.tables[table])
    with database._engine.begin() as connection:
        key, value = where.split('=')
        values['checksum'] = plain.c.checksum
        done = connection.execute(update(plain).where(plain.c[key] == int(value)).values(values))
        assert done.rowcount
    database.close()


@pytest.mark.slow
@pytest.mark.parametrize('name', ['closed', 'killed'])
def test_random_damage_changes_no_answer_unseen(memories, name, tmp_path):
    """A share of `benchmarks/damage.py`."""
    before = damage.ask(memories[name])
    assert not any(isinstance(answer, RescenError) for answer in before.values())
    for number in range(20):
        rng = np.random.default_rng([1, number])
        outcome = damage.trial(memories[name], before, tmp_path, rng)
        assert outcome.answers in ('equal', 'refused'), outcome
        assert outcome.repaired not in ('unseen', 'crash'), outcome


@pytest.mark.slow
def test_a_thousand_random_damages_change_no_answer_unseen(tmp_path):
    for outcome in damage.run(range(1000), 0, tmp_path):
        assert outcome.answers in ('equal', 'refused'), outcome
        assert outcome.repaired not in ('unseen', 'crash'), outcome


ALTERED = {
    'state': ('states', 'object_id=3', {'state': 2}),
    'status': ('visits', 'visit_id=2', {'status': 0}),
    'name': ('notes', 'object_id=2', {'name': 'dusk'}),
    'counter': ('journal', 'entry_id=2', {'revision': 9}),
    'score': ('objects', 'object_id=1', {'score': 0.625}),
    'no number': ('observations', 'object_id=1', {'box': '[1, 2'}),
    'no labels': ('labels', 'visit_id=1', {'object_ids': b'x'}),
}


@pytest.mark.parametrize('damaged', ALTERED)
def test_altered_row_is_found_by_check_and_repaired(filled, damaged, capsys):
    alter(filled, *ALTERED[damaged][:2], **ALTERED[damaged][2])
    assert main(['memory', 'check', str(filled)]) == 1
    assert f'table {ALTERED[damaged][0]}, row ' in capsys.readouterr().out
    assert main(['memory', 'repair', str(filled)]) == 0
    assert 'all is well' in capsys.readouterr().out
    with SceneMemory.edit(filled) as memory:
        assert len(memory.visits()) == 3
        assert memory.metadata.next_object_id == 7
        assert memory.journal()[-1]['action'] == 'memory repaired'


def test_altered_row_is_refused_wherever_it_matters(filled):
    alter(filled, 'states', 'object_id=3', state=2)
    with (
        pytest.raises(MemoryDamagedError, match='memory repair'),
        SceneMemory.inspect(filled) as m,
    ):
        m.snapshot()
    with pytest.raises(MemoryDamagedError, match='memory repair'):
        SceneMemory.edit(filled)


REMOVED = {
    'an observation': ('observations', 'visit_id = 2 AND object_id = 1', 'processed again'),
    'a change': ('changes', 'change_id = 1', 'processed again'),
    'a journal entry': ('journal', 'entry_id = 2', '1 rows of journal are missing'),
    'a name': ('notes', '1', 'rows of notes are missing'),
    'a counter': ('meta', "key = 'next_object_id'", 'lost next_object_id'),
    'all metadata': ('meta', '1', 'lost class_names'),
    'an object': ('objects', 'object_id = 1', r'objects \[1\] are rebuilt'),
    'a visit': ('visits', 'visit_id = 2', "visit 2 '.*' is restored from its file"),
}


@pytest.mark.parametrize('removed', REMOVED)
def test_rows_that_are_gone_are_missed(memories, tmp_path, removed):
    """What a database lost without damage to its pages; without the note of it, references."""
    table, where, told = REMOVED[removed]
    path = tmp_path / 'memory'
    shutil.copytree(memories['closed'], path)
    with closing(sqlite3.connect(path / 'memory.sqlite3')) as database:
        database.execute(f'DELETE FROM {table} WHERE {where}')
        database.commit()
    if removed == 'a visit':
        (path / 'stored.json').unlink()
    assert check(path) == ((check(path)[0][0],), '')  # nothing can be asked
    assert re.search(told, '\n'.join(repair(path)))
    assert check(path)[0] == ()


KEYS = {
    'visits': 'stamp_ns = stamp_ns + 1024',
    'objects': 'object_id = object_id + 64',
    'observations': 'object_id = object_id + 64',
    'states': 'visit_id = visit_id + 64',
    'changes': 'kind = (kind + 1) % 6',
    'labels': 'visit_id = visit_id + 64',
    'journal': 'entry_id = entry_id - 64',
    'notes': 'object_id = object_id + 64',
}


@pytest.mark.parametrize(
    'table',
    [
        t if t in ('observations', 'changes') else pytest.param(t, marks=pytest.mark.slow)
        for t in KEYS
    ],
)
def test_altered_keys_hide_no_row(memories, tmp_path, table):
    """A query for the key that a row had would not find it, and miss nothing."""
    path = shutil.copytree(memories['closed'], tmp_path / 'memory')
    before = damage.ask(path)
    with closing(sqlite3.connect(path / 'memory.sqlite3')) as database:
        one = f'(SELECT min(rowid) FROM {table})'
        database.execute(f'UPDATE {table} SET {KEYS[table]} WHERE rowid = {one}')
        database.commit()
    for answer in damage.ask(path).values():
        assert isinstance(answer, MemoryDamagedError)
        assert 'memory repair' in str(answer)
    assert check(path)[0]
    assert f'1 altered rows of the table {table} are dropped' in repair(path)
    assert check(path)[0] == ()
    assert damage.ask(path)['points'] == before['points']


def other_note(path, **values):
    """Write another note of what was stored, with a checksum as this package writes it."""
    text = json.dumps({**manifest.read_stored(path), **values}, sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    (path / manifest.STORED).write_text(f'{text}\n{digest}\n')


@pytest.mark.parametrize(
    'values', [{'revision': 'x'}, {'entry': None}, {'rows': [1]}, {'keys': {'objects': 1.5}}]
)
@pytest.mark.parametrize('url', [None])
def test_note_of_another_form_counts_for_nothing(filled, values):
    other_note(filled, **values)
    assert check(filled)[0] == ()


@pytest.mark.parametrize('url', [None])
def test_no_file_of_another_program_is_touched(filled, tmp_path):
    """The folder of a stranger names it as its database; only the user can mean it."""
    notes, other, none = (tmp_path / n for n in ('notes.txt', 'other.db', 'none.db'))
    notes.write_text('precious')
    with closing(sqlite3.connect(other)) as database:
        database.execute('CREATE TABLE bookmarks (x)')
        database.commit()
    before = {p.name: p.read_bytes() for p in (notes, other)}
    (filled / 'memory.sqlite3').unlink()
    for file in (notes, other, none):
        (filled / 'database.url').write_text(f'sqlite:///{file}\n')
        for use in (SceneMemory.inspect, SceneMemory.edit, repair):
            with pytest.raises(RescenError):
                use(filled)
        assert check(filled)[0]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before
    for text in ('postgresql://127.0.0.1:abc/x', '\udcff', 'sqlite://', 'x' * 10**6):
        (filled / 'database.url').write_bytes(text.encode(errors='surrogateescape'))
        with pytest.raises(ConfigError, match='expected the URL'):
            SceneMemory.inspect(filled)


def test_tables_that_are_declared_otherwise(tmp_path):
    """SQLite calls that an error of the statement: it is not the disk, and not ours."""
    file = tmp_path / 'memory.sqlite3'
    with closing(sqlite3.connect(file)) as database:
        database.execute('CREATE TABLE visits (visit_id)')  # no key
        database.execute('CREATE TABLE labels (visit_id REFERENCES visits (visit_id))')
    engine = make_engine(locate(tmp_path, None))
    with (
        pytest.raises(MemoryDamagedError, match='mismatch.*memory repair'),
        translated(tmp_path),
        engine.begin() as connection,
    ):
        connection.exec_driver_sql('PRAGMA foreign_key_check')
    engine.dispose()


@pytest.mark.parametrize('url', [None])
def test_triggers_and_views_are_left_out_by_repair(filled):
    with closing(sqlite3.connect(filled / 'memory.sqlite3')) as database:
        database.execute('CREATE TRIGGER t AFTER INSERT ON visits BEGIN DELETE FROM objects; END')
        database.execute('ALTER TABLE undo RENAME TO undone')
        database.execute(
            'CREATE VIEW undo AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) '
            'SELECT x AS entry_id, NULL AS before, 1 AS checksum FROM c'
        )
        database.commit()
    assert 'trigger' in check(filled)[0][0]
    assert "the trigger 't' is dropped" in repair(filled)
    assert check(filled)[0] == ()
    with SceneMemory.inspect(filled) as memory:
        assert memory.names() == {2: 'desk'}


def test_lost_object_and_lost_visit_row_come_back_as_they_were(memories, tmp_path):
    path = tmp_path / 'memory'
    shutil.copytree(memories['closed'], path)
    before = damage.ask(path)
    alter(path, 'objects', 'object_id=2', moved_m=7.0)
    alter(path, 'visits', 'visit_id=2', n_points=7)
    done = repair(path)
    assert any('visit 2' in line and 'restored' in line for line in done)
    assert any('objects [2] are rebuilt' in line for line in done)
    after = damage.ask(path)
    assert {k for k in before if before[k] != after[k]} <= {'journal', 'people', 'records'}


def test_row_cannot_be_updated_without_its_checksum(filled):
    with SceneMemory.edit(filled) as memory:
        with pytest.raises(StatementError, match='change_rows'), memory.database.writing() as c:
            c.execute(update(schema.visits).values(name='other'))
        assert [visit.name for visit in memory.visits()] == ['day 1', 'day 2', 'day 3']


def test_whole_memory_is_not_touched_by_repair(filled):
    with SceneMemory.inspect(filled) as memory:
        before = repr((memory.snapshot(), memory.journal()))
    assert repair(filled) == ()
    with SceneMemory.inspect(filled) as memory:
        assert repr((memory.snapshot(), memory.journal())) == before


@pytest.mark.parametrize('new_url', ['postgresql'], indirect=True)
def test_tables_that_a_server_lost_are_rebuilt(filled, open_memory, url):
    engine = make_engine(locate(filled, url))
    with engine.begin() as connection:
        for name in ('undo', 'objects', 'states'):
            schema.tables.tables[name].drop(connection)
    engine.dispose()
    done = repair(filled, url)
    assert 'table states is missing' in done
    with open_memory() as memory:
        assert [visit.name for visit in memory.visits()] == ['day 1', 'day 2', 'day 3']
        assert memory.metadata.next_object_id == 7
    assert check(filled)[0] == ()


def test_newer_memory_and_other_folders_are_left_alone(filled, tmp_path):
    with SceneMemory.edit(filled) as memory, memory.database.writing() as connection:
        memory_metadata.store(connection, {'schema': 99})
    with pytest.raises(MemoryFormatError, match='update rescene4d_ros'):
        repair(filled)
    (tmp_path / 'other').mkdir()
    for path in (tmp_path / 'other', tmp_path / 'nothing'):
        with pytest.raises(MemoryFormatError, match='check the path'):
            repair(path)
    assert list((tmp_path / 'other').iterdir()) == []


def test_stray_file_of_a_kill_is_removed_by_repair(filled, make_scan):
    with SceneMemory.edit(filled) as memory:
        name = memory.files.write(make_scan(9))
    assert check(filled)[0]
    assert any(name in line for line in repair(filled))
    assert check(filled)[0] == ()


@pytest.mark.parametrize('url', [None])
@pytest.mark.parametrize('how', ['deleted', 'empty', 'garbage'])
def test_lost_database_is_rebuilt_from_points_with_new_ids(filled, open_memory, how):
    for file in filled.glob('memory.sqlite3*'):
        file.unlink()
    if how != 'deleted':
        (filled / 'memory.sqlite3').write_bytes(b'' if how == 'empty' else b'garbage' * 1000)
    with pytest.raises(MemoryFormatError, match='memory repair'):
        open_memory()
    with pytest.raises(MemoryFormatError, match='memory repair'):
        SceneMemory.inspect(filled)
    repair(filled)
    with open_memory() as memory:
        assert [visit.name for visit in memory.pending()] == ['day 1', 'day 2', 'day 3']
        assert [visit.visit_id for visit in memory.pending()] == [4, 5, 6]  # 1 to 3 were given
        assert memory.metadata.next_object_id == 7
    assert check(filled)[0] == ()


@pytest.mark.parametrize('url', [None])
def test_log_that_a_kill_left_and_somebody_deleted_is_missed(filled, make_scan, make_facts):
    with SceneMemory.edit(filled) as memory:
        memory.commit(make_facts(memory, memory.add_visit(make_scan(4))))
        left = filled.with_name('left')
        shutil.copytree(filled, left)
    (left / 'memory.sqlite3-wal').unlink()
    with pytest.raises(MemoryDamagedError, match='revision 5, found 4'):
        SceneMemory.inspect(left)
    done = repair(left)
    assert any("'day 4' is restored" in line for line in done)
    with SceneMemory.edit(left) as memory:
        assert [visit.name for visit in memory.pending()] == ['day 4']
        assert memory.metadata.next_object_id == 8


def test_visit_of_which_facts_are_lost_waits_to_be_processed(filled):
    alter(filled, 'observations', 'visit_id=3', n_points=1)
    repair(filled)
    with SceneMemory.inspect(filled) as memory:
        assert [visit.visit_id for visit in memory.pending()] == [3]
        assert sorted(memory.records) == [1, 2, 3, 4]


def test_points_that_are_missing_stop_no_correction(filled, make_scan, make_facts):
    with SceneMemory.edit(filled) as memory:
        for visit_id in (1, 2, 3):
            (filled / 'visits' / memory.key(visit_id)).unlink()
    with SceneMemory.edit(filled) as memory:
        corrections.rename(memory, 1, 'chair')
        corrections.merge(memory, 3, 4)
        new = corrections.split(memory, 1, 2)
        memory.commit(make_facts(memory, memory.add_visit(make_scan(4, n=600))))
        assert undo(memory).startswith(f'object split; {new} is an alias')
        assert undo(memory).startswith('objects merged')
        retention.delete_object(memory, 5)
        retention.delete_visit(memory, 2)
        assert [visit.visit_id for visit in memory.visits(VisitStatus.DONE)] == [1, 3, 4]
    assert all('visit' in fault for fault in check(filled)[0])


@pytest.mark.parametrize('name', ['/etc/passwd', '../memory.sqlite3', '', 'a' * 40])
def test_name_of_a_file_leads_nowhere_else(filled, tmp_path, name):
    victim = tmp_path / 'victim'
    victim.write_text('here')
    with SceneMemory.edit(filled) as memory, memory.database.writing() as connection:
        row_access.change_visit(connection, 2, file=name or str(victim))
    with SceneMemory.edit(filled) as memory:
        with pytest.raises(FileFormatError, match='expected the name of a points file'):
            memory.scan(2)
        with pytest.raises(FileFormatError, match='expected the name of a points file'):
            retention.delete_visit(memory, 2)
    assert victim.read_text() == 'here'
    assert check(filled)[0]
    assert any("'day 2' is restored" in line for line in repair(filled))
    assert check(filled)[0] == ()


@pytest.mark.parametrize('name', ['x' * (MAX_NAME + 1), 'a\nb', 'a\x00b', 'a\ud800b'])
def test_names_have_bounds(filled, name):
    with SceneMemory.edit(filled) as memory, pytest.raises(ConfigError, match='printable'):
        corrections.rename(memory, 1, name)


def test_visit_with_a_name_of_a_megabyte_is_stored(filled, make_scan):
    with SceneMemory.edit(filled) as memory:
        memory.add_visit(make_scan(5, name='long\x00' * 200_000))
        assert len(memory.visits()[-1].name) == MAX_NAME
        assert memory.visits()[-1].name.isprintable()


def test_lock_file_that_is_deleted_lets_no_second_writer_in(filled, make_scan):
    with SceneMemory.edit(filled) as memory:
        (filled / 'writer.lock').unlink()
        with pytest.raises(MemoryLockedError):
            SceneMemory.edit(filled)
        (filled / 'writer.lock').unlink(missing_ok=True)
        memory.add_visit(make_scan(6))
        assert (filled / 'writer.lock').is_file()


def test_check_of_a_database_of_another_program_says_so(tmp_path):
    with sqlite3.connect(tmp_path / 'memory.sqlite3') as connection:
        connection.execute('CREATE TABLE meta (key, value)')
        connection.execute("INSERT INTO meta VALUES ('schema', 'what')")
    assert check(tmp_path)[0]
