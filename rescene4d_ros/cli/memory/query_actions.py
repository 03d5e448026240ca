"""Actions of `rescene4d memory` that query: where, list, changes, history, journal."""

from __future__ import annotations

import argparse
from datetime import datetime, tzinfo, UTC
import json
from pathlib import Path

from rescene4d_ros.cli.console import TextConsole
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.zones import FILE as ZONES_FILE
from rescene4d_ros.memory.zones import read_zones, zone_named
from rescene4d_ros.planning.nearby import Region, select
from rescene4d_ros.structures import Box, Change, ObjectState
from rich.table import Table

SIGNS = {
    ObjectState.PRESENT: 'present',
    ObjectState.ABSENT: 'gone',
    ObjectState.NOT_OBSERVED: 'not seen',
    ObjectState.UNKNOWN: '?',
}
MOMENT = 'visit number, or date in UTC as 2026-11-22 or 2026-11-22T15:30'


def add_arguments(actions) -> None:
    """Declare the queries."""

    def declare(name: str, text: str, run) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=text)
        add_memory(action)
        action.set_defaults(ask=run)
        return action

    where = declare('where', 'show where an object is, and since when', _where)
    where.add_argument('object', type=int)
    where.add_argument('--at', metavar='MOMENT', help=MOMENT + '; default: now')
    listed = declare('list', 'list the present objects of a class, or all', _list)
    listed.add_argument('class_name', metavar='CLASS', nargs='?')
    listed.add_argument('--at', metavar='MOMENT', help=MOMENT + '; default: now')
    listed.add_argument('--in', dest='zone', metavar='ZONE', help=f'zone of {ZONES_FILE}')
    listed.add_argument(
        '--near',
        nargs=3,
        type=float,
        metavar=('X', 'Y', 'Z'),
        help='point in m; the nearest objects come first',
    )
    listed.add_argument(
        '--radius', type=float, default=0.0, metavar='M', help='around --near; default: any'
    )
    listed.add_argument('--most', type=int, default=0, help='number of objects; default: all')
    declare('zones', f'show the zones of {ZONES_FILE} in the folder of the memory', _zones)
    changes = declare('changes', 'show the changes between two visits or dates', _changes)
    changes.add_argument('--after', metavar='MOMENT', help=MOMENT + '; default: the beginning')
    changes.add_argument('--until', metavar='MOMENT', help=MOMENT + '; default: now')
    declare('history', 'show the observations of an object at each visit', _history).add_argument(
        'object', type=int
    )
    declare('journal', 'list corrections, deletions and migrations', _journal)


def add_memory(action: argparse.ArgumentParser) -> None:
    """Declare the memory of an action."""
    action.add_argument('memory', type=Path, metavar='DIR', help='folder of the memory')
    action.add_argument(
        '--url',
        help='database of the memory; default: the one stored in the folder, else SQLite in it',
    )


def add_zone(parser: argparse.ArgumentParser) -> None:
    """Declare the time zone of what is shown."""
    parser.add_argument(
        '--zone',
        metavar='NAME',
        help='time zone of all dates, as Europe/Berlin; default: that of this machine',
    )


def time_of(stamp_ns: int) -> str:
    """Return a formatted stamp."""
    return datetime.fromtimestamp(stamp_ns / 1e9, UTC).strftime('%Y-%m-%d %H:%M')


def place_of(box: Box | None) -> str:
    """Return the formatted center of a box, m."""
    return '' if box is None else ' '.join(f'{value:.2f}' for value in box.center)


def stamp_of(memory: SceneMemory, moment: str, zone: tzinfo | None = UTC) -> int:
    """
    Return the time (ns since the Unix epoch) of a visit number or date.

    A date without zone is of `zone`; None = that of this machine.

    Raises
    ------
    ConfigError
        It is neither.

    """
    stamps = {str(visit.visit_id): visit.stamp_ns for visit in memory.visits()}
    if moment in stamps:
        return stamps[moment]
    try:
        time = datetime.fromisoformat(moment)
    except ValueError as error:
        raise ConfigError(
            f'expected a moment ({MOMENT}), got {moment!r}; visits are: {", ".join(stamps)}'
        ) from error
    return round((time if time.tzinfo else time.replace(tzinfo=zone)).timestamp()) * 10**9


def change_table(changes: tuple[Change, ...]) -> Table:
    """Return changes as a table."""
    table = Table(
        'visit', 'change', 'object', 'class', 'confidence', 'from', 'to', title='changes'
    )
    for change in changes:
        other = f' -> {change.other_id}' if change.other_id else ''
        table.add_row(
            str(change.visit_id),
            change.kind.name,
            f'{change.object_id}{other}',
            change.class_name,
            f'{change.confidence:.2f}',
            place_of(change.before),
            place_of(change.after),
        )
    return table


def _where(memory: SceneMemory, options: argparse.Namespace, console: TextConsole) -> None:
    """Print where one object is."""
    console.print(
        _location_table([queries.where_is(memory, options.object, _at(memory, options.at))])
    )


def _list(memory: SceneMemory, options: argparse.Namespace, console: TextConsole) -> None:
    """Print where the objects of a class are."""
    found = queries.of_class(memory, options.class_name, _at(memory, options.at))
    zone = options.zone and zone_named(read_zones(memory.path), options.zone)
    region = Region(zone or None, None, options.near, options.radius, options.most)
    console.print(_location_table(select(found, region)))


def _zones(memory: SceneMemory, options: argparse.Namespace, console: TextConsole) -> None:
    """Print every zone and the objects in it."""
    table = Table('zone', 'corners (m)', 'objects')
    present = queries.of_class(memory, None)
    for zone in read_zones(memory.path):
        corners = ' '.join(f'({x:g}, {y:g})' for x, y in zone.polygon)
        inside = [str(place.object_id) for place in present if zone.holds(place.box)]
        table.add_row(zone.name, corners, ' '.join(inside))
    console.print(table)


def _changes(memory: SceneMemory, options: argparse.Namespace, console: TextConsole) -> None:
    """Print what changed."""
    newest = max((visit.stamp_ns for visit in memory.visits()), default=0)
    until = _at(memory, options.until)
    console.print(
        change_table(
            queries.changed_between(
                memory,
                -1 if options.after is None else stamp_of(memory, options.after),
                newest if until is None else until,
            )
        )
    )


def _history(memory: SceneMemory, options: argparse.Namespace, console: TextConsole) -> None:
    """Print the history of one object."""
    table = Table('visit', 'time (UTC)', 'known as', 'state', 'x y z (m)', 'changes', 'why')
    for event in queries.history_of(memory, options.object):
        kinds = ', '.join(change.kind.name for change in event.changes)
        table.add_row(
            str(event.visit_id),
            time_of(event.stamp_ns),
            str(event.object_id),
            SIGNS[event.state],
            place_of(event.box),
            kinds,
            event.reason,
        )
    console.print(table)


def _journal(memory: SceneMemory, options: argparse.Namespace, console: TextConsole) -> None:
    """Print the journal."""
    table = Table('entry', 'revision', 'visit', 'action', 'detail')
    for entry in memory.journal():
        table.add_row(
            str(entry['entry_id']),
            str(entry['revision']),
            str(entry['visit_id'] or ''),
            entry['action'],
            json.dumps(entry['detail']),
        )
    console.print(table)


def _at(memory: SceneMemory, moment: str | None) -> int | None:
    """Return the requested time; None for now."""
    return None if moment is None else stamp_of(memory, moment)


def _location_table(places) -> Table:
    """Return where objects are as a table."""
    table = Table(
        'object', 'name', 'class', 'state', 'x y z (m)', 'since (UTC)', 'last seen (UTC)'
    )
    for place in places:
        table.add_row(
            str(place.object_id),
            place.name,
            place.class_name,
            SIGNS[place.state],
            place_of(place.box),
            time_of(place.since_ns),
            time_of(place.last_seen_ns),
        )
    return table
