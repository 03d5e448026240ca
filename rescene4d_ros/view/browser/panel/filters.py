"""Elements that narrow what is listed and drawn: words, class, state, time, zone, nearness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rescene4d_ros.view.browser.knowledge import Knowledge
from rescene4d_ros.view.browser.panel.rows import set_changed
from rescene4d_ros.view.browser.session import ANY, Session, Standing
from rescene4d_ros.view.browser.since import since_choices
from rescene4d_ros.view.report.local_time import LocalTime
import viser

ANY_TIME = 'any time'
ANYWHERE = 'anywhere'

Report = Callable[..., None]


class Filters:
    """
    Show the filters of a session in two tabs, and report what a person changes of them.

    Parameters
    ----------
    gui : viser.GuiApi
    clock : LocalTime
        How times are written.
    report : callable
        Takes an element, and by the name of a field of the session how its value is read.
    clear : callable
        Called where a person wants all filters to be as at the beginning.
    now : callable
        Returns the present time, ns since the Unix epoch.

    """

    def __init__(
        self,
        gui: viser.GuiApi,
        clock: LocalTime,
        report: Report,
        clear: Callable[[], None],
        now: Callable[[], int],
    ):
        self._gui, self._clock, self._report, self._cleared = gui, clock, report, clear
        self._now = now
        self._times: dict[str, int] = {}  # choices, with the position after which changes count
        self._said = ANY_TIME  # several choices may mean one position
        self._since: list[Any] = []
        self._zones: list[Any] = []
        self._clear: list[Any] = []

    def add_for_objects(self) -> None:
        """Add the elements above the list of objects."""
        gui = self._gui
        self._search = gui.add_text('Search', '', hint='name, class, state, zone or #id')
        self._add_zone('Zone')
        self._class = gui.add_dropdown('Class', (ANY,))
        self._standing = gui.add_dropdown('State', (ANY, *map(str, Standing)))
        self._add_since('Changed since')
        self._near = gui.add_number(
            'Near #', 0, min=0, step=1, hint='id of an object; 0 = anywhere'
        )
        self._within = gui.add_slider('Within (m)', 0.0, 5.0, 0.1, 1.0, hint='gap between boxes')
        self._report(self._near, near=lambda value: int(value) or None)
        self._report(self._within, within=float)
        self._report(self._search, search=str)
        self._report(self._class, class_name=str)
        self._report(self._standing, standing=str)
        self._add_clear()

    def add_for_changes(self) -> None:
        """Add the elements above the list of changes."""
        self._add_since('Changes since')
        self._add_zone('Changes in zone')
        self._add_clear()

    def _add_clear(self) -> None:
        hint = 'also those of the other list'
        self._clear.append(self._gui.add_button('Clear filters', visible=False, hint=hint))
        self._clear[-1].on_click(lambda event: self._empty())

    def _empty(self) -> None:
        """Clear also what follows no session, because a person may just be typing into it."""
        for element, value in ((self._search, ''), (self._near, 0), (self._standing, ANY)):
            set_changed(element, value=value)
        self._cleared()

    def _add_since(self, label: str) -> None:
        self._since.append(self._gui.add_dropdown(label, (ANY_TIME,)))
        self._report(self._since[-1], since=self._position)

    def _add_zone(self, label: str) -> None:
        hint = 'a part of the map that zones.yaml of the memory names'
        self._zones.append(self._gui.add_dropdown(label, (ANYWHERE,), visible=False, hint=hint))
        self._report(self._zones[-1], zone=lambda name: None if name == ANYWHERE else name)

    def show(self, knowledge: Knowledge, session: Session) -> None:
        """Show the filters of a session."""
        set_changed(self._class, options=(ANY, *knowledge.class_names))
        set_changed(self._class, value=session.class_name)
        self._times = since_choices(knowledge, self._clock, self._now())
        at = self._said if self._times.get(self._said) == session.since else ''
        for since in self._since:
            set_changed(since, options=(ANY_TIME, *self._times))
            set_changed(since, value=at or self._visit(session.since))
        # A list with the same entry twice ends a page.
        names = [zone.name for zone in knowledge.zones if zone.name != ANYWHERE]
        for zone in self._zones:
            set_changed(zone, options=(ANYWHERE, *names), visible=bool(names))
            set_changed(zone, value=session.zone or ANYWHERE)
        set_changed(self._within, visible=session.near is not None)
        for button in self._clear:
            set_changed(button, visible=session.is_narrowed)

    def _position(self, said: str) -> int | None:
        self._said = said
        return self._times.get(said)

    def _visit(self, position: int | None) -> str:
        """Return how a visit is written, by its position; that of no visit is any time."""
        if position is None or position < 0:
            return ANY_TIME
        return next(reversed([text for text, k in self._times.items() if k == position]), ANY_TIME)
