"""The tables of the demo: objects, visits and changes beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, UTC

from rescene4d_ros.cli.console import TextConsole
from rescene4d_ros.metrics import ObjectScore, ScoreCard
from rescene4d_ros.structures import (
    Change,
    ChangeKind,
    INSTANCE_CLASSES,
    MemorySnapshot,
    ObjectState,
    SceneObject,
)
from rich.table import Table

SHORT = {
    ObjectState.UNKNOWN: '-',
    ObjectState.PRESENT: 'present',
    ObjectState.ABSENT: 'gone',
    ObjectState.NOT_OBSERVED: 'not seen',
}
WIDTH = 118


def print_report(snapshot: MemorySnapshot, changes: Sequence[Change], card: ScoreCard) -> None:
    """Print the objects, the changes, and the number of correct ones."""
    console = TextConsole(width=WIDTH, highlight=False)
    console.print(objects_table(snapshot, card))
    console.print(changes_table(snapshot, changes))
    right, total = sum(o.is_right for o in card.objects), len(card.objects)
    parts = ', '.join(
        f'{name} {sum(getattr(o, field) for o in card.objects)}/{total}'
        for name, field in (
            ('same id', 'is_identity_right'),
            ('class', 'is_class_right'),
            ('states', 'are_states_right'),
        )
    )
    console.print(f'objects right in everything: {right} of {total} ({parts})')
    console.print(
        f'changes right: {card.right_changes} of {len(card.true_changes)} true ones; '
        f'{len(card.found_changes)} reported'
    )


def objects_table(snapshot: MemorySnapshot, card: ScoreCard) -> Table:
    """
    Return one row per true object, then one per additional object of the memory.

    A wrong state is followed by the true one in brackets.
    """
    table = Table(title='Objects', title_justify='left')
    for name in (
        'id',
        'class',
        *(f'{_day(v.stamp_ns)}' for v in snapshot.visits),
        'moved m',
        'truth',
        'right',
    ):
        table.add_column(name, justify='right' if name in ('id', 'moved m') else 'left')
    by_id = {o.object_id: o for o in snapshot.objects}
    for score in card.objects:
        known = by_id.get(score.object_id)
        table.add_row(
            str(score.object_id or '-'),
            known.class_name if known else '-',
            *_states(score),
            f'{known.moved_m:.2f}' if known else '-',
            INSTANCE_CLASSES[score.class_id],
            _verdict(score),
        )
    for known in snapshot.objects:
        if known.object_id not in {s.object_id for s in card.objects}:
            table.add_row(
                str(known.object_id),
                known.class_name,
                *_said(known, snapshot),
                f'{known.moved_m:.2f}',
                '-',
                'extra',
            )
    return table


def changes_table(snapshot: MemorySnapshot, changes: Sequence[Change]) -> Table:
    """Return one row per reported change."""
    table = Table(title='Changes', title_justify='left')
    for name in ('visit', 'change', 'object', 'moved m', 'confidence'):
        table.add_column(name)
    day = {v.visit_id: _day(v.stamp_ns) for v in snapshot.visits}
    for change in changes:
        moved = '-'
        if (
            change.kind in (ChangeKind.MOVED, ChangeKind.REAPPEARED)
            and change.before
            and change.after
        ):
            moved = f'{_distance(change):.2f}'
        table.add_row(
            day[change.visit_id],
            change.kind.name,
            f'{change.class_name} #{change.object_id}',
            moved,
            f'{change.confidence:.2f}',
        )
    return table


def _day(stamp_ns: int) -> str:
    return datetime.fromtimestamp(stamp_ns / 1e9, UTC).strftime('%d %b')


def _distance(change: Change) -> float:
    """Return how far the box went, m; 0 where one of both is not known."""
    if change.before is None or change.after is None:
        return 0.0
    return sum((a - b) ** 2 for a, b in zip(change.after.center, change.before.center)) ** 0.5


def _states(score: ObjectScore) -> list[str]:
    return [
        SHORT[said] if said == true else f'{SHORT[said]} ({SHORT[true]})'
        for said, true in zip(score.states, score.true_states)
    ]


def _said(known: SceneObject, snapshot: MemorySnapshot) -> list[str]:
    said = dict(known.states)
    return [SHORT[said.get(v.visit_id, ObjectState.UNKNOWN)] for v in snapshot.visits]


def _verdict(score: ObjectScore) -> str:
    if score.is_right:
        return 'yes'
    wrong = [
        name
        for name, good in (
            ('id', score.is_identity_right),
            ('class', score.is_class_right),
            ('state', score.are_states_right),
        )
        if not good
    ]
    return f'no: {", ".join(wrong)}'
