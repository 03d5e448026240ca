"""Boxes as lines in a picture, and the colors of changes."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.memory.zones import Zone
from rescene4d_ros.structures import Box, ChangeKind
from rescene4d_ros.view.splat import View

MARKS = {
    ChangeKind.MOVED: ('#1552c4', 'moved'),
    ChangeKind.ADDED: ('#128a2c', 'new'),
    ChangeKind.REMOVED: ('#c81414', 'removed'),
    ChangeKind.REAPPEARED: ('#0b8f9c', 'came back'),
    ChangeKind.DEFORMED: ('#9b3fb5', 'changed shape'),
}
UNSEEN = '#5a5a5a'
ZONE = '#543c8c'
UNIT_CORNERS = np.array(
    [
        (x, y, z)
        for z in (-0.5, 0.5)
        for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    ]
)
EDGES = (
    (0, 1),
    (1, 2),
    (2, 3),
    (3, 0),
    (4, 5),
    (5, 6),
    (6, 7),
    (7, 4),
    (0, 4),
    (1, 5),
    (2, 6),
    (3, 7),
)


def corners_in_map(box: Box) -> np.ndarray:
    """Return the (8, 3) corners of a box in map, m, the upper four last."""
    pose = box.map_T_box
    return UNIT_CORNERS * np.asarray(box.size) @ pose[:3, :3].T + pose[:3, 3]


def outline_of(zone: Zone, floor: float) -> np.ndarray:
    """Return the (N, 3) corners of a zone on the floor (m), or at its own, in map, m."""
    height = max(floor, zone.floor)
    return np.array([(x, y, height) for x, y in zone.polygon])


def corners_of(view: View, box: Box) -> np.ndarray:
    """Return the (8, 2) corners of a box in the image, the upper four last."""
    return view.project(corners_in_map(box))[:, :2]


def draw_outline(ax, view: View, box: Box, color, width: float, style='solid') -> None:
    """Draw the edges of a box into matplotlib axes that are as large as the view, in pixels."""
    corners = corners_of(view, box)
    for a, b in EDGES:
        ax.plot(
            *corners[[a, b]].T,
            color=color,
            linewidth=width,
            linestyle=style,
            solid_capstyle='round',
        )
