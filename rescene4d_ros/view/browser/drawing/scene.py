"""The scene in 3D: what a session shows of a memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Box
from rescene4d_ros.view.browser.differences import shown_changes
from rescene4d_ros.view.browser.drawing import cameras
from rescene4d_ros.view.browser.drawing.coverage import Coverage, coverage_of, HATCH
from rescene4d_ros.view.browser.drawing.lines import hit
from rescene4d_ros.view.browser.drawing.marks import Marks, marks_of
from rescene4d_ros.view.browser.drawing.nodes import Nodes
from rescene4d_ros.view.browser.drawing.points import (
    Colored,
    colored,
    dotted,
    ghosts,
    NO_POINTS,
    places_of,
    points_key,
    selected_points,
    shift_beside,
    spread,
)
from rescene4d_ros.view.browser.drawing.wipe import SLABS, Wipe
from rescene4d_ros.view.browser.knowledge import Knowledge
from rescene4d_ros.view.browser.session import Compare, Session, views_of
from rescene4d_ros.view.report.surroundings import Places
import viser

COARSE = 20_000  # points of a visit that are drawn while others are wanted soon
MOST_UNSEEN = 200  # boxes of places that a visit did not see, drawn meanwhile
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
        self._shift = np.zeros(3)
        self._wipe: Wipe | None = None
        self.seen = 1.0
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
            if points != self._points:
                self._draw_points(knowledge, places, session, None)
                self._points = points
            if self._has_rest or len(views) > 1:  # the second place may stand further away now
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

    def look_from_above(self, knowledge: Knowledge, places: Places, session: Session) -> None:
        """Set where the cameras of windows stand: above a corner, so that all is seen."""
        cloud = places_of(knowledge, places, session, COARSE, only_read=True)
        cameras.look_from_above(self._server, cloud.xyz)

    def picked(self, origin: Sequence[float], direction: Sequence[float]) -> int | None:
        """Return the id of the object that a ray (m, in map) hits; None = none."""
        k = hit([b for _, b in self._targets], np.array(origin), np.array(direction))
        return None if k is None else self._targets[k][0]

    def _draw_points(
        self, knowledge: Knowledge, places: Places, session: Session, coarse: int | None
    ) -> None:
        """Draw the points: a number of them of what was read before, or all with their ghosts."""
        most, only_read = (self._most, False) if coarse is None else (coarse, True)
        views = dict(views_of(session))
        clouds = {
            name: places_of(knowledge, places, view, most, only_read)
            for name, view in views.items()
        }
        is_beside = session.compare == Compare.BOTH
        self._shift = shift_beside(clouds.values()) if is_beside else np.zeros(3)
        everything = np.concatenate([c.xyz for c in clouds.values()])
        self._wipe = Wipe.of(everything) if session.compare == Compare.WIPE else None
        for name in SIDES:
            cloud, view = clouds.get(name), views.get(name)
            drawn, ghost, hatch, scale = NO_POINTS, NO_POINTS, np.zeros((0, 3, 3)), 1.0
            if cloud is not None and view is not None:
                drawn, scale = (
                    colored(knowledge, view, cloud),
                    spread(len(cloud), most, self._most),
                )
                coverage = _coverage(knowledge, places, view)
                hatch = coverage.hatched()
                self.seen = coverage.share if view.shown == session.shown else self.seen
                if coarse is None and len(views) == 1:
                    ghost = ghosts(knowledge, places, view)
            self._put_points(name, 'points', drawn, scale)
            self._put_points(name, 'ghosts', ghost)
            self._put_points(name, 'selected', NO_POINTS)
            for node, is_in in self._parts(f'/{name}/hatch', hatch.mean(axis=1)):
                self._nodes.put_triangles(node, hatch[is_in] + self._shift_of(name), HATCH)

    def _draw_marks(self, knowledge: Knowledge, session: Session, most_unseen: int | None) -> None:
        kept, self._targets, self._has_rest = set(), [], False
        changes = shown_changes(knowledge, session)
        is_pair = session.compare.is_pair
        for name, view in views_of(session):
            marks = marks_of(knowledge, view, changes, is_pair and name == 'before')
            marks = self._wiped(marks, session.wipe, name)
            shift = self._shift_of(name)
            self._targets += [
                (i, replace(b, center=tuple(np.add(b.center, shift)))) for i, b in marks.boxes
            ]
            is_many = most_unseen is not None and len(marks.unseen) > most_unseen
            self._has_rest |= is_many
            unseen = NO_POINTS if is_many else dotted(marks.unseen)
            kept |= self._put_marks(f'/marks/{name}', marks, unseen, shift)
        if self._wipe is not None:
            kept |= self._put_plane(self._wipe, session.wipe)
        self._nodes.drop_others(kept, '/marks')

    def _put_marks(self, root: str, marks: Marks, unseen: Colored, shift: np.ndarray) -> set[str]:
        nodes, kept = self._nodes, {f'{root}/{n}' for n in ('thin', 'thick', 'moves', 'unseen')}
        nodes.put_points(f'{root}/unseen', Colored(unseen.xyz + shift, unseen.rgb))
        nodes.put_lines(f'{root}/thin', [(at + shift, color) for at, color in marks.thin], 1.6)
        nodes.put_lines(f'{root}/thick', [(at + shift, color) for at, color in marks.thick], 3.5)
        nodes.put_arrows(f'{root}/moves', [(at + shift, color) for at, color in marks.arrows])
        for object_id, text, place in marks.labels:
            nodes.put_label(f'{root}/labels/{object_id}', text, place + shift)
            kept.add(f'{root}/labels/{object_id}')
        return kept

    def _put_plane(self, wipe: Wipe, share: float) -> set[str]:
        """Draw the plane of the wipe with the names of its sides; return the nodes."""
        self._nodes.put_lines('/marks/plane', [(wipe.frame(share), (40, 40, 40))], 2.0)
        for text, place in zip(('before', 'now'), wipe.names(share)):
            self._nodes.put_label(f'/marks/side/{text}', text, place)
        return {'/marks/plane', '/marks/side/before', '/marks/side/now'}

    def _wiped(self, marks: Marks, share: float, name: str) -> Marks:
        """Return the marks on the side of a visit, where both are wiped."""
        wipe, is_now = self._wipe, name == 'now'
        if wipe is None:
            return marks

        def is_here(place: np.ndarray) -> bool:
            return wipe.is_behind(place, share) == is_now

        return Marks(
            [(wipe.clipped(at, share, is_now), color) for at, color in marks.thin],
            [(wipe.clipped(at, share, is_now), color) for at, color in marks.thick],
            [(path, color) for path, color in marks.arrows if is_here(path[1])],
            [label for label in marks.labels if is_here(label[2])],
            [(i, box) for i, box in marks.boxes if is_here(np.array(box.center))],
            [box for box in marks.unseen if is_here(np.array(box.center))],
        )

    def _shift_of(self, name: str) -> np.ndarray:
        return self._shift if name == 'before' else np.zeros(3)

    def _put_points(self, name: str, part: str, points: Colored, scale: float = 1.0) -> None:
        for node, is_in in self._parts(f'/{name}/{part}', points.xyz):
            at = points.xyz[is_in] + self._shift_of(name)
            self._nodes.put_points(node, Colored(at, points.rgb[is_in]), scale)

    def _parts(self, root: str, xyz: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Give the nodes of some places (N, 3) with the mask of each: one, or one per slab."""
        slab = np.zeros(len(xyz), int) if self._wipe is None else self._wipe.slab_of(xyz)
        for k in range(SLABS):
            yield f'{root}/{k}', slab == k

    def _show_sides(self, session: Session) -> None:
        """Show the slabs of each visit on its side of the plane, and the hatch where wanted."""
        first = round(session.wipe * SLABS) if self._wipe is not None else 0
        for name in SIDES:
            for k in range(SLABS):
                is_here = self._wipe is None or (k >= first) == (name == 'now')
                for part in ('points', 'ghosts', 'selected', 'hatch'):
                    is_shown = is_here and (part != 'hatch' or session.hatch)
                    self._nodes.show(f'/{name}/{part}/{k}', is_shown)


def _coverage(knowledge: Knowledge, places: Places, view: Session) -> Coverage:
    """Return what the visit of a view saw of the floor, as far as visits were read."""
    stamp = knowledge.visits[view.shown].stamp_ns if knowledge.visits else 0
    return coverage_of(places.read_before(stamp))
