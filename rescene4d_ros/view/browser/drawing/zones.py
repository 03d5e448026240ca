"""The outlines of zones on the floor, and where their names stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.memory.zones import Zone
from rescene4d_ros.view.browser.drawing.marks import rgb_of
from rescene4d_ros.view.browser.drawing.nodes import Label, Nodes
from rescene4d_ros.view.outlines import outline_of, ZONE

ABOVE = 0.03  # m; of the floor, whose points would hide the lines


@dataclass(frozen=True)
class ZoneMark:
    """
    Hold how one zone is drawn.

    Attributes
    ----------
    name : str
    lines : ndarray (M, 2, 3), m, in map
    place : ndarray (3,), m, in map
        Of its name: the middle of its corners.
    is_chosen : bool
        Whether only this zone is shown.

    """

    name: str
    lines: np.ndarray
    place: np.ndarray
    is_chosen: bool


def zone_marks(zones: Sequence[Zone], chosen: str | None, floor: float) -> list[ZoneMark]:
    """Return the outlines of zones on a floor (m), or at their own; all, or the chosen one."""
    shown = [zone for zone in zones if chosen in (None, zone.name)]
    return [_mark(zone, zone.name == chosen, floor) for zone in shown]


def _mark(zone: Zone, is_chosen: bool, floor: float) -> ZoneMark:
    corners = outline_of(zone, floor) + (0, 0, ABOVE)
    lines = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)
    return ZoneMark(zone.name, lines, corners.mean(axis=0), is_chosen)


def put_zones(
    nodes: Nodes, marks: Sequence[ZoneMark], shifts: Sequence[np.ndarray]
) -> list[Label]:
    """Draw zones where each of the visits stands that are drawn (m); return their names."""
    placed = [(mark, shift) for mark in marks for shift in shifts]
    for part, width, is_chosen in (('thin', 2.0, False), ('thick', 4.0, True)):
        lines = [(m.lines + s, rgb_of(ZONE)) for m, s in placed if m.is_chosen == is_chosen]
        nodes.put_lines(f'/marks/outlines/{part}', lines, width)
    labels = [(k, mark.name, mark.place + shift) for k, (mark, shift) in enumerate(placed)]
    return nodes.put_labels('/marks/zones', labels)
