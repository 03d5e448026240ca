"""
`rescene4d demo-robot`: a simulated robot drives three visits of a room as live topics.

One process plays clouds, transforms and odometry of a bag at their times, one is `visit_builder`,
one is the node, one records. `visit_builder` is stopped with SIGKILL in the middle of the second
visit and the node in that of the third; the robot drives on for a second, and then waits until
the process is back. The result is compared with that of snapshots of the same visits: the same
room, scanned as one cloud each.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time

from rescene4d_ros.cli.demo.robot_report import print_comparison, Result, result_of, within
from rescene4d_ros.cli.demo.robot_visits import make_visits, RATE, Visits
from rescene4d_ros.cli.demo.stages import (
    await_recorder,
    await_text,
    ids_over_restart,
    left_out_of,
    process,
    stage,
    StageFailed,
)
from rescene4d_ros.config import make
from rescene4d_ros.data.readers.bags.drive_writing import CLOUDS_TOPIC
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.memory.export import write_documents
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.mask_source import load_masks, tracker_for
from rescene4d_ros.scene.scan_acceptance import ScanAcceptance
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import Scan
from rescene4d_ros.tracking.settings import TrackerConfig
from rescene4d_ros.view.before_after import draw_before_after

# Of each its log, and what is there how often once it has gone on after the kill.
BACK = {'node': ('main', ': active in', 2), 'visit_builder': ('visit_builder', 'goes on', 1)}
LOST = 10  # clouds that come while a killed process is gone; then the robot waits for it
KILLS = {2: 'visit_builder', 3: 'node'}  # which process, in the middle of which visit
ALLOWED = 0.05  # of each share of the score card; or one object or change, where that is more


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('out/demo-robot'),
        metavar='DIR',
        help='output folder, replaced (default: %(default)s)',
    )
    parser.add_argument(
        '--seconds',
        type=float,
        default=20.0,
        help='duration of each drive, at 10 clouds a second (default: %(default)s)',
    )
    parser.add_argument(
        '--poses',
        choices=('auto', 'tf', 'odometry'),
        default='auto',
        help='where visit_builder takes poses from; auto: TF where tf2_ros is installed',
    )
    parser.add_argument(
        '--timeout',
        type=float,
        default=120.0,
        help='longest wait for one stage, in seconds (default: %(default)s)',
    )


def run(options: argparse.Namespace) -> int:
    """Run all stages; 1 if one fails, ids change, or the result is not that of the snapshots."""
    started, out = time.monotonic(), options.out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    os.environ['ROS_DOMAIN_ID'] = str(os.getpid() % 20 + 81)  # as the other demo
    if options.poses == 'auto':
        options.poses = 'tf' if find_spec('tf2_ros') else 'odometry'
    visits = make_visits(out / 'drives', options.seconds)
    stage(
        f'made three drives of a {visits.kind}: {visits.n_clouds} clouds at 10 Hz, with {TOPICS}'
    )
    try:
        with process('tools.recorder', out, str(out / 'recording'), '--builder', 'visit_builder'):
            drive(options)
        ids = ids_over_restart(out / 'recording', 2)
    except StageFailed as error:
        print(f'rescene4d demo-robot: {error}', file=sys.stderr)
        return 1
    stage('processing the snapshots of the same visits')
    process_snapshots(out / 'memory_of_snapshots', visits.snapshots)
    live, reference = report(options, visits)
    stage(f'ids over the kills: {ids}; wrote {out}/; {time.monotonic() - started:.0f} s in all')
    failed = within(live, reference, ALLOWED)
    if failed:
        print(f'rescene4d demo-robot: {failed}', file=sys.stderr)
    return 1 if failed else 0


TOPICS = '/tf, /tf_static and /odometry'


def drive(options: argparse.Namespace) -> None:
    """Play the drives to the processes, of which two are killed and restarted."""
    with ExitStack() as running:
        started = {name: running.enter_context(ExitStack()) for name in ('node', 'visit_builder')}
        processes = {name: start(name, at, options) for name, at in started.items()}
        await_recorder(options.out, options.timeout)
        for number in (1, 2, 3):
            stage(f'visit {number}: the robot drives; poses from {options.poses}')
            kills, half = KILLS.get(number), int(options.seconds * RATE / 2)
            player = play(options, number, half + LOST if kills else 0)
            assert player.stdout is not None
            assert player.stdin is not None
            for line in player.stdout:
                if not line.startswith('cloud '):
                    print(f'   {line.strip()}', flush=True)
                elif kills and int(line.split()[1]) == half:
                    processes[kills].send_signal(signal.SIGKILL)
                    processes[kills].wait()
                    started[kills].close()
                    processes[kills] = start(kills, started[kills], options)
                    stage(f'{kills} killed with SIGKILL half way, started again')
                    log, text, times = BACK[kills]
                    await_text(options.out / f'{log}.log', text, times, options.timeout)
                    player.stdin.write('\n')
                    player.stdin.flush()
            if player.wait():
                raise StageFailed(
                    f'the player failed; see main.log and visit_builder.log in {options.out}'
                )


def start(name: str, at: ExitStack, options: argparse.Namespace) -> subprocess.Popen:
    """Start one of the two processes, until its context ends."""
    out = options.out
    parameters = {
        'node': {
            'memory.path': out / 'memory',
            'inference.torch_threads': 2,
            'observed_space': 'true',
        },
        'visit_builder': {'pose_source': options.poses, 'spool': out / 'visit.spool'},
    }[name]
    module = {'node': 'main', 'visit_builder': 'visit_builder.main'}[name]
    given = {'autostart': 'true', **parameters}
    flags = [text for k, v in given.items() for text in ('-p', f'{k}:={v}')]
    remap = ['-r', f'clouds:={CLOUDS_TOPIC}'] if name == 'visit_builder' else []
    arguments = ('--ros-args', *flags, *remap)
    return at.enter_context(process(module, out, *arguments, log_name=BACK[name][0]))


def play(options: argparse.Namespace, number: int, pause_at: int) -> subprocess.Popen:
    """Start to play one drive; the robot waits after a cloud, 0 = never."""
    command = [
        sys.executable,
        '-m',
        'rescene4d_ros.node.tools.live_player',
        str(options.out / 'drives'),
        '--drive',
        str(number),
        '--pause-at',
        str(pause_at),
        '--timeout',
        str(options.timeout),
    ]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def process_snapshots(folder: Path, snapshots: Sequence[Scan], source: str = 'network') -> None:
    """Make the memory that snapshots of the same visits give."""
    segmenter = load_masks(make(InferenceConfig, {'torch_threads': 2, 'source': source}))
    with SceneMemory.open(
        folder,
        map_id='map',
        frame_id='map',
        class_names=segmenter.class_names,
        weights_hash=segmenter.weights_hash,
    ) as memory:
        tracker = SceneTracker(memory, segmenter, tracker_for(TrackerConfig(), source))
        check = ScanAcceptance(memory)
        for scan in snapshots:
            tracker.add_visit(check.checked(scan)[0])


def report(options: argparse.Namespace, visits: Visits) -> tuple[Result, Result]:
    """Write and print both results."""
    out = options.out
    with SceneMemory.inspect(out / 'memory_of_snapshots') as memory:
        reference = result_of(memory, visits)
    with SceneMemory.inspect(out / 'memory') as memory:
        live = result_of(memory, visits)
        snapshot, changes = memory.snapshot(), memory.changes()
        write_documents(out, snapshot, changes)
        ids = [v.visit_id for v in snapshot.visits]
        draw_before_after(
            out / 'visits.png',
            [memory.scan(v) for v in ids],
            [memory.labels(v) for v in ids],
            snapshot,
            changes,
            left_out_of(out / 'recording', [v.stamp_ns for v in snapshot.visits]),
        )
    text = print_comparison(live, reference)
    (out / 'comparison.txt').write_text(text)
    return live, reference
