"""A report as one file of HTML that needs nothing else: no network, no server, no program."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros import __version__
from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.config import param
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.zones import zones_of_change
from rescene4d_ros.structures import Change, ChangeKind
from rescene4d_ros.view.outlines import MARKS
from rescene4d_ros.view.report import pictures
from rescene4d_ros.view.report.contents import (
    contents_of,
    ReportContents,
    ReportedObject,
    Standing,
)
from rescene4d_ros.view.report.figure import figure_of
from rescene4d_ros.view.report.local_time import LocalTime
from rescene4d_ros.view.report.surroundings import Places

HERE = Path(__file__).parent
MOST_ROWS = 1000  # of each table; a page of more is too slow for a phone
MOST_WORDS = 12  # changes in one picture; the words of more would cover each other
VERBS = {
    ChangeKind.ADDED: 'new',
    ChangeKind.REMOVED: 'gone',
    ChangeKind.MOVED: 'moved',
    ChangeKind.DEFORMED: 'changed shape',
    ChangeKind.REAPPEARED: 'came back',
    ChangeKind.MERGED: 'the same as',
}


@dataclass(frozen=True)
class ReportConfig:
    """Size of a report."""

    points: int = param(
        50_000,
        'Largest number of points of the view in 3D, now and before.',
        ge=1000,
        le=1_000_000,
    )
    spacing: float = param(0.03, 'Distance of points in pictures.', unit='m', ge=0.005, le=0.2)
    pictures: int = param(
        40, 'Largest number of changes with pictures; newest first.', ge=0, le=500
    )


def write_report(
    memory: SceneMemory,
    path: Path,
    since_ns: int | None,
    now_ns: int,
    clock: LocalTime,
    config: ReportConfig | None = None,
) -> ReportContents:
    """
    Write what changed in a memory as one file of HTML.

    Parameters
    ----------
    memory : SceneMemory
    path : Path
        Replaced in one step; its folder is made where it is missing.
    since_ns : int or None, ns since the Unix epoch
        Changes of visits after this time; None = those of the newest processed visit.
    now_ns : int, ns since the Unix epoch
        When the report is made.
    clock : LocalTime
        How times are written.
    config : ReportConfig, optional

    Returns
    -------
    ReportContents
        What it says.

    Raises
    ------
    StorageError
        The memory cannot be read.
    OSError
        The file cannot be written.

    """
    config = config or ReportConfig()
    contents = contents_of(memory, since_ns)
    text = page_of(memory, contents, now_ns, clock, config)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(text.encode())
    return contents


def page_of(
    memory: SceneMemory,
    contents: ReportContents,
    now_ns: int,
    clock: LocalTime,
    config: ReportConfig,
) -> str:
    """Return the page; see `write_report`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from plotly.io import to_json
    from plotly.offline import get_plotlyjs

    places = Places(memory, contents, config.spacing)
    before, now = places.at(contents.since_ns), places.at(contents.until_ns)
    names = {i: name_of(o) for i, o in contents.objects.items()}
    newest: dict[int, Change] = {}
    for change in contents.changes:
        newest.setdefault(change.object_id, change)
    drawn = [c for c in newest.values() if c.kind in MARKS]
    view = pictures.overview_view((now, before))
    labels = {c.object_id: f'{_short(c.class_name)} #{c.object_id}' for c in drawn}
    if len(drawn) > MOST_WORDS:
        labels = {i: f'#{i}' for i in labels}
    figure = figure_of(contents, before, now, drawn, _hover(contents, names, clock), config.points)
    scripts = [get_plotlyjs(), (HERE / 'report.js').read_text()]
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template('report.html').render(
        contents=contents,
        rows=_change_rows(contents, names, places, clock, config),
        objects=_object_rows(contents, names, clock),
        before_uri=pictures.overview(
            before,
            view,
            [m for c in drawn if (m := pictures.before_mark(c, labels[c.object_id]))],
            contents.zones,
        ),
        now_uri=pictures.overview(
            now,
            view,
            [m for c in drawn for m in pictures.after_marks(c, labels[c.object_id])],
            contents.zones,
        ),
        names=names,
        verbs=VERBS | {ChangeKind.MERGED: 'merged'},
        what_changed=what_changed,
        clock=clock,
        now_ns=now_ns,
        Standing=Standing,
        most=MOST_ROWS,
        version=__version__,
        style=(HERE / 'report.css').read_text(),
        scripts=scripts,
        hashes=' '.join(f"'sha256-{_digest(s)}'" for s in scripts),
        figure=to_json(figure, validate=False).replace('<', '\\u003c'),
    )


def name_of(reported: ReportedObject) -> str:
    """Return what people call an object: its name with its class, or its class."""
    item = reported.item
    return f'{item.name} ({item.class_name})' if item.name else item.class_name


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + '…'


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')


def _hover(contents: ReportContents, names: Mapping[int, str], clock: LocalTime) -> dict[int, str]:
    return {
        i: f'#{i} {names[i]}: {o.standing.value} since {clock.text(o.since_ns)}'
        for i, o in contents.objects.items()
    }


def _change_rows(
    contents: ReportContents,
    names: Mapping[int, str],
    places: Places,
    clock: LocalTime,
    config: ReportConfig,
) -> list[dict[str, Any]]:
    """Return what the page says of each change."""
    stamps = {v.visit_id: v.stamp_ns for v in contents.snapshot.visits}
    least, rows = contents.least_sure, []
    for number, change in enumerate(contents.changes[:MOST_ROWS]):
        stamp = stamps[change.visit_id]
        old = new = None
        if number < config.pictures:
            old, new = pictures.near_pictures(places.at(stamp - 1), places.at(stamp), change)
        i = change.object_id
        rows.append(
            {
                'change': change,
                'name': names.get(i, change.class_name),
                'is_known': i in contents.objects,
                'what': what_changed(change),
                'when': _when(change, clock),
                'percent': round(100 * change.confidence),
                'zones': zones_of_change(contents.zones, change),
                'is_least_sure': change is least,
                'before_uri': old,
                'after_uri': new,
            }
        )
    return rows


def what_changed(change: Change) -> str:
    """Return what a change says happened, in words."""
    verb = VERBS.get(change.kind, change.kind.name.lower())
    if change.kind == ChangeKind.MOVED and change.before and change.after:
        apart = np.subtract(change.after.center, change.before.center)
        return f'moved {np.linalg.norm(apart):.2f} m'
    return f'{verb} #{change.other_id}' if change.kind == ChangeKind.MERGED else verb


def _when(change: Change, clock: LocalTime) -> str:
    """Return between which visits it happened."""
    after = clock.text(change.evidence_after_ns)
    if change.evidence_before_ns is None:
        return f'until {after}'
    return f'between {clock.text(change.evidence_before_ns)} and {after}'


def _object_rows(
    contents: ReportContents, names: Mapping[int, str], clock: LocalTime
) -> list[dict[str, Any]]:
    """Return what the page says of each object."""
    return [
        {
            'id': i,
            'name': names[i],
            'standing': o.standing,
            'since': clock.text(o.since_ns),
            'last_seen': clock.text(o.item.last_seen_ns),
            'center': o.item.box.center,
            'size': o.item.box.size,
            'near': None
            if o.neighbor_id is None
            else f'{o.neighbor_m:.1f} m from {names[o.neighbor_id]} #{o.neighbor_id}',
            'neighbor_id': o.neighbor_id,
            'zones': o.zones,
            'alternatives': o.item.alternatives,
            'score': round(100 * o.item.score),
        }
        for i, o in list(contents.objects.items())[:MOST_ROWS]
    ]
