"""What a viewer shows: the visit, the filters, the selected object; values without drawing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
import re

from rescene4d_ros.geometry.boxes import gap
from rescene4d_ros.structures import ObjectState
from rescene4d_ros.view.browser.knowledge import Knowledge, PlacedObject

ANY = 'any'
ID = re.compile(r'#(\d{1,18})')


class Compare(StrEnum):
    """Which visits are drawn."""

    NOW = 'now'
    BEFORE = 'before'
    BOTH = 'side by side'
    WIPE = 'wipe'

    @property
    def is_pair(self) -> bool:
        """Return whether both visits are drawn at once."""
        return self in (Compare.BOTH, Compare.WIPE)


class ColorBy(StrEnum):
    """What the colors of objects mean."""

    SCAN = 'scan'
    ID = 'id'
    CLASS = 'class'
    STATE = 'state'
    AGE = 'age'
    CONFIDENCE = 'confidence'


class Standing(StrEnum):
    """What a visit says of an object."""

    THERE = 'there'
    GONE = 'gone'
    NOT_SEEN = 'not seen'


@dataclass(frozen=True)
class Session:
    """
    Hold what is shown.

    Attributes
    ----------
    visit, before : int
        Positions in `Knowledge.visits`; the second one is what is compared with.
    compare : Compare
    wipe : float, 0..1
        Share of the place that the visit before takes where both are wiped.
    color_by : ColorBy
    search : str
        Words of name, class, state or zone, and ids as #7; all must fit. An id alone is found
        whatever the filters are.
    zone : str or None
        Only what is in the zone of this name: objects, changes, points, floor; None = all.
    class_name, standing : str
        ANY = all.
    since : int or None
        Only objects that visits after this position found changed, -1 = that any visit did;
        None = all.
    near : int or None
        Only objects near the one of this id, which is listed, too; None = all.
    within : float, m
        Largest gap between the boxes of objects that are near each other, as in questions.
    selected : int or None
        Id of an object.
    cut : float, m
        Height above the floor from which points are left out.
    labels : bool
        Whether objects are labeled; the selected one always is.
    hatch : bool
        Whether the floor that a visit did not see is hatched.
    outlines : bool
        Whether zones are drawn.

    """

    visit: int = 0
    before: int = 0
    compare: Compare = Compare.NOW
    wipe: float = 0.5
    color_by: ColorBy = ColorBy.SCAN
    search: str = ''
    zone: str | None = None
    class_name: str = ANY
    standing: str = ANY
    since: int | None = None
    near: int | None = None
    within: float = 1.0
    selected: int | None = None
    cut: float = 2.2
    labels: bool = True
    hatch: bool = True
    outlines: bool = True

    @property
    def shown(self) -> int:
        """Return the position of the visit whose objects are listed."""
        return self.before if self.compare == Compare.BEFORE else self.visit

    @property
    def marked_since(self) -> int:
        """Return the position of the visit after which changes are marked; -1 = from the first."""
        if self.compare.is_pair:
            return self.before
        return self.shown - 1 if self.since is None else min(self.since, self.shown - 1)

    @property
    def is_narrowed(self) -> bool:
        """Return whether search or filters leave objects out."""
        return self.unfiltered != self

    @property
    def unfiltered(self) -> Session:
        """Return the session without search and filters."""
        return replace(self, **{name: getattr(Session(), name) for name in NARROWING})


NARROWING = ('search', 'zone', 'class_name', 'standing', 'since', 'near')


def views_of(session: Session) -> list[tuple[str, Session]]:
    """Return the sessions that are drawn, each with the visit that it shows."""
    now = replace(session, compare=Compare.NOW)
    before = replace(session, compare=Compare.BEFORE)
    if session.compare.is_pair:
        return [('now', now), ('before', before)]
    return [('now', now if session.compare == Compare.NOW else before)]


def first_session(knowledge: Knowledge) -> Session:
    """Return what a viewer begins with: the newest visit, to be compared with the one before."""
    newest = max(len(knowledge.visits) - 1, 0)
    return Session(visit=newest, before=max(newest - 1, 0))


def fitted(session: Session, knowledge: Knowledge) -> Session:
    """Return a session without visits and objects that a memory no longer has."""
    newest = max(len(knowledge.visits) - 1, 0)
    selected = session.selected
    if selected is not None:
        selected = knowledge.current_id(selected)
        selected = selected if selected in knowledge.contents.objects else None
    known = session.class_name in knowledge.class_names
    return replace(
        session,
        visit=min(session.visit, newest),
        before=min(session.before, newest),
        since=None if session.since is None else min(session.since, newest),
        class_name=session.class_name if known else ANY,
        zone=session.zone if knowledge.zone(session.zone) else None,
        selected=selected,
    )


def standing_of(placed: PlacedObject) -> Standing:
    """Return what the visit of a placed object says of it."""
    if placed.is_gone:
        return Standing.GONE
    return Standing.THERE if placed.state == ObjectState.PRESENT else Standing.NOT_SEEN


def listed(knowledge: Knowledge, session: Session) -> tuple[PlacedObject, ...]:
    """Return the objects of the shown visit that pass search and filters, by rising id."""
    placed = knowledge.placed_at(session.shown)
    asked = ID.fullmatch(session.search.strip())
    if asked:
        return tuple(p for p in placed if p.object_id == knowledge.current_id(int(asked[1])))
    if session.since is not None:
        changed = knowledge.changed_after(knowledge.stamp_of(session.since))
        placed = tuple(p for p in placed if p.object_id in changed)
    if session.near is not None:
        placed = _around(placed, knowledge.current_id(session.near), session.within)
    return tuple(p for p in placed if _passes(p, session))


def _around(
    placed: tuple[PlacedObject, ...], object_id: int, within: float
) -> tuple[PlacedObject, ...]:
    """Return an object that is not gone with those around it; none where it is gone."""
    anchor = next((p.box for p in placed if p.object_id == object_id and not p.is_gone), None)
    if anchor is None:
        return ()
    return tuple(p for p in placed if gap(p.box, anchor) <= within)


def _passes(placed: PlacedObject, session: Session) -> bool:
    if session.zone is not None and session.zone not in placed.zones:
        return False
    if session.class_name not in (ANY, placed.item.class_name):
        return False
    standing = standing_of(placed)
    if session.standing not in (ANY, standing):
        return False
    number = f'#{placed.object_id}'
    text = ' '.join((placed.title, standing, *placed.zones)).casefold()
    return all(
        word == number if word.startswith('#') else word in text or word == number[1:]
        for word in session.search.casefold().split()
    )
