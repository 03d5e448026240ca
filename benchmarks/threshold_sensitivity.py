"""
What the shared distances and shares of tracking decide: ids and changes with each of them altered.

    .venv/bin/python benchmarks/threshold_sensitivity.py --data out/sets/rooms-val [--limit 10]

Tracks every sequence by its true masks, once with the constants as they are and once with each of
them a fifth smaller and a quarter larger, and counts the observations of later visits that get
another id and the changes that are reported in one of the two runs only.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys
import tempfile

import numpy as np
from rescene4d_ros.data.sequences.sequence_file import read_sequence
from rescene4d_ros.evaluation import TrueMasks
from rescene4d_ros.geometry import point_sets
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth
from rescene4d_ros.tracking import thresholds
from tqdm import tqdm

NAMES = (
    *('SAME_SURFACE', 'FITTED_SURFACE', 'PART_SLACK', 'OTHER_SURFACE', 'SAME_SPOT', 'BOX_SLACK'),
    *('POINT_SPACING', 'SAME_CLASS', 'COVERED'),
)
FACTORS = {'COVERED': (0.94, 1.06)}  # else:
USUAL_FACTORS = (0.8, 1.25)

Outcome = tuple[list[dict[int, int]], set[tuple[int, str, int]]]


def track(sequence: ScanSequence, truth: SequenceTruth) -> Outcome:
    """Return the id of each true object at each visit, and the changes that are reported."""
    with (
        tempfile.TemporaryDirectory() as folder,
        SceneMemory.open(
            folder, 'room', sequence.scans[0].frame_id, TrueMasks.class_names
        ) as memory,
    ):
        tracker = SceneTracker(memory, TrueMasks(sequence, truth))
        updates = [tracker.add_visit(scan) for scan in sequence.scans]
    ids = [
        {
            int(i): int(np.bincount(update.object_ids[visit.instance == i]).argmax())
            for i in np.unique(visit.instance[visit.instance > 0])
        }
        for update, visit in zip(updates, truth.visits)
    ]
    return ids, {(u.visit.visit_id, c.kind.name, c.object_id) for u in updates for c in u.changes}


def set_everywhere(name: str, value: float) -> None:
    """Set a constant in every module of the package that has it."""
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith('rescene4d_ros.') and name in vars(module):
            setattr(module, name, value)


def differences(one: Sequence[Outcome], other: Sequence[Outcome]) -> tuple[int, int]:
    """Return how many ids and how many changes differ."""
    ids = sum(
        before.get(i) != after[i]
        for a, b in zip(one, other)
        for before, after in zip(a[0], b[0])
        for i in after
    )
    return ids, sum(len(a[1] ^ b[1]) for a, b in zip(one, other))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--data', type=Path, required=True, help='folder of sequence files')
    parser.add_argument('--limit', type=int, default=10, help='only the first N files')
    options = parser.parse_args()
    sequences = [read_sequence(p) for p in sorted(options.data.glob('*.npz'))[: options.limit]]
    usual = [track(*sequence) for sequence in sequences]
    n_ids = sum(len(ids) for outcome in usual for ids in outcome[0][1:])
    print(f'{n_ids} observations of later visits, {sum(len(o[1]) for o in usual)} changes')
    for name in tqdm(NAMES):
        value = getattr(point_sets, name, None) or getattr(thresholds, name)
        for factor in FACTORS.get(name, USUAL_FACTORS):
            set_everywhere(name, value * factor)
            ids, changes = differences(usual, [track(*sequence) for sequence in sequences])
            print(f'{name} {value * factor:.4g}: {ids} ids and {changes} changes differ')
        set_everywhere(name, value)


if __name__ == '__main__':
    main()
