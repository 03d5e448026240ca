"""
Remember two clouds of one room and say what changed between them.

    python examples/two_clouds.py monday.ply friday.ply --memory out/home

The clouds are registered in one map frame, in meters. The memory continues where it is: a third
cloud in a later call is a third visit.
"""

import argparse
from pathlib import Path

from rescene4d_ros import read_cloud, SceneMemory, SceneTracker, Segmenter

DAY_NS = 86_400 * 10**9


def main() -> None:
    """Segment, remember and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('clouds', nargs='+', type=Path, help='.ply, .pcd or .npz, oldest first')
    parser.add_argument('--memory', type=Path, required=True, help='folder of the memory')
    options = parser.parse_args()

    segmenter = Segmenter.load()
    with SceneMemory.open(
        options.memory, map_id='home', frame_id='map', class_names=segmenter.class_names
    ) as memory:
        tracker = SceneTracker(memory, segmenter)
        n_before = len(memory.visits())
        for day, path in enumerate(options.clouds, start=n_before):
            scan, _ = read_cloud(path, stamp_ns=day * DAY_NS)  # the real time where it is known
            update = tracker.add_visit(scan)
            print(f'visit {update.visit.visit_id}: {path.name}, {len(scan)} points')
            for change in update.changes:
                print(
                    f'  {change.kind.name} object {change.object_id}, '
                    f'confidence {change.confidence:.2f}'
                )
        for thing in memory.snapshot().objects:
            print(f'object {thing.object_id}: {thing.class_name}, {thing.state.name}')


if __name__ == '__main__':
    main()
