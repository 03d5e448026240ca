"""
Whether a fleet loses nothing, does nothing twice, and is as fast as its workers alone.

    .venv/bin/python benchmarks/fleet.py --url postgresql://user@host/empty_database
        [--robots 100] [--visits 20] [--workers 1] [--points 1200]

Each robot has a map of its own and deposits small visits of one room, in which boxes come, leave
and move, through its spool. Then workers take the maps until nothing waits. The same visits are
processed by the same number of processes that open the memories themselves, before and after, for
half of the maps each: this is the own speed of a worker. No network is used
(`inference.source: none`), so what is measured is the memory and the fleet around it. Times are
those of the wall and of the processors of the workers; the server's are in the first only.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from multiprocessing import get_context
import os
from pathlib import Path
import tempfile
from threading import Event
import time

import numpy as np
from rescene4d_ros.fleet.database import deposits, DepositStatus, FleetDatabase
from rescene4d_ros.fleet.depositor import Depositor
from rescene4d_ros.fleet.spool import Spool
from rescene4d_ros.fleet.worker import Worker, WorkerConfig
from rescene4d_ros.memory.database.schema import JournalAction
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.plausibility.check import check_scan, checked_scan
from rescene4d_ros.processes import end_with_parent
from rescene4d_ros.scene.mask_source import load_masks
from rescene4d_ros.scene.processing_settings import configs_of, make_tracker
from rescene4d_ros.scene.scan_acceptance import ScanAcceptance
from rescene4d_ros.structures import Scan
from sqlalchemy import func, select

SETTINGS = (('inference.source', 'none'), ('inference.torch_threads', 1))
HOUR_NS = 3600 * 10**9
START_NS = 1_800_000_000 * 10**9
EDGE_M = 4.0
BOXES = 4
Part = tuple[float, float, float]  # start, end, s, monotonic; processor time, s


def visits_of(count: int, points: int) -> list[Scan]:
    """Return visits of one room, an hour apart; at each one of the boxes changes."""
    rng = np.random.default_rng(20)
    places = rng.uniform(0.3, EDGE_M - 1.0, (BOXES, 2))
    is_there = np.ones(BOXES, bool)
    scans = []
    for k in range(count):
        box = k % BOXES
        if k % 3 == 2:
            is_there[box] = not is_there[box]
        elif k:
            places[box] = rng.uniform(0.3, EDGE_M - 1.0, 2)
        floor = np.column_stack([rng.uniform(0, EDGE_M, (points // 2, 2)), np.zeros(points // 2)])
        parts = [floor]
        for place in places[is_there]:
            cloud = rng.uniform(0, 1, (points // (2 * BOXES), 3)) * (0.5, 0.4, 0.6)
            cloud[np.arange(len(cloud)), rng.integers(0, 2, len(cloud))] = 0.0  # on faces
            parts.append(cloud + (*place, 0.0))
        xyz = np.concatenate(parts).astype(np.float32)
        scan = Scan(xyz, START_NS + k * HOUR_NS, name=f'visit {k + 1}')
        scans.append(checked_scan(scan, check_scan(scan)))
    return scans


def deposit(url: str, folder: Path, maps: Sequence[str], scans: Sequence[Scan]) -> None:
    """Be the robots of some maps, which deposit visit by visit in turn."""
    end_with_parent()
    database = FleetDatabase(url)
    robots = [
        Depositor(database, str(folder / 'points'), Spool(folder / f'spool_{m}', 10**9), m)
        for m in maps
    ]
    for scan in scans:
        for robot in robots:
            robot.add(scan)
            list(robot.send())
    for robot in robots:
        robot.close()


def alone(url: str, folder: Path, maps: Sequence[str], scans: Sequence[Scan], told) -> None:
    """Process the visits of some maps without a fleet; tell the times."""
    end_with_parent()
    segmenter, database = load_masks(configs_of(SETTINGS)['inference']), FleetDatabase(url)
    _process(database, folder / f'warm_{maps[0]}', f'warm_{maps[0]}', scans[:3], segmenter)
    start, cpu = time.monotonic(), time.process_time()
    for name in maps:
        _process(database, folder / name, name, scans, segmenter)
    told.put((start, time.monotonic(), time.process_time() - cpu))


def _process(database: FleetDatabase, path: Path, name: str, scans, segmenter) -> None:
    configs = configs_of(SETTINGS)
    with SceneMemory.open(
        path, name, 'map', segmenter.class_names, url=database.map_url(name)
    ) as memory:
        tracker = make_tracker(memory, segmenter, configs)
        acceptance = ScanAcceptance(memory)
        for scan in scans:
            tracker.add_visit(acceptance.checked(scan)[0])


def work(url: str, folder: Path, scans: Sequence[Scan], begin, told) -> None:
    """Be a worker until nothing waits; tell the times."""
    end_with_parent()
    configs = configs_of(SETTINGS)
    segmenter = load_masks(configs['inference'])
    name = f'warm_worker_{os.getpid()}'
    _process(FleetDatabase(url), folder / name, name, scans[:3], segmenter)
    begin.wait()
    with Worker(
        url, str(folder / 'points'), folder / 'work', segmenter, WorkerConfig(), configs
    ) as worker:
        start, cpu = time.monotonic(), time.process_time()
        worker.run(Event(), until_idle=True)
        told.put((start, time.monotonic(), time.process_time() - cpu))


def of_parts(parts: Sequence[Part], visits: int) -> tuple[float, float]:
    """Return visits per second of the wall, and per second of the processors."""
    wall = max(end for _, end, _ in parts) - min(start for start, _, _ in parts)
    return visits / wall, visits / sum(cpu for _, _, cpu in parts)


def run_all(context, target, jobs: Sequence[tuple]) -> None:
    """Run processes to their end; raise where one fails."""
    processes = [context.Process(target=target, args=job) for job in jobs]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise SystemExit(f'{target.__name__}: exit status {process.exitcode}')


def check(database: FleetDatabase, folder: Path, maps: Sequence[str], visits: int) -> list[str]:
    """Return what was lost, done twice or not done."""
    with database.transaction() as connection:
        query = select(deposits.c.status, func.count()).group_by(deposits.c.status)
        counts = {row[0]: row[1] for row in connection.execute(query)}
    wrong = []
    if counts != {DepositStatus.DONE: len(maps) * visits}:
        wrong.append(f'deposits: {counts}')
    for name in maps:
        with SceneMemory.inspect(folder / 'reader', database.map_url(name)) as memory:
            entries = memory.journal(JournalAction.VISIT_PROCESSED)
            times = Counter(entry['visit_id'] for entry in entries)
            if times != dict.fromkeys(range(1, visits + 1), 1):
                wrong.append(f'{name}: processed {dict(times)}')
            if memory.metadata.revision != visits or len(memory.visits()) != visits:
                wrong.append(f'{name}: {len(memory.visits())} visits')
    return wrong


def main() -> int:
    """Measure, and print one line per part; 1 where something was lost or done twice."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--url', required=True, help='empty database of PostgreSQL')
    parser.add_argument('--robots', type=int, default=100)
    parser.add_argument('--visits', type=int, default=20)
    parser.add_argument('--workers', type=int, default=1)
    parser.add_argument('--points', type=int, default=1200)
    args = parser.parse_args()
    context = get_context('spawn')
    scans = visits_of(args.visits, args.points)
    database = FleetDatabase(args.url)
    database.prepare()
    maps = [f'robot_{k}' for k in range(args.robots)]
    total = len(maps) * args.visits
    told, begin = context.Queue(), context.Event()

    def measured_alone(folder: Path, names: Sequence[str]) -> list[Part]:
        shares = [names[k :: args.workers] for k in range(args.workers)]
        run_all(context, alone, [(args.url, folder, s, scans, told) for s in shares if s])
        return [told.get() for s in shares if s]

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / 'points').mkdir()
        half = max(1, len(maps) // 2)
        before = measured_alone(folder / 'before', [f'before_{m}' for m in maps[:half]])
        start = time.monotonic()
        run_all(
            context,
            deposit,
            [(args.url, folder, maps[k::4], scans) for k in range(4) if maps[k::4]],
        )
        print(f'deposits: {total / (time.monotonic() - start):.1f} per s of 4 processes')
        job = (args.url, folder, scans, begin, told)
        workers = [context.Process(target=work, args=job) for _ in range(args.workers)]
        for process in workers:
            process.start()
        begin.set()
        fleet = [told.get() for _ in workers]
        for process in workers:
            process.join()
        after = measured_alone(folder / 'after', [f'after_{m}' for m in maps[:half]])
        rows = {
            'alone, before': of_parts(before, half * args.visits),
            'fleet': of_parts(fleet, total),
            'alone, after': of_parts(after, half * args.visits),
        }
        for name, (wall, cpu) in rows.items():
            print(f'{name:14s} {wall:6.2f} visits per s, {cpu:6.2f} per s of the processors')
        own = [np.mean([rows['alone, before'][k], rows['alone, after'][k]]) for k in (0, 1)]
        ratios = [rows['fleet'][k] / own[k] for k in (0, 1)]
        print(f'fleet to alone: {ratios[0]:.3f} by the wall, {ratios[1]:.3f} by the processors')
        print(f'load average: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')
        wrong = check(database, folder, maps, args.visits)
    print('\n'.join(wrong) or f'{total} visits of {len(maps)} robots: each processed once')
    return 1 if wrong else 0


if __name__ == '__main__':
    raise SystemExit(main())
