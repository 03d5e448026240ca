"""The page of one object as HTML: where it is since when, why it is known, its visits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import html

from rescene4d_ros.memory.database.row_access import StoredObservation
from rescene4d_ros.structures import Box, Change, ObjectState
from rescene4d_ros.structures.colors import color_of
from rescene4d_ros.view.browser.drawing.coloring import css
from rescene4d_ros.view.browser.knowledge import Knowledge, PlacedObject
from rescene4d_ros.view.browser.session import Standing, standing_of
from rescene4d_ros.view.report.local_time import LocalTime
from rescene4d_ros.view.report.page import what_changed

WORDS = {
    ObjectState.PRESENT: 'there',
    ObjectState.ABSENT: 'gone',
    ObjectState.NOT_OBSERVED: 'not seen',
    ObjectState.UNKNOWN: 'unknown',
}
MOST_ENTRIES = 60  # visits in a history; older ones are counted
MOST_PICTURES = 6  # newest first


def object_page(
    knowledge: Knowledge,
    object_id: int,
    index: int,
    clock: LocalTime,
    picture: Callable[[int, int, Box], str | None],
) -> str:
    """
    Return what is known of an object, as HTML.

    Parameters
    ----------
    knowledge : Knowledge
    object_id : int
        In use, no alias.
    index : int
        Position in `knowledge.visits` of the visit that is shown.
    clock : LocalTime
        How times are written.
    picture : callable
        Gives a data URI of an object (id) at a visit (id) where it is in a box, or None.

    """
    item = knowledge.contents.objects[object_id].item
    placed = next((p for p in knowledge.placed_at(index) if p.object_id == object_id), None)
    name = f'{item.name} ({item.class_name})' if item.name else item.class_name
    locked = ' 🔒' if object_id in knowledge.locked else ''
    parts = [
        f'<h3><i style="background:{css(color_of(object_id))}"></i>'
        f'#{object_id} {html.escape(name)}{locked}</h3>'
    ]
    if placed is None:
        parts.append('<p>Not known yet at the shown visit.</p>')
    else:
        parts.append(_facts(placed, clock))
    observations = knowledge.observations.get(object_id, ())
    latest = [o for o in observations if placed and o.stamp_ns <= placed.last_seen_ns][-1:]
    parts += [_why(knowledge, o) for o in latest]
    parts.append(_history(knowledge, object_id, observations, clock, picture))
    return f'<div class="r4-object">{"".join(parts)}</div>'


def _facts(placed: PlacedObject, clock: LocalTime) -> str:
    box, standing = placed.box, standing_of(placed)
    rows = {'state': str(standing)}
    if standing == Standing.THERE:
        rows['here since'] = clock.text(placed.since_ns)
    else:
        rows['last seen'] = clock.text(placed.last_seen_ns)
        if placed.gone_ns is not None:
            rows['found gone'] = clock.text(placed.gone_ns)
    rows['center'] = ' '.join(f'{v:.2f}' for v in box.center) + ' m'
    rows['size'] = ' × '.join(f'{v:.2f}' for v in box.size) + ' m'
    if placed.zones:
        rows['zone'] = ', '.join(placed.zones)
    rows['moved'] = f'{placed.item.moved_m:.2f} m in all'
    rows['sure'] = f'{round(100 * placed.confidence)} %'
    cells = ''.join(f'<tr><th>{k}</th><td>{html.escape(v)}</td></tr>' for k, v in rows.items())
    return f'<table class="r4-facts">{cells}</table>'


def _why(knowledge: Knowledge, observation: StoredObservation) -> str:
    text = (
        f'<p><b>Why it is this object:</b> {html.escape(observation.reason or "first seen")}</p>'
    )
    others = _others(knowledge, observation)
    return text + (f'<p><b>It may as well be:</b> {others}</p>' if others else '')


def _others(knowledge: Knowledge, observation: StoredObservation) -> str:
    """Return the look-alikes that an observation may as well be, as HTML; empty = none."""
    return ', '.join(
        f'#{i} {html.escape(known.item.name or known.item.class_name)}'
        for i in map(knowledge.current_id, observation.alternatives)
        if (known := knowledge.contents.objects.get(i)) is not None
    )


def _history(
    knowledge: Knowledge,
    object_id: int,
    observations: tuple[StoredObservation, ...],
    clock: LocalTime,
    picture: Callable[[int, int, Box], str | None],
) -> str:
    seen = {o.visit_id: o for o in observations}
    changes: dict[int, list[Change]] = {}
    for change in knowledge.changes:
        if knowledge.current_id(change.object_id) == object_id:
            changes.setdefault(change.visit_id, []).append(change)
    states = dict(knowledge.contents.objects[object_id].item.states)
    visits = [v for v in reversed(knowledge.visits) if v.visit_id in states or v.visit_id in seen]
    pictured, entries = 0, []
    for visit in visits[:MOST_ENTRIES]:
        image = None
        if visit.visit_id in seen and pictured < MOST_PICTURES:
            image = picture(object_id, visit.visit_id, seen[visit.visit_id].box)
            pictured += image is not None
        entries.append(
            f'<li><time>{clock.text(visit.stamp_ns)}</time> '
            f'{_said(visit.visit_id, states, changes)}'
            f'{_link(knowledge, seen.get(visit.visit_id))}'
            + (f'<img src="{image}" alt="the object as this visit saw it">' if image else '')
            + '</li>'
        )
    older = len(visits) - len(entries)
    more = f'<li>and {older} older visits</li>' if older else ''
    return f'<b>Visits</b><ul class="r4-history">{"".join(entries)}{more}</ul>'


def _link(knowledge: Knowledge, observation: StoredObservation | None) -> str:
    """Return why a visit was taken to show the object, and how sure its mask is, as HTML."""
    if observation is None:
        return ''
    others = _others(knowledge, observation)
    doubt = f'; or {others}' if others else ''
    reason = html.escape(observation.reason or 'first seen')
    return f'<small>{reason}; score {round(100 * observation.score)} %{doubt}</small>'


def _said(
    visit_id: int, states: Mapping[int, ObjectState], changes: Mapping[int, list[Change]]
) -> str:
    texts = [
        f'<b>{html.escape(what_changed(c))}</b> ({round(100 * c.confidence)} % sure)'
        for c in changes.get(visit_id, ())
    ]
    return ', '.join([WORDS[states.get(visit_id, ObjectState.PRESENT)], *texts])
