"""The scene in 3D: what a session shows of a memory, as nodes of viser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.geometry.point_sets import evenly
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Box, ChangeKind
from rescene4d_ros.tracking.object_ids import resolve_labels
from rescene4d_ros.view.browser.drawing.coloring import (
    Color,
    colors_by,
    linear,
    pale,
    point_colors,
)
from rescene4d_ros.view.browser.drawing.lines import hit
from rescene4d_ros.view.browser.drawing.marks import Marks, marks_of, rgb_of, SELECTED
from rescene4d_ros.view.browser.knowledge import Knowledge
from rescene4d_ros.view.browser.session import Compare, Session
from rescene4d_ros.view.outlines import MARKS
from rescene4d_ros.view.report.surroundings import NOTHING, Places, Surroundings
from rescene4d_ros.view.splat import wall_azimuth
import viser

GAP = 1.0  # m; between the two places that stand side by side
POINT = 0.02  # m; as large points are drawn
GHOST = 0.55  # share of the color of a change in the points of an old place
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
        self._drawn: tuple = ()
        self._targets: list[tuple[int, Box]] = []
        self._shift = np.zeros(3)

    def draw(self, knowledge: Knowledge, places: Places, session: Session) -> None:
        """Draw the points if they are others than before, and all marks."""
        views = _views(session)
        shown = (
            knowledge.revision,
            tuple((view.shown, name) for name, view in views),
            session.color_by,
            session.cut,
        )
        clouds = {name: _at(knowledge, places, view, session.cut) for name, view in views}
        self._shift = _shift(clouds.values()) if len(views) > 1 else np.zeros(3)
        with self._server.atomic():
            if shown != self._drawn:
                self._draw_points(knowledge, places, views, clouds)
                self._drawn = shown
            self._draw_marks(knowledge, views)
        self._server.flush()

    def look_from_above(self, knowledge: Knowledge, places: Places, session: Session) -> None:
        """Set where the camera of a new window stands: above a corner, so that all is seen."""
        cloud = _at(knowledge, places, session, session.cut)
        if not len(cloud):
            return
        low, high = np.percentile(cloud.xyz, (1, 99), axis=0)
        azimuth = np.deg2rad(wall_azimuth(cloud.xyz))
        reach = 0.95 * np.linalg.norm((high - low)[:2])
        away = np.array([np.cos(azimuth) * 0.65, np.sin(azimuth) * 0.65, 0.85])
        middle = (low + high) / 2
        self._server.initial_camera.look_at = middle
        self._server.initial_camera.position = middle + reach * away

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

    def _draw_points(self, knowledge, places, views, clouds) -> None:
        for name in ('now', 'before'):
            if name not in clouds:
                for part in ('points', 'ghosts'):
                    self._drop(f'/{name}/{part}')
        for name, view in views:
            cloud, shift = clouds[name], self._shift if name == 'before' else np.zeros(3)
            stamp = knowledge.visits[view.shown].stamp_ns if knowledge.visits else 0
            cloud = cloud.take(evenly(len(cloud), self._most))
            colors = colors_by(knowledge.placed_at(view.shown), view.color_by, stamp)
            rgb = point_colors(cloud.rgb, cloud.object_id, colors, view.color_by)
            is_old = cloud.stamp_ns < stamp
            rgb = np.where(is_old[:, None], pale(cloud.rgb), rgb).astype(np.uint8)
            self._put_points(f'/{name}/points', cloud.xyz + shift, rgb)
            ghosts, tints = _ghosts(knowledge, places, view)
            self._put_points(f'/{name}/ghosts', ghosts + shift, tints)

    def _draw_marks(self, knowledge: Knowledge, views) -> None:
        kept, self._targets = set(), []
        for name, view in views:
            shift = self._shift if name == 'before' else np.zeros(3)
            marks = marks_of(knowledge, view)
            self._targets += [
                (i, replace(b, center=tuple(np.add(b.center, shift)))) for i, b in marks.boxes
            ]
            kept |= self._draw_lines(f'/{name}', marks, shift)
            kept |= self._draw_selected(f'/{name}/selected', knowledge, view, shift)
        stale = [n for n in self._nodes if n not in kept and not n.endswith(('points', 'ghosts'))]
        for name in stale:
            self._drop(name)

    def _draw_lines(self, root: str, marks: Marks, shift: np.ndarray) -> set[str]:
        scene, kept = self._server.scene, set()
        for name, lines, width in (('thin', marks.thin, 1.6), ('thick', marks.thick, 3.5)):
            if lines:
                at = np.concatenate([edges for edges, _ in lines]) + shift
                rgb = linear(np.concatenate([np.tile(c, (len(s), 2, 1)) for s, c in lines]))
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

    def _draw_selected(self, name, knowledge: Knowledge, view: Session, shift) -> set[str]:
        """Draw all points that the shown visit has of the selected object."""
        if view.selected is None or not knowledge.visits:
            return set()
        visit = knowledge.visits[view.shown]
        try:
            scan, labels = self._memory.scan(visit.visit_id), self._memory.labels(visit.visit_id)
        except FileFormatError:  # the places above go without it, too, and the log says so
            return set()
        aliases = dict(knowledge.contents.snapshot.aliases)
        is_it = resolve_labels(labels, aliases) == view.selected
        if not is_it.any():
            return set()
        xyz = scan.xyz[is_it]
        rgb = np.full((len(xyz), 3), SELECTED, float)
        if scan.rgb is not None:
            rgb = 0.5 * rgb + 0.5 * scan.rgb[is_it]
        self._put_points(name, xyz + shift, rgb.astype(np.uint8), 1.1)
        return {name}

    def _put_points(self, name: str, xyz: np.ndarray, rgb: np.ndarray, scale=1.0) -> None:
        if not len(xyz):
            self._drop(name)
            return
        self._keep(
            name,
            self._server.scene.add_point_cloud(
                name,
                xyz.astype(np.float32),
                rgb,
                point_size=POINT * scale,
                point_shape='circle',
                point_shading='flat',
                precision='float32',
            ),
        )

    def _keep(self, name: str, node: Any) -> str:
        self._nodes[name] = node  # viser replaces a node of the same name
        return name

    def _drop(self, name: str) -> None:
        node = self._nodes.pop(name, None)
        if node is not None:
            node.remove()


def _views(session: Session) -> list[tuple[str, Session]]:
    """Return the sessions that are drawn, each with the visit that it shows."""
    now = replace(session, compare=Compare.NOW)
    before = replace(session, compare=Compare.BEFORE)
    if session.compare == Compare.BOTH:
        return [('now', now), ('before', before)]
    return [('now', now if session.compare == Compare.NOW else before)]


def _at(knowledge: Knowledge, places: Places, view: Session, cut: float) -> Surroundings:
    """Return the points of all places after a visit, up to a height above the floor."""
    if not knowledge.visits:
        return NOTHING
    cloud = places.at(knowledge.visits[view.shown].stamp_ns)
    if not len(cloud):
        return cloud
    return cloud.take(cloud.xyz[:, 2] < np.percentile(cloud.xyz[:, 2], 1) + cut)


def _shift(clouds) -> np.ndarray:
    """Return how far (m) the place of before stands from that of now."""
    widths = [np.ptp(np.percentile(c.xyz[:, 0], (0.5, 99.5))) for c in clouds if len(c)]
    return np.array([-(max(widths, default=0) + GAP), 0, 0])


def _ghosts(knowledge: Knowledge, places: Places, view: Session) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of what a visit found moved or gone, as they were, and their colors."""
    if not knowledge.visits:
        return np.zeros((0, 3)), np.zeros((0, 3), np.uint8)
    visit = knowledge.visits[view.shown]
    tints: dict[int, Color] = {
        knowledge.current_id(c.object_id): rgb_of(MARKS[c.kind][0])
        for c in knowledge.changes_of(visit.visit_id)
        if c.kind in (ChangeKind.MOVED, ChangeKind.REMOVED)
    }
    before = places.at(visit.stamp_ns - 1)
    before = before.take(np.isin(before.object_id, list(tints)))
    tint = np.array([tints[int(i)] for i in before.object_id], float).reshape(-1, 3)
    return before.xyz, (GHOST * tint + (1 - GHOST) * pale(before.rgb)).astype(np.uint8)
