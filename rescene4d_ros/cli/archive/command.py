"""`rescene4d archive`: process, evaluate or export many memories with one command."""

from __future__ import annotations

import argparse
from collections import Counter
import json
import os
from pathlib import Path
from typing import Any

from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.cli.archive.engines import local_results, ray_results
from rescene4d_ros.cli.archive.memories import ArchivedMemory, find_memories
from rescene4d_ros.cli.archive.work import plan_of, Task, work_on
from rescene4d_ros.cli.console import TextConsole
from rescene4d_ros.cli.flags import add_parameter_flags, parameters_of
from rescene4d_ros.scene.processing_settings import configs_of
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

ACTIONS = {
    'reprocess': 'process all visits again, with other weights or settings',
    'evaluate': 'say what reprocess would change, on copies',
    'export': 'write objects.json and changes.json of each memory',
}
COUNTED = ('objects', 'sightings', 'changes')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and how they are spread."""
    actions = parser.add_subparsers(dest='action', required=True)
    for name, text in ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument(
            'sources',
            type=Path,
            nargs='+',
            metavar='SOURCE',
            help='folder of a memory, or of memories; the database of each may be on a server',
        )
        action.add_argument(
            '--out',
            type=Path,
            required=True,
            metavar='DIR',
            help='folder for a record of each memory and report.json; what it says is done is '
            'not done again',
        )
        action.add_argument(
            '--engine',
            choices=('local', 'ray'),
            default='local',
            help='who does the work: processes of this machine, or Ray (extra `ray`)',
        )
        action.add_argument(
            '--address',
            metavar='ADDRESS',
            help='of a Ray cluster, such as auto; default: Ray is started for this command',
        )
        action.add_argument(
            '--jobs',
            type=int,
            default=os.cpu_count() or 1,
            metavar='N',
            help='memories at the same time (default: number of cores)',
        )
        action.add_argument('--dry-run', action='store_true', help='only say what would be done')
        if name != 'export':
            add_parameter_flags(action)


def run(options: argparse.Namespace) -> int:
    """Work through the memories; 1 if one failed."""
    task = _task(options)
    memories = find_memories(options.sources)
    plans = [plan_of(task, memory) for memory in memories]
    if options.dry_run:
        _print_plans(task, plans)
        return 1 if any('error' in plan for plan in plans) else 0
    task.out.mkdir(parents=True, exist_ok=True)
    records = _work_through(task, memories, [plan['visits'] for plan in plans], options)
    report = {
        'action': task.action,
        'settings': dict(task.settings),
        'outcomes': dict(Counter(record['outcome'] for record in records)),
        'memories': records,
    }
    with atomic_write(task.out / 'report.json') as file:
        file.write(json.dumps(report, indent=1).encode() + b'\n')
    _print_records(records)
    return 1 if any(record['outcome'] == 'failed' for record in records) else 0


def _task(options: argparse.Namespace) -> Task:
    """Return what is done with every memory; raise where a setting is wrong."""
    values: dict[str, Any] = {}
    if options.action != 'export':
        values = parameters_of(options)
        path = Path(options.weights)
        if options.weights and path.exists():
            values['inference.weights'] = str(path.resolve())
        cores = (os.cpu_count() or 1) // max(options.jobs, 1)
        values.setdefault('inference.torch_threads', max(cores, 1))
    settings = tuple(sorted(values.items()))
    configs_of(settings)
    return Task(options.action, settings, options.out.resolve())


def _work_through(
    task: Task, memories: tuple[ArchivedMemory, ...], visits: list[int], options
) -> list[dict]:
    """Return the record of each memory; the bar counts visits, of which the time depends."""
    jobs = [(task, memory) for memory in memories]
    # The longest first, so that none is left to one worker at the end.
    order = sorted(range(len(jobs)), key=lambda number: -visits[number])
    chosen = [jobs[number] for number in order]
    if options.engine == 'ray':
        results = ray_results(work_on, chosen, options.jobs, options.address)
    else:
        results = local_results(work_on, chosen, options.jobs)
    records: list[dict] = [{} for _ in jobs]
    columns = (
        TextColumn('{task.description}', markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn('visits, ', markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=TextConsole(stderr=True)) as progress:
        bar = progress.add_task(task.action, total=sum(visits))
        for done, (number, record) in enumerate(results, 1):
            memory = memories[order[number]]
            records[order[number]] = {'memory': str(memory.folder), **record}
            progress.update(
                bar,
                advance=visits[order[number]],
                description=f'{task.action}: {done} of {len(jobs)} memories,',
            )
    return records


def _print_plans(task: Task, plans: list[dict]) -> None:
    """Print what would be done with each memory."""
    table = Table('memory', 'map', 'visits', 'revision', 'weights', 'record')
    for plan in plans:
        if 'error' in plan:
            table.add_row(plan['memory'], f'cannot be read: {plan["error"]}')
            continue
        table.add_row(
            plan['memory'],
            plan['map'],
            str(plan['visits']),
            str(plan['revision']),
            plan['weights'] or 'none',
            'yes' if plan['recorded'] else 'no',
        )
    console = TextConsole()
    console.print(table)
    total = sum(plan['visits'] for plan in plans)
    console.print(f'{task.action}: {len(plans)} memories, {total} visits; nothing was done')


def _print_records(records: list[dict]) -> None:
    """Print what became of each memory."""
    columns = (f'{name}: before, after, kept' for name in COUNTED)
    table = Table('memory', 'outcome', 's', *columns)
    for record in records:
        if record['outcome'] == 'failed':
            table.add_row(record['memory'], f'failed: {record["error"]}')
            continue
        counts = record.get('differences', {})
        told = (' '.join(str(n) for n in counts.get(name, {}).values()) for name in COUNTED)
        table.add_row(record['memory'], record['outcome'], str(record['seconds']), *told)
    TextConsole().print(table)
