"""The tab with corrections: name, lock, merge, split and undo, the latter three with a preview."""

from __future__ import annotations

from collections.abc import Callable
import html
from typing import Any

from rescene4d_ros.errors import RescenError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.view.browser.editing import Editor, merge_preview, split_preview, undo_preview
from rescene4d_ros.view.browser.knowledge import Knowledge
from rescene4d_ros.view.browser.panel.rows import set_changed
import viser

Act = Callable[[], str]


class CorrectionPanel:
    """
    Let a person correct the selected object.

    Parameters
    ----------
    gui : viser.GuiApi
        In whose current container the elements are made.
    memory : SceneMemory
        Open for reading.
    editor : Editor
    known : callable
        Returns what is known now.
    done : callable
        Called after each correction.

    """

    def __init__(
        self,
        gui: viser.GuiApi,
        memory: SceneMemory,
        editor: Editor,
        known: Callable[[], Knowledge],
        done: Callable[[], None],
    ):
        self._memory, self._editor, self._known, self._done = memory, editor, known, done
        self._selected: int | None = None
        self._act: Act | None = None
        self._target = gui.add_html('')
        self._name = gui.add_text('Name', '')
        self._rename = gui.add_button('Rename')
        self._lock = gui.add_button('Lock')
        self._other = gui.add_number('Merge with #', 0, min=0, step=1)
        self._merge = gui.add_button('Merge …')
        self._from = gui.add_number('Split from visit', 0, min=0, step=1)
        self._split = gui.add_button('Split …')
        self._undo = gui.add_button('Undo …')
        self._preview = gui.add_html('', visible=False)
        self._answer = gui.add_button_group('', ('do it', 'cancel'), visible=False)
        self._connect()

    def show(self, knowledge: Knowledge, selected: int | None) -> None:
        """Show the selected object; another one cancels what was asked."""
        is_known = selected is not None and selected in knowledge.contents.objects
        if selected != self._selected:
            self._ask('', None)
        self._selected = selected if is_known else None
        for element in (self._rename, self._lock, self._merge, self._split):
            set_changed(element, disabled=not is_known)
        text = 'Choose an object in the list or in the scene.'
        if is_known and selected is not None:
            item = knowledge.contents.objects[selected].item
            text = f'<b>#{selected} {html.escape(item.name or item.class_name)}</b>'
            set_changed(self._lock, label='Unlock' if selected in knowledge.locked else 'Lock')
        set_changed(self._target, content=f'<div class="r4-when">{text}</div>')

    def _connect(self) -> None:
        editor = self._editor

        def when(button: Any, act: Callable[[int], None]) -> None:
            @button.on_click
            def _(event: Any) -> None:
                object_id = self._selected
                if object_id is not None:
                    self._guarded(lambda: act(object_id))

        when(self._rename, lambda i: self._do(lambda: editor.rename(i, self._name.value)))
        when(self._lock, lambda i: self._do(lambda: editor.lock(i, i not in self._known().locked)))
        when(self._merge, self._ask_merge)
        when(self._split, self._ask_split)
        self._undo.on_click(lambda event: self._guarded(self._ask_undo))
        self._answer.on_click(
            lambda event: self._guarded(lambda: self._answered(event.target.value))
        )

    def _ask_merge(self, object_id: int) -> None:
        other = int(self._other.value)
        text = merge_preview(self._known(), object_id, other)
        self._ask(text, lambda: self._editor.merge(object_id, other))

    def _ask_split(self, object_id: int) -> None:
        visit = int(self._from.value)
        text = split_preview(self._known(), object_id, visit)
        self._ask(text, lambda: self._editor.split(object_id, visit))

    def _ask_undo(self) -> None:
        self._ask(undo_preview(self._memory), self._editor.undo)

    def _ask(self, text: str, act: Act | None) -> None:
        self._act = act
        set_changed(self._preview, content=f'<div class="r4-warn">{html.escape(text)}</div>')
        set_changed(self._preview, visible=bool(text))
        set_changed(self._answer, visible=act is not None)

    def _answered(self, answer: str) -> None:
        act = self._act
        self._ask('', None)
        if act is not None and answer == 'do it':
            self._do(act)

    def _do(self, act: Act) -> None:
        text = act()
        self._done()  # first: what is asked next is about the memory as it is now
        self._ask(text, None)

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do something; tell in words why it could not be done."""
        try:
            act()
        except RescenError as error:
            self._ask(f'Not done: {error}', None)
