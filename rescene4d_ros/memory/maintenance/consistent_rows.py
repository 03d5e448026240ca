"""Rows of a damaged memory that agree with each other: intact ones kept, lost ones restored."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.errors import MemoryFormatError, RescenError
from rescene4d_ros.memory.database import manifest, schema
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.maintenance.salvage import Salvage
from rescene4d_ros.memory.visit_files import NAME, POINTS, VisitFiles
from rescene4d_ros.structures import ChangeKind, VisitStatus

Rows = list[dict[str, Any]]
FACTS = ('observations', 'states', 'changes', 'labels')  # what one visit brings


def consistent_rows(path: Path, found: Salvage) -> tuple[list[str], dict[str, Rows]]:
    """
    Make rows that agree with each other and with the files of points.

    Parameters
    ----------
    path : Path
        Folder of the memory.
    found : Salvage
        What could be read of its database; changed in place.

    Returns
    -------
    done : list of str
        What is done, for people; empty where all was well.
    rows : dict of table name to list of rows

    Raises
    ------
    MemoryFormatError
        Nothing tells the map or its classes.

    """
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
            continue  # `repair` sets it aside
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
    values = {**{k: v for k, v in stored.items() if k not in ('entry', 'rows', 'keys')}, **values}
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
