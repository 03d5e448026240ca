"""One picture of all visits: identity, moves, arrivals, departures and missing observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import (
    Box,
    Change,
    ChangeKind,
    MemorySnapshot,
    ObjectState,
    Scan,
    SceneObject,
    VisitStatus,
)
from rescene4d_ros.structures.colors import color_of, colors_of, over_room, unit_rgb
from rescene4d_ros.tracking.object_ids import resolve_labels
from rescene4d_ros.view.clouds import date_of
from rescene4d_ros.view.cutaway import cutaway
from rescene4d_ros.view.outlines import corners_of, draw_outline, MARKS, UNSEEN
from rescene4d_ros.view.picture_file import write_figure
from rescene4d_ros.view.splat import BACKGROUND, splat, View, view_of, wall_azimuth

PANEL = (900, 660)
SUPERSAMPLING = 1
SHORT = 5  # letters of a text that takes little room
MOST_VISITS = 6  # of a memory
LEFT_OUT = (255, 120, 0)
MOST_WORDS = 25  # objects of a panel; the words of more would cover each other


def draw_newest(path: Path, memory: SceneMemory) -> None:
    """Write the picture of the newest processed visits of a memory; none where there is none."""
    snapshot = memory.snapshot()
    done = [v for v in snapshot.visits if v.status == VisitStatus.DONE]
    done = sorted(done, key=lambda v: v.stamp_ns)[-MOST_VISITS:]
    aliases = dict(snapshot.aliases)
    if done:
        draw_before_after(
            path,
            [memory.scan(v.visit_id) for v in done],
            [resolve_labels(memory.labels(v.visit_id), aliases) for v in done],
            replace(snapshot, visits=tuple(done)),
            memory.changes(),
        )


def draw_before_after(
    path: Path,
    scans: Sequence[Scan],
    labels: Sequence[np.ndarray],
    snapshot: MemorySnapshot,
    changes: Sequence[Change],
    left_out: Sequence[np.ndarray] = (),
) -> None:
    """
    Write a PNG with one view per visit: the same color is the same object.

    Parameters
    ----------
    path : Path
    scans : sequence of T Scan
        In the order of `snapshot.visits`.
    labels : sequence of T ndarrays (N_t,), int64
        Persistent id per point; 0 = none.
    snapshot : MemorySnapshot
    changes : sequence of Change
    left_out : sequence of T ndarrays (M_t, 3), float32, m, optional
        Measured during the visits, and not in their scans: drawn over them.

    """
    from matplotlib.figure import Figure

    columns = 1 if len(scans) == 1 else 2
    rows = -(-len(scans) // columns)
    width, height = PANEL
    clouds = [scan.xyz for scan in scans]
    azimuth = wall_azimuth(clouds[0])
    view = view_of(clouds, width * SUPERSAMPLING, height * SUPERSAMPLING, azimuth)
    figure = Figure((columns * width / 100, (rows * (height + 30) + 46) / 100), dpi=100)
    figure.patch.set_facecolor(unit_rgb(BACKGROUND))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    last: dict[int, Box] = {}
    for t, ax in enumerate(axes):
        ax.axis('off')
        if t >= len(scans):
            continue
        visit = snapshot.visits[t]
        last.update(boxes_of(scans[t].xyz, labels[t], np.deg2rad(azimuth - 62)))
        mine = [c for c in changes if c.visit_id == visit.visit_id]
        ax.imshow(
            _image(view, scans[t], labels[t], left_out[t] if left_out else scans[t].xyz[:0]),
            extent=(0, view.width, view.height, 0),
            interpolation='antialiased',
        )
        _draw_objects(ax, view, labels[t], snapshot.objects, visit.visit_id, mine, last)
        ax.set_title(f'visit {visit.visit_id}   {date_of(scans[t].stamp_ns)}', fontsize=14, pad=4)
    _legend(figure, bool(left_out))
    bottom = 44 / (rows * (height + 30) + 46)
    figure.subplots_adjust(0.003, bottom, 0.997, 1 - 0.6 * bottom, wspace=0.006, hspace=0.05)
    write_figure(figure, path)


def boxes_of(xyz: np.ndarray, labels: np.ndarray, yaw: float) -> dict[int, Box]:
    """Return the box of every object's points, rotated as the walls are (rad)."""
    c, s = np.cos(yaw), np.sin(yaw)
    wall_T_map = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    found = {}
    for k in np.unique(labels[labels > 0]):
        points = xyz[labels == k] @ wall_T_map.T
        # Quantiles: single stray points must not enlarge the box.
        low, high = np.percentile(points, (1, 99), axis=0)
        center = wall_T_map.T @ ((low + high) / 2)
        found[int(k)] = Box(tuple(center), tuple(high - low), float(yaw))
    return found


def _draw_objects(
    ax,
    view: View,
    labels: np.ndarray,
    objects: Sequence[SceneObject],
    visit_id: int,
    changes: Sequence[Change],
    last: dict[int, Box],
) -> None:
    ax.set_xlim(0, view.width)
    ax.set_ylim(view.height, 0)
    seen = set(np.unique(labels).tolist())
    kinds = {c.object_id: c.kind for c in changes}
    placed: list[tuple[float, float]] = []
    is_crowded = len(objects) > MOST_WORDS
    for item in sorted(
        objects, key=lambda o: view.project(np.array([_box(o, last).center]))[0, 1]
    ):
        box = _box(item, last)
        state = dict(item.states).get(visit_id, ObjectState.UNKNOWN)
        kind = kinds.get(item.object_id)
        name = f'#{item.object_id}' if is_crowded else f'{item.class_name} #{item.object_id}'
        if item.object_id in seen:
            color = MARKS[kind][0] if kind in MARKS else _dark(color_of(item.object_id))
            draw_outline(ax, view, box, color, 2.4 if kind in MARKS else 0.9)
            _label(ax, view, box, name, color, placed, strong=kind in MARKS)
        elif state == ObjectState.NOT_OBSERVED:
            draw_outline(ax, view, box, UNSEEN, 1.4, (0, (4, 3)))
            if not is_crowded:  # the legend tells what dashes mean
                _label(ax, view, box, f'{name}: not seen', UNSEEN, placed)
    for change in changes:
        name = f'#{change.object_id}' if is_crowded else f'{change.class_name} #{change.object_id}'
        _mark(ax, view, change, f'{name}: gone', placed)


def _box(item: SceneObject, last: dict[int, Box]) -> Box:
    return last.get(item.object_id, item.box)


def _image(view: View, scan: Scan, labels: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """Draw objects in the color of their id over a pale room with scanned brightness."""
    colored = over_room(scan, colors_of(labels), labels > 0)
    xyz = np.concatenate([scan.xyz, left_out])
    colors = np.concatenate([colored, np.full((len(left_out), 3), LEFT_OUT, np.uint8)])
    is_object = np.concatenate([labels > 0, np.zeros(len(left_out), bool)])
    shown = cutaway(xyz, view, is_object)
    return splat(view, xyz[shown], colors[shown])


def _label(
    ax,
    view: View,
    box: Box,
    text: str,
    color,
    placed: list[tuple[float, float]],
    strong: bool = False,
) -> None:
    """Write at the top of a box, or lower if another label is there."""
    from matplotlib import patheffects

    x, y = corners_of(view, box)[4:].mean(axis=0)
    step = 13 * SUPERSAMPLING
    wide = (90 if len(text) > SHORT else 34) * SUPERSAMPLING
    while any(abs(x - px) < wide and abs(y - py) < step for px, py in placed):
        y += step / 3
    placed.append((x, y))
    ax.text(
        x,
        y,
        text,
        color=color,
        fontsize=10 if strong else 8.5,
        ha='center',
        va='center',
        fontweight='bold' if strong else 'normal',
        path_effects=[patheffects.withStroke(linewidth=2.6, foreground='white')],
    )


def _mark(ax, view: View, change: Change, text: str, placed: list[tuple[float, float]]) -> None:
    """Mark the old place of an object: an arrow from it, or a cross with a text over it."""
    color = MARKS.get(change.kind, (UNSEEN, ''))[0]
    if change.before is None:
        return
    if change.kind in (ChangeKind.MOVED, ChangeKind.REAPPEARED) and change.after is not None:
        draw_outline(ax, view, change.before, color, 1.0, (0, (2, 2)))
        start, end = view.project(np.array([change.before.center, change.after.center]))[:, :2]
        if np.hypot(*(end - start)) > 12 * SUPERSAMPLING:
            ax.annotate(
                '',
                end,
                start,
                arrowprops={
                    'arrowstyle': '-|>',
                    'color': color,
                    'linewidth': 2.6,
                    'mutation_scale': 20,
                    'connectionstyle': 'arc3,rad=0.12',
                },
            )
    if change.kind == ChangeKind.REMOVED:
        corners = corners_of(view, change.before)
        draw_outline(ax, view, change.before, color, 1.0, (0, (2, 2)))
        low, high = corners.min(axis=0), corners.max(axis=0)
        for x in ((low[0], high[0]), (high[0], low[0])):
            ax.plot(x, (low[1], high[1]), color=color, linewidth=2.6)
        _label(ax, view, change.before, text, color, placed, strong=True)


def _dark(color: tuple[int, int, int]) -> tuple[float, ...]:
    return tuple(0.55 * c / 255 for c in color)


def _legend(figure, has_left_out: bool) -> None:
    from matplotlib.artist import Artist
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = [
        Patch(facecolor=unit_rgb(color_of(1)), label='same color = same object')
    ]
    if has_left_out:
        text = 'left out: a person, or observed briefly'
        handles.append(Patch(facecolor=unit_rgb(LEFT_OUT), label=text))
    for color, text in MARKS.values():
        handles.append(Line2D([], [], color=color, linewidth=3, label=text))
    handles.append(
        Line2D(
            [],
            [],
            color=UNSEEN,
            linewidth=1.6,
            linestyle=(0, (4, 3)),
            label='place not observed at this visit',
        )
    )
    figure.legend(
        handles=handles, loc='lower center', ncols=len(handles), frameon=False, fontsize=11
    )
