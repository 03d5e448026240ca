"""
Fit the confidences of changes to rooms with truth; do not use test sets.

    .venv/bin/python scripts/fit_confidence.py --data DIR [--data DIR ...] [--jobs J] \
        [--selection tree] [--out rescene4d_ros/tracking/fitted.yaml]

Segmenter and memory process every sequence as the node does. The printed table is a two-fold
cross-validation over sequences; the written model is fitted to all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import tempfile
import time

from rescene4d_ros.errors import ConfigError
from rescene4d_ros.evaluation import ComparisonConfig, loaded, TrueMasks
from rescene4d_ros.evaluation.fitting.confidence_fit import fit_model, write_change_weights
from rescene4d_ros.evaluation.fitting.stated_changes import (
    collect,
    count_crosswise,
    judged,
    StatedChanges,
)
from rescene4d_ros.evaluation.observations import Observations
from rescene4d_ros.evaluation.runs import read_case
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.metrics.changes.calibration import calibration_error
from rescene4d_ros.metrics.changes.change_scores import ChangeCounts, f_score
from rescene4d_ros.processes import each_result
from rescene4d_ros.tracking import settings
from tqdm import tqdm

FITTED = Path(settings.__file__).with_name(settings.FILE_NAME)
THRESHOLDS = (0.0, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)


def collect_file(path: Path, inference: InferenceConfig, true_masks: bool) -> StatedChanges:
    """Collect the candidate changes of one sequence file."""
    case = read_case(path, ComparisonConfig())
    segmenter = loaded(inference)
    with tempfile.TemporaryDirectory() as folder:
        seen = Observations(case, segmenter, ComparisonConfig(), Path(folder), time.perf_counter)
        return collect(seen, TrueMasks(case.sequence, case.truth) if true_masks else seen)


def row(threshold: float, counts: ChangeCounts) -> str:
    """Return one row of the table."""
    right, stated, true = (int(c.sum()) for c in (counts.right, counts.stated, counts.true))
    false, unchanged = counts.false_changes.tolist()
    return (
        f'| {threshold:.2f} | {right / max(stated, 1):.3f} | {right / max(true, 1):.3f} '
        f'| {f_score(right, stated, true):.3f} | {false / max(unchanged, 1):.3f} '
        f'({false} of {unchanged}) | {calibration_error(counts.confidences):.3f} |'
    )


def report(sequences: Sequence[StatedChanges]) -> None:
    """Print the scores of models on the half of the sequences to which they were not fitted."""
    models = [fit_model(list(judged(sequences[half::2]))) for half in (1, 0)]
    print('| reported from | precision | recall | F1 | false change | calibration error |')
    print('|---|---|---|---|---|---|')
    for threshold in THRESHOLDS:
        print(row(threshold, count_crosswise(sequences, models, threshold)))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument(
        '--data',
        type=Path,
        action='append',
        required=True,
        help='folder of sequence files; may be repeated. Objects reappear only in sequences of '
        'three visits or more',
    )
    parser.add_argument('--limit', type=int, help='only the first N files of each folder')
    parser.add_argument('--weights', default='', help='default: those of the package')
    parser.add_argument(
        '--selection',
        choices=('auto', 'queries', 'tree'),
        default=InferenceConfig().selection,
        help='how instances are made, see inference.selection (default: %(default)s)',
    )
    parser.add_argument(
        '--true-masks',
        action='store_true',
        help='use the truth instead of the segmenter, to measure its share of the errors',
    )
    parser.add_argument('--jobs', type=int, default=1, help='processes')
    parser.add_argument('--out', type=Path, default=FITTED)
    options = parser.parse_args()
    paths = [
        path for folder in options.data for path in sorted(folder.glob('*.npz'))[: options.limit]
    ]
    if not paths:
        raise SystemExit(
            f'--data: expected sequence files (.npz), got none in '
            f'{", ".join(map(str, options.data))}; make some by `rescene4d rooms`'
        )
    inference = InferenceConfig(
        weights=options.weights, selection=options.selection, torch_threads=1
    )
    work = each_result(
        collect_file, [(p, inference, options.true_masks) for p in paths], options.jobs
    )
    found = {job[0]: result for job, result in tqdm(work, total=len(paths), unit='sequence')}
    sequences = [found[path] for path in paths]
    every = list(judged(sequences))
    try:
        report(sequences)
        model = fit_model(every)
    except ConfigError as error:
        raise SystemExit(f'fit_confidence: {error}') from error
    write_change_weights(options.out, model, f'{len(every)} changes of {len(paths)} sequences')
    print(f'\n{options.out}: fitted to {len(every)} changes of {len(paths)} sequences')


if __name__ == '__main__':
    main()
