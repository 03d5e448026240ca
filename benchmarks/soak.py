"""
A node under everything at once, for minutes: nothing is lost, nothing ends it, nothing grows.

    .venv/bin/python benchmarks/soak.py --minutes 30 --out out/soak

Good, late, huge, duplicate and unusable clouds come in random order; 20 threads call services;
the node is deactivated, cleaned up and configured again; SIGKILL comes every minute; twice the
disk is full and twice the folder of the memory is away. A good cloud that is not stored is sent
again, as a robot would. Prints what happened, and writes it to OUT/soak.json; exit code 1 when a
visit or an id was lost, a good cloud or a request had no answer, the node ended by itself, or its
memory grew.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import sys
import time
from typing import Any

from lifecycle_msgs.msg import Transition
import numpy as np
from rescene4d_ros.node.ros_process import prepare
from rescene4d_ros.structures import VisitStatus
from soak_watch import Ledger, PATIENCE, Robot
from soak_world import Disk, make_room, make_weights, message_of, NodeProcess, spoil

START_NS = 1_700_000_000 * 10**9
STEP_NS = 600 * 10**9
GROWTH = 1.25  # of the resident memory, from the first lives to the last
WORKED = 15.0  # s; the shortest life
KINDS = ('good', 'good', 'good', 'late', 'duplicate', 'bad', 'bad', 'huge')
CYCLES = (
    (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE),
    (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    ),
)


class Soak:
    """Do everything to one node, and keep count."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.rng = options, np.random.default_rng(options.seed)
        options.out.mkdir(parents=True)
        self.disk = Disk(options.out, options.disk_megabytes)
        self.memory = self.disk.path / 'memory'
        self.node = NodeProcess(
            options.out,
            {
                'autostart': 'true',
                'memory.path': self.memory,
                'inference.weights': options.weights
                or make_weights(options.out / 'toy.safetensors'),
                'inference.score_threshold': 0.0,
                'inference.torch_threads': 1,
                'tracker.birth_score': 0.0,
            },
        )
        self.ledger, self.robot = Ledger(self.memory), Robot(options.seed, options.threads)
        self.sent: dict[int, int] = {}  # stamp in ns of every good cloud -> times it was sent
        self.counts = dict.fromkeys(('good', 'late', 'duplicate', 'bad', 'huge', 'sent again'), 0)
        self.events = dict.fromkeys(('kills', 'cycles', 'disk full', 'folder away'), 0)
        self.rss: list[float] = []  # highest of each life, MB
        self._newest, self._ready_since = START_NS, time.monotonic()

    def run(self) -> dict:
        """Run for the time given, let the node finish, and return what happened."""
        begin = time.monotonic()
        end, next_kill = begin + self.options.minutes * 60, begin + self.options.kill_every
        faults = [self._full, self._away, self._full, self._away]
        at = [begin + (k + 1) * self.options.minutes * 60 / 5 for k in range(4)]
        self.rss.append(0.0)
        self.robot.is_up.set()
        while (now := time.monotonic()) < end:
            self.node.check()
            if faults and now > at[0]:
                at.pop(0)
                faults.pop(0)()
            elif now > next_kill and self._has_worked(now):
                next_kill = now + self.options.kill_every
                self._kill()
            elif self.rng.random() < 0.02:
                self._cycle()
            else:
                self._send(str(self.rng.choice(KINDS)))
            self.ledger.look()
        return self._finish()

    def _send(self, kind: str) -> None:
        self.counts[kind] += 1
        if kind == 'duplicate' and self.sent:
            stamp = int(self.rng.choice(list(self.sent)))
        elif kind == 'late':
            stamp = (
                self._newest
                - STEP_NS * int(self.rng.integers(1, 4))
                + int(self.rng.integers(1, 10**9))
            )
        else:
            stamp = self._newest = self._newest + STEP_NS
        n_points = self.options.huge_points if kind == 'huge' else 6000
        message = message_of(make_room(self.rng, stamp, n_points))
        if kind == 'bad':
            self.robot.publish(spoil(self.rng, message))
        else:
            self._send_until_stored(stamp, message)

    def _send_until_stored(self, stamp: int, message, patience: float = PATIENCE) -> None:
        """Send a cloud; again at the end where it is not stored by then."""
        self.counts['sent again'] += stamp in self.sent and stamp not in self.ledger.stored
        self.sent[stamp] = self.sent.get(stamp, 0) + 1
        self.robot.publish(message)
        end = time.monotonic() + patience
        while stamp not in self.ledger.look() and time.monotonic() < end:
            self.rss[-1] = max(self.rss[-1], self.node.rss_mb)
            if not self.node.check():
                return
            time.sleep(0.1)

    def _has_worked(self, now: float) -> bool:
        """Return whether the node listens for some time: on a busy machine it starts slowly."""
        if not self.robot.is_ready():
            self._ready_since = now
        return now - self._ready_since > WORKED

    def _kill(self) -> None:
        self.events['kills'] += 1
        self.robot.is_up.clear()
        self.robot.epoch += 1
        self.node.kill()
        self.node.start()
        self._ready_since = time.monotonic()
        self.rss.append(0.0)
        self.robot.is_up.set()

    def _cycle(self) -> None:
        self.events['cycles'] += 1
        transitions = CYCLES[self.rng.integers(2)]
        if len(transitions) > 2:
            self.robot.is_up.clear()
            self.robot.epoch += 1
        for number in transitions:
            self.robot.transition(number)
        self.robot.is_up.set()

    def _full(self) -> None:
        self.events['disk full'] += 1
        with self.disk.full(self.node):
            self._send_while('good')

    def _away(self) -> None:
        self.events['folder away'] += 1
        while not self.robot.is_ready():
            time.sleep(0.1)  # a node that starts without the folder is another case
        with self.disk.away(self.memory):
            self._send_while('good')

    def _send_while(self, kind: str) -> None:
        """Send clouds that cannot be stored now; they are held, or sent again later."""
        for _ in range(3):
            self.counts[kind] += 1
            stamp = self._newest = self._newest + STEP_NS
            self._send_until_stored(stamp, message_of(make_room(self.rng, stamp)), 3.0)

    def _finish(self) -> dict:
        """Send again what is not stored, wait until all is processed, and judge."""
        self.robot.is_up.clear()  # no corrections, which a reprocess waits for
        for _ in range(3):
            for stamp in sorted(set(self.sent) - set(self.ledger.look())):
                self._send_until_stored(stamp, message_of(make_room(self.rng, stamp)))
        statuses = self._drained()
        self.robot.close()
        code = self.node.stop()
        lives = [mb for mb in self.rss if mb]
        third = max(1, len(lives) // 3)
        growth = float(np.median(lives[-third:]) / np.median(lives[:third]))
        result: dict[str, Any] = {
            'clouds': self.counts,
            'events': self.events,
            'requests': self.robot.counts,
            'visits': {s.name: list(statuses.values()).count(s) for s in VisitStatus},
            'not stored': len(set(self.sent) - set(statuses)),
            'not processed': sum(statuses.get(s) != VisitStatus.DONE for s in self.sent),
            'lost visits': len(self.ledger.lost_visits),
            'reused ids': self.ledger.reused_ids,
            'ended by itself': self.node.deaths,
            'exit code': code,
            'highest RSS of each life [MB]': [round(mb) for mb in lives],
            'RSS, last third over first third': round(growth, 3),
        }
        keys = ('not stored', 'not processed', 'lost visits', 'reused ids', 'ended by itself')
        result['minutes'] = self.options.minutes
        result['passed'] = not (
            any(result[key] for key in keys)
            or code
            or result['requests']['unanswered']
            or growth > GROWTH
        )
        return result

    def _drained(self) -> dict[int, VisitStatus]:
        """Wait until all is processed, or nothing more happens; return the statuses by stamp."""
        open_visits = {VisitStatus.PENDING, VisitStatus.LATE}
        statuses: dict[int, VisitStatus] = {}
        left: list[int] | None = None
        last_change = time.monotonic()
        while time.monotonic() - last_change < self.options.drain:
            statuses = self.ledger.look()
            before, left = left, [s for s, status in statuses.items() if status in open_visits]
            if statuses and not left:
                break
            if left != before:
                last_change = time.monotonic()
            time.sleep(1.0)
        return statuses


def main() -> int:
    """Run the soak."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--minutes', type=float, default=30.0)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--threads', type=int, default=20, help='that call services')
    parser.add_argument('--kill-every', type=float, default=60.0, help='s')
    parser.add_argument('--huge-points', type=int, default=400_000)
    parser.add_argument('--disk-megabytes', type=int, default=3000)
    parser.add_argument(
        '--drain', type=float, default=600.0, help='s; how long nothing may happen at the end'
    )
    parser.add_argument('--weights', default='', help='default: a small untrained network')
    parser.add_argument('--out', type=Path, default=Path('out/soak'), help='a new folder')
    options = parser.parse_args()
    options.out = options.out.resolve()
    os.environ['ROS_DOMAIN_ID'] = str(os.getpid() % 20 + 81)
    prepare()
    soak = Soak(options)
    try:
        result = soak.run()
    finally:
        soak.disk.close()
    print(json.dumps(result, indent=2))
    (options.out / 'soak.json').write_text(json.dumps(result, indent=2))
    return 0 if result['passed'] else 1


if __name__ == '__main__':
    sys.exit(main())
