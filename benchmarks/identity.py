"""
Share of correct objects after several visits, over held-out rooms like the sample's.

    .venv/bin/python benchmarks/identity.py [--rooms 12] [--seed 500000] [--true-masks]

Makes rooms of four visits as `rescene4d rooms sample` does, from seeds that no training used, and
runs segmenter and memory on them as the node does. `--true-masks` replaces the segmenter by the
true masks of each visit, without features, to measure the memory alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import tempfile

import numpy as np
from rescene4d_ros.evaluation import TrueMasks
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.metrics import score_visits, ScoreCard
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth
from rescene4d_ros.synthetic_rooms.sample import make_sample
from tqdm import tqdm

STEP = 1000  # between the seeds of two rooms, because `make_sample` tries consecutive seeds


def run(sequence: ScanSequence, truth: SequenceTruth, segmenter) -> tuple[ScoreCard, int]:
    """Return the score card of one room, and the number of objects without a true one."""
    with (
        tempfile.TemporaryDirectory() as folder,
        SceneMemory.open(
            Path(folder) / 'memory', 'benchmark', sequence.scans[0].frame_id, segmenter.class_names
        ) as memory,
    ):
        tracker = SceneTracker(memory, segmenter)
        updates = [tracker.add_visit(scan) for scan in sequence.scans]
        objects = memory.snapshot().objects
        card = score_visits(
            truth,
            [u.object_ids for u in updates],
            [u.visit.visit_id for u in updates],
            objects,
            memory.changes(),
        )
    return card, len(objects) - len({o.object_id for o in card.objects} - {0})


def summarize(cards: Sequence[ScoreCard], n_extra: int) -> dict[str, float]:
    """Pool the rooms into shares of all objects and changes."""
    objects = [o for card in cards for o in card.objects]
    right = sum(card.right_changes for card in cards)
    return {
        'rooms': len(cards),
        'objects': len(objects),
        'right': float(np.mean([o.is_right for o in objects])),
        'right_worst_room': min(card.share_right for card in cards),
        'rooms_at_80_percent': float(np.mean([card.share_right >= 0.8 for card in cards])),
        'same_id': float(np.mean([o.is_identity_right for o in objects])),
        'class': float(np.mean([o.is_class_right for o in objects])),
        'states': float(np.mean([o.are_states_right for o in objects])),
        'found': float(np.mean([bool(o.object_id) for o in objects])),
        'false_objects_per_room': n_extra / len(cards),
        'change_precision': right / max(sum(len(c.found_changes) for c in cards), 1),
        'change_recall': right / max(sum(len(c.true_changes) for c in cards), 1),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--rooms', type=int, default=12)
    parser.add_argument('--seed', type=int, default=500_000)
    parser.add_argument('--weights', default='', help='default: those of the package')
    parser.add_argument('--true-masks', action='store_true')
    parser.add_argument('--json', type=Path)
    options = parser.parse_args()
    segmenter = (
        None if options.true_masks else Segmenter.load(InferenceConfig(weights=options.weights))
    )
    cards, n_extra = [], 0
    for number in tqdm(range(options.rooms), unit='room'):
        sequence, truth = make_sample(options.seed + STEP * number)
        card, extra = run(sequence, truth, segmenter or TrueMasks(sequence, truth))
        cards.append(card)
        n_extra += extra
    summary = summarize(cards, n_extra)
    for name, value in summary.items():
        print(f'{name:24} {value:.3f}' if isinstance(value, float) else f'{name:24} {value}')
    if options.json:
        options.json.write_text(json.dumps(summary, indent=2) + '\n')


if __name__ == '__main__':
    main()
