"""`rescene4d memory`: show, check, export, query and correct a memory."""

from __future__ import annotations

import argparse
from pathlib import Path

from rescene4d_ros.cli.console import TextConsole
from rescene4d_ros.cli.memory import edit_actions, query_actions
from rescene4d_ros.cli.memory.query_actions import (
    add_memory,
    change_table,
    place_of,
    SIGNS,
    time_of,
)
from rescene4d_ros.memory.export import write_documents
from rescene4d_ros.memory.maintenance.backup import back_up, restore
from rescene4d_ros.memory.maintenance.integrity import check
from rescene4d_ros.memory.maintenance.relocate import move
from rescene4d_ros.memory.maintenance.repair import repair
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Change, MemorySnapshot
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare show, check, export and move, the queries and the corrections."""
    actions = parser.add_subparsers(dest='action', required=True)
    for name, text in (
        ('show', 'print visits, objects and changes as tables'),
        ('check', 'verify every file and row; 1 = something is wrong'),
        ('export', 'write objects.json and changes.json'),
    ):
        action = actions.add_parser(name, help=text, description=text)
        add_memory(action)
        if name == 'export':
            action.add_argument(
                '--out',
                type=Path,
                required=True,
                metavar='DIR',
                help='output folder; created if missing',
            )
    text = 'move the memory to another database; points stay in the folder'
    moved = actions.add_parser('move', help=text, description=text)
    add_memory(moved)
    moved.add_argument(
        '--to',
        required=True,
        metavar='URL',
        help='PostgreSQL database or SQLite file as for --url; sqlite = the file in the folder',
    )
    for name, text, folder, help_text in (
        ('backup', 'copy a memory, also while a node writes to it', '--out', 'new folder'),
        ('restore', 'make a memory of a backup', '--from', 'folder of the backup'),
        ('repair', 'rebuild what is damaged from points and journal; drop stray files', None, ''),
    ):
        action = actions.add_parser(name, help=text, description=text)
        add_memory(action)
        if folder is not None:
            action.add_argument(
                folder, dest='other', type=Path, required=True, metavar='DIR', help=help_text
            )
    query_actions.add_arguments(actions)
    edit_actions.add_arguments(actions)


def run(options: argparse.Namespace) -> int:
    """Run one action; reading also works while a node writes to the memory."""
    if options.action == 'move':
        with Progress(TextColumn('rows', markup=False), BarColumn(), MofNCompleteColumn()) as bar:
            task = bar.add_task('', total=None)
            where = move(
                options.memory,
                options.to,
                options.url,
                lambda done, rows: bar.update(task, completed=done, total=rows),
            )
        print(f'{options.memory}: the memory is at {where}')
        return 0
    if options.action in MAINTENANCE:
        return MAINTENANCE[options.action](options)
    if 'change' in options:
        with SceneMemory.edit(options.memory, options.url) as memory:
            print(options.change(memory, options))
        return 0
    if 'ask' in options:
        with SceneMemory.inspect(options.memory, options.url) as memory:
            options.ask(memory, options, TextConsole())
        return 0
    with SceneMemory.inspect(options.memory, options.url) as memory:
        snapshot, changes = memory.snapshot(), memory.changes()
    if options.action == 'show':
        _show(snapshot, changes, TextConsole())
    else:
        _export(snapshot, changes, options.out)
    return 0


def _check(options: argparse.Namespace) -> int:
    """Print what is wrong."""
    faults, content = check(options.memory, options.url)
    for fault in faults:
        print(fault)
    result = f'{len(faults)} faults' if faults else 'all is well'
    print(f'{options.memory}: ' + (f'{content}: ' if content else '') + result)
    return 1 if faults else 0


def _repair(options: argparse.Namespace) -> int:
    """Print what was done, and what is wrong nevertheless."""
    for line in repair(options.memory, options.url):
        print(line)
    return _check(options)


def _back_up(options: argparse.Namespace) -> int:
    """Print what is wrong with the memory that was copied."""
    faults = back_up(options.memory, options.other, options.url)
    for fault in faults:
        print(fault)
    print(f'{options.other}: copy of {options.memory}')
    return 1 if faults else 0


def _restore(options: argparse.Namespace) -> int:
    """Restore and check."""
    restore(options.other, options.memory, options.url)
    return _check(options)


MAINTENANCE = {'check': _check, 'repair': _repair, 'backup': _back_up, 'restore': _restore}


def _export(snapshot: MemorySnapshot, changes: tuple[Change, ...], out: Path) -> None:
    """Write both documents."""
    out.mkdir(parents=True, exist_ok=True)
    for path in write_documents(out, snapshot, changes):
        print(path)


def _show(snapshot: MemorySnapshot, changes: tuple[Change, ...], console: TextConsole) -> None:
    """Print the tables."""
    console.print(
        f'map {snapshot.map_id!r}, frame {snapshot.frame_id!r}, revision {snapshot.revision}'
    )
    visits = Table('visit', 'time (UTC)', 'status', 'points', 'name', title='visits')
    for visit in snapshot.visits:
        visits.add_row(
            str(visit.visit_id),
            time_of(visit.stamp_ns),
            visit.status.name,
            str(visit.n_points),
            visit.name,
        )
    console.print(visits)
    objects = Table(
        'object',
        'class',
        'score',
        'state',
        'last seen (UTC)',
        'x y z (m)',
        'moved (m)',
        'state per visit',
        title='objects',
    )
    for item in snapshot.objects:
        past = ', '.join(f'{visit_id}: {SIGNS[state]}' for visit_id, state in item.states)
        objects.add_row(
            str(item.object_id),
            item.class_name,
            f'{item.score:.2f}',
            SIGNS[item.state],
            time_of(item.last_seen_ns),
            place_of(item.box),
            f'{item.moved_m:.2f}',
            past,
        )
    console.print(objects)
    console.print(change_table(changes))
