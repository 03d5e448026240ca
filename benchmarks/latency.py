"""
What one visit costs: the stages of the segmenter, and the whole way into the memory.

    .venv/bin/python benchmarks/latency.py [--bag data/sample] [--repeats 3] [--json FILE]

Ratios are of one run on one machine: a visit against a cached one beside both encoded anew.
Set OMP_WAIT_POLICY=PASSIVE, as the node does, or idle threads spin and slow the others down.
"""
from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
import json
from pathlib import Path
import resource
import tempfile
import time

from rescene4d_ros.data import read_snapshots
from rescene4d_ros.geometry.normals import estimate_normals
from rescene4d_ros.inference import InferenceConfig, Segmenter
from rescene4d_ros.memory import SceneMemory
from rescene4d_ros.scene import SceneTracker, TrackerConfig
from rescene4d_ros.superpoints import SuperpointConfig, superpoints


def least(repeats: int, work: Callable[[], object]) -> float:
    """Return the shortest of some runs in seconds, after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def measure(bag: Path, repeats: int, threads: int) -> dict[str, float]:
    """Return seconds per stage, and ratios, for the first two visits of a bag."""
    first, second = [scan for scan, _ in read_snapshots(bag)][:2]
    segmenter = Segmenter.load(InferenceConfig(torch_threads=threads))
    with_normals = replace(second, normals=estimate_normals(second.xyz))
    measured = {
        'points': float(len(second)),
        'normals_s': least(repeats, lambda: estimate_normals(second.xyz)),
        'superpoints_s': least(repeats, lambda: superpoints(
            second.xyz, with_normals.normals, second.rgb, SuperpointConfig())),
        'both_anew_s': least(repeats, lambda: segmenter.segment([first, second])),
    }
    segmenter.segment([first], ['first'])
    number = iter(range(10**6))
    measured['one_cached_s'] = least(repeats, lambda: segmenter.segment(
        [first, second], ['first', f'second {next(number)}']))
    segmenter.segment([first, second], ['first', 'second'])
    measured['both_cached_s'] = least(repeats, lambda: segmenter.segment(
        [first, second], ['first', 'second']))
    measured['cached_over_anew'] = measured['one_cached_s'] / measured['both_anew_s']
    measured['visit_into_memory_s'] = _visit_into_memory(bag, segmenter)
    measured['peak_memory_gib'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return measured


def _visit_into_memory(bag: Path, segmenter: Segmenter) -> float:
    """Return the mean seconds per visit after the first: store, segment, associate, commit."""
    with tempfile.TemporaryDirectory() as folder, SceneMemory.open(
            Path(folder) / 'memory', map_id='bench', frame_id='map',
            class_names=segmenter.class_names) as memory:
        tracker = SceneTracker(memory, segmenter, TrackerConfig())
        times = []
        for scan, _ in read_snapshots(bag):
            start = time.perf_counter()
            tracker.add_visit(scan)
            times.append(time.perf_counter() - start)
    return sum(times[1:]) / len(times[1:])


def main() -> None:
    """Print the table, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--bag', type=Path, default=Path('data/sample'))
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args()
    measured = measure(options.bag, options.repeats, options.threads)
    for name, value in measured.items():
        print(f'{name:24s} {value:10.3f}')
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1) + '\n')


if __name__ == '__main__':
    main()
