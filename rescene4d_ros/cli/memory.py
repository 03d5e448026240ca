"""`rescene4d memory`: look into a scene memory, check it, write it out."""
from __future__ import annotations

import argparse
from datetime import datetime, UTC
import json
from pathlib import Path

from rescene4d_ros.memory import changes_document, objects_document, SceneMemory
from rescene4d_ros.memory.integrity import find_faults
from rescene4d_ros.structures import Change, ChangeKind, MemorySnapshot, ObjectState
from rich.console import Console
from rich.table import Table

SIGNS = {ObjectState.PRESENT: 'present', ObjectState.ABSENT: 'gone',
         ObjectState.NOT_OBSERVED: 'not seen', ObjectState.UNKNOWN: '?'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare show, check and export."""
    actions = parser.add_subparsers(dest='action', required=True)
    for name, text in (('show', 'print visits, objects and changes as tables'),
                       ('check', 'verify every file and fact; 1 = something is wrong'),
                       ('export', 'write objects.json and changes.json')):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument('memory', type=Path, metavar='DIR', help='folder of the memory')
        if name == 'export':
            action.add_argument('--out', type=Path, required=True, metavar='DIR',
                                help='where to write; made if it is not there')


def run(options: argparse.Namespace) -> int:
    """Run one action; works also while a node writes to the memory."""
    with SceneMemory.inspect(options.memory) as memory:
        if options.action == 'check':
            return _check(memory)
        snapshot, changes = memory.snapshot(), memory.changes()
    if options.action == 'show':
        _show(snapshot, changes, Console())
    else:
        _export(snapshot, changes, options.out)
    return 0


def _check(memory: SceneMemory) -> int:
    """Print what is wrong."""
    faults = find_faults(memory)
    for fault in faults:
        print(fault)
    visits, objects = len(memory.visits()), len(memory.records)
    print(f'{memory.path}: {visits} visits, {objects} objects, revision '
          f'{memory.header.revision}: ' + (f'{len(faults)} faults' if faults else 'all is well'))
    return 1 if faults else 0


def _export(snapshot: MemorySnapshot, changes: tuple[Change, ...], out: Path) -> None:
    """Write both documents."""
    out.mkdir(parents=True, exist_ok=True)
    for name, document in (('objects.json', objects_document(snapshot)),
                           ('changes.json', changes_document(snapshot, changes))):
        (out / name).write_text(json.dumps(document, indent=1) + '\n')
        print(out / name)


def _show(snapshot: MemorySnapshot, changes: tuple[Change, ...], console: Console) -> None:
    """Print the tables."""
    console.print(f'map {snapshot.map_id!r}, frame {snapshot.frame_id!r}, revision '
                  f'{snapshot.revision}')
    visits = Table('visit', 'time (UTC)', 'status', 'points', 'name', title='visits')
    for visit in snapshot.visits:
        visits.add_row(str(visit.visit_id), _time(visit.stamp_ns), visit.status.name,
                       str(visit.n_points), visit.name)
    console.print(visits)
    objects = Table('object', 'class', 'score', 'state', 'last seen (UTC)', 'x y z (m)',
                    'moved (m)', 'state per visit', title='objects')
    for item in snapshot.objects:
        past = ', '.join(f'{visit_id}: {SIGNS[state]}' for visit_id, state in item.states)
        place = ' '.join(f'{value:.2f}' for value in item.box.center)
        objects.add_row(str(item.object_id), item.class_name, f'{item.score:.2f}',
                        SIGNS[item.state], _time(item.last_seen_ns), place,
                        f'{item.moved_m:.2f}', past)
    console.print(objects)
    table = Table('visit', 'change', 'object', 'class', 'confidence', 'from', 'to',
                  title='changes')
    for change in changes:
        from_to = ['' if box is None else ' '.join(f'{value:.2f}' for value in box.center)
                   for box in (change.before, change.after)]
        other = f' -> {change.other_id}' if change.kind == ChangeKind.MERGED else ''
        table.add_row(str(change.visit_id), change.kind.name, f'{change.object_id}{other}',
                      change.class_name, f'{change.confidence:.2f}', *from_to)
    console.print(table)


def _time(stamp_ns: int) -> str:
    """Return a stamp for people."""
    return datetime.fromtimestamp(stamp_ns / 1e9, UTC).strftime('%Y-%m-%d %H:%M')
