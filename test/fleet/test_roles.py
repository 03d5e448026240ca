"""Rights in a real server: a robot deposits and reads, a worker writes, others are kept out."""

from __future__ import annotations

from threading import Event

import numpy as np
import pytest
from rescene4d_ros.cli.fleet.fleet_command import retry_refused
from rescene4d_ros.cli.main import main
from rescene4d_ros.errors import ConfigError, FleetMissingError, StorageError
from rescene4d_ros.fleet.database import FleetDatabase
from rescene4d_ros.fleet.depositor import Depositor
from rescene4d_ros.fleet.results import Results
from rescene4d_ros.fleet.roles import make_roles, roles_sql
from rescene4d_ros.fleet.spool import Spool
from rescene4d_ros.memory.store import SceneMemory

from .conftest import DAY_NS, rows_of

FORBIDDEN = (
    'INSERT INTO rescene4d_fleet.deposits (map_id, stamp_ns, name, file, n_points, robot, status)'
    " VALUES ('hall', 1, '', '', 1, '', 'DONE')",
    "UPDATE rescene4d_fleet.deposits SET status = 'DONE'",
    'DELETE FROM rescene4d_fleet.deposits',
    "INSERT INTO rescene4d_fleet.leases VALUES ('hall', 7, 'robot')",
    "UPDATE rescene4d_fleet.heartbeats SET until = 'infinity'",
    'UPDATE map_hall.objects SET score = 1',
    'DELETE FROM map_hall.visits',
    "UPDATE map_hall.meta SET value = '0'",
    'CREATE SCHEMA mine',
    'CREATE TABLE public.mine (a int)',
)


@pytest.fixture
def roles(fleet_url, postgres):
    """Make the roles; return the URLs of robot, worker and a stranger."""
    names = [f'{kind}_of_{fleet_url.split("/")[3].partition("?")[0]}' for kind in 'rws']
    owner = FleetDatabase(fleet_url)
    for _ in range(2):  # harmless when repeated
        make_roles(owner, names[0], names[1], {names[0]: "it's secret"})
    owner.close()
    with postgres.connect() as connection:
        connection.execute(f'CREATE ROLE "{names[2]}" LOGIN')
    return [fleet_url.replace('rescene4d@', f'{name}@') for name in names]


def may(database: FleetDatabase, statement: str) -> bool:
    """Return whether a role is allowed a statement, or it fails for another reason."""
    try:
        with database.transaction() as connection:
            connection.exec_driver_sql(statement)
    except StorageError as error:
        return 'permission denied' not in str(error)
    return True


def test_robot_may_deposit_and_read_but_not_write(
    roles, visit, make_worker, points, tmp_path, postgres
):
    robot_url, worker_url, stranger_url = roles
    robot = FleetDatabase(robot_url)
    with Depositor(robot, points, Spool(tmp_path / 'spool', 10**9), 'hall') as depositor:
        depositor.add(visit(1))
        assert len(list(depositor.send())) == 1
        worker = make_worker(url=worker_url)
        worker.run(Event(), until_idle=True)
        assert [row.status for row in rows_of(robot)] == ['DONE']
        with SceneMemory.inspect(tmp_path / 'reader', robot.map_url('hall')) as memory:
            assert [v.stamp_ns for v in memory.visits()] == [DAY_NS]
        assert [what for what in FORBIDDEN if may(robot, what)] == []
        (tmp_path / 'mine').mkdir()
        with pytest.raises(StorageError, match='permission denied'):
            SceneMemory.edit(tmp_path / 'mine', robot.map_url('hall'))
    with pytest.raises(StorageError, match='permission denied'):
        rows_of(FleetDatabase(stranger_url))


def test_roles_are_printed_and_checked(fleet_url, capsys):
    assert main(['fleet', 'roles', '--url', fleet_url, '--print']) == 0
    assert (
        capsys.readouterr().out.strip()
        == roles_sql(fleet_url.split('/')[3].partition('?')[0]).strip()
    )
    with pytest.raises(ConfigError, match='two roles'):
        roles_sql('rooms', 'same', 'same')
    with pytest.raises(FleetMissingError, match='fleet roles'):
        rows_of(FleetDatabase(fleet_url))


@pytest.mark.slow
def test_results_are_told_once_each_also_after_a_cut(
    database, robot, visit, make_worker, fleet_url
):
    depositor, worker = robot(), make_worker()
    results = Results(FleetDatabase(fleet_url), ('hall',))
    assert results.wait(0.0) == []
    for day in (1, 2):
        depositor.add(visit(day))
    list(depositor.send())
    worker.run(Event(), until_idle=True)
    heard = results.wait(5.0)
    with database.transaction() as connection:  # as a network that fails
        connection.exec_driver_sql(
            'SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
            'WHERE pid <> pg_backend_pid() AND datname = current_database()'
        )
    depositor.add(visit(3))
    list(depositor.send())
    worker.run(Event(), until_idle=True)

    def hear() -> None:  # what was notified before the cut may be read first
        for _ in range(3):
            heard.extend(results.wait(5.0))

    with pytest.raises(StorageError, match='connection is lost'):
        hear()
    heard.extend(results.wait(0.0))
    assert [(o.visit_id, o.revision) for o in heard] == [(1, 1), (2, 2), (3, 3)]
    assert results.wait(0.0) == []
    results.close()


@pytest.mark.slow
def test_commands_deposit_process_and_retry(database, fleet_url, visit, points, tmp_path, capsys):
    scan = visit(1)
    path = tmp_path / 'scan.npz'
    np.savez(path, xyz=scan.xyz * 1000)
    of = ['--url', fleet_url, '--points', points]
    deposit = ['deposit', str(path), *of, '--map', 'hall', '--spool', str(tmp_path / 'spool')]
    assert main(deposit) == 1
    assert 'unit' in capsys.readouterr().err
    np.savez(path, xyz=scan.xyz)
    assert main(deposit) == 0
    stamp = rows_of(database)[0].stamp_ns
    assert stamp == path.stat().st_mtime_ns
    (tmp_path / 'points' / 'map_hall').rename(tmp_path / 'away')
    work = ['worker', *of, '--folder', str(tmp_path / 'work'), '--until-idle']
    work += ['--set', 'inference.source=none', '--lease', '5']
    assert main(work) == 0
    assert rows_of(database)[0].status == 'REFUSED'
    (tmp_path / 'away').rename(tmp_path / 'points' / 'map_hall')
    assert retry_refused(database, 'hall') == 1
    assert main(work) == 0
    assert rows_of(database)[0].status == 'DONE'
    capsys.readouterr()
    assert main(['fleet', 'status', '--url', fleet_url]) == 0
    assert 'hall' in capsys.readouterr().out
