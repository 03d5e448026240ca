"""
What changes cost without a network: the geometry alone, a replay of two visits, the node's start.

    .venv/bin/python benchmarks/without_network.py out/sets/rooms-test [--limit 12]

Prints the CPU time of `find_changed_things` for the first two visits of each sequence, both
prepared, as it is and for 95,000 points per visit; then, in processes in which torch cannot be
imported, clock and CPU time from start to end of a replay of two visits (interpreter, reading,
ids, changes, memory), and from the start of the node to its being active.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from rescene4d_ros.data.sequences.sequence_file import read_sequence
from rescene4d_ros.structures import Scan
from rescene4d_ros.tracking.regions.changed_things import find_changed_things

POINTS = 95_000
WITHOUT_TORCH = """
import sys

class WithoutTorch:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition('.')[0] == 'torch':
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

sys.meta_path.insert(0, WithoutTorch)
"""


def region_seconds(scans: tuple[Scan, ...]) -> tuple[float, float]:
    """Return the CPU time for two visits, s, and the same for `POINTS` points per visit."""
    start = time.process_time()
    find_changed_things(scans)
    seconds = time.process_time() - start
    return seconds, seconds * POINTS * len(scans) / sum(len(scan) for scan in scans)


def replay_seconds(scans: tuple[Scan, ...], folder: Path) -> tuple[float, float]:
    """Return clock and CPU time of `rescene4d replay --source none` of two visits, s."""
    files = []
    for k, scan in enumerate(scans):
        files.append(str(folder / f'{k}.npz'))
        assert scan.rgb is not None  # of a made room
        assert scan.normals is not None
        np.savez(files[-1], xyz=scan.xyz, rgb=scan.rgb, normals=scan.normals)
    program = WITHOUT_TORCH + 'from rescene4d_ros.cli.main import main\nsys.exit(main())'
    outputs = ['--memory', str(folder / 'memory'), '--out', str(folder / 'out')]
    start, used = time.perf_counter(), children_seconds()
    subprocess.run(
        [sys.executable, '-c', program, 'replay', *files, '--source', 'none', *outputs],
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start, children_seconds() - used


def start_seconds(folder: Path) -> tuple[float, float]:
    """Return clock and CPU time from the start of the node to its being active, s."""
    program = WITHOUT_TORCH + 'from rescene4d_ros.node.main import main\nsys.exit(main())'
    settings = {
        'autostart': 'true',
        'inference.source': 'none',
        'memory.path': str(folder / 'node'),
    }
    flags = [a for name, value in settings.items() for a in ('-p', f'{name}:={value}')]
    start, used = time.perf_counter(), children_seconds()
    node = subprocess.Popen(
        [sys.executable, '-c', program, '--ros-args', *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert node.stdout is not None
    said = []
    for line in node.stdout:
        said.append(line)
        if 'listening on' in line:
            break
    else:
        sys.exit(f'the node did not become active:\n{"".join(said)}')
    seconds = time.perf_counter() - start
    node.kill()
    node.communicate()
    return seconds, children_seconds() - used


def children_seconds() -> float:
    """Return the CPU time of the processes that have ended, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, and print one line per cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('data', type=Path, help='folder of sequence files')
    parser.add_argument('--limit', type=int, default=12, help='only the first sequences')
    options = parser.parse_args()
    pairs = [
        read_sequence(path)[0].scans[:2]
        for path in sorted(options.data.glob('*.npz'))[: options.limit]
    ]
    costs = [region_seconds(scans) for scans in pairs]
    plain, scaled = (statistics.median(column) for column in zip(*costs))
    print(
        f'change regions of two visits, CPU s, median of {len(pairs)}: {plain:.3f}, '
        f'{scaled:.3f} for {POINTS} points per visit'
    )
    with tempfile.TemporaryDirectory() as folder:
        for what, (clock, cpu) in (
            ('replay of two visits', replay_seconds(pairs[0], Path(folder))),
            ('node active', start_seconds(Path(folder))),
        ):
            print(f'{what} without torch: {clock:.2f} s, of which CPU {cpu:.2f} s')


if __name__ == '__main__':
    main()
