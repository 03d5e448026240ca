"""Numbers that can be compared with real scans: spacing, noise, coverage, objects, changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.data.sequences.stored_bytes import StoredBytes
from rescene4d_ros.structures import ChangeKind, FLOOR, ObjectState, Scan, ScanSequence, WALL
from rescene4d_ros.structures.truth import SequenceTruth, VisitTruth
from scipy.spatial import cKDTree

# Enough for a median to two digits.
SAMPLES = 1500
PATCH_RADIUS_M = 0.1
PATCH_POINTS = 12
CHANGES = (
    ChangeKind.MOVED,
    ChangeKind.REMOVED,
    ChangeKind.ADDED,
    ChangeKind.REAPPEARED,
    ChangeKind.DEFORMED,
)


@dataclass(frozen=True)
class VisitStatistics:
    """
    Hold the numbers of one visit.

    Attributes
    ----------
    points : int
    spacing : float, m
        Median distance to the nearest other point.
    noise : float, m
        Median over patches of wall and floor of the deviation from a fitted plane.
    objects : int
        In the room.
    look_alikes : int
        Of these, members of an ambiguity group.
    not_observed : int
        Of these, without enough points.
    seen_share : float
        Mean share of the surface of an object that was scanned, the not observed ones included.
    changes : mapping of ChangeKind to int
        Against the visit before; empty at the first.
    comparable : int
        Objects that are in the room now or were at the visit before; 0 at the first.

    """

    points: int
    spacing: float
    noise: float
    objects: int
    look_alikes: int
    not_observed: int
    seen_share: float
    changes: dict[ChangeKind, int]
    comparable: int


def statistics_of(
    sequence: ScanSequence, truth: SequenceTruth, rng: np.random.Generator
) -> list[VisitStatistics]:
    """
    Return the numbers of every visit.

    Parameters
    ----------
    sequence : ScanSequence
    truth : SequenceTruth
    rng : Generator
        Draws the points at which spacing and noise are taken.

    """
    return [
        _visit(scan, visit, rng, t > 0)
        for t, (scan, visit) in enumerate(zip(sequence.scans, truth.visits))
    ]


def _visit(
    scan: Scan, visit: VisitTruth, rng: np.random.Generator, later: bool
) -> VisitStatistics:
    spacing, noise = _surface(
        scan.xyz.astype(np.float64), np.isin(visit.semantic, (WALL, FLOOR)), rng
    )
    here = [o for o in visit.objects if o.in_room]
    changes = Counter(o.change for o in visit.objects if later and o.change in CHANGES)
    return VisitStatistics(
        len(scan),
        spacing,
        noise,
        len(here),
        sum(o.ambiguity_group > 0 for o in here),
        sum(o.state == ObjectState.NOT_OBSERVED for o in here),
        float(np.mean([o.visible_share for o in here])) if here else 0.0,
        dict(changes),
        len(here) + changes[ChangeKind.REMOVED] if later else 0,
    )


def _surface(
    xyz: np.ndarray, is_flat: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    """Return spacing and noise of (N, 3) points, m; the noise where `is_flat`."""
    tree = cKDTree(xyz)
    some = rng.choice(len(xyz), min(SAMPLES, len(xyz)), replace=False)
    spacing = float(np.median(tree.query(xyz[some], 2)[0][:, 1]))
    flat = np.flatnonzero(is_flat)
    some = rng.choice(flat, min(SAMPLES // 3, len(flat)), replace=False)
    off = []
    for near in tree.query_ball_point(xyz[some], PATCH_RADIUS_M):
        # Other surfaces nearby, such as a rug or skirting board, would count as noise.
        if len(near) < PATCH_POINTS or not is_flat[near].all():
            continue
        patch = xyz[near] - xyz[near].mean(axis=0)
        off.append(np.sqrt(max(np.linalg.eigvalsh(patch.T @ patch)[0], 0) / (len(near) - 3)))
    return spacing, float(np.median(off)) if off else float('nan')


def statistics_table(
    rows: Sequence[Sequence[VisitStatistics]],
    sizes: Sequence[StoredBytes],
    seconds_per_visit: float | None = None,
) -> str:
    """
    Return a Markdown table of a whole set.

    Parameters
    ----------
    rows : sequence of sequences of VisitStatistics
        One per sequence.
    sizes : sequence of StoredBytes
        Of the files.
    seconds_per_visit : float, optional
        What making them takes.

    """
    visits = [v for row in rows for v in row]
    lengths = Counter(map(len, rows))
    table = [
        ('sequences', ', '.join(f'{n} of {t} visits' for t, n in sorted(lengths.items()))),
        ('objects per room', _spread([v.objects for v in visits], '.0f')),
        ('points per visit', _spread([v.points for v in visits], '.0f')),
        ('distance to the nearest point', _spread([1e3 * v.spacing for v in visits], '.1f', 'mm')),
        ('noise of walls and floors', _spread([1e3 * v.noise for v in visits], '.1f', 'mm')),
        (
            'surface of an object that is scanned',
            _spread([100 * v.seen_share for v in visits], '.0f', '%'),
        ),
        ('objects in the room but not observed', _share('not_observed', visits)),
        ('objects with look-alikes', _share('look_alikes', visits)),
        *_change_rows(visits),
        *_size_rows(
            sum(sizes, start=StoredBytes(0, 0, 0, 0)), max(1, sum(v.points for v in visits))
        ),
    ]
    if seconds_per_visit is not None:
        table.append(('seconds per visit on one core', f'{seconds_per_visit:.1f}'))
    return (
        '\n'.join(
            [
                '| | median (10 % .. 90 %) |',
                '|---|---|',
                *(f'| {name} | {value} |' for name, value in table),
            ]
        )
        + '\n'
    )


def _size_rows(size: StoredBytes, points: int) -> list[tuple[str, str]]:
    def told(whole: int, superpoints: int) -> str:
        return f'{whole / points:.1f}, of which superpoints {superpoints / points:.1f}'

    return [
        ('bytes per point', told(size.packed, size.packed_superpoints)),
        ('... before compression', told(size.plain, size.plain_superpoints)),
    ]


def _change_rows(visits: Sequence[VisitStatistics]) -> list[tuple[str, str]]:
    pairs = sum(v.comparable for v in visits)
    counts: Counter[ChangeKind] = Counter()
    for v in visits:
        counts.update(v.changes)
    rows = [('objects that change from visit to visit', counts.total())]
    rows += [(f'... {kind.name.lower()}', counts[kind]) for kind in CHANGES]
    return [(name, f'{100 * n / max(1, pairs):.1f} %') for name, n in rows]


def _share(field: str, visits: Sequence[VisitStatistics]) -> str:
    objects = sum(v.objects for v in visits)
    return f'{100 * sum(getattr(v, field) for v in visits) / max(1, objects):.1f} %'


def _spread(values: Sequence[float], form: str, unit: str = '') -> str:
    low, middle, high = np.nanpercentile(values, (10, 50, 90))
    return f'{middle:{form}} ({low:{form}} .. {high:{form}}) {unit}'.strip()
