"""
Fit the quality of masks (`inference.selection: tree`) to rooms with truth.

    .venv/bin/python scripts/fit_mask_quality.py --data DIR [--data DIR ...] [--seen DIR ...] \
        [--weights FILE] [--held-out DIR] [--jobs J] [--out FILE]

The network segments each visit alone and all visits of a sequence together. The written model is
fitted to --data and to --seen, rooms that the network was trained on; --held-out measures its
calibration on rooms of other seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rescene4d_ros.inference.selection.quality import quality_file, write_quality
from rescene4d_ros.inference.weights_file import weights_hash
from rescene4d_ros.inference.weights_folder import find_weights
from rescene4d_ros.processes import each_result
from rescene4d_ros.training.mask_quality.candidate_examples import CandidateExamples, examples_of
from rescene4d_ros.training.mask_quality.fit import calibration_error, fit_quality
from tqdm import tqdm


def collect(
    paths: Sequence[Path], weights: str, jobs: int, seen: Sequence[Path] = ()
) -> CandidateExamples:
    """Return the candidates of sequence files, in the order of the files, those seen last."""
    work = [(path, weights) for path in paths] + [(path, weights, True) for path in seen]
    results = tqdm(each_result(examples_of, work, jobs), total=len(work), unit='sequence')
    found = {job[0]: result for job, result in results}
    return CandidateExamples.joined([found[job[0]] for job in work])


def files_of(folders: Sequence[Path], limit: int | None) -> list[Path]:
    """Return the sequence files of folders; raise an error if there is none."""
    paths = [path for folder in folders for path in sorted(folder.glob('*.npz'))[:limit]]
    if not paths:
        raise SystemExit(
            f'expected sequence files (.npz), got none in '
            f'{", ".join(map(str, folders))}; make some by `rescene4d rooms`'
        )
    return paths


def main() -> None:
    """Fit, write, and print the calibration."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n\n', maxsplit=1)[0])
    parser.add_argument(
        '--data',
        type=Path,
        action='append',
        required=True,
        help='folder of sequence files with objects in contact; may be repeated',
    )
    parser.add_argument(
        '--seen',
        type=Path,
        action='append',
        default=[],
        help='folder of sequences that trained the network; may be repeated',
    )
    parser.add_argument('--held-out', type=Path, action='append', help='folder to measure on')
    parser.add_argument('--limit', type=int, help='only the first N files of each folder')
    parser.add_argument('--weights', default='', help='default: those of the package')
    parser.add_argument('--epochs', type=int, default=15)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--jobs', type=int, default=1, help='processes')
    parser.add_argument('--out', type=Path, help='default: beside the weights')
    options = parser.parse_args()
    weights = find_weights(options.weights)
    paths = files_of(options.data, options.limit)
    seen = files_of(options.seen, options.limit) if options.seen else []
    examples = collect(paths, str(weights), options.jobs, seen)
    model = fit_quality(examples, options.epochs, options.seed)
    fitting = {
        'folders': [folder.name for folder in options.data],
        'seen': [folder.name for folder in options.seen],
        'sequences': len(paths) + len(seen),
        'candidates': len(examples.overlap),
        'epochs': options.epochs,
        'seed': options.seed,
    }
    if options.held_out:
        held = collect(files_of(options.held_out, options.limit), str(weights), options.jobs)
        fitting['calibration_error'] = calibration_error(model, held)
    out = options.out or quality_file(weights)
    write_quality(out, replace(model, fitted_to=weights_hash(weights), fitting=fitting))
    print(f'{out}: {fitting}')


if __name__ == '__main__':
    main()
