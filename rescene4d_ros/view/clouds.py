"""Pictures of a sequence: visits side by side, by color, class, identity and change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, UTC
from pathlib import Path

import numpy as np
from rescene4d_ros.structures import ChangeKind, ObjectState, Scan, ScanSequence, SEMANTIC_CLASSES
from rescene4d_ros.structures.colors import class_colors, colors_of, over_room, unit_rgb
from rescene4d_ros.structures.truth import SequenceTruth, VisitTruth
from rescene4d_ros.view.cutaway import cutaway
from rescene4d_ros.view.outlines import draw_outline, MARKS, UNSEEN
from rescene4d_ros.view.picture_file import write_figure
from rescene4d_ros.view.splat import BACKGROUND, splat, View, view_of, wall_azimuth

SUPERSAMPLING = 2
TITLE, LEGEND = 26, 46
# These are removed together with a wall that is cut away.
IN_WALLS = tuple(SEMANTIC_CLASSES.index(k) for k in ('door', 'window', 'picture', 'curtain'))
ROWS = ('from above', 'at an angle', 'class', 'identity', 'change since the previous visit')


def date_of(stamp_ns: int) -> str:
    """Return a stamp as a day and minute in UTC."""
    when = datetime.fromtimestamp(stamp_ns / 1e9, UTC)
    return when.strftime('%Y-%m-%d %H:%M')


def sequence_picture(
    sequence: ScanSequence,
    truth: SequenceTruth | None,
    path: Path,
    width: int = 480,
    height: int = 360,
    most_visits: int = 4,
) -> None:
    """
    Write a PNG or JPEG of a sequence: a column per visit, a row per coloring.

    Parameters
    ----------
    sequence : ScanSequence
    truth : SequenceTruth, optional
        Without it only the rows in the scanned colors are drawn.
    path : Path
        Its suffix decides the format.
    width, height : int
        Of one view in pixels.
    most_visits : int
        Later visits are left out.

    """
    from matplotlib.figure import Figure

    scans = sequence.scans[:most_visits]
    visits = None if truth is None else truth.visits[:most_visits]
    size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
    clouds = [scan.xyz for scan in scans]
    azimuth = wall_azimuth(clouds[0])
    above, angled = (
        max(
            (view_of(clouds, *size, azimuth + turn, elevation) for turn in turns),
            key=lambda view: view.pixels_per_m,
        )
        for turns, elevation in (((-62, 28), 90), ((0, 90), 52))
    )
    names = ROWS[:2] if visits is None else ROWS
    legend = 0 if visits is None else LEGEND
    total = (len(scans) * width, TITLE + len(names) * height + legend)
    figure = Figure((total[0] / 100, total[1] / 100), dpi=100)
    figure.patch.set_facecolor(unit_rgb(BACKGROUND))
    for t, scan in enumerate(scans):
        for row, name in enumerate(names):
            view = above if row == 0 else angled
            bottom = 1 - (TITLE + (row + 1) * height) / total[1]
            ax = figure.add_axes((t / len(scans), bottom, 1 / len(scans), height / total[1]))
            ax.axis('off')
            ax.imshow(
                _panel(view, scans, visits, t, row),
                aspect='auto',
                extent=(0, view.width, view.height, 0),
            )
            ax.set_xlim(0, view.width)
            ax.set_ylim(view.height, 0)
            if t == 0:
                ax.text(
                    6 * SUPERSAMPLING,
                    8 * SUPERSAMPLING,
                    name,
                    va='top',
                    fontsize=11,
                    fontweight='bold',
                )
            if visits is not None and row == len(ROWS) - 1:
                _outline_unseen(ax, view, visits[t])
        figure.text(
            (t + 0.5) / len(scans),
            1 - 5 / total[1],
            f'visit {t + 1}   {date_of(scan.stamp_ns)}   {len(scan)} points',
            ha='center',
            va='top',
            fontsize=10,
        )
    figure.text(1 - 4 / total[0], 3 / total[1], sequence.name, ha='right', fontsize=7)
    if visits is not None:
        _legend(figure, visits, total)
    write_figure(
        figure,
        path,
        pil_kwargs={'quality': 82, 'optimize': True}
        if path.suffix.lower() in ('.jpg', '.jpeg')
        else None,
    )


def _panel(
    view: View, scans: Sequence[Scan], visits: Sequence[VisitTruth] | None, t: int, row: int
) -> np.ndarray:
    """Return the image of one visit in the coloring of a row."""
    scan, stays = scans[t], None
    xyz = scan.xyz
    if visits is not None:
        objects = visits[t].instance > 0
        stays = objects & ~np.isin(visits[t].semantic, IN_WALLS)
    if visits is None or row < 2:
        rgb = np.full((len(scan), 3), 170, np.uint8) if scan.rgb is None else scan.rgb
    elif row == 2:
        rgb = over_room(scan, class_colors(visits[t].semantic), np.ones(len(scan), bool))
    elif row == 3:
        rgb = over_room(scan, colors_of(visits[t].instance), objects)
    else:
        rgb = _change_colors(scan, visits[t])
        ghost_xyz, ghost_rgb = _ghosts(scans, visits, t)
        xyz, rgb = np.concatenate([xyz, ghost_xyz]), np.concatenate([rgb, ghost_rgb])
        stays = np.concatenate([stays, np.ones(len(ghost_xyz), bool)])
    shown = cutaway(xyz, view, stays)
    image = splat(view, xyz[shown], rgb[shown], shading=0.7).astype(np.float64)
    side = SUPERSAMPLING
    image = image.reshape(view.height // side, side, view.width // side, side, 3)
    return image.mean(axis=(1, 3)).astype(np.uint8)


def _change_colors(scan: Scan, visit: VisitTruth) -> np.ndarray:
    """Return the (N, 3) colors by kind of change: unchanged objects are gray, the room is pale."""
    rgb = np.full((len(scan), 3), 196, np.uint8)
    for o in visit.objects:
        if o.change in MARKS:
            rgb[visit.instance == o.instance_id] = _rgb(MARKS[o.change][0], 0.15)
    return over_room(scan, rgb, visit.instance > 0)


def _ghosts(
    scans: Sequence[Scan], visits: Sequence[VisitTruth], t: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return points and colors of objects of the previous visit that are gone."""
    points, colors = [np.zeros((0, 3), np.float32)], [np.zeros((0, 3), np.uint8)]
    for o in visits[t].objects if t else ():
        if o.change not in (ChangeKind.REMOVED, ChangeKind.MOVED):
            continue
        old = scans[t - 1].xyz[visits[t - 1].instance == o.instance_id]
        white = 0.15 if o.change == ChangeKind.REMOVED else 0.72
        points.append(old)
        colors.append(np.tile(_rgb(MARKS[o.change][0], white), (len(old), 1)))
    return np.concatenate(points), np.concatenate(colors)


def _rgb(color: str, white: float) -> np.ndarray:
    """Return a color '#rrggbb' as (3,) uint8, mixed with white."""
    full = np.array(list(bytes.fromhex(color.removeprefix('#'))))
    return np.rint((1 - white) * full + white * 255).astype(np.uint8)


def _outline_unseen(ax, view: View, visit: VisitTruth) -> None:
    for o in visit.objects:
        if o.state == ObjectState.NOT_OBSERVED:
            draw_outline(ax, view, o.box, UNSEEN, 1.0, (0, (4, 3)))


def _legend(figure, visits: Sequence[VisitTruth], total: tuple[int, int]) -> None:
    """Draw a legend of class and change colors below the picture."""
    from matplotlib.artist import Artist
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    found = [k for k in np.unique(np.concatenate([v.semantic for v in visits])) if k >= 0]
    classes = [
        Patch(facecolor=unit_rgb(class_colors(np.array([k]))[0]), label=SEMANTIC_CLASSES[k])
        for k in found
    ]
    kinds = {o.change for v in visits for o in v.objects}
    changes: list[Artist] = [
        Patch(facecolor=unit_rgb(_rgb(color, 0.15)), label=text)
        for kind, (color, text) in MARKS.items()
        if kind in kinds
    ]
    if ChangeKind.MOVED in kinds:
        changes.append(
            Patch(facecolor=unit_rgb(_rgb(MARKS[ChangeKind.MOVED][0], 0.72)), label='was here')
        )
    changes.append(
        Line2D([], [], color=UNSEEN, linewidth=1, linestyle=(0, (4, 3)), label='not observed')
    )
    for handles, top in ((classes, LEGEND - 2), (changes, LEGEND // 2)):
        figure.legend(
            handles=handles,
            loc='upper center',
            ncols=len(handles),
            frameon=False,
            bbox_to_anchor=(0.5, top / total[1]),
            fontsize=7.5,
            borderpad=0,
            borderaxespad=0,
            handlelength=1.2,
            columnspacing=0.9,
            handletextpad=0.3,
        )
