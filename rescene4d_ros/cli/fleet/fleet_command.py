"""`rescene4d fleet`: roles of the database, what waits, and refused visits once more."""

from __future__ import annotations

import argparse
import os
import time

from rescene4d_ros.cli.console import TextConsole
from rescene4d_ros.cli.fleet.flags import add_database_flags
from rescene4d_ros.fleet.database import deposits, DepositStatus, FleetDatabase, leases
from rescene4d_ros.fleet.leases import held_maps
from rescene4d_ros.fleet.results import Results
from rescene4d_ros.fleet.roles import make_roles, ROBOT, roles_sql, WORKER
from rich.table import Table
from sqlalchemy import func, select


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest='action', required=True)
    roles = actions.add_parser(
        'roles',
        help='make tables and roles, as a superuser; passwords from RESCENE4D_ROBOT_PASSWORD and '
        'RESCENE4D_WORKER_PASSWORD',
    )
    roles.add_argument('--robot', default=ROBOT, help=f'role of robots (default: {ROBOT})')
    roles.add_argument('--worker', default=WORKER, help=f'role of workers (default: {WORKER})')
    roles.add_argument(
        '--print', action='store_true', dest='only_print', help='print the SQL, do nothing'
    )
    status = actions.add_parser('status', help='maps: what waits, what was done, who works')
    retry = actions.add_parser('retry', help='let refused visits of a map wait again')
    retry.add_argument('--map', required=True, metavar='NAME', dest='map_id', help='map')
    results = actions.add_parser('results', help='print what becomes of visits, as it comes')
    results.add_argument('--maps', nargs='+', default=[], metavar='NAME', help='only these maps')
    results.add_argument(
        '--seconds', type=float, default=0.0, metavar='S', help='end then (default: never)'
    )
    for action in (roles, status, retry, results):
        add_database_flags(action, with_points=False)


def run(options: argparse.Namespace) -> int:
    """Do the action."""
    database = FleetDatabase(options.url)
    if options.action == 'roles':
        if options.only_print:
            print(roles_sql(database.url.database or '', options.robot, options.worker))
        else:
            given = {
                options.robot: os.environ.get('RESCENE4D_ROBOT_PASSWORD', ''),
                options.worker: os.environ.get('RESCENE4D_WORKER_PASSWORD', ''),
            }
            passwords = {role: password for role, password in given.items() if password}
            make_roles(database, options.robot, options.worker, passwords)
    elif options.action == 'status':
        _print_status(database)
    elif options.action == 'retry':
        print(f'{retry_refused(database, options.map_id)} visits wait again')
    else:
        end = time.monotonic() + options.seconds if options.seconds else float('inf')
        results = Results(database, tuple(options.maps))
        while (left := end - time.monotonic()) > 0:
            for outcome in results.wait(min(left, 5.0)):
                print(outcome.as_json(), flush=True)
    database.close()
    return 0


def retry_refused(database: FleetDatabase, map_id: str) -> int:
    """Give the refused deposits of a map the status PENDING; return how many there are."""
    refused = deposits.c.status == DepositStatus.REFUSED
    change = deposits.update().where(deposits.c.map_id == map_id, refused)
    with database.transaction() as connection:
        changed = connection.execute(
            change.values(status=DepositStatus.PENDING, attempts=0, reason='')
        )
        return changed.rowcount


def _print_status(database: FleetDatabase) -> None:
    """Print one line per map."""
    counts = [
        func.count().filter(deposits.c.status == status).label(status.value)
        for status in DepositStatus
    ]
    query = select(deposits.c.map_id, *counts).group_by(deposits.c.map_id)
    holders = select(leases.c.map_id, leases.c.holder).where(leases.c.map_id.in_(held_maps()))
    table = Table('map', *(status.value for status in DepositStatus), 'worker')
    with database.transaction() as connection:
        working = {row.map_id: row.holder for row in connection.execute(holders)}
        for row in connection.execute(query.order_by(deposits.c.map_id)):
            table.add_row(*map(str, row), working.get(row.map_id, ''))
    TextConsole().print(table)
