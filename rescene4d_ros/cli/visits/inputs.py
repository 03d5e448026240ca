"""What `replay` and `check` are given: cloud files, folders and bags, as visits in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, UTC
from decimal import Decimal, InvalidOperation
from functools import partial
import heapq
from operator import itemgetter
import os
from pathlib import Path

import numpy as np
from rescene4d_ros.cli.visits.bag_inputs import plan_bag
from rescene4d_ros.cli.visits.built_visits import plan_built_visits, survey_drive
from rescene4d_ros.data.readers.bags.parts import is_bag, natural
from rescene4d_ros.data.readers.bags.survey import survey
from rescene4d_ros.data.readers.cloud_files import read_cloud, SUFFIXES
from rescene4d_ros.data.readers.formats.box_files import read_boxes
from rescene4d_ros.data.readers.given_boxes import with_boxes
from rescene4d_ros.data.readers.images.recorded_images import DepthTopics
from rescene4d_ros.errors import FileFormatError, ScanError
from rescene4d_ros.structures import LATEST_NS, Scan, STAMPS

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
Origin = tuple[float, float, float]
Reader = Callable[[Origin | None], tuple[Scan, np.ndarray]]


@dataclass
class Inputs:
    """
    Hold the visits that inputs hold, none of them read yet.

    Attributes
    ----------
    count : int
        Visits that can be tried.
    notes : list of str
        What a person should know: files left out, recordings that end early.
    refused : list of str
        What cannot be a visit, one line for all of a kind.
    refused_count : int
        How many clouds these lines are about.
    sources : list of iterators
        Each gives, in the order of their stamps, a stamp and a function from the map's origin to
        a scan and its mask, one at a time.

    """

    count: int = 0
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    refused_count: int = 0
    sources: list[Iterator[tuple[int, Reader]]] = field(default_factory=list)

    def visits(self) -> Iterator[Reader]:
        """Yield a reader for each visit by its stamp; a bag is read as far as it is asked for."""
        for _, read in heapq.merge(*self.sources, key=itemgetter(0)):
            yield read


def find_visits(
    paths: list[Path],
    *,
    newest_ns: int = 0,
    times: list[str] | None = None,
    topic: str = '',
    map_frame: str = 'map',
    bursts: str = 'refuse',
    now_ns: int | None = None,
    sensor_frame: str = '',
    path_duration: float = 0.0,
    build_visits: bool = False,
    standing_still: float = 0.0,
    images: DepthTopics | None = None,
    boxes: list[Path] | None = None,
) -> Inputs:
    """
    Find the visits of some inputs.

    Parameters
    ----------
    paths : list of Path
        Cloud files, folders of them, or bags (folders or files).
    newest_ns : int, ns since the Unix epoch
        After this, clouds in files without a time are dated, one day apart.
    times : list of str, optional
        One per cloud file.
    topic : str
        Of the clouds in a bag that has several.
    map_frame : str
    bursts : str
        What becomes of clouds of a bag seconds apart; see `plan_bag`.
    now_ns : int, ns since the Unix epoch, optional
        Given times and stamps beyond it are told: later visits would come too late for them.

    sensor_frame : str
    path_duration : float, s
        See `plan_bag`.
    build_visits : bool
        Of all clouds of a bag, as `plan_built_visits` says.
    standing_still : float, s
        See there.
    images : DepthTopics, optional
        For bags with depth images in place of clouds, with `build_visits`.
    boxes : list of Path, optional
        Files of boxes, one per cloud file in their order, that give its instances.

    Raises
    ------
    ScanError
        Inputs that do not exist, hold nothing, or do not fit the other flags.
    FileFormatError
        A bag that is none.

    """
    inputs = Inputs()
    files, bags = _sorted_out(paths, inputs)
    if bags and files:
        raise ScanError('expected clouds or bags, got both; replay them one after the other')
    if build_visits and files:
        raise ScanError('--build-visits is for bags, got cloud files; each of them is a visit')
    if bags and boxes:
        raise ScanError('--boxes is for files; the clouds of a bag carry their own instances')
    if bags and times:
        raise ScanError('--times is for files; snapshots of a bag carry their stamps')
    surveys = []
    for path in bags:
        try:
            if build_visits:
                surveys.append(survey_drive(path, topic, images or DepthTopics()))
            else:
                surveys.append(survey(path, topic or None))
        except FileFormatError as error:
            if len(bags) == 1:
                raise
            inputs.refused.append(str(error))
            inputs.refused_count += 1
    for seen in sorted(surveys, key=lambda s: min((c.stamp_ns for c in s.clouds), default=0)):
        if build_visits:
            plan_built_visits(seen, map_frame, sensor_frame, standing_still, now_ns, inputs)
        else:
            plan_bag(seen, map_frame, bursts, inputs, sensor_frame, path_duration)
        _tell_future(seen.name, [c.stamp_ns for c in seen.clouds], now_ns, inputs)
    if files:
        stamps = _stamps(files, times, newest_ns)
        if times:
            _tell_future('--times', stamps, now_ns, inputs)
        inputs.count += len(files)
        if boxes and len(boxes) != len(files):
            raise ScanError(f'--boxes: expected one per cloud ({len(files)}), got {len(boxes)}')
        given: Sequence[Path | None] = boxes or [None] * len(files)
        in_order = sorted(zip(stamps, files, given), key=itemgetter(0))
        if stamps != sorted(stamps):
            inputs.notes.append('--times: clouds are taken in the order of their times')
        inputs.sources.append(
            (stamp, partial(_read_file, path, file, stamp, map_frame))
            for stamp, path, file in in_order
        )
    return inputs


def _read_file(
    path: Path, boxes: Path | None, stamp_ns: int, map_frame: str, origin: Origin | None = None
) -> tuple[Scan, np.ndarray]:
    """Read a cloud, with the instances of a file of boxes where there is one."""
    scan, kept = read_cloud(path, stamp_ns, path.name, map_frame, origin)
    return (scan if boxes is None else with_boxes(scan, read_boxes(boxes))), kept


def _sorted_out(paths: list[Path], inputs: Inputs) -> tuple[list[Path], list[Path]]:
    """Return cloud files and bags, each once."""
    files, bags, seen = [], [], set()
    for path in paths:
        if not os.path.exists(path):
            raise ScanError(
                f'{str(path)[:300]}: no such file; expected a cloud ({", ".join(SUFFIXES)}), a '
                'folder of clouds, or a bag'
            )
        if path.resolve() in seen:
            inputs.notes.append(f'{path}: named twice, taken once')
            continue
        seen.add(path.resolve())
        if is_bag(path):
            bags.append(path)
        elif path.is_dir():
            files += _clouds_in(path, inputs)
        else:
            files.append(path)
    return list(dict.fromkeys(files)), bags


def _clouds_in(folder: Path, inputs: Inputs) -> list[Path]:
    there = sorted((p for p in folder.iterdir() if p.is_file()), key=natural)
    clouds = [p for p in there if p.suffix.lower() in SUFFIXES]
    others = [p.name for p in there if p not in clouds]
    if not clouds:
        raise ScanError(
            f'{folder}: expected clouds ({", ".join(SUFFIXES)}) or a bag, found neither'
        )
    if others:
        shown = ', '.join(others[:5]) + (', ...' if len(others) > 5 else '')
        inputs.notes.append(f'{folder}: {len(others)} files left out, no clouds: {shown}')
    return clouds


def _stamps(files: list[Path], times: list[str] | None, newest_ns: int) -> list[int]:
    if times and len(times) != len(files):
        raise ScanError(f'--times: expected one per cloud ({len(files)}), got {len(times)}')
    if times:
        return [parse_time(text) for text in times]
    return [newest_ns + (k + 1) * DAY_NS for k in range(len(files))]


def _tell_future(name: str, stamps_ns: list[int], now_ns: int | None, inputs: Inputs) -> None:
    if now_ns is None:
        return
    future = [s for s in stamps_ns if s > now_ns + HOUR_NS]
    if future:
        inputs.notes.append(
            f'{name}: expected times up to now, got {len(future)} of {len(stamps_ns)} up to '
            f'{(max(future) - now_ns) / HOUR_NS:.0f} h later; visits of the present will be LATE '
            'behind them: check the clock, `rescene4d memory delete-visit` takes one back'
        )


def parse_time(text: str) -> int:
    """Return a stamp in ns from ISO 8601 (default zone: UTC) or seconds since 1970."""
    wrong = ScanError(
        '--times: expected ISO 8601 (2026-11-22T10:00) or seconds since 1970, '
        f'{STAMPS}, got {text[:40]!r}'
    )
    try:
        seconds = Decimal(text)  # a float would lose nanoseconds
        stamp_ns = int(seconds * 10**9) if abs(seconds) < 2**63 else -1
    except InvalidOperation:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise wrong from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        stamp_ns = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    if not 0 <= stamp_ns <= LATEST_NS:
        raise wrong
    return stamp_ns
