"""Visits that are built of a recorded drive: `replay --build-visits`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rescene4d_ros.data.readers.bags.snapshots import Snapshot, snapshots_of
from rescene4d_ros.data.readers.bags.survey import Seen, Survey, survey
from rescene4d_ros.data.readers.bags.transforms import TransformTree
from rescene4d_ros.data.readers.columns import with_origin
from rescene4d_ros.data.readers.images.recorded_images import (
    depth_snapshots,
    DepthSurvey,
    DepthTopics,
    survey_depth,
)
from rescene4d_ros.errors import FrameUnavailableError, ScanError, TopicError
from rescene4d_ros.structures import Finding, Scan, Severity
from rescene4d_ros.structures.scan import check_not_future
from rescene4d_ros.visit_building.builder import BuiltVisit
from rescene4d_ros.visit_building.close_rules import CloseRule, StandingStill
from rescene4d_ros.visit_building.config import VisitBuildingConfig
from rescene4d_ros.visit_building.series import VisitSeries

AHEAD = 3600.0  # s; what clocks may differ by

if TYPE_CHECKING:
    from rescene4d_ros.cli.visits.inputs import Inputs, Origin, Reader


def survey_drive(path: Path, topic: str, images: DepthTopics) -> Survey:
    """
    Look through a recorded drive for clouds, and for depth images where it has no such clouds.

    Parameters
    ----------
    path : Path
    topic : str
        Of clouds or of depth images; '' = the only one.
    images : DepthTopics

    Raises
    ------
    FileFormatError
        No bag, no such topic, or several.

    """
    try:
        return survey(path, topic or None)
    except TopicError as error:
        found = None if error.found and not topic else survey_depth(path, topic, images)
        if found is None:
            raise
        return found


def plan_built_visits(
    seen: Survey,
    map_frame: str,
    sensor_frame: str,
    standing_still: float,
    now_ns: int | None,
    inputs: Inputs,
) -> None:
    """
    Add the visits of a recorded drive to the inputs; they are built as they are asked for.

    Parameters
    ----------
    seen : Survey
    map_frame : str
    sensor_frame : str
        Of clouds that are in the map frame; others say their frame.
    standing_still : float, s
        The sensor stands as long at the end of a visit; 0 = only a pause of 10 s ends one.
    now_ns : int, ns since the Unix epoch, optional
        Clouds beyond it are left out, unless those of the whole bag are.
    inputs : Inputs
        Is added to, also while the visits are built.

    """
    for damage in seen.damage:
        (inputs.notes if damage.at_end else inputs.refused).append(damage.text)
    middle_ns = sorted(c.stamp_ns for c in seen.clouds)[len(seen.clouds) // 2]
    latest_ns = now_ns if now_ns and middle_ns <= now_ns else 0
    inputs.sources.append(_built(seen, map_frame, sensor_frame, standing_still, latest_ns, inputs))


def _built(
    seen: Survey,
    map_frame: str,
    sensor_frame: str,
    standing_still: float,
    latest_ns: int,
    inputs: Inputs,
) -> Iterator[tuple[int, Reader]]:
    tree = TransformTree.of_files(seen.files)

    def rules() -> list[CloseRule]:
        return [StandingStill(standing_still)] if standing_still > 0 else []

    series = VisitSeries(VisitBuildingConfig(), rules, map_frame)
    refused, newest_ns = 0, 0
    errors: list[str] = []
    for number, read in _measured(seen):
        cloud = seen.clouds[number - 1]
        try:
            check_not_future(cloud.stamp_ns, latest_ns, AHEAD)
            visits = _offer(series, read, cloud, tree, map_frame, sensor_frame)
        except (ScanError, FrameUnavailableError) as error:
            refused += 1
            errors.append(str(error))
            continue
        newest_ns = cloud.stamp_ns
        for visit in visits:
            yield visit.scan.stamp_ns, _reader(visit.scan, inputs)
    try:
        last = series.finish('end of the bag')
    except ScanError as error:
        inputs.count += 1
        left_out = _left_out(seen, refused, errors) if refused else None
        told = f'{error}; {left_out.measured}, {left_out.remedy}' if left_out else str(error)
        yield newest_ns, partial(_raise, ScanError(told))
        return
    if last is not None:
        findings = (*last.scan.findings, _left_out(seen, refused, errors)) if refused else ()
        scan = replace(last.scan, findings=findings or last.scan.findings)
        yield scan.stamp_ns, _reader(scan, inputs)
    elif refused:
        inputs.count += 1
        why = ScanError(f'{seen.name}: {errors[0]}')
        yield newest_ns, partial(_raise, why)


def _measured(seen: Survey) -> Iterator[tuple[int, Callable[[], Scan]]]:
    """Yield the number of each cloud or depth image, and what decodes it."""
    if isinstance(seen, DepthSurvey):
        for image in depth_snapshots(seen):
            yield image.number, image.decode
    else:
        for snapshot in snapshots_of(seen):
            yield snapshot.number, partial(_scan, snapshot)


def _scan(snapshot: Snapshot) -> Scan:
    return snapshot.read()[0]


def _left_out(seen: Survey, refused: int, errors: list[str]) -> Finding:
    return Finding(
        'left_out',
        Severity.WARNING,
        f'{refused} of {len(seen.clouds)} clouds that cannot be used',
        'clouds with poses, in the order of their stamps',
        f'the first reason: {errors[0]}',
    )


def _offer(
    series: VisitSeries,
    read: Callable[[], Scan],
    cloud: Seen,
    tree: TransformTree,
    map_frame: str,
    sensor_frame: str,
) -> list[BuiltVisit]:
    is_in_map = cloud.frame_id == map_frame
    frame = sensor_frame if is_in_map else str(cloud.frame_id)
    pose = tree.lookup(map_frame, frame, cloud.stamp_ns) if frame else None
    return series.offer(pose, cloud.stamp_ns, is_in_map, read)


def _reader(scan: Scan, inputs: Inputs) -> Reader:
    inputs.count += 1
    return partial(_read, scan)


def _read(scan: Scan, origin: Origin | None) -> tuple[Scan, np.ndarray]:
    scan = scan if origin is None else with_origin(scan, origin)
    return scan, np.ones(len(scan), bool)


def _raise(error: ScanError, origin: Origin | None) -> tuple[Scan, np.ndarray]:
    raise error
