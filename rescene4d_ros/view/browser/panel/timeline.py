"""The changes of all visits: a line of time as a picture, and rows to choose from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
import html

from rescene4d_ros.structures import Change
from rescene4d_ros.view.browser.drawing.marks import SIGNS
from rescene4d_ros.view.browser.knowledge import Knowledge
from rescene4d_ros.view.browser.panel.rows import Row
from rescene4d_ros.view.outlines import MARKS, UNSEEN
from rescene4d_ros.view.report.local_time import LocalTime
from rescene4d_ros.view.report.page import what_changed

WIDTH, HEIGHT, MARGIN = 320, 78, 12
STEP = 5  # height of one change
MOST_STEPS = 9  # in the highest column; each then stands for several changes


def timeline(knowledge: Knowledge, shown: int, clock: LocalTime, zone: str | None = None) -> str:
    """
    Return the visits along time with a column of changes each, as SVG.

    Parameters
    ----------
    knowledge : Knowledge
    shown : int
        Position in `knowledge.visits` of the visit to be marked.
    clock : LocalTime
        How times are written.
    zone : str, optional
        Only changes in the zone of this name.

    """
    if not knowledge.visits:
        return ''
    first, last = knowledge.visits[0].stamp_ns, knowledge.visits[-1].stamp_ns
    base = HEIGHT - 16
    columns: dict[int, Counter] = {}
    changes = [c for k, c in enumerate(knowledge.changes) if _is_in(knowledge, k, zone)]
    for change in changes:
        columns.setdefault(change.visit_id, Counter())[change.kind] += 1
    most = max((sum(column.values()) for column in columns.values()), default=0)
    each = max(1, -(-most // MOST_STEPS))  # changes per step
    parts = [f'<line x1="0" x2="{WIDTH}" y1="{base}" y2="{base}" stroke="#999"/>']
    for k, visit in enumerate(knowledge.visits):
        share = (visit.stamp_ns - first) / (last - first) if last > first else 0.5
        x = MARGIN + share * (WIDTH - 2 * MARGIN)
        column, marks = columns.get(visit.visit_id, Counter()), []
        colors = [MARKS.get(kind, (UNSEEN, ''))[0] for kind, n in column.items() for _ in range(n)]
        for step, color in enumerate(colors[::each]):
            y = base - (step + 1) * STEP
            marks.append(f'<rect x="{x - 3:.1f}" y="{y}" width="6" height="4" fill="{color}"/>')
        if colors:
            y = base - len(colors[::each]) * STEP - 3
            marks.append(f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{len(colors)}</text>')
        ring = ' stroke="#f07800" stroke-width="3"' if k == shown else ''
        dot = f'<circle cx="{x:.1f}" cy="{base}" r="{5 if k == shown else 3}" fill="#444"{ring}/>'
        text = f'{clock.text(visit.stamp_ns)}: {sum(column.values())} changes'
        parts.append(f'<g>{"".join(marks)}{dot}<title>{html.escape(text)}</title></g>')
    for at, anchor, stamp in ((0, 'start', first), (WIDTH, 'end', last)):
        date = clock.of(stamp).strftime('%Y-%m-%d')
        parts.append(f'<text x="{at}" y="{HEIGHT - 1}" text-anchor="{anchor}">{date}</text>')
    return (
        f'<svg class="r4-time" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="changes per visit">{"".join(parts)}</svg>{_kinds(changes)}'
    )


def _is_in(knowledge: Knowledge, k: int, zone: str | None) -> bool:
    """Return whether the object of a change was or is in a zone of a name; None = anywhere."""
    return zone is None or zone in knowledge.zones_of_changes[k]


def _kinds(changes: Sequence[Change]) -> str:
    count = Counter(c.kind for c in changes)
    marks = ''.join(
        f'<span><i style="background:{color}"></i>{SIGNS[kind]} {count[kind]} {text}</span>'
        for kind, (color, text) in MARKS.items()
        if count[kind]
    )
    return f'<div class="r4-legend">{marks}</div>'


def change_rows(
    knowledge: Knowledge, clock: LocalTime, since: int | None = None, zone: str | None = None
) -> list[Row]:
    """
    Return a row per change, newest first; its key is the position in `knowledge.changes`.

    Parameters
    ----------
    knowledge : Knowledge
    clock : LocalTime
        How times are written.
    since : int, optional
        Position in `knowledge.visits`; only what later visits found. -1 = what any visit found.
    zone : str, optional
        Only what was or is in the zone of this name.

    """
    after = -1 if since is None else knowledge.stamp_of(since)
    return [
        _row(knowledge, k, change, clock)
        for k, change in enumerate(knowledge.changes)
        if knowledge.stamps[change.visit_id] > after and _is_in(knowledge, k, zone)
    ]


def least_sure_row(rows: list[Row], knowledge: Knowledge) -> list[Row]:
    """Return the row of the change with the lowest confidence; none where there is no change."""
    if not rows:
        return []
    row = min(rows, key=lambda row: knowledge.changes[row.key].confidence)
    return [replace(row, text=f'Least sure:  {row.text}')]


def _row(knowledge: Knowledge, k: int, change: Change, clock: LocalTime) -> Row:
    known = knowledge.contents.objects.get(knowledge.current_id(change.object_id))
    name = (known.item.name if known else '') or change.class_name
    stamp = knowledge.stamps[change.visit_id]
    return Row(
        k,
        f'{clock.of(stamp).strftime("%a %m-%d")}  {SIGNS.get(change.kind, "?")} '
        f'#{change.object_id} {name}: {what_changed(change)}, '
        f'{round(100 * change.confidence)} %',
        ', '.join((f'found at {clock.text(stamp)}', *knowledge.zones_of_changes[k])),
    )
