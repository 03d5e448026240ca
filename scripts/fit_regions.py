"""
Fit the quality of change regions to rooms of which the truth is known, never those of a test.

    .venv/bin/python scripts/fit_regions.py --data DIR [--data DIR ...] [--jobs J] [--out FILE]

Boosted trees that are fitted to every second sequence are measured on the others, and the other
way round; what is written is fitted to all. Needs scikit-learn (requirements-test.txt).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rescene4d_ros.evaluation.config import ComparisonConfig
from rescene4d_ros.evaluation.fitting.region_fit import judge_candidates, JudgedCandidates
from rescene4d_ros.evaluation.runs import read_case
from rescene4d_ros.metrics.changes.place_events import PLACE_IOU
from rescene4d_ros.processes import each_result
from rescene4d_ros.tracking.regions import change_regions, region_evidence
from rescene4d_ros.tracking.regions.change_regions import choose
from rescene4d_ros.tracking.regions.region_evidence import BoostedTrees
from sklearn.ensemble import HistGradientBoostingClassifier
from tqdm import tqdm

FITTED = Path(region_evidence.__file__).with_name(region_evidence.MODEL)
SEED = 1


def judge_file(path: Path) -> list[JudgedCandidates]:
    """Judge the candidates of one sequence file."""
    case = read_case(path, ComparisonConfig())
    return judge_candidates(case.sequence, case.scored)


def fit(judged: Sequence[JudgedCandidates], trees: int) -> BoostedTrees:
    """Fit trees to the candidates; a candidate is good from the overlap on that scores count."""
    evidence = np.concatenate([j.evidence for j in judged if len(j.iou)])
    good = np.concatenate([j.iou for j in judged]) >= PLACE_IOU
    model = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=0.08,
        max_leaf_nodes=24,
        min_samples_leaf=12,
        l2_regularization=1.0,
        random_state=SEED,
        early_stopping=False,
    ).fit(evidence, good)
    nodes = [predictor[0].nodes for predictor in model._predictors]
    most = max(map(len, nodes))

    def stacked(field: str, dtype: type) -> np.ndarray:
        out: np.ndarray = np.zeros((len(nodes), most), dtype=dtype)
        for row, tree in zip(out, nodes):
            row[: len(tree)] = tree[field]
        return out

    leaf = stacked('is_leaf', np.bool_)
    term = np.where(leaf, -1, stacked('feature_idx', np.int16)).astype(np.int16)
    found = BoostedTrees(
        term,
        stacked('num_threshold', np.float64),
        stacked('left', np.int16),
        stacked('right', np.int16),
        np.where(leaf, stacked('value', np.float64), 0.0),
        float(model._baseline_prediction.ravel()[0]),
    )
    expected = model.predict_proba(evidence[:1000])[:, 1]
    if not np.allclose(found.probability(evidence[:1000]), expected, atol=1e-6):
        raise SystemExit('fit_regions: the exported trees differ from the fitted ones')
    return found


def report(sequences: Sequence[list[JudgedCandidates]], trees: int) -> None:
    """Print how well each half's model does on the other half."""
    models = [fit([j for s in sequences[half::2] for j in s], trees) for half in (1, 0)]
    right = stated = true = possible = 0
    for k, sequence in enumerate(sequences):
        for j in sequence:
            true += j.n_events
            possible += len(set(j.event.tolist()) - {-1})
            if not len(j.iou):
                continue
            chosen = choose(j.candidates, models[k % 2].probability(j.evidence), j.n_points)
            right += len({int(j.event[c]) for c in chosen} - {-1})
            stated += len(chosen)
    print(
        f'held out: precision {right / max(stated, 1):.3f}, recall {right / max(true, 1):.3f}, '
        f'F1 {2 * right / max(stated + true, 1):.3f}; best possible recall of the candidates '
        f'{possible / max(true, 1):.3f}; {true} true places, from quality '
        f'{change_regions.LEAST_QUALITY} on'
    )


def main() -> None:
    """Run, print, and write the model."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument(
        '--data', type=Path, action='append', required=True, help='folder of sequence files'
    )
    parser.add_argument('--limit', type=int, help='only the first N files of each folder')
    parser.add_argument('--trees', type=int, default=150)
    parser.add_argument('--jobs', type=int, default=1, help='processes')
    parser.add_argument('--out', type=Path, default=FITTED)
    options = parser.parse_args()
    paths = [p for d in options.data for p in sorted(d.glob('*.npz'))[: options.limit]]
    if not paths:
        raise SystemExit(
            f'--data: expected sequence files (.npz), got none in '
            f'{", ".join(map(str, options.data))}; make some by `rescene4d rooms`'
        )
    work = each_result(judge_file, [(p,) for p in paths], options.jobs)
    found = {job[0]: result for job, result in tqdm(work, total=len(paths), unit='sequence')}
    sequences = [found[path] for path in paths]
    report(sequences, options.trees)
    model = fit([j for s in sequences for j in s], options.trees)
    np.savez_compressed(
        options.out,
        term=model.term,
        limit=model.limit.astype(np.float32),
        left=model.left,
        right=model.right,
        value=model.value.astype(np.float32),
        base=model.base,
    )
    print(f'{options.out}: fitted to {len(paths)} sequences, {options.out.stat().st_size} bytes')


if __name__ == '__main__':
    main()
