"""The scene in 3D: what a session shows of a memory, as nodes of viser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Box
from rescene4d_ros.view.browser.drawing.coloring import linear
from rescene4d_ros.view.browser.drawing.lines import hit
from rescene4d_ros.view.browser.drawing.marks import Marks, marks_of
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
from rescene4d_ros.view.browser.knowledge import Knowledge
from rescene4d_ros.view.browser.session import Session, views_of
from rescene4d_ros.view.report.surroundings import Places
from rescene4d_ros.view.splat import wall_azimuth
import viser

POINT = 0.02  # m; as large points are drawn
COARSE = 20_000  # points of a visit that are drawn while others are wanted soon
MOST_UNSEEN = 200  # boxes of places that a visit did not see, drawn meanwhile
POINT_NODES = ('points', 'ghosts', 'selected', 'unseen')
SHORTEST = 1.5  # m; between the camera and a selected object


class SceneDrawing:
    """
    Draw what a session shows.

    Parameters
    ----------
    server : viser.ViserServer
    memory : SceneMemory
    most_points : int
        Of one visit; others are left out evenly.

    """

    def __init__(self, server: viser.ViserServer, memory: SceneMemory, most_points: int):
        self._server, self._memory, self._most = server, memory, most_points
        self._nodes: dict[str, Any] = {}
        self._points: tuple = ()  # what the points show, once all are drawn
        self._targets: list[tuple[int, Box]] = []
        self._shift = np.zeros(3)
        self._has_rest = False  # whether marks were left out

    def draw_soon(self, knowledge: Knowledge, places: Places, session: Session) -> None:
        """Draw marks, and few points of the places that were read before."""
        views, points = views_of(session), points_key(knowledge, session)
        if points != self._points:
            self._points = ()
            self._draw_points(knowledge, places, views, COARSE)
        with self._server.atomic():
            self._draw_marks(knowledge, views, MOST_UNSEEN)
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
                self._draw_points(knowledge, places, views, None)
                self._points = points
            if self._has_rest or len(views) > 1:  # the second place may stand further away now
                self._draw_marks(knowledge, views, None)
            self._draw_selected(knowledge, views)
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
        if not len(cloud):
            return
        low, high = np.percentile(cloud.xyz, (1, 99), axis=0)
        azimuth = np.deg2rad(wall_azimuth(cloud.xyz))
        reach = 0.95 * np.linalg.norm((high - low)[:2])
        away = np.array([np.cos(azimuth) * 0.65, np.sin(azimuth) * 0.65, 0.85])
        middle = (low + high) / 2
        windows = self._server.get_clients().values()
        cameras: list[Any] = [self._server.initial_camera, *(w.camera for w in windows)]
        for camera in cameras:
            camera.look_at, camera.position = middle, middle + reach * away

    def look_at(self, client: viser.ClientHandle, box: Box) -> None:
        """Turn the camera of a window to a place, from where it is but near."""
        camera, center = client.camera, np.asarray(box.center)
        away = camera.position - center
        distance = np.linalg.norm(away)
        nearest = max(SHORTEST, 2.5 * float(np.linalg.norm(box.size)))
        if distance > nearest:
            away = away * (nearest / distance)
        with client.atomic():
            camera.position = center + away
            camera.look_at = center

    def picked(self, origin: Sequence[float], direction: Sequence[float]) -> int | None:
        """Return the id of the object that a ray (m, in map) hits; None = none."""
        k = hit([b for _, b in self._targets], np.array(origin), np.array(direction))
        return None if k is None else self._targets[k][0]

    def _draw_points(self, knowledge, places, views, coarse: int | None) -> None:
        """Draw the points: a number of them of what was read before, or all with their ghosts."""
        most, only_read = (self._most, False) if coarse is None else (coarse, True)
        clouds = {
            name: places_of(knowledge, places, view, most, only_read) for name, view in views
        }
        wide = {f'/{n}/points': spread(len(c), most, self._most) for n, c in clouds.items()}
        self._shift = shift_beside(clouds.values()) if len(views) > 1 else np.zeros(3)
        drawn = {f'/{n}/points': colored(knowledge, v, clouds[n]) for n, v in views}
        if coarse is None:
            drawn |= {f'/{n}/ghosts': ghosts(knowledge, places, v) for n, v in views}
        for name in ('now', 'before'):
            for part in ('points', 'ghosts', 'selected'):
                node = f'/{name}/{part}'
                self._put_points(node, drawn.get(node, NO_POINTS), wide.get(node, 1.0))

    def _draw_selected(self, knowledge: Knowledge, views) -> None:
        for name, view in views:
            found = selected_points(self._memory, knowledge, view)
            self._put_points(f'/{name}/selected', found, 1.1)

    def _draw_marks(self, knowledge: Knowledge, views, most_unseen: int | None) -> None:
        kept, self._targets, self._has_rest = set(), [], False
        for name, view in views:
            shift = self._shift_of(name)
            marks = marks_of(knowledge, view)
            self._targets += [
                (i, replace(b, center=tuple(np.add(b.center, shift)))) for i, b in marks.boxes
            ]
            is_many = most_unseen is not None and len(marks.unseen) > most_unseen
            self._put_points(f'/{name}/unseen', NO_POINTS if is_many else dotted(marks.unseen))
            self._has_rest |= is_many
            kept |= self._draw_lines(f'/{name}', marks, shift)
        if len(views) == 1:
            self._drop('/before/unseen')
        stale = [n for n in self._nodes if n not in kept and not n.endswith(POINT_NODES)]
        for name in stale:
            self._drop(name)

    def _shift_of(self, name: str) -> np.ndarray:
        return self._shift if name.startswith(('before', '/before')) else np.zeros(3)

    def _draw_lines(self, root: str, marks: Marks, shift: np.ndarray) -> set[str]:
        scene, kept = self._server.scene, set()
        for name, lines, width in (('thin', marks.thin, 1.6), ('thick', marks.thick, 3.5)):
            if lines:
                at = np.concatenate([edges for edges, _ in lines]) + shift
                colors = linear(np.array([color for _, color in lines]))
                rgb = np.repeat(colors, [2 * len(edges) for edges, _ in lines], axis=0)
                rgb = rgb.reshape(-1, 2, 3)
                segments = scene.add_line_segments(
                    f'{root}/{name}', at, rgb, thickness=width, thickness_units='screen'
                )
                kept.add(self._keep(f'{root}/{name}', segments))
        if marks.arrows:
            at = np.stack([path for path, _ in marks.arrows]) + shift
            rgb = linear(np.array([color for _, color in marks.arrows]))
            moves = scene.add_arrows(f'{root}/moves', at, rgb, head_length=0.16, head_radius=0.07)
            kept.add(self._keep(f'{root}/moves', moves))
        for object_id, text, place in marks.labels:
            name = f'{root}/labels/{object_id}'
            label = scene.add_label(
                name, text, position=place + shift, anchor='bottom-center', font_screen_scale=0.8
            )
            kept.add(self._keep(name, label))
        return kept

    def _put_points(self, name: str, points: Colored, scale: float = 1.0) -> None:
        if not len(points.xyz):
            self._drop(name)
            return
        node = self._server.scene.add_point_cloud(
            name,
            (points.xyz + self._shift_of(name)).astype(np.float32),
            points.rgb,
            point_size=POINT * scale,
            point_shape='circle',
            point_shading='flat',
            precision='float32',
        )
        self._keep(name, node)

    def _keep(self, name: str, node: Any) -> str:
        self._nodes[name] = node  # viser replaces a node of the same name
        return name

    def _drop(self, name: str) -> None:
        node = self._nodes.pop(name, None)
        if node is not None:
            node.remove()
