"""A list of buttons, page by page, for lists that are longer than a panel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import viser


@dataclass(frozen=True)
class Row:
    """
    Hold one entry of a list.

    Attributes
    ----------
    key : int
        What a click reports.
    text : str
    hint : str
        Shown under the pointer; empty = none.
    is_chosen : bool

    """

    key: int
    text: str
    hint: str = ''
    is_chosen: bool = False


class RowList:
    """
    Show rows as buttons.

    Parameters
    ----------
    gui : viser.GuiApi
        In whose current container the rows are made.
    most : int
        Rows of one page.
    on_click : callable
        Takes the key of a row, and the window in which it was clicked.
    what : str
        Of what the rows are, in the plural; empty = they are not counted.

    """

    def __init__(
        self,
        gui: viser.GuiApi,
        most: int,
        on_click: Callable[[int, viser.ClientHandle | None], None],
        what: str,
    ):
        self._most, self._what, self._on_click = most, what, on_click
        self._rows: Sequence[Row] = ()
        self._page, self._of = 0, 0
        self._count = gui.add_html('', visible=bool(what))
        self._buttons = [gui.add_button(' ', visible=False, color='gray') for _ in range(most)]
        for k, button in enumerate(self._buttons):
            button.on_click(self._clicked(k))
        self._turn = gui.add_button_group('Page', ('previous', 'next'), visible=False)
        self._turn.on_click(lambda event: self._turned(event.target.value))

    def show(self, rows: Sequence[Row], of: int | None = None) -> None:
        """
        Show rows, with the page of the chosen one where that is new, else the same page.

        Parameters
        ----------
        rows : sequence of Row
        of : int, optional
            How many there are, where some are left out.

        """
        self._of = len(rows) if of is None else of
        chosen = next((k for k, row in enumerate(rows) if row.is_chosen), None)
        was = next((row.key for row in self._rows if row.is_chosen), None)
        self._rows = rows
        if chosen is not None and rows[chosen].key != was:
            self._page = chosen // self._most
        self._draw()

    def _draw(self) -> None:
        pages = max(1, -(-len(self._rows) // self._most))
        self._page = min(self._page, pages - 1)
        shown = self._rows[self._page * self._most :][: self._most]
        for k, button in enumerate(self._buttons):
            if k < len(shown):
                set_changed(button, label=shown[k].text, hint=shown[k].hint or None)
                set_changed(button, color='orange' if shown[k].is_chosen else 'gray')
            set_changed(button, visible=k < len(shown))
        set_changed(self._turn, visible=pages > 1)
        place = f', page {self._page + 1} of {pages}' if pages > 1 else ''
        all_of_them = '' if self._of == len(self._rows) else f' of {self._of}'
        text = f'{len(self._rows)}{all_of_them} {self._what}{place}'
        set_changed(self._count, content=f'<div class="r4-note">{text}</div>')

    def _clicked(self, k: int):
        def report(event: Any) -> None:
            number = self._page * self._most + k
            if number < len(self._rows):
                self._on_click(self._rows[number].key, event.client)

        return report

    def _turned(self, way: str) -> None:
        self._page = max(0, self._page + (1 if way == 'next' else -1))
        self._draw()


def set_changed(handle: Any, **values: Any) -> None:
    """Set what differs: each assignment is a message to every window."""
    for name, value in values.items():
        if getattr(handle, name) != value:
            setattr(handle, name, value)
