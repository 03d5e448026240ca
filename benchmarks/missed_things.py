"""
Why a memory misses things: the first step from superpoints to memory that loses each of them.

    .venv/bin/rescene4d evaluate --data lifelike-test --methods memory --out runs/life
    .venv/bin/python benchmarks/missed_things.py --data SET --evaluated runs/life

Segments every visit as the memory did (the first alone, the others with the visit before) and
compares candidates, choice and the stored masks of the memory with the truth. SET is the
folder of the same sequences. Prints shares of all things by size, and recall by contact, with the
settings and weights of the package.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rescene4d_ros.evaluation import ComparisonConfig
from rescene4d_ros.evaluation.observations import Case
from rescene4d_ros.evaluation.runs import loaded, read_case
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.inference.selection.candidates import evidence_of, make_candidates
from rescene4d_ros.inference.selection.quality import find_quality, QualityModel
from rescene4d_ros.inference.selection.regions import make_regions
from rescene4d_ros.inference.selection.tree_selection import choose, value_of, visit_quality
from rescene4d_ros.inference.weights_file import weights_hash
from rescene4d_ros.inference.weights_folder import find_weights
from rescene4d_ros.metrics.files.score_files import read_prediction_file
from scipy.spatial import cKDTree

LEAST_POINTS = 100  # of a thing that is asked for
FOUND = 0.5  # overlaps above find a thing
NEAR = 0.06  # m; closer points of another thing are contact
WHOLE = 0.95  # share of a mask inside another one that counts as all of it
SIZES = ((100, 200), (200, 400), (400, 1500), (1500, 1 << 40))
CONTACTS = ((0.0, 1e-9), (1e-9, 0.1), (0.1, 0.25), (0.25, 0.5), (0.5, 1.1))
CAUSES = ('superpoints', 'no candidate', 'refused', 'larger', 'parts', 'overlapping', 'memory')


@dataclass(frozen=True)
class Thing:
    """
    What became of one thing at one visit.

    Attributes
    ----------
    name : tuple of str and int
        Sequence and instance.
    visit, points : int
    contact : float
        Share of its points within `NEAR` of another thing.
    of_superpoints, of_candidates : float
        Largest overlap of a set of superpoints and of a candidate.
    cause : str
        Of `CAUSES`; empty if the memory found it.

    """

    name: tuple[str, int]
    visit: int
    points: int
    contact: float
    of_superpoints: float
    of_candidates: float
    cause: str


def things_of(
    case: Case, segmenter: Segmenter, quality: QualityModel | None, remembered: np.ndarray
) -> Iterator[Thing]:
    """Yield the things of all visits of a sequence, given the memory's mask of each point."""
    for t in range(len(case.sequence)):
        first = max(t - 1, 0)
        scans = list(case.sequence.scans[first : t + 1])
        keys = [(case.sequence.name, k) for k in range(first, t + 1)]
        prediction, config = segmenter.predict(scans, keys), segmenter.config
        regions, evidence = make_regions(prediction, scans), evidence_of(prediction)
        candidates = make_candidates(
            regions, evidence.mask_probs, evidence.certainty, config.mask_threshold
        )
        worth = visit_quality(regions, evidence, candidates, config.min_points, quality)
        value = value_of(regions, evidence, candidates, worth, config.least_quality)
        owner = choose(regions, candidates, value, config.choice)
        rows, own = regions.of_visit(t - first)
        of_visit = case.scored.visit == t
        instance = case.scored.instance[of_visit].astype(int)
        table = np.zeros((len(own), instance.max() + 1))
        np.add.at(table, (prediction.superpoint[t - first], instance), 1)
        masks = candidates.masks[rows]
        overlap = overlaps(masks.T.astype(np.float32) @ table, own.points @ masks, table)
        found = remembered_overlaps(remembered[of_visit], instance)
        for g in np.unique(instance[instance > 0]).tolist():
            points = int(table[:, g].sum())
            if points < LEAST_POINTS:
                continue
            possible, best = best_union(table[:, g], own.points), float(overlap[:, g].max())
            cause = ''
            if found[g] <= FOUND:
                good = np.flatnonzero(overlap[:, g] > FOUND)
                chosen = np.unique(owner[rows])
                cause = (
                    'superpoints'
                    if possible <= FOUND
                    else cause_of(masks, own.points, value, owner[rows], good, chosen)
                )
            contact = contact_of(scans[-1].xyz, instance, g)
            yield Thing((case.sequence.name, g), t, points, contact, possible, best, cause)


def overlaps(shared: np.ndarray, area: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return intersection over union (C, G) of masks with areas (C,) and instances."""
    return shared / (area[:, None] + table.sum(axis=0) - shared).clip(min=1)


def best_union(inside: np.ndarray, points: np.ndarray) -> float:
    """Return the overlap of a thing with the best set of superpoints, the purest first."""
    order = np.argsort(-inside / points, kind='stable')
    shared = np.cumsum(inside[order])
    return float((shared / (np.cumsum(points[order]) + inside.sum() - shared)).max())


def remembered_overlaps(label: np.ndarray, instance: np.ndarray) -> np.ndarray:
    """Return the largest overlap (G,) of each instance with a mask of the memory."""
    table = np.zeros((label.max(initial=-1) + 2, instance.max() + 1))
    np.add.at(table, (label, instance), 1)
    shared = table[:-1]  # the last row, label -1, is what no mask holds
    return overlaps(shared, shared.sum(axis=1), table).max(axis=0, initial=0)


def cause_of(
    masks: np.ndarray,
    points: np.ndarray,
    value: np.ndarray,
    owner: np.ndarray,
    good: np.ndarray,
    chosen: np.ndarray,
) -> str:
    """Say why none of the good candidates of a thing became its mask."""
    if not len(good):
        return 'no candidate'
    if np.isin(good, chosen).any():
        return 'memory'
    best = good[value[good].argmax()]
    there = np.unique(owner[masks[:, best]])
    there = there[there >= 0]
    if value[best] <= 0 or not len(there):
        return 'refused'
    shared = points @ (masks[:, there] & masks[:, best, None])
    area = points @ masks[:, there]
    largest = shared.argmax()
    own = points @ masks[:, best]
    if shared[largest] >= WHOLE * own and area[largest] > own:
        return 'larger'
    return 'parts' if (shared >= WHOLE * area).all() else 'overlapping'


def contact_of(xyz: np.ndarray, instance: np.ndarray, thing: int) -> float:
    """Return the share of a thing's points that another thing is near to."""
    others = xyz[(instance > 0) & (instance != thing)]
    if not len(others):
        return 0.0
    distance, _ = cKDTree(others).query(xyz[instance == thing], distance_upper_bound=NEAR)
    return float(np.isfinite(distance).mean())


def report(things: Sequence[Thing]) -> str:
    """Return the tables."""
    lines = [
        f'| points | things | found | {" | ".join(CAUSES)} |',
        f'|---|---|---|{"---|" * len(CAUSES)}',
    ]
    for low, high in ((LEAST_POINTS, 1 << 40), *SIZES):
        some = [x for x in things if low <= x.points < high]
        count, n = Counter(x.cause for x in some), max(len(some), 1)
        shares = ' | '.join(f'{count[cause] / n:.3f}' for cause in ('', *CAUSES))
        lines.append(f'| from {low} | {len(some)} | {shares} |')
    lines += [
        '',
        '| contact from | things | found | candidate | superpoints |',
        '|---|---|---|---|---|',
    ]
    for least, most in CONTACTS:
        near = [x for x in things if least <= x.contact < most]
        rates = [
            np.mean([flag(x) for x in near]) if near else np.nan
            for flag in (
                lambda x: not x.cause,
                lambda x: x.of_candidates > FOUND,
                lambda x: x.of_superpoints > FOUND,
            )
        ]
        lines.append(f'| {least:.2f} | {len(near)} | {" | ".join(f"{r:.3f}" for r in rates)} |')
    visits = Counter(x.name for x in things)
    hits = Counter(x.name for x in things if not x.cause)
    twice = [name for name, n in visits.items() if n > 1]
    every = sum(hits[name] == visits[name] for name in twice)
    some_visit = sum(hits[name] > 0 for name in twice)
    lines += [
        '',
        f'at several visits: {len(twice)}; found at all {every}, at one or more {some_visit}',
    ]
    return '\n'.join(lines)


def main() -> None:
    """Read, segment, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--data', type=Path, required=True, help='folder of sequence files')
    parser.add_argument('--evaluated', type=Path, required=True, help='--out of evaluate')
    parser.add_argument('--limit', type=int, help='only the first sequences')
    options = parser.parse_args()
    segmenter, weights = loaded(InferenceConfig()), find_weights('')
    quality = find_quality(weights, weights_hash(weights))
    things: list[Thing] = []
    for path in sorted(options.data.glob('*.npz'))[: options.limit]:
        case = read_case(path, ComparisonConfig())
        stored = options.evaluated / 'predictions' / 'memory' / path.name
        masks = read_prediction_file(stored, case.scored)
        label = np.full(len(case.scored.visit), -1)
        for k in range(len(masks)):
            label[masks.points[masks.starts[k] : masks.starts[k + 1]]] = k
        things += things_of(case, segmenter, quality, label)
    print(report(things))


if __name__ == '__main__':
    main()
