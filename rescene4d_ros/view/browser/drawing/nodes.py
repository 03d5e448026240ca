"""Nodes of viser by name: put, shown, hidden and dropped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from rescene4d_ros.view.browser.drawing.coloring import Color, linear
from rescene4d_ros.view.browser.drawing.marks import Marks
from rescene4d_ros.view.browser.drawing.points import Colored
import viser

POINT = 0.02  # m; as large points are drawn

Label = tuple[str, str, np.ndarray]  # node, text, and the place below it in m
Lines = Sequence[tuple[np.ndarray, Color]]


class Nodes:
    """
    Put nodes into the scene of a server; what has nothing to show is dropped.

    Parameters
    ----------
    server : viser.ViserServer

    """

    def __init__(self, server: viser.ViserServer):
        self._scene = server.scene
        self._nodes: dict[str, Any] = {}

    def put_points(self, name: str, points: Colored, scale: float = 1.0) -> None:
        """Draw points, larger by a scale."""
        if not len(points.xyz):
            self.drop(name)
            return
        self._nodes[name] = self._scene.add_point_cloud(
            name,
            points.xyz.astype(np.float32),
            points.rgb,
            point_size=POINT * scale,
            point_shape='circle',
            point_shading='flat',
            precision='float32',
        )

    def put_lines(self, name: str, lines: Lines, width: float, is_flat: bool = True) -> None:
        """Draw segments (M, 2, 3) in m, each set in its color; the width in pixels, or in m."""
        if not sum(len(at) for at, _ in lines):
            self.drop(name)
            return
        at = np.concatenate([edges for edges, _ in lines])
        colors = linear(np.array([color for _, color in lines]))
        rgb = np.repeat(colors, [2 * len(edges) for edges, _ in lines], axis=0)
        self._nodes[name] = self._scene.add_line_segments(
            name,
            at,
            rgb.reshape(-1, 2, 3),
            thickness=width,
            thickness_units='screen' if is_flat else 'world',
        )

    def put_arrows(self, name: str, arrows: Lines) -> None:
        """Draw an arrow along each path (2, 3) in m."""
        if not arrows:
            self.drop(name)
            return
        at = np.stack([path for path, _ in arrows])
        rgb = linear(np.array([color for _, color in arrows]))
        self._nodes[name] = self._scene.add_arrows(
            name, at, rgb, head_length=0.16, head_radius=0.07
        )

    def put_labels(
        self, root: str, labels: Iterable[tuple[int | str, str, np.ndarray]]
    ) -> list[Label]:
        """Write texts above their places (m), each by a key, as all that is below a name."""
        written = [(f'{root}/{key}', text, place) for key, text, place in labels]
        for name, text, place in written:
            self._nodes[name] = self._scene.add_label(
                name, text, position=place, anchor='bottom-center', font_screen_scale=0.8
            )
        self.drop_others({name for name, _, _ in written}, root)
        return written

    def show(self, name: str, is_visible: bool) -> None:
        """Show or hide a node that is there; a message of a few bytes."""
        node = self._nodes.get(name)
        if node is not None and node.visible != is_visible:
            node.visible = is_visible

    def drop(self, name: str) -> None:
        """Remove a node, if it is there."""
        node = self._nodes.pop(name, None)
        if node is not None:
            node.remove()

    def drop_others(self, kept: set[str], root: str) -> None:
        """Remove the nodes below a root that are not to be kept."""
        for name in [n for n in self._nodes if n.startswith(f'{root}/') and n not in kept]:
            self.drop(name)


def put_marks(
    nodes: Nodes, root: str, marks: Marks, unseen: Colored, shift: np.ndarray
) -> list[Label]:
    """Draw what stands over the points of a visit below a name, moved by m; return the labels."""
    nodes.put_points(f'{root}/unseen', Colored(unseen.xyz + shift, unseen.rgb))
    nodes.put_lines(f'{root}/thin', [(at + shift, color) for at, color in marks.thin], 1.6)
    nodes.put_lines(f'{root}/thick', [(at + shift, color) for at, color in marks.thick], 3.5)
    nodes.put_arrows(f'{root}/moves', [(at + shift, color) for at, color in marks.arrows])
    labels = [(i, text, place + shift) for i, text, place in marks.labels]
    return nodes.put_labels(f'{root}/labels', labels)
