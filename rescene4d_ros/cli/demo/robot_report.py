"""The table of `rescene4d demo-robot`: live drives beside snapshots of the same visits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rescene4d_ros.cli.console import TextConsole
from rescene4d_ros.cli.demo.robot_visits import Visits
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.metrics import score_visits
from rescene4d_ros.structures.truth import SequenceTruth
from rich.table import Table

WIDTH = 100


@dataclass(frozen=True)
class Result:
    """
    Hold what a memory says of the visits, against the truth.

    Attributes
    ----------
    counts : dict of str to int
        Numbers that are shown.
    shares : dict of str to (int, int)
        The score card: of how many objects or changes how many are right.
    n_visits : int

    """

    counts: dict[str, int]
    shares: dict[str, tuple[int, int]]
    n_visits: int


def result_of(memory: SceneMemory, visits: Visits) -> Result:
    """Score a memory of the visits."""
    snapshot, changes = memory.snapshot(), memory.changes()
    ids = [v.visit_id for v in snapshot.visits]
    scans = [memory.scan(v) for v in ids]
    truth = SequenceTruth(
        tuple(
            visits.truth_of(t, scan.xyz + np.array(scan.origin, np.float32))
            for t, scan in enumerate(scans[: len(visits.snapshots)])
        )
    )
    labels = [memory.labels(v) for v in ids]
    card = score_visits(truth, labels, ids, snapshot.objects, changes)
    n, right = len(card.objects), card.right_changes
    counts = {
        'points of a visit': round(float(np.mean([len(s) for s in scans]))),
        'objects remembered': len(snapshot.objects),
        'changes reported': len(card.found_changes),
        'true changes': len(card.true_changes),
    }
    shares = {
        'same id at every visit': (sum(o.is_identity_right for o in card.objects), n),
        'right class': (sum(o.is_class_right for o in card.objects), n),
        'right states': (sum(o.are_states_right for o in card.objects), n),
        'right in everything': (sum(o.is_right for o in card.objects), n),
        'true changes reported': (right, len(card.true_changes)),
        'reported changes true': (right, len(card.found_changes)),
    }
    return Result(counts, shares, len(ids))


def print_comparison(live: Result, reference: Result) -> str:
    """Print both results side by side, and return what is printed."""
    table = Table(title='Built of live clouds, and of snapshots', title_justify='left')
    for name in ('', 'live', 'snapshots', 'difference'):
        table.add_column(name, justify='left' if not name else 'right')
    for name, count in live.counts.items():
        other = reference.counts[name]
        table.add_row(name, f'{count}', f'{other}', f'{count - other:+d}')
    for name, (right, total) in live.shares.items():
        known, of = reference.shares[name]
        difference = 100 * (_share(right, total) - _share(known, of))
        table.add_row(name, f'{right} of {total}', f'{known} of {of}', f'{difference:+.0f} %')
    console = TextConsole(width=WIDTH, highlight=False, record=True)
    console.print(table)
    return console.export_text()


def _share(right: int, total: int) -> float:
    return right / total if total else 1.0


def within(live: Result, reference: Result, allowed: float) -> str:
    """
    Return in what the live result is worse than the other; '' = in nothing.

    A share may be less by `allowed`, or by one object or change: of a dozen, one is 8 %.
    """
    if live.n_visits != reference.n_visits:
        return f'expected {reference.n_visits} visits, got {live.n_visits}'
    worse = []
    for name, (right, total) in live.shares.items():
        known, of = reference.shares[name]
        most = max(allowed, 1 / max(total, of, 1))
        if _share(right, total) < _share(known, of) - most - 1e-9:
            worse.append(f'{name}: {right} of {total}, of snapshots {known} of {of}')
    if not worse:
        return ''
    return f'expected at most {allowed:.0%} or one less than of snapshots, got {"; ".join(worse)}'
