"""
Use the memory with labels of your own: another network's, or a person's.

    python examples/own_labels.py visit_1.npz visit_2.npz --memory out/labeled

Each .npz holds `xyz` (N, 3) in meters in one map frame and `label` (N,), the number of the
instance of each point in this visit, -1 = none. Numbers of different visits need not agree: the
tracker finds out which instance is which object. Needs no torch.
"""

import argparse
from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
from rescene4d_ros import Scan, SceneMemory, SceneTracker
from rescene4d_ros.structures import Segmentation

DAY_NS = 86_400 * 10**9
CLASS_NAMES = ('thing',)


class OwnLabels:
    """Answer for the network: instances of each visit as they are labeled."""

    class_names = CLASS_NAMES

    def __init__(self) -> None:
        self.labels: dict[int, np.ndarray] = {}  # by the stamp of the scan

    def segment(self, scans: Sequence[Scan], keys: Sequence[Hashable]) -> Segmentation:
        """Return the instances of all visits, those of each visit with numbers of their own."""
        labels: list[np.ndarray] = []
        n_instances = 0
        for scan in scans:
            given = self.labels[scan.stamp_ns]
            _, numbers = np.unique(given[given >= 0], return_inverse=True)
            label = np.full(len(scan), -1, dtype=np.int32)
            label[given >= 0] = n_instances + numbers
            n_instances += int(numbers.max(initial=-1)) + 1
            labels.append(label)
        return Segmentation(
            labels=tuple(labels),
            class_probs=np.ones((n_instances, len(CLASS_NAMES)), dtype=np.float32),
            scores=np.ones(n_instances, dtype=np.float32),
            features=np.zeros((n_instances, 0), dtype=np.float32),
            point_scores=tuple((label >= 0).astype(np.float32) for label in labels),
        )


def main() -> None:
    """Remember the labeled visits and print what changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('visits', nargs='+', type=Path, help='.npz files, oldest first')
    parser.add_argument('--memory', type=Path, required=True, help='folder of a new memory')
    options = parser.parse_args()

    segmenter = OwnLabels()
    with SceneMemory.open(
        options.memory, map_id='home', frame_id='map', class_names=CLASS_NAMES
    ) as memory:
        tracker = SceneTracker(memory, segmenter)
        for day, path in enumerate(options.visits):
            with np.load(path) as file:
                xyz, label = file['xyz'].astype(np.float32), file['label']
            scan = Scan(xyz, stamp_ns=day * DAY_NS, name=path.name)
            segmenter.labels[scan.stamp_ns] = label
            update = tracker.add_visit(scan)
            ids = sorted(set(update.object_ids[update.object_ids > 0].tolist()))
            print(f'visit {update.visit.visit_id}: objects {ids}')
            for change in update.changes:
                print(f'  {change.kind.name} object {change.object_id}')


if __name__ == '__main__':
    main()
