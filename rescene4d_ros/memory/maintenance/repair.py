"""
A damaged memory made whole: intact rows are kept, the rest is rebuilt from points and journal.

What cannot be rebuilt without the segmenter waits to be processed again. The database of before
is kept beside the memory until a person deletes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import shutil
from typing import Any

import numpy as np
from rescene4d_ros.errors import ConfigError, MemoryFormatError, RescenError, StorageError
from rescene4d_ros.memory.database import manifest, row_access, schema
from rescene4d_ros.memory.database.engine import file_of, make_engine, translated
from rescene4d_ros.memory.database.manifest import locate
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.database.write_lock import WriteLock
from rescene4d_ros.memory.editing.rebuild import rebuild_records
from rescene4d_ros.memory.maintenance.salvage import Salvage, salvage_file, salvage_server
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.visit_files import NAME, POINTS, VisitFiles
from rescene4d_ros.structures import ChangeKind, VisitStatus
from sqlalchemy import Connection, Engine

Rows = list[dict[str, Any]]
FACTS = ('observations', 'states', 'changes', 'labels')  # what one visit brings
ASIDE = 'damaged'  # how the names of folders begin that keep what was damaged


def repair(path: Path | str, url: str | None = None) -> tuple[str, ...]:
    """
    Make a memory whole again.

    Rows that are as they were stored are kept. Lost rows of visits are restored from their files,
    lost objects from the visits, lost aliases from the changes. A visit of which facts are lost
    waits to be processed again: it is PENDING, or LATE where later ones are processed. Files of
    no visit are removed, unless the database lost visits: then they are these. Numbers that may
    have been given are not given again.

    Parameters
    ----------
    path : path
        Folder of the memory; nobody may have it open.
    url : str, optional
        Of its database, where it needs a password or is a file outside of the folder.

    Returns
    -------
    tuple of str
        What was done, for people; empty where all was well.

    Raises
    ------
    ConfigError
        The database is a file outside of the folder, which only the folder names: it would be
        replaced.
    MemoryLockedError
        Somebody has it open.
    MemoryFormatError
        There is no memory, or nothing tells its map and classes.
    StorageError
        The disk refuses; the memory is as before.

    """
    path = Path(path)
    where = locate(path, url)
    is_file = where.get_backend_name() == 'sqlite'
    if is_file and not url and where != manifest.inside(path):
        raise ConfigError(
            f'{path}: expected the URL of the database to repair, which lies outside of this '
            f'folder, at {str(where.database)[:300]!r}; if it is yours, give it (--url)'
        )
    has_database = not is_file or file_of(where).is_file()
    if not (has_database or VisitFiles(path / POINTS).names() or manifest.read_stored(path)):
        raise MemoryFormatError(
            f'{path}: expected the folder of a memory, found none; check the path'
        )
    engine = make_engine(where)
    with _locked(path, engine) as lock:
        if is_file:
            found = salvage_file(file_of(where))
        else:
            with translated(path), lock.transaction() as connection:
                found = salvage_server(connection)
        _refuse_other_schema(path, found)
        done, rows = _consistent(path, found)
        if done:
            with translated(path):
                if is_file:
                    _replace_file(path, file_of(where), rows)
                else:
                    with lock.transaction() as connection:
                        _fill(connection, rows)
            manifest.forget_stored(path)
    with SceneMemory.edit(path, url) as memory:
        return (*done, *_finish(memory, done))


@contextmanager
def _locked(path: Path, engine: Engine) -> Iterator[WriteLock]:
    """Give the right to write a memory, whatever its database says."""
    lock = WriteLock(path, engine)
    try:
        yield lock
    finally:
        engine.dispose()
        lock.release()


def _refuse_other_schema(path: Path, found: Salvage) -> None:
    """Raise where rows are those of another version, whose checksums are other ones."""
    versions = {row['value'] for row in found.rows['meta'] if row['key'] == 'schema'}
    versions |= {manifest.read_stored(path).get('schema', schema.VERSION)} - {None}
    if found.is_older or versions - {schema.VERSION}:
        raise MemoryFormatError(
            f'{path}: expected a memory of schema {schema.VERSION}, found '
            f'{"an older one" if found.is_older else max(versions)}; `rescene4d memory upgrade` '
            'an older one first, update rescene4d_ros for a newer one'
        )


def _consistent(path: Path, found: Salvage) -> tuple[list[str], dict[str, Rows]]:
    """Return what is done, and rows that agree with each other and with the files."""
    stored, rows = manifest.read_stored(path), found.rows
    done = [*found.notes]
    for row in [row for row in rows['visits'] if not NAME.fullmatch(row['file'])]:
        found.lost['visits'].append(row)
        rows['visits'].remove(row)
    for name, lost in found.lost.items():
        if lost:
            done.append(f'{len(lost)} altered rows of the table {name} are dropped')
    newest = max((row['entry_id'] for row in rows['journal']), default=0)
    is_behind = newest < stored.get('entry', 0)
    if is_behind:
        done.append(f'journal entries {newest + 1} to {stored["entry"]} are lost')
    held = {name: len(found.rows[name]) + len(found.lost[name]) for name in found.rows}
    missing = manifest.missing_rows(stored, newest, held)
    done += [f'{n - left} rows of {table} are missing' for table, (n, left) in missing.items()]
    values = {row['key']: row['value'] for row in rows['meta']}
    keys = {'schema', 'map_id', 'frame_id', 'class_names', *manifest.COUNTERS} - {'entry'}
    if absent := sorted(k for k in keys if k not in values):
        done.append(f'the table meta has lost {", ".join(absent)}')
    if not done:
        return [], rows
    done += _restore_visits(path, rows)
    done += _drop_orphans(rows)
    done += _set_aside_visits(found, has_all_changes='changes' not in missing)
    done += _restore_aliases(found)
    _restore_metadata(path, stored, rows, is_behind)
    return done, rows


def _restore_visits(path: Path, rows: dict[str, Rows]) -> list[str]:
    """Restore rows of visits from files that no row names; return what is done."""
    files = VisitFiles(path / POINTS)
    used = {row['file'] for row in rows['visits']}
    stamps = {row['stamp_ns'] for row in rows['visits']}
    known = {row['visit_id'] for row in rows['visits']}
    orphans = {r['visit_id']: len(r['object_ids']) for r in rows['labels']}
    orphans = {i: n for i, n in orphans.items() if i not in known}
    numbers = Counter(orphans.values())
    given = {row['visit_id'] for name in ('visits', *FACTS) for row in rows[name]}
    next_id = max(given | {manifest.read_stored(path).get('next_visit_id', 1) - 1}, default=0) + 1
    done, scans = [], []
    for name in sorted(files.names() - used):
        try:
            scans.append((name, files.read(name)))
        except RescenError:
            continue  # `_finish` sets it aside
    for name, scan in sorted(scans, key=lambda item: item[1].stamp_ns):
        if scan.stamp_ns in stamps:
            continue  # an older file of a visit that was thinned
        # The labels of a visit name as many points as its file has.
        same = [i for i, n in orphans.items() if n == len(scan) and numbers[n] == 1]
        visit_id = same[0] if same else next_id
        next_id = max(next_id, visit_id + 1)
        stamps.add(scan.stamp_ns)
        rows['visits'].append(
            {
                'visit_id': visit_id,
                'stamp_ns': scan.stamp_ns,
                'status': VisitStatus.DONE if same else VisitStatus.PENDING,
                'name': scan.name,
                'file': name,
                'n_points': len(scan),
                'reason': '',
                'weights_hash': None,
            }
        )
        done.append(f'visit {visit_id} {scan.name!r} is restored from its file')
    return done


def _drop_orphans(rows: dict[str, Rows]) -> list[str]:
    """Drop facts of visits that are no more, and rows of undoing without their entry."""
    visits = {row['visit_id'] for row in rows['visits']}
    entries = {row['entry_id'] for row in rows['journal']}
    done = []
    for name, key, known in (
        *((name, 'visit_id', visits) for name in FACTS),
        ('undo', 'entry_id', entries),
    ):
        kept = [row for row in rows[name] if row[key] in known]
        if len(kept) < len(rows[name]):
            done.append(f'{len(rows[name]) - len(kept)} rows of {name} belong to nothing')
        rows[name] = kept
    return done


def _set_aside_visits(found: Salvage, has_all_changes: bool) -> list[str]:
    """Let visits of which facts are lost wait to be processed again; return what is done."""
    rows, facts = found.rows, found.rows
    labeled = {
        r['visit_id']: set(np.unique(r['object_ids']).tolist()) - {0} for r in facts['labels']
    }
    seen: dict[int, set[int]] = {}
    stated: dict[int, set[int]] = {}
    changed: Counter[int] = Counter()
    for row in facts['observations']:
        seen.setdefault(row['visit_id'], set()).add(row['object_id'])
    for row in facts['states']:
        stated.setdefault(row['visit_id'], set()).add(row['object_id'])
    damaged = {row.get('visit_id') for name in FACTS for row in found.lost[name]}
    for row in facts['changes']:
        changed[row['visit_id']] += row['kind'] != ChangeKind.MERGED
    # How much each visit brought; a later reprocess or deletion changes that.
    final = [r['action'] for r in rows['journal']]
    steady = not {JournalAction.VISITS_REPROCESSED, JournalAction.OBJECT_DELETED} & set(final)
    for row in rows['journal']:
        is_sure = has_all_changes and not found.lost['changes']
        if row['action'] == JournalAction.VISIT_PROCESSED and steady and not is_sure:
            expected = row['detail'].get('changes', 0) - len(row['detail'].get('merged') or ())
            if changed[row['visit_id']] < expected:
                damaged.add(row['visit_id'])
    done, kept = [], []
    newest = max(
        (r['stamp_ns'] for r in rows['visits'] if r['status'] == VisitStatus.DONE), default=0
    )
    for row in rows['visits']:
        i = row['visit_id']
        if row['status'] == VisitStatus.DONE and (
            i in damaged
            or i not in labeled
            or labeled[i] != seen.get(i, set())
            or not seen.get(i, set()) <= stated.get(i, set())
        ):
            late = row['stamp_ns'] < newest
            row = {**row, 'status': VisitStatus.LATE if late else VisitStatus.PENDING}
            for name in FACTS:
                rows[name] = [fact for fact in rows[name] if fact['visit_id'] != i]
            done.append(
                f'visit {i} lost facts and waits to be processed again'
                + (f': reprocess from visit {i}' if late else '')
            )
        elif row['status'] == VisitStatus.PENDING and row['stamp_ns'] < newest:
            row = {**row, 'status': VisitStatus.LATE}
        kept.append(row)
    rows['visits'] = kept
    return done


def _restore_aliases(found: Salvage) -> list[str]:
    """Restore aliases from the changes that made them; return what is done."""
    known = {row['alias_id'] for row in found.rows['aliases']}
    done: list[str] = []
    if not found.lost['aliases'] and not found.notes:
        return done
    for row in found.rows['changes']:
        if row['kind'] == ChangeKind.MERGED and row['object_id'] not in known:
            known.add(row['object_id'])
            found.rows['aliases'].append(
                {
                    'alias_id': row['object_id'],
                    'object_id': row['other_id'],
                    'visit_id': row['visit_id'],
                }
            )
            done.append(f'{row["object_id"]} is an alias of {row["other_id"]} again')
    return done


def _restore_metadata(path: Path, stored: dict, rows: dict[str, Rows], is_behind: bool) -> None:
    """Complete what the memory says of itself; counters only grow."""
    values = {row['key']: row['value'] for row in rows['meta']}
    values = {**{k: v for k, v in stored.items() if k not in ('entry', 'rows')}, **values}
    absent = {'map_id', 'frame_id', 'class_names'} - {k for k, v in values.items() if v}
    if absent:
        raise MemoryFormatError(
            f'{path}: expected the database or {manifest.STORED} to tell '
            f'{", ".join(sorted(absent))}, found neither '
            'whole; restore a backup, or replay the points into a new memory'
        )
    visits = [row['visit_id'] for row in rows['visits']]
    objects = [row['object_id'] for name in ('objects', 'states', 'changes') for row in rows[name]]
    objects += [row['alias_id'] for row in rows['aliases']]
    values['schema'] = schema.VERSION
    values.setdefault('weights_hash', None)
    for key, given in (('next_visit_id', visits), ('next_object_id', objects)):
        values[key] = max(values.get(key, 1), stored.get(key, 1), 1 + max(given, default=0))
    changes = [row['revision'] for row in rows['changes']]
    newest = max(values.get('revision', 0), stored.get('revision', 0), *changes, 0)
    values['revision'] = newest
    rows['meta'] = [{'key': key, 'value': value} for key, value in values.items()]


def _fill(connection: Connection, rows: dict[str, Rows]) -> None:
    """Write rows in the place of all that are there."""
    schema.tables.create_all(connection)
    for table in reversed(schema.tables.sorted_tables):
        connection.execute(table.delete())
    for table in schema.tables.sorted_tables:
        if rows[table.name]:
            names = [column.name for column in table.columns if column.name != 'checksum']
            connection.execute(
                table.insert(), [{name: row[name] for name in names} for row in rows[table.name]]
            )


def _replace_file(path: Path, database: Path, rows: dict[str, Rows]) -> None:
    """Write a new SQLite file, set the damaged one aside, and take its place."""
    new = database.with_name(database.name + '.new')
    engine = make_engine(locate(path, None).set(database=str(new)))
    try:
        for end in ('', '-wal', '-shm'):
            new.with_name(new.name + end).unlink(missing_ok=True)
        with engine.begin() as connection:
            _fill(connection, rows)
        engine.dispose()  # its log goes into the file
        number = 1
        while (aside := path / f'{ASIDE}-{number}').exists():
            number += 1
        aside.mkdir()
        for end in ('', '-wal', '-shm'):
            part = database.with_name(database.name + end)
            if part.is_file():
                shutil.copy2(part, aside / part.name)
        for end in ('-wal', '-shm'):
            database.with_name(database.name + end).unlink(missing_ok=True)
        os.replace(new, database)
    except OSError as error:
        raise StorageError(
            f'{path}: cannot write the repaired database ({error.strerror}); free the disk or '
            'check the rights of the folder, then repair again'
        ) from error
    finally:
        engine.dispose()


def _finish(memory: SceneMemory, done: list[str]) -> list[str]:
    """Rebuild lost objects, remove files of no visit, and write the journal."""
    named = {i for i, past in memory.past.items() if past} - set(memory.aliases())
    lost, strangers = named - set(memory.records), set(memory.records) - named
    rebuilt, more = {}, []
    if lost:
        records = rebuild_records(memory, memory.visits(VisitStatus.DONE))
        rebuilt = {i: records[i] for i in sorted(lost) if i in records}
        more.append(f'objects {sorted(rebuilt)} are rebuilt from their visits')
    if strangers:
        more.append(f'objects {sorted(strangers)} were known from lost facts only, and are gone')
    for name in sorted(memory.stray_files()):
        more.append(_clear(memory, name, is_damaged=bool(done)))
    if done or more:
        action, detail = JournalAction.MEMORY_REPAIRED, {'done': [*done, *more]}
        with memory.database.correcting(action, detail) as (connection, _):
            row_access.put_records(connection, rebuilt.values())
            row_access.drop_records(connection, strangers)
    return more


def _clear(memory: SceneMemory, name: str, is_damaged: bool) -> str:
    """Remove a file of no visit; keep it aside where it may be all that is left of one."""
    try:
        memory.files.read(name)
    except RescenError:
        if is_damaged:
            aside = memory.path / f'{ASIDE}-points'
            aside.mkdir(exist_ok=True)
            os.replace(memory.path / POINTS / name, aside / name)
            return f'{name}: damaged, and of no visit; it is kept in {aside.name}'
    memory.files.remove(name)
    return f'{name}: a file of no stored visit is removed'
