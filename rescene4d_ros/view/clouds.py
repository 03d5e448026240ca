"""Pictures of a sequence: every visit from above and at an angle, by color, class and identity."""
from __future__ import annotations

from datetime import datetime, UTC
from pathlib import Path

import numpy as np
from rescene4d_ros.structures import Scan, ScanSequence, SequenceTruth
from rescene4d_ros.view.colors import class_colors, colors_of
from rescene4d_ros.view.cutaway import cutaway
from rescene4d_ros.view.splat import BACKGROUND, splat, View, view_of, wall_azimuth


def date_of(stamp_ns: int) -> str:
    """Return a stamp as a day and minute in UTC."""
    when = datetime.fromtimestamp(stamp_ns / 1e9, UTC)
    return when.strftime('%Y-%m-%d %H:%M')


def sequence_picture(sequence: ScanSequence, truth: SequenceTruth | None, path: Path,
                     width: int = 620, height: int = 460) -> None:
    """
    Write one PNG of a sequence: a row per visit, a column per coloring.

    Parameters
    ----------
    sequence : ScanSequence
    truth : SequenceTruth, optional
        Without it only the color columns are drawn.
    path : Path
    width, height : int
        Of one view in pixels.

    """
    from matplotlib.figure import Figure
    clouds = [scan.xyz for scan in sequence.scans]
    azimuth = wall_azimuth(clouds[0])
    above = view_of(clouds, width, height, azimuth - 62, 90)
    angled = view_of(clouds, width, height, azimuth)
    rows = []
    for t, scan in enumerate(sequence.scans):
        gray = np.full((len(scan), 3), 170, np.uint8) if scan.rgb is None else scan.rgb
        cells = [_draw(above, scan, gray), _draw(angled, scan, gray)]
        if truth is not None:
            visit = truth.visits[t]
            cells.append(_draw(angled, scan, class_colors(visit.semantic)))
            cells.append(_draw(angled, scan, colors_of(visit.instance)))
        rows.append(np.concatenate(cells, axis=1))
    image = np.concatenate(rows)
    title = 30
    figure = Figure((image.shape[1] / 100, (image.shape[0] + title) / 100), dpi=100)
    figure.patch.set_facecolor(np.array(BACKGROUND) / 255)
    figure.figimage(image)
    names = ('from above', 'at an angle', 'class', 'identity')[:2 if truth is None else 4]
    for k, name in enumerate(names):
        figure.text((k + 0.5) / len(names), 1 - 8 / (image.shape[0] + title), name, ha='center',
                    va='top', fontsize=12)
    for t, scan in enumerate(sequence.scans):
        figure.text(0.004, 1 - (title + t * height + 6) / (image.shape[0] + title),
                    f'{date_of(scan.stamp_ns)}  {len(scan)} points', va='top', fontsize=10)
    figure.savefig(path)


def _draw(view: View, scan: Scan, rgb: np.ndarray) -> np.ndarray:
    shown = cutaway(scan.xyz, view)
    return splat(view, scan.xyz[shown], rgb[shown])
