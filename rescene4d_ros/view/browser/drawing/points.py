"""The points of a view, with the colors in which they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Box, ChangeKind
from rescene4d_ros.tracking.object_ids import resolve_labels
from rescene4d_ros.view.browser.differences import shown_changes
from rescene4d_ros.view.browser.drawing.coloring import Color, colors_by, pale, point_colors
from rescene4d_ros.view.browser.drawing.lines import dots
from rescene4d_ros.view.browser.drawing.marks import rgb_of, SELECTED
from rescene4d_ros.view.browser.knowledge import Knowledge
from rescene4d_ros.view.browser.session import Compare, Session, views_of
from rescene4d_ros.view.outlines import MARKS, UNSEEN
from rescene4d_ros.view.report.surroundings import NOTHING, Places, Surroundings

GHOST = 0.55  # share of the color of a change in the points of an old place


@dataclass(frozen=True)
class Colored:
    """
    Hold points with the colors in which they are drawn.

    Attributes
    ----------
    xyz : ndarray (N, 3), float32, m, in map
    rgb : ndarray (N, 3), uint8

    """

    xyz: np.ndarray
    rgb: np.ndarray


NO_POINTS = Colored(NOTHING.xyz, NOTHING.rgb)


def points_key(knowledge: Knowledge, session: Session) -> tuple:
    """Return what the points that a session shows depend on."""
    shown = tuple((name, view.shown) for name, view in views_of(session))
    is_wiped = session.compare == Compare.WIPE
    zones, since = (session.zone, knowledge.zones_written), session.marked_since
    return knowledge.revision, session.color_by, session.cut, is_wiped, shown, zones, since


def places_of(
    knowledge: Knowledge, places: Places, view: Session, most: int | None, only_read: bool = False
) -> Surroundings:
    """Return the points of the places of a view after its visit; see `Places`."""
    if not knowledge.visits:
        return NOTHING
    cloud = places.at(knowledge.visits[view.shown].stamp_ns, most, view.cut, only_read)
    return _in_zone(knowledge, view, cloud)


def _in_zone(knowledge: Knowledge, view: Session, cloud: Surroundings) -> Surroundings:
    """Return the points in the zone of a view; all where it has none."""
    zone = knowledge.zone(view.zone)
    return cloud if zone is None else cloud.take(zone.contains(cloud.xyz))


def colored(knowledge: Knowledge, view: Session, cloud: Surroundings) -> Colored:
    """Return points in the colors of a view; those that its visit did not measure are pale."""
    stamp = knowledge.visits[view.shown].stamp_ns if knowledge.visits else 0
    colors = colors_by(knowledge.placed_at(view.shown), view.color_by, stamp)
    rgb = point_colors(cloud.rgb, cloud.object_id, colors, view.color_by)
    is_old = cloud.stamp_ns < stamp
    return Colored(cloud.xyz, np.where(is_old[:, None], pale(cloud.rgb), rgb).astype(np.uint8))


def ghosts(knowledge: Knowledge, places: Places, view: Session) -> Colored:
    """Return the points of what is marked as moved or gone, as they were."""
    if not knowledge.visits or view.marked_since < 0:
        return NO_POINTS
    tints: dict[int, Color] = {
        object_id: rgb_of(MARKS[change.kind][0])
        for object_id, change in shown_changes(knowledge, view).items()
        if change.kind in (ChangeKind.MOVED, ChangeKind.REMOVED)
    }
    then_ns = knowledge.visits[view.marked_since].stamp_ns
    before = _in_zone(knowledge, view, places.objects_at(then_ns, tints))
    tint = np.array([tints[int(i)] for i in before.object_id], float).reshape(-1, 3)
    rgb = (GHOST * tint + (1 - GHOST) * pale(before.rgb)).astype(np.uint8)
    return Colored(before.xyz, rgb)


def dotted(boxes: Sequence[Box]) -> Colored:
    """Return dots along the edges of the places that a visit did not see."""
    xyz = np.concatenate([NO_POINTS.xyz, *map(dots, boxes)])
    return Colored(xyz, np.tile(np.array(rgb_of(UNSEEN), np.uint8), (len(xyz), 1)))


def selected_points(memory: SceneMemory, knowledge: Knowledge, view: Session) -> Colored:
    """Return all points that the shown visit has of the selected object."""
    if view.selected is None or not knowledge.visits:
        return NO_POINTS
    visit = knowledge.visits[view.shown]
    try:
        scan, labels = memory.scan(visit.visit_id), memory.labels(visit.visit_id)
    except FileFormatError:  # the places go without it, too, and the log says so
        return NO_POINTS
    is_it = resolve_labels(labels, dict(knowledge.contents.snapshot.aliases)) == view.selected
    rgb = np.full((int(is_it.sum()), 3), SELECTED, float)
    if scan.rgb is not None:
        rgb = 0.5 * rgb + 0.5 * scan.rgb[is_it]
    return Colored(scan.xyz[is_it], rgb.astype(np.uint8))


def spread(count: int, most: int, all_of_them: int) -> float:
    """Return how much larger points are drawn of which only `most` of many were taken."""
    return float(np.sqrt(all_of_them / most)) if count >= most else 1.0
