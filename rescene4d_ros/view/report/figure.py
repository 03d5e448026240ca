"""The places as a figure that can be turned: points, boxes, and what changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import html
from typing import Any, TYPE_CHECKING

import numpy as np
from PIL import Image
from rescene4d_ros.geometry.point_sets import evenly
from rescene4d_ros.memory.zones import Zone
from rescene4d_ros.structures import Box, Change, ChangeKind
from rescene4d_ros.view.outlines import corners_in_map, EDGES, MARKS, outline_of, UNSEEN, ZONE
from rescene4d_ros.view.report.contents import ReportContents, ReportedObject, Standing
from rescene4d_ros.view.report.surroundings import low_of, Surroundings

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CEILING = 2.2  # m above the floor; what is higher would hide the room
COLORS = 64  # of points
PALE = '#b9c4d6'  # points that no visit of the report's time measured
OUTLINE = '#8a8a86'
# Kinds differ by marker and sign, too: not everybody distinguishes these colors.
SIGNS = {
    ChangeKind.MOVED: ('diamond', '→'),
    ChangeKind.ADDED: ('circle', '+'),
    ChangeKind.REMOVED: ('square-open', '×'),
    ChangeKind.REAPPEARED: ('circle-open', '↩'),
    ChangeKind.DEFORMED: ('diamond-open', '◇'),
}


def figure_of(
    contents: ReportContents,
    before: Surroundings,
    now: Surroundings,
    changes: Sequence[Change],
    texts: dict[int, str],
    most_points: int,
) -> Figure:
    """
    Return the places now and before with what changed, as a figure of plotly.

    Traces whose `meta` is now or before are shown in turn.

    Parameters
    ----------
    contents : ReportContents
    before, now : Surroundings
    changes : sequence of Change
        The newest one of each object.
    texts : dict of int to str
        What to say of each object, by id.
    most_points : int
        Now, and as many before; others are left out evenly.

    """
    from plotly import graph_objects as go

    before, now = (_thinned(_below_ceiling(points), most_points) for points in (before, now))
    is_new = now.stamp_ns > contents.since_ns
    traces: list[Any] = [
        _points(go, now.take(is_new), 'seen since then', 'now', None),
        _points(go, now.take(~is_new), 'not seen since then', 'now', PALE),
        _points(go, before, 'before', 'before', None),
    ]
    there = [o for o in contents.objects.values() if o.standing != Standing.GONE]
    traces.append(
        _boxes(go, [o.item.box for o in there], OUTLINE, 1.5, 'objects', dash='solid', meta='now')
    )
    unseen = [o.item.box for o in contents.standing(Standing.NOT_SEEN)]
    traces.append(_boxes(go, unseen, UNSEEN, 3, 'place not seen', dash='dash', meta='now'))
    traces += _outlines(go, contents.zones, low_of(now))
    for kind in SIGNS:
        traces += _changed(go, kind, [c for c in changes if c.kind == kind])
    traces.append(_centers(go, there, texts))
    traces.append(
        go.Scatter3d(
            x=[], y=[], z=[], mode='markers', name='chosen', meta='chosen', showlegend=False,
            marker={'size': 14, 'color': '#e0a000', 'symbol': 'circle-open'}, hoverinfo='skip',
        )
    )  # fmt: skip
    figure = go.Figure([t for t in traces if t is not None])
    axis = {'visible': False, 'showspikes': False}
    low, high = _extent((before, now))
    figure.update_layout(
        template=None,
        margin={'l': 0, 'r': 0, 't': 0, 'b': 0},
        paper_bgcolor='#fcfcfa',
        legend={'orientation': 'h', 'y': 0, 'yanchor': 'top', 'itemsizing': 'constant'},
        scene={
            'aspectmode': 'data',
            'xaxis': axis | {'range': [low[0], high[0]]},
            'yaxis': axis | {'range': [low[1], high[1]]},
            'zaxis': axis | {'range': [low[2], high[2]]},
            'camera': {'eye': _eye(low, high)},
        },
        hoverlabel={'align': 'left'},
        uirevision='same',
    )
    return figure


def _eye(low: np.ndarray, high: np.ndarray) -> dict[str, float]:
    """Return where the camera stands to see all, in mean edges of the box around the axes."""
    edges = high - low
    away = 1.15 * np.linalg.norm(edges[:2]) / np.cbrt(edges.prod())
    return dict(zip('xyz', (away * np.array([0.4, -0.62, 0.68])).tolist()))


def _extent(clouds: Iterable[Surroundings]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest corner (3,) of what is drawn, m; a cubic metre for nothing."""
    xyz = np.concatenate([c.xyz for c in clouds])
    if not len(xyz):
        return np.zeros(3), np.ones(3)
    low, high = np.percentile(xyz, (0.2, 99.8), axis=0)
    return low - 0.3, high + 0.3


def _below_ceiling(points: Surroundings) -> Surroundings:
    return points.take((points.xyz[:, 2] < low_of(points) + CEILING) | (points.object_id > 0))


def _thinned(points: Surroundings, limit: int) -> Surroundings:
    return points.take(evenly(len(points), limit))


def _points(go, points: Surroundings, name: str, moment: str, color: str | None):
    """Return points in their colors, reduced to a palette: a byte each."""
    marker: dict[str, Any] = {'size': 2.2, 'color': color or '#999999'}
    if color is None and len(points):
        image = Image.fromarray(points.rgb[None]).quantize(COLORS)
        palette = np.array((image.getpalette() or [])[: 3 * COLORS]).reshape(-1, 3)
        steps = np.linspace(0, 1, len(palette) + 1)
        scale = []
        for k, (r, g, b) in enumerate(palette.tolist()):
            scale += [[steps[k], f'rgb({r},{g},{b})'], [steps[k + 1], f'rgb({r},{g},{b})']]
        marker |= {
            'color': np.asarray(image, np.uint8).ravel(),
            'cmin': -0.5,
            'cmax': len(palette) - 0.5,
            'colorscale': scale,
        }
    x, y, z = np.ascontiguousarray(points.xyz.T, np.float32)
    return go.Scatter3d(
        x=x, y=y, z=z, mode='markers', marker=marker, hoverinfo='skip', name=name, meta=moment,
        visible=moment == 'now', showlegend=moment == 'now' and len(points) > 0,
    )  # fmt: skip


def _boxes(go, boxes: Sequence[Box], color: str, width: float, name: str, dash: str, meta: str):
    """Return the edges of boxes as one line with gaps; None where there are none."""
    if not boxes:
        return None
    gap = np.full(3, np.nan)
    path = [row for box in boxes for row in _edge_path(box, gap)]
    x, y, z = np.array(path, np.float32).T
    return go.Scatter3d(
        x=x, y=y, z=z, mode='lines', line={'color': color, 'width': width, 'dash': dash},
        hoverinfo='skip', name=name, meta=meta, connectgaps=False,
    )  # fmt: skip


def _outlines(go, zones: Sequence[Zone], floor: float) -> list[Any]:
    """Return the outlines of zones on the floor (m), with their names."""
    if not zones:
        return []
    corners = [outline_of(zone, floor) + (0, 0, 0.03) for zone in zones]
    gap = np.full((1, 3), np.nan)
    path = np.concatenate([part for at in corners for part in (at, at[:1], gap)])
    x, y, z = path.astype(np.float32).T
    at = np.array([c.mean(axis=0) for c in corners], np.float32)
    return [
        go.Scatter3d(
            x=x, y=y, z=z, mode='lines', line={'color': ZONE, 'width': 4}, hoverinfo='skip',
            name='zones', meta='zones', connectgaps=False,
        ),
        go.Scatter3d(
            x=at[:, 0], y=at[:, 1], z=at[:, 2], mode='text', hoverinfo='skip', meta='zones',
            text=[html.escape(zone.name) for zone in zones], showlegend=False,
            textfont={'color': ZONE, 'size': 14},
        ),
    ]  # fmt: skip


def _edge_path(box: Box, gap: np.ndarray) -> list[np.ndarray]:
    corners = corners_in_map(box)
    return [point for a, b in EDGES for point in (corners[a], corners[b], gap)]


def _changed(go, kind: ChangeKind, changes: Sequence[Change]) -> list[Any]:
    """Return boxes, a sign and, for moves, arrows of the changes of one kind."""
    if not changes:
        return []
    color, text = MARKS[kind]
    symbol, sign = SIGNS[kind]
    places = [c.after or c.before for c in changes]
    old = [
        c.before for c in changes if c.before and kind in (ChangeKind.MOVED, ChangeKind.REMOVED)
    ]
    new = [c.after for c in changes if c.after]
    tops = np.array(
        [(b.center[0], b.center[1], b.center[2] + b.size[2] / 2 + 0.12) for b in places if b]
    )
    names = [f'{sign} #{c.object_id}' for c, b in zip(changes, places) if b]
    traces = [
        _boxes(go, old, color, 3, f'{text}: was here', 'dash', 'change'),
        _boxes(go, new, color, 5, text, 'solid', 'change'),
        go.Scatter3d(
            x=tops[:, 0], y=tops[:, 1], z=tops[:, 2], mode='markers+text', text=names,
            name=f'{sign} {text}', textposition='top center', meta='change',
            textfont={'color': color, 'size': 13},
            marker={'symbol': symbol, 'color': color, 'size': 6}, hoverinfo='skip',
        ),
    ]  # fmt: skip
    moves = [(c.before.center, c.after.center) for c in changes if c.before and c.after]
    if kind == ChangeKind.MOVED and moves:
        traces += _arrows(go, np.array(moves), color)
    for trace in traces[:2]:
        if trace is not None:
            trace.showlegend = False
    return traces


def _arrows(go, moves: np.ndarray, color: str) -> list[Any]:
    """Return lines from the old to the new places (M, 2, 3), and heads on them."""
    path = np.concatenate([moves, np.full((len(moves), 1, 3), np.nan)], axis=1).reshape(-1, 3)
    along = moves[:, 1] - moves[:, 0]
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    x, y, z = path.astype(np.float32).T
    return [
        go.Scatter3d(
            x=x, y=y, z=z, mode='lines', line={'color': color, 'width': 6}, hoverinfo='skip',
            showlegend=False, meta='change', connectgaps=False,
        ),
        go.Cone(
            x=moves[:, 1, 0], y=moves[:, 1, 1], z=moves[:, 1, 2], u=along[:, 0], v=along[:, 1],
            w=along[:, 2], anchor='tip', sizemode='absolute', sizeref=0.3, showscale=False,
            colorscale=[[0, color], [1, color]], hoverinfo='skip', meta='change',
        ),
    ]  # fmt: skip


def _centers(go, objects: Sequence[ReportedObject], texts: dict[int, str]):
    """Return the middles of objects, which say what they are under the pointer."""
    centers = np.array([o.item.box.center for o in objects], np.float32).reshape(-1, 3)
    return go.Scatter3d(
        x=centers[:, 0], y=centers[:, 1], z=centers[:, 2], mode='markers', name='centers',
        marker={'size': 5, 'color': '#202020', 'opacity': 0.55}, showlegend=False, meta='now',
        hovertemplate='%{hovertext}<extra></extra>',
        hovertext=[html.escape(texts.get(o.item.object_id, '')) for o in objects],
    )  # fmt: skip
