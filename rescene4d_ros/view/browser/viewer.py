"""The viewer: one session, drawn by one thread as it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import html
import logging
import threading
import time
from typing import Any

from rescene4d_ros.errors import RescenError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Box
from rescene4d_ros.structures.colors import color_of
from rescene4d_ros.view.browser.drawing.labels import Camera
from rescene4d_ros.view.browser.drawing.scene import SceneDrawing
from rescene4d_ros.view.browser.editing import Editor
from rescene4d_ros.view.browser.knowledge import Knowledge, knowledge_of, state_of
from rescene4d_ros.view.browser.panel.correction_panel import CorrectionPanel
from rescene4d_ros.view.browser.panel.object_page import object_page
from rescene4d_ros.view.browser.panel.panel import Panel
from rescene4d_ros.view.browser.session import Compare, first_session, fitted, Session
from rescene4d_ros.view.browser.viewer_config import ViewerConfig
from rescene4d_ros.view.report.local_time import LocalTime
from rescene4d_ros.view.report.pictures import place_picture
from rescene4d_ros.view.report.surroundings import Places
import viser

log = logging.getLogger(__name__)

PICTURES = 300  # thumbnails that are kept
SETTLE = 0.2  # s; a camera that did not move for that long rests
REST = 0.4  # s; a slider that moves on by then has no use for details
PictureKey = tuple[int, int, Box]  # object, visit, where it is there


class Viewer:
    """
    Show a memory in the browser until it is closed.

    All windows show the same session. Callbacks only note what is wanted; one thread draws the
    latest of it, so that a slider that is drawn over 200 visits does not queue 200 pictures.

    Parameters
    ----------
    server : viser.ViserServer
        Without elements.
    memory : SceneMemory
        Open for reading.
    clock : LocalTime
        How times are written.
    config : ViewerConfig, optional
    editor : Editor, optional
        Lets people correct the memory; None = it is only read.
    now : callable
        Returns the present time, ns since the Unix epoch, which `yesterday` refers to.

    """

    def __init__(
        self,
        server: viser.ViserServer,
        memory: SceneMemory,
        clock: LocalTime,
        config: ViewerConfig | None = None,
        editor: Editor | None = None,
        now: Callable[[], int] = time.time_ns,
    ):
        self._config = config or ViewerConfig()
        self._server, self._memory, self._clock = server, memory, clock
        self._wake, self._wanted, self._closed = threading.Condition(), True, False
        self._warning = ''
        self._camera: Any = server.initial_camera  # the one that moved last
        self._has_moved, self._is_to_look_over, self._is_beside = False, True, False
        self._scene = SceneDrawing(server, memory, self._config.points)
        self._read()
        self.session: Session = first_session(self.knowledge)
        self.panel = Panel(server, clock, self.change, now)
        self.corrections: CorrectionPanel | None = None
        if editor is not None:
            with self.panel.tabs.add_tab('Correct'):
                self.corrections = CorrectionPanel(
                    server.gui, memory, editor, lambda: self.knowledge, self.reread
                )
        server.scene.on_click()(self._clicked)
        server.on_client_connect(self._connected)
        self._draw()
        self._thread = threading.Thread(target=self._run, name='viewer', daemon=True)
        self._thread.start()

    def change(self, client: viser.ClientHandle | None = None, **fields: Any) -> None:
        """
        Show another session.

        Parameters
        ----------
        client : viser.ClientHandle, optional
            Window whose camera turns to a selected object, also one that was selected before.
        **fields
            Of `Session`.

        """
        with self._wake:
            wanted = replace(self.session, **fields)
            if wanted != self.session:
                self._is_to_look_over |= wanted.zone != self.session.zone
                self.session, self._wanted = wanted, True
                self._wake.notify()
        if client is not None and wanted.selected is not None and 'selected' in fields:
            placed = self.knowledge.placed_at(wanted.shown)
            box = next((p.box for p in placed if p.object_id == wanted.selected), None)
            if box is not None:
                self._scene.look_at(client, box)

    def reread(self) -> None:
        """Show the memory as it is now."""
        with self._wake:
            self._read()
            self.session = fitted(self.session, self.knowledge)
            self._wanted = True
            self._wake.notify()

    def close(self) -> None:
        """Stop drawing and serving."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()
        self._server.stop()

    def _read(self) -> None:
        self.knowledge: Knowledge = knowledge_of(self._memory)
        self._places = Places(self._memory, self.knowledge.contents, self._config.spacing)
        self._pictures: dict[PictureKey, str | None] = {}

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._wanted and not self._has_moved and not self._closed:
                    self._wake.wait(self._config.poll)
                if self._closed:
                    return
                is_wanted, self._wanted = self._wanted, False
                has_moved, self._has_moved = self._has_moved, False
            try:
                if is_wanted:
                    self._draw()
                elif has_moved:
                    self._settle_labels()
                else:
                    self._follow()
            except RescenError as error:
                log.warning('%s', error)
                self._warn(str(error))
            except Exception as error:  # one object that cannot be drawn must not end the rest
                log.exception('the viewer could not draw')
                self._warn(f'not drawn: {error}')

    def _follow(self) -> None:
        """Read the memory again where it has changed; a new visit is shown if the newest was."""
        found = state_of(self._memory)
        if self._warning:
            self._warn('')
        if found == self.knowledge.state:
            return
        was_empty = not self.knowledge.visits
        was_newest = self.session.visit == len(self.knowledge.visits) - 1
        self.reread()
        if was_newest:
            newest = first_session(self.knowledge)
            self.change(visit=newest.visit, before=newest.before)
        self._is_to_look_over |= was_empty

    def _warn(self, text: str) -> None:
        if html.escape(text) != self._warning:
            self._warning = html.escape(text)
            with self._wake:
                self._wanted = True

    def _draw(self) -> None:
        with self._wake:
            session, knowledge, places = self.session, self.knowledge, self._places
        page = self._page(session, self._pictures.get)
        with self._server.atomic():  # each batch makes a window draw all its points once more
            self.panel.show(knowledge, session, page, self._warning)
            if self.corrections is not None:
                self.corrections.show(knowledge, session.selected)
            self._scene.draw_soon(knowledge, places, session)
            self._scene.show_readable(Camera.of(self._camera))
            is_beside = session.compare == Compare.BOTH
            if is_beside != self._is_beside or self._is_to_look_over:
                self._is_beside, self._is_to_look_over = is_beside, False
                self._scene.look_over()
            self.panel.show_progress(session, None)
        self._server.flush()
        if not self._is_wanted(REST):
            return
        if self._scene.draw_rest(knowledge, places, session, self._is_wanted):
            self.panel.show_progress(session, self._scene.seen)
            self._scene.show_readable(Camera.of(self._camera))
        if session.selected is not None and self._is_wanted():
            self.panel.show(knowledge, session, self._page(session, self._picture), self._warning)

    def _connected(self, client: viser.ClientHandle) -> None:
        """Follow the camera of a new window, for which labels are chosen once it rests."""
        self._scene.look_over_in(client)

        @client.camera.on_update
        def _(camera: viser.CameraHandle) -> None:
            with self._wake:
                self._camera, self._has_moved = camera, True
                self._wake.notify()

    def _settle_labels(self) -> None:
        """Choose labels anew when the camera rests."""
        if not self._is_wanted(SETTLE):
            return
        with self._wake:
            if self._has_moved:
                return
        self._scene.show_readable(Camera.of(self._camera))

    def _is_wanted(self, seconds: float = 0.0) -> bool:
        """Wait; return whether what is being drawn is still what is wanted."""
        with self._wake:
            if seconds and not self._wanted and not self._closed:
                self._wake.wait(seconds)
            return not self._wanted and not self._closed

    def _page(self, session: Session, picture: Callable[[PictureKey], str | None]) -> str:
        """Return the page of the selected object; empty where there is none."""
        selected, knowledge = session.selected, self.knowledge
        if selected is None or selected not in knowledge.contents.objects:
            return ''
        return object_page(
            knowledge, selected, session.shown, self._clock, lambda *key: picture(key)
        )

    def _picture(self, key: PictureKey) -> str | None:
        if key not in self._pictures and self._is_wanted():
            if len(self._pictures) >= PICTURES:
                self._pictures.clear()
            self._pictures[key] = self._drawn_picture(*key)
        return self._pictures.get(key)

    def _drawn_picture(self, object_id: int, visit_id: int, box: Box) -> str | None:
        """Return what a visit shows of an object from near, as a data URI."""
        visit = next((v for v in self.knowledge.visits if v.visit_id == visit_id), None)
        if visit is None:
            return None
        red, green, blue = color_of(object_id)
        return place_picture(self._places.of(visit), box, f'#{red:02x}{green:02x}{blue:02x}')

    def _clicked(self, event: viser.SceneClickEvent) -> None:
        self.change(selected=self._scene.picked(event.ray_origin, event.ray_direction))
