"""The scene in 3D: what a session shows of a memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Box
from rescene4d_ros.view.browser.differences import shown_changes
from rescene4d_ros.view.browser.drawing import cameras
from rescene4d_ros.view.browser.drawing.arrangement import arranged, Arrangement
from rescene4d_ros.view.browser.drawing.coverage import Coverage, coverage_of, HATCH, STRIPE
from rescene4d_ros.view.browser.drawing.labels import Camera, readable
from rescene4d_ros.view.browser.drawing.lines import hit
from rescene4d_ros.view.browser.drawing.marks import marks_of
from rescene4d_ros.view.browser.drawing.nodes import Label, Nodes, put_marks
from rescene4d_ros.view.browser.drawing.points import (
    Colored,
    colored,
    dotted,
    ghosts,
    NO_POINTS,
    places_of,
    points_key,
    selected_points,
    spread,
)
from rescene4d_ros.view.browser.drawing.wipe import first_slab, SLABS, wiped
from rescene4d_ros.view.browser.drawing.zones import put_zones, zone_marks
from rescene4d_ros.view.browser.knowledge import Knowledge
from rescene4d_ros.view.browser.session import Session, views_of
from rescene4d_ros.view.report.surroundings import Places
import viser

COARSE = 20_000  # points of a visit that are drawn while others are wanted soon
MOST_UNSEEN = 200  # boxes of places that a visit did not see, drawn meanwhile
MOST_STRIPES = 200  # as above, of hatched floor: wide lines cost a window without a card most
PLANE = (40, 40, 40)
SIDES = ('now', 'before')


class SceneDrawing:
    """
    Draw what a session shows.

    Parameters
    ----------
    server : viser.ViserServer
    memory : SceneMemory
    most_points : int
        Of one visit; others are left out evenly.

    Attributes
    ----------
    seen : float, 0..1
        Share of the known floor that the shown visit saw.

    """

    def __init__(self, server: viser.ViserServer, memory: SceneMemory, most_points: int):
        self._server, self._memory, self._most = server, memory, most_points
        self._nodes = Nodes(server)
        self._points: tuple = ()  # what the points show, once all are drawn
        self._targets: list[tuple[int, Box]] = []
        self._stand = Arrangement()
        self.seen, self._floor = 1.0, 0.0
        self._labels: list[Label] = []  # the most important first
        self._has_rest = False  # whether marks were left out

    def draw_soon(self, knowledge: Knowledge, places: Places, session: Session) -> None:
        """Draw marks, and few points of the places that were read before."""
        with self._server.atomic():
            if points_key(knowledge, session) != self._points:
                self._points = ()
                self._draw_points(knowledge, places, session, COARSE)
            self._draw_marks(knowledge, session, MOST_UNSEEN)
            self._show_sides(session)
        self._server.flush()

    def draw_rest(
        self,
        knowledge: Knowledge,
        places: Places,
        session: Session,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> bool:
        """
        Draw all points and marks.

        Parameters
        ----------
        knowledge : Knowledge
        places : Places
        session : Session
        is_wanted : callable
            Asked before each visit whose points are read.

        Returns
        -------
        bool
            Whether it was done: False where something else was wanted meanwhile.

        """
        views, points = views_of(session), points_key(knowledge, session)
        if not self._read(knowledge, places, views, is_wanted):
            return False
        with self._server.atomic():
            is_marked = not self._has_rest
            if points != self._points:
                self._draw_points(knowledge, places, session, None)
                self._points = points
                is_marked &= len(views) == 1  # the second place may stand further away now
            if not is_marked:
                self._draw_marks(knowledge, session, None)
            for name, view in views:
                found = selected_points(self._memory, knowledge, view)
                self._put_points(name, 'selected', found, 1.1)
            self._show_sides(session)
        self._server.flush()
        return True

    def _read(self, knowledge: Knowledge, places: Places, views, is_wanted) -> bool:
        """Read the points that are to be drawn; return whether it was done."""
        stamps = [knowledge.visits[v.shown].stamp_ns for _, v in views if knowledge.visits]
        for visit in (v for stamp in stamps for v in places.unread(stamp)):
            if not is_wanted():
                return False
            places.of(visit)
        return True

    def look_over(self) -> None:
        """Set the cameras of all windows so that all that is drawn is seen."""
        windows = (window.camera for window in self._server.get_clients().values())
        every = (self._server.initial_camera, *windows)
        cameras.look_over(every, self._stand.points, self._stand.right)

    def look_over_in(self, client: viser.ClientHandle) -> None:
        """Set the camera of a new window, if its proportions are those of a phone."""
        if client.camera.aspect < 1:
            cameras.look_over([client.camera], self._stand.points, self._stand.right)

    def look_at(self, client: viser.ClientHandle, box: Box) -> None:
        """Turn the camera of a window to an object, so that what is drawn does not hide it."""
        cameras.look_at(client, box, self._stand.points)

    def show_readable(self, camera: Camera) -> None:
        """Show the labels that do not cover more important ones in a window."""
        texts = [text for _, text, _ in self._labels]
        places = np.array([place for _, _, place in self._labels]).reshape(-1, 3)
        shown = set(readable(texts, places, camera))
        with self._server.atomic():
            for k, (node, _, _) in enumerate(self._labels):
                self._nodes.show(node, k in shown)
        self._server.flush()

    def picked(self, origin: Sequence[float], direction: Sequence[float]) -> int | None:
        """Return the id of the object that a ray (m, in map) hits; None = none."""
        k = hit([b for _, b in self._targets], np.array(origin), np.array(direction))
        return None if k is None else self._targets[k][0]

    def _draw_points(
        self, knowledge: Knowledge, places: Places, session: Session, coarse: int | None
    ) -> None:
        """Draw the points: a number of them of what was read before, or all with their ghosts."""
        most, only_read = (self._most, False) if coarse is None else (coarse, True)
        views = views_of(session)
        clouds = {n: places_of(knowledge, places, v, most, only_read) for n, v in views}
        self._stand = arranged(clouds, session.compare)
        has_ghosts = coarse is None and len(views) == 1
        for name, view in views:
            scale = spread(len(clouds[name]), most, self._most)
            ghost = ghosts(knowledge, places, view) if has_ghosts else NO_POINTS
            self._put_points(name, 'points', colored(knowledge, view, clouds[name]), scale)
            self._put_points(name, 'ghosts', ghost)
            self._put_points(name, 'selected', NO_POINTS)
            coverage = _coverage(knowledge, places, view)
            if view.shown == session.shown:
                self.seen, self._floor = coverage.share, coverage.floor
            hatch = coverage.hatched(self._stand.wipe is None)
            if coarse is not None and len(hatch) > MOST_STRIPES:
                hatch = hatch[:0]
            for node, is_in in self._parts(f'/{name}/hatch', hatch.mean(axis=1)):
                stripes = [(hatch[is_in] + self._stand.shift_of(name), HATCH)]
                self._nodes.put_lines(node, stripes, STRIPE, is_flat=False)
        for name in set(SIDES) - set(clouds):
            self._nodes.drop_others(set(), f'/{name}')

    def _draw_marks(self, knowledge: Knowledge, session: Session, most_unseen: int | None) -> None:
        self._targets, self._labels, self._has_rest = [], [], False
        changes, views = shown_changes(knowledge, session), dict(views_of(session))
        for name, view in views.items():
            is_before = session.compare.is_pair and name == 'before'
            marks = marks_of(knowledge, view, changes, is_before)
            if self._stand.wipe is not None:
                marks = wiped(marks, self._stand.wipe, session.wipe, name == 'now')
            shift = self._stand.shift_of(name)
            self._targets += [
                (i, replace(b, center=tuple(np.add(b.center, shift)))) for i, b in marks.boxes
            ]
            is_many = most_unseen is not None and len(marks.unseen) > most_unseen
            self._has_rest |= is_many
            unseen = NO_POINTS if is_many else dotted(marks.unseen)
            self._labels += put_marks(self._nodes, f'/marks/{name}', marks, unseen, shift)
        for name in set(SIDES) - set(views):
            self._nodes.drop_others(set(), f'/marks/{name}')
        shown = knowledge.zones if session.outlines else ()
        zones = zone_marks(shown, session.zone, self._floor)
        self._labels = [
            *self._put_sides(session.wipe),
            *put_zones(self._nodes, zones, [self._stand.shift_of(name) for name in views]),
            *self._labels,
        ]

    def _put_sides(self, share: float) -> list[Label]:
        """Draw the plane of the wipe, and name what stands on either side of it or beside."""
        places, wipe, plane = self._stand.tops, self._stand.wipe, []
        if wipe is not None:
            plane = [(wipe.frame(share), PLANE)]
            places = dict(zip(('before', 'now'), wipe.names(share)))
        self._nodes.put_lines('/marks/plane', plane, 2.0)
        labels = [(name, name, place) for name, place in places.items()]
        return self._nodes.put_labels('/marks/side', labels)

    def _put_points(self, name: str, part: str, points: Colored, scale: float = 1.0) -> None:
        for node, is_in in self._parts(f'/{name}/{part}', points.xyz):
            at = points.xyz[is_in] + self._stand.shift_of(name)
            self._nodes.put_points(node, Colored(at, points.rgb[is_in]), scale)

    def _parts(self, root: str, xyz: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Give the nodes of some places (N, 3) with the mask of each: one, or one per slab."""
        slab = (
            np.zeros(len(xyz), int) if self._stand.wipe is None else self._stand.wipe.slab_of(xyz)
        )
        for k in range(SLABS):
            yield f'{root}/{k}', slab == k

    def _show_sides(self, session: Session) -> None:
        """Show the slabs of each visit on its side of the plane, and the hatch where wanted."""
        first = first_slab(session.wipe)
        for name in SIDES:
            for k in range(SLABS):
                is_here = self._stand.wipe is None or (k >= first) == (name == 'now')
                for part in ('points', 'ghosts', 'selected', 'hatch'):
                    is_shown = is_here and (part != 'hatch' or session.hatch)
                    self._nodes.show(f'/{name}/{part}/{k}', is_shown)


def _coverage(knowledge: Knowledge, places: Places, view: Session) -> Coverage:
    """Return what the visit of a view saw of the floor, as far as visits were read."""
    stamp = knowledge.visits[view.shown].stamp_ns if knowledge.visits else 0
    return coverage_of(places.read_before(stamp), knowledge.zone(view.zone))
