"""The panel beside the scene: time, view, list of objects, page of one, and changes."""

from __future__ import annotations

from collections.abc import Callable
import html
from pathlib import Path
from typing import Any

from rescene4d_ros.view.browser.drawing.coloring import legend
from rescene4d_ros.view.browser.drawing.wipe import SLABS
from rescene4d_ros.view.browser.knowledge import Knowledge
from rescene4d_ros.view.browser.panel.filters import Filters
from rescene4d_ros.view.browser.panel.keys import add_keys, keys_text
from rescene4d_ros.view.browser.panel.rows import Row, RowList, set_changed
from rescene4d_ros.view.browser.panel.timeline import change_rows, least_sure_row, timeline
from rescene4d_ros.view.browser.session import (
    ColorBy,
    Compare,
    listed,
    NARROWING,
    Session,
    standing_of,
)
from rescene4d_ros.view.report.local_time import LocalTime
import viser

STYLE = Path(__file__).with_name('panel.css')
ROWS = 12  # of one page of a list
OBJECT_WIDTH = 340  # pixels

Change = Callable[..., None]


class Panel:
    """
    Show a session beside the scene, and report what a person changes of it.

    Parameters
    ----------
    server : viser.ViserServer
    clock : LocalTime
        How times are written.
    change : callable
        Takes fields of the session by name, and `client`: the window that asked, or None.
    now : callable
        Returns the present time, ns since the Unix epoch.

    """

    def __init__(
        self, server: viser.ViserServer, clock: LocalTime, change: Change, now: Callable[[], int]
    ):
        self._gui, self._clock, self._change = server.gui, clock, change
        self._changes: tuple = ()
        self._listed_changes: tuple = ()  # of which revision, and since when
        gui = self._gui
        gui.add_html(f'<style>{STYLE.read_text()}</style>')
        self._visit = gui.add_slider('Visit', 1, 1, 1, 1, hint='visits in the order of time')
        self._when = gui.add_html('')
        self._progress = gui.add_html('')
        self.tabs = gui.add_tab_group()
        self._filters = Filters(gui, clock, self._report, self._clear, now)
        with self.tabs.add_tab('Objects'):
            self._filters.add_for_objects()
            self._objects = RowList(gui, ROWS, self._select, 'objects')
        with self.tabs.add_tab('Changes'):
            self._time = gui.add_html('')
            self._filters.add_for_changes()
            self._least_sure = RowList(gui, 1, self._open_change, '')
            self._change_list = RowList(gui, ROWS, self._open_change, 'changes')
        with self.tabs.add_tab('View'):
            self._add_view()
        self.object_panel = gui.add_panel(visible=False)
        self.object_panel.dock_left()
        self.object_panel.set_width(OBJECT_WIDTH)
        self.object_tab = self.object_panel.add_tab('Object')
        with self.object_tab:
            self._close = gui.add_button('Close', color='gray')
            self._page = gui.add_html('')
        self._close.on_click(lambda event: change(client=event.client, selected=None))
        self._report(self._visit, visit=lambda value: int(value) - 1)
        add_keys(gui, lambda: (self._knowledge, self._session), change)

    def _add_view(self) -> None:
        gui = self._gui
        self._compare = gui.add_dropdown('Show', tuple(map(str, Compare)))
        self._before = gui.add_slider('Before', 1, 1, 1, 1, hint='the visit to compare with')
        self._wipe = gui.add_slider(
            'Wipe', 0.0, 1.0, 1 / SLABS, 0.5, hint='share of the place that the visit before takes'
        )
        self._color_by = gui.add_dropdown('Color by', tuple(map(str, ColorBy)))
        self._legend = gui.add_html('')
        self._labels = gui.add_checkbox('Labels', True)
        self._hatch = gui.add_checkbox('Hatch what was not seen', True)
        self._outlines = gui.add_checkbox('Outlines of zones', True)
        self._report(self._outlines, outlines=bool)
        self._cut = gui.add_slider('Cut above (m)', 0.3, 6.0, 0.1, 2.2, hint='above the floor')
        gui.add_html(
            '<div class="r4-note">Solid boxes: there. Hatched floor, dotted gray boxes and '
            'pale points: the visit did not see the place. Dashed and crossed: gone. Dashed blue '
            f'with an arrow: moved from there.</div>{keys_text()}'
        )
        self._report(self._compare, compare=Compare)
        self._report(self._before, before=lambda value: int(value) - 1)
        self._report(self._wipe, wipe=float)
        self._report(self._hatch, hatch=bool)
        self._report(self._color_by, color_by=ColorBy)
        self._report(self._labels, labels=bool)
        self._report(self._cut, cut=float)

    def show(self, knowledge: Knowledge, session: Session, page: str, warning: str = '') -> None:
        """Show a session; `page` is that of the selected object, as HTML."""
        count, clock = max(len(knowledge.visits), 1), self._clock
        set_changed(self._visit, max=count, value=session.visit + 1, disabled=count == 1)
        set_changed(self._before, max=count, value=session.before + 1)
        set_changed(self._before, visible=session.compare != Compare.NOW)
        set_changed(self._wipe, visible=session.compare == Compare.WIPE, value=session.wipe)
        set_changed(self._hatch, value=session.hatch)
        set_changed(self._compare, value=str(session.compare))
        set_changed(self._labels, value=session.labels)
        set_changed(self._when, content=_when(knowledge, session, clock, warning))
        set_changed(self._outlines, visible=bool(knowledge.zones), value=session.outlines)
        self._filters.show(knowledge, session)
        rows = listed(knowledge, session)
        self._objects.show(
            [
                Row(
                    p.object_id,
                    f'#{p.object_id}  {p.title}: {standing_of(p)}',
                    ', '.join((f'last seen {clock.text(p.last_seen_ns)}', *p.zones)),
                    p.object_id == session.selected,
                )
                for p in rows
            ],
            len(knowledge.placed_at(session.shown)),
        )
        set_changed(self._page, content=page)
        set_changed(self.object_panel, visible=bool(page))
        set_changed(self._time, content=timeline(knowledge, session.visit, clock, session.zone))
        shown = knowledge.revision, knowledge.zones_written, session.since, session.zone
        if shown != self._listed_changes:
            self._listed_changes, self._changes = shown, knowledge.changes
            changes = change_rows(knowledge, clock, session.since, session.zone)
            self._least_sure.show(least_sure_row(changes, knowledge))
            self._change_list.show(changes, len(knowledge.changes))
        if knowledge.visits:
            stamp = knowledge.visits[session.shown].stamp_ns
            set_changed(self._legend, content=legend(rows, session.color_by, stamp))
        self._knowledge, self._session = knowledge, session

    def show_progress(self, session: Session, seen: float | None) -> None:
        """Say how much of the floor the visit saw, 0..1; None = not all points are drawn yet."""
        drawn, text = 'coarse', 'reading points …'
        if seen is not None:
            part = '' if session.zone is None else f' of {html.escape(session.zone)}'
            drawn, text = 'coarse fine', f'saw {100 * seen:.0f} % of the floor{part} known by then'
        set_changed(
            self._progress,
            content=f'<div class="r4-progress" data-visit="{session.visit + 1}" '
            f'data-drawn="{drawn}" role="status">{text}</div>',
        )

    def _report(self, handle: Any, **fields: Callable[[Any], Any]) -> None:
        """Report a field of the session whenever a person changes an element."""
        ((name, read),) = fields.items()

        @handle.on_update
        def _(event: Any) -> None:
            if event.client is not None:  # None: the element follows the session
                self._change(client=None, **{name: read(event.target.value)})

    def _clear(self) -> None:
        fresh = self._session.unfiltered
        self._change(client=None, **{name: getattr(fresh, name) for name in NARROWING})

    def _select(self, object_id: int, client: viser.ClientHandle | None) -> None:
        self._change(client=client, selected=object_id)

    def _open_change(self, k: int, client: viser.ClientHandle | None) -> None:
        """Show the visit that found a change, with its object."""
        knowledge, change = self._knowledge, self._changes[k]
        visits = [v.visit_id for v in knowledge.visits]
        fields: dict[str, Any] = {'selected': knowledge.current_id(change.object_id)}
        if change.visit_id in visits:
            at = visits.index(change.visit_id)
            fields |= {'visit': at, 'before': max(at - 1, 0), 'compare': Compare.NOW}
        self._change(client=client, **fields)


def _when(knowledge: Knowledge, session: Session, clock: LocalTime, warning: str) -> str:
    """Return the shown visit with its date, and what makes it less sure, as HTML."""
    if not knowledge.visits:
        return '<div class="r4-warn">No visit is processed yet.</div>'
    visit = knowledge.visits[session.visit]
    text = (
        f'<div class="r4-when"><b>{clock.text(visit.stamp_ns)}</b> · visit {visit.visit_id}, '
        f'{session.visit + 1} of {len(knowledge.visits)}</div>'
    )
    if session.compare != Compare.NOW:
        before = knowledge.visits[session.before]
        text += f'<div class="r4-note">before: {clock.text(before.stamp_ns)}</div>'
    if not session.compare.is_pair and session.marked_since < session.shown - 1:
        since = session.marked_since
        after = (
            f'since {clock.text(knowledge.visits[since].stamp_ns)}'
            if since >= 0
            else 'of all visits'
        )
        text += f'<div class="r4-note">marked: changes {after}</div>'
    found = next(v for v in knowledge.contents.visits if v.visit.visit_id == visit.visit_id)
    text += (
        f'<div class="r4-note">{found.present} objects there, {found.absent} gone, '
        f'{found.not_observed} not seen; {visit.n_points:,} points</div>'
    )
    if knowledge.contents.zones_fault:
        fault = html.escape(knowledge.contents.zones_fault)
        text += f'<div class="r4-warn">Zones are left out: {fault}</div>'
    if found.warns:
        text += '<div class="r4-warn">The check of this cloud had a warning; see the report.</div>'
    return text + (f'<div class="r4-warn">{warning}</div>' if warning else '')
