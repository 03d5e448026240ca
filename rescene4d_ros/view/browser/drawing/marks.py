"""What is drawn over the points of one visit: edges of boxes, arrows of moves, labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.structures import Box, Change, ChangeKind
from rescene4d_ros.view.browser.drawing.coloring import Color, colors_by
from rescene4d_ros.view.browser.drawing.lines import edges
from rescene4d_ros.view.browser.knowledge import Knowledge, PlacedObject
from rescene4d_ros.view.browser.session import listed, Session, Standing, standing_of
from rescene4d_ros.view.outlines import MARKS, UNSEEN

SELECTED = (240, 120, 0)
MOST_TEXT = 28  # characters of a label
MOST_LABELS = 40  # of which those are shown that do not cover each other
SHORTEST_ARROW = 0.05  # m
# Kinds differ by sign, too: not everybody distinguishes the colors.
SIGNS = {
    ChangeKind.MOVED: '→',
    ChangeKind.ADDED: '+',
    ChangeKind.REMOVED: '×',
    ChangeKind.REAPPEARED: '↩',
    ChangeKind.DEFORMED: '◇',
    ChangeKind.MERGED: '=',
}


@dataclass(frozen=True)
class Marks:
    """
    Hold what is drawn over the points of one visit, in map.

    Attributes
    ----------
    thin, thick : sequence of tuple of ndarray (M, 2, 3) and color
        Segments in m; those of changes and of the selected object are thick.
    arrows : sequence of tuple of ndarray (2, 3) and color
        From the old to the new place, m.
    labels : sequence of tuple of int, str and ndarray (3,)
        Id, text and place (m); the most important first.
    boxes : sequence of tuple of int and Box
        Id and place of what a click can hit.
    unseen : sequence of Box
        Places of objects that the visit did not observe.

    """

    thin: Sequence[tuple[np.ndarray, Color]]
    thick: Sequence[tuple[np.ndarray, Color]]
    arrows: Sequence[tuple[np.ndarray, Color]]
    labels: Sequence[tuple[int, str, np.ndarray]]
    boxes: Sequence[tuple[int, Box]]
    unseen: Sequence[Box] = ()


def marks_of(
    knowledge: Knowledge, session: Session, changes: Mapping[int, Change], is_before: bool = False
) -> Marks:
    """
    Return what is drawn over the points of the shown visit of a session.

    Parameters
    ----------
    knowledge : Knowledge
    session : Session
    changes : mapping of int to Change
        What is marked, by the id in use.
    is_before : bool
        Whether the visit is the one before these changes: then its places have their colors.

    """
    if not knowledge.visits:
        return Marks([], [], [], [], [])
    visit = knowledge.visits[session.shown]
    rows = listed(knowledge, session)
    selected = [p for p in knowledge.placed_at(session.shown) if p.object_id == session.selected]
    by_id = {p.object_id: p for p in (*rows, *selected)}
    changes = {i: c for i, c in changes.items() if i in by_id and c.kind in MARKS}
    drawn = [p for p in by_id.values() if _is_drawn(p, changes, session)]
    colors = colors_by(drawn, session.color_by, visit.stamp_ns)
    calm = [p for p in drawn if p.object_id not in changes and p.object_id != session.selected]
    is_unseen = {p.object_id: standing_of(p) == Standing.NOT_SEEN for p in calm}
    thick = [_outline(p, SELECTED) for p in drawn if p.object_id == session.selected]
    for i, change in changes.items():
        if not is_before:
            thick += _changed(change, i == session.selected)
        elif i != session.selected:
            thick.append(_outline(by_id[i], rgb_of(MARKS[change.kind][0])))
    moves = [] if is_before else [c for c in changes.values() if c.kind == ChangeKind.MOVED]
    texts = _labeled(drawn, changes, session)
    return Marks(
        [_outline(p, colors[p.object_id]) for p in calm if not is_unseen[p.object_id]],
        thick,
        [a for c in moves if (a := _arrow(c)) is not None],
        [(p.object_id, _label(p, changes.get(p.object_id)), _top(p.box)) for p in texts],
        [(p.object_id, p.box) for p in drawn],
        [p.box for p in calm if is_unseen[p.object_id]],
    )


def _labeled(
    drawn: Sequence[PlacedObject], changes: Mapping[int, Change], session: Session
) -> list[PlacedObject]:
    """Return the objects to label, the most important first."""
    ranked = sorted(drawn, key=lambda p: _rank(p, changes, session))
    if session.labels:
        return ranked[:MOST_LABELS]
    return [p for p in ranked[:1] if p.object_id == session.selected]


def _rank(placed: PlacedObject, changes: Mapping[int, Change], session: Session) -> tuple:
    """Return what sorts labels: the selected object, sure changes, then large objects."""
    change = changes.get(placed.object_id)
    return (
        placed.object_id != session.selected,
        change is None,
        -change.confidence if change is not None else 0.0,
        -float(np.prod(placed.box.size)),
    )


def rgb_of(color: str) -> Color:
    """Return the color of '#rrggbb'."""
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue


def _is_drawn(placed: PlacedObject, changes: Mapping[int, Change], session: Session) -> bool:
    """Return whether an object is drawn: not where it is gone, but at the visit that found it."""
    return (
        not placed.is_gone
        or placed.object_id in changes
        or placed.object_id == session.selected
        or session.standing == Standing.GONE
    )


def _outline(placed: PlacedObject, color: Color) -> tuple[np.ndarray, Color]:
    standing = standing_of(placed)
    if standing == Standing.NOT_SEEN and color != SELECTED:
        color = rgb_of(UNSEEN)
    is_solid = standing == Standing.THERE
    return edges(placed.box, not is_solid, standing == Standing.GONE), color


def _changed(change: Change, is_selected: bool) -> list[tuple[np.ndarray, Color]]:
    """Return the old place dashed, and the new one unless it is drawn as selected."""
    color, found = rgb_of(MARKS[change.kind][0]), []
    if change.before is not None and change.kind in (ChangeKind.MOVED, ChangeKind.REMOVED):
        found.append((edges(change.before, True, change.kind == ChangeKind.REMOVED), color))
    if change.after is not None and not is_selected:
        found.append((edges(change.after), color))
    return found


def _arrow(change: Change) -> tuple[np.ndarray, Color] | None:
    if change.before is None or change.after is None:
        return None
    path = np.array([change.before.center, change.after.center])
    is_long = np.linalg.norm(path[1] - path[0]) >= SHORTEST_ARROW
    return (path, rgb_of(MARKS[change.kind][0])) if is_long else None


def _label(placed: PlacedObject, change: Change | None) -> str:
    sign = f'{SIGNS[change.kind]} ' if change is not None else ''
    name = placed.item.name or placed.item.class_name
    short = name if len(name) <= MOST_TEXT else name[: MOST_TEXT - 1] + '…'
    return f'{sign}#{placed.object_id} {short}'


def _top(box: Box) -> np.ndarray:
    return np.array([box.center[0], box.center[1], box.center[2] + box.size[2] / 2 + 0.06])
