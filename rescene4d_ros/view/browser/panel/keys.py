"""Keys of the viewer; also found by name in the list of commands of a window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rescene4d_ros.view.browser.knowledge import Knowledge
from rescene4d_ros.view.browser.session import Compare, Session
import viser

Fields = dict[str, Any]


@dataclass(frozen=True)
class Key:
    """
    Hold a key, what it does in words, and the fields of a session that it changes.

    Attributes
    ----------
    letter : str
    text : str
    fields : callable
        Takes the knowledge and the session that are shown.

    """

    letter: Any
    text: str
    fields: Callable[[Knowledge, Session], Fields]


def _step(by: int) -> Callable[[Knowledge, Session], Fields]:
    def fields(knowledge: Knowledge, session: Session) -> Fields:
        last = max(len(knowledge.visits) - 1, 0)
        return {'visit': min(max(session.visit + by, 0), last)}

    return fields


def _toggle(compare: Compare) -> Callable[[Knowledge, Session], Fields]:
    return lambda _, s: {'compare': Compare.NOW if s.compare == compare else compare}


KEYS = (
    Key('P', 'previous visit', _step(-1)),
    Key('N', 'next visit', _step(1)),
    Key('B', 'the visit before, and back', _toggle(Compare.BEFORE)),
    Key('S', 'both side by side, and back', _toggle(Compare.BOTH)),
    Key('W', 'wipe from one to the other, and back', _toggle(Compare.WIPE)),
    Key('H', 'hatch of what was not seen on and off', lambda _, s: {'hatch': not s.hatch}),
    Key('Z', 'outlines of zones on and off', lambda _, s: {'outlines': not s.outlines}),
    Key('L', 'labels on and off', lambda _, s: {'labels': not s.labels}),
    Key('escape', 'no object selected', lambda _, s: {'selected': None}),
)


def add_keys(
    gui: viser.GuiApi, shown: Callable[[], tuple[Knowledge, Session]], change: Callable[..., None]
) -> None:
    """Let each key change the session; they do nothing while a person types into a field."""
    for key in KEYS:

        def press(event: Any, key: Key = key) -> None:
            change(client=event.client, **key.fields(*shown()))

        gui.add_command(key.text.capitalize(), hotkey=key.letter).on_trigger(press)


def keys_text() -> str:
    """Return what the keys do, as HTML."""
    rows = ', '.join(f'<kbd>{k.letter.capitalize()}</kbd> {k.text}' for k in KEYS)
    return f'<div class="r4-note">Keys: {rows}.</div>'
