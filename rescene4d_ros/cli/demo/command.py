"""
`rescene4d demo`: the whole pipeline on the sample bag or a fixed set's first room, node killed.

One process plays the bag, one is the node, one records its topics. The node is stopped with
SIGKILL after the second visit and restarted for the remaining visits. The final memory is compared
with the truth.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time

from rescene4d_ros.cli.demo.demo_report import print_report
from rescene4d_ros.cli.demo.stages import (
    await_recorder,
    ids_over_restart,
    process,
    stage,
    StageFailed,
)
from rescene4d_ros.data.readers.bags.writing import write_snapshots
from rescene4d_ros.data.readers.truth_files import read_truth, write_truth_files
from rescene4d_ros.memory.export import write_documents
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.metrics import score_visits, ScoreCard
from rescene4d_ros.synthetic_rooms import make_sequence
from rescene4d_ros.synthetic_rooms.sets import SETS
from rescene4d_ros.view.before_after import draw_before_after

SAMPLE = Path('data/sample')
KILL_AFTER = 2  # visit id: the memory of the demo starts empty
LONG_SETS = ('rooms-long', 'lifelike-long')
# Of the sample; the share in the first room of a set is reported only.
MIN_RIGHT = 0.8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        '--sample',
        type=Path,
        default=SAMPLE,
        metavar='DIR',
        help='rosbag2 bag with truth beside it (default: %(default)s)',
    )
    parser.add_argument(
        '--set',
        choices=LONG_SETS,
        dest='room_set',
        help='make the first room of a fixed set, whatever it is like, and play it instead',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('out/demo'),
        metavar='DIR',
        help='output folder, replaced (default: %(default)s)',
    )
    parser.add_argument(
        '--min-right',
        type=float,
        help=f'share of objects that must be correct (default: {MIN_RIGHT}; 0 with --set)',
    )
    parser.add_argument(
        '--timeout',
        type=float,
        default=100.0,
        help='longest wait for one stage, in seconds (default: %(default)s)',
    )


def run(options: argparse.Namespace) -> int:
    """Run all stages; 1 if one fails, ids change over the kill, or too few objects are correct."""
    started = time.monotonic()
    out = options.out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    min_right = MIN_RIGHT if options.min_right is None else options.min_right
    if options.room_set:
        options.sample = write_first_room(options.room_set, out / 'room')
        min_right = options.min_right or 0.0
    # A domain that other programs rarely use; the tests use those up to 80.
    os.environ['ROS_DOMAIN_ID'] = str(os.getpid() % 20 + 81)
    try:
        with process('tools.recorder', out, str(out / 'recording')):
            play_and_kill(options)
        ids = ids_over_restart(out / 'recording', KILL_AFTER)
    except StageFailed as error:
        print(f'rescene4d demo: {error}', file=sys.stderr)
        return 1
    with SceneMemory.inspect(out / 'memory') as memory:
        card = report(options, memory)
    stage(
        f'ids over the kill: {ids}; wrote {out}/: '
        f'{", ".join(sorted(p.name for p in out.iterdir()))}; '
        f'{time.monotonic() - started:.0f} s in all'
    )
    if card.share_right < min_right:
        print(
            f'rescene4d demo: {card.share_right:.0%} of the objects are right, expected at '
            f'least {min_right:.0%}',
            file=sys.stderr,
        )
        return 1
    return 0


def write_first_room(name: str, out: Path) -> Path:
    """Write the first room of a fixed set as a bag with its truth; return the folder."""
    seed, config = next(SETS[name].sequences())
    stage(f'making room {seed} of {name}, {config.visits} visits')
    sequence, truth = make_sequence(seed, config)
    write_snapshots(out, sequence.scans)
    write_truth_files(out, sequence, truth)
    return out


def play_and_kill(options: argparse.Namespace) -> None:
    """Play the bag to the node, which is killed and restarted between two visits."""
    node = (
        'main',
        options.out,
        '--ros-args',
        '-p',
        'autostart:=true',
        '-p',
        f'memory.path:={options.out / "memory"}',
    )
    with process(*node) as running:
        await_recorder(options.out, options.timeout)
        stage('node started; playing the first visits over DDS')
        play(options, '--count', str(KILL_AFTER))
        running.send_signal(signal.SIGKILL)
        running.wait()
    stage(f'node killed with SIGKILL after visit {KILL_AFTER}; started again')
    with process(*node):
        play(options, '--skip', str(KILL_AFTER))


def report(options: argparse.Namespace, memory: SceneMemory) -> ScoreCard:
    """Write and print the content of the memory beside the truth."""
    snapshot, changes = memory.snapshot(), memory.changes()
    visits = [v.visit_id for v in snapshot.visits]
    labels = [memory.labels(v) for v in visits]
    card = score_visits(read_truth(options.sample), labels, visits, snapshot.objects, changes)
    write_documents(options.out, snapshot, changes)
    draw_before_after(
        options.out / 'before_after.png',
        [memory.scan(v) for v in visits],
        labels,
        snapshot,
        changes,
    )
    print_report(snapshot, changes, card)
    return card


def play(options: argparse.Namespace, *arguments: str) -> None:
    """Play part of the bag and wait until the node has processed it."""
    player = [
        sys.executable,
        '-m',
        'rescene4d_ros.node.tools.player',
        str(options.sample),
        '--acks',
        '--timeout',
        str(options.timeout),
        *arguments,
    ]
    if subprocess.run(player).returncode:
        raise StageFailed(f'the player failed; the node says why in {options.out / "main.log"}')
