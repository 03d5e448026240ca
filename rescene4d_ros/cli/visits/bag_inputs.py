"""Which clouds of a bag are visits: not the frames of one drive, and none twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from rescene4d_ros.data.readers.bags.messages import Recorded
from rescene4d_ros.data.readers.bags.serialization import deserialized
from rescene4d_ros.data.readers.bags.snapshots import snapshots_of
from rescene4d_ros.data.readers.bags.survey import bursts_of, describe_burst, Seen, Survey
from rescene4d_ros.data.readers.bags.transforms import TransformTree
from rescene4d_ros.data.readers.observed_space import with_space
from rescene4d_ros.errors import FrameUnavailableError, ScanError
from rescene4d_ros.structures import Finding, Scan, Severity

if TYPE_CHECKING:
    from rescene4d_ros.cli.visits.inputs import Inputs

NO_PATH = Finding(
    'sensor_path',
    Severity.WARNING,
    'no transform of the sensor frame at the stamp of the cloud',
    'the path of the sensor in /tf',
    'the path is unknown, with weaker evidence of absence; record /tf, or check --sensor-frame',
)
BURSTS = ('refuse', 'last', 'each')


def plan_bag(
    seen: Survey,
    map_frame: str,
    bursts: str,
    inputs: Inputs,
    sensor_frame: str = '',
    path_duration: float = 0.0,
) -> None:
    """
    Add a bag's visits to the inputs.

    Of clouds with equal stamps the first whole one counts. Clouds in other frames are taken to
    the map by the bag's own transforms. Clouds that follow each other within 10 s are frames of
    one drive. Clouds are given in the order of their stamps, however the bag stores them.

    Parameters
    ----------
    seen : Survey
    map_frame : str
    bursts : str
        'refuse' such frames, take the 'last' of each burst (where a map is published again and
        again as it grows), or 'each' as a visit of its own.
    inputs : Inputs
        Is added to.
    sensor_frame : str
        Whose path is read from the bag's transforms; '' for none.
    path_duration : float, s
        Of that path, up to the stamp of each cloud.

    """
    for damage in seen.damage:
        if damage.at_end:
            inputs.notes.append(damage.text)
        else:
            _refuse(inputs, damage.text, 1)
    clouds = _without_repetitions(seen, inputs)
    clouds, lookup = _registered(seen, clouds, map_frame, inputs)
    chosen = _of_bursts(seen, clouds, bursts, inputs)
    inputs.count += len({cloud.stamp_ns for cloud in chosen})
    if chosen:
        stamps = {cloud.number: cloud.stamp_ns for cloud in chosen}
        path = None
        if sensor_frame:
            tree = TransformTree.of_files(seen.files)
            path = partial(tree.path, map_frame, sensor_frame, duration=path_duration)
        stamped = {c.number: c.stamp_ns for c in chosen if c.frame_id is not None}
        if len(_passes(stamped)) > 1:
            inputs.notes.append(
                f'{seen.name}: clouds are not stored in the order of their stamps; they are taken '
                'in that of the stamps'
            )
        inputs.sources.append(_read(seen, stamps, lookup, map_frame, inputs, path))


def _refuse(inputs: Inputs, text: str, count: int) -> None:
    inputs.refused.append(text)
    inputs.refused_count += count


def _read(
    seen: Survey,
    chosen: dict[int, int],
    lookup: Callable[[str, int], np.ndarray] | None,
    map_frame: str,
    inputs: Inputs,
    path: Callable[[int], np.ndarray] | None,
) -> Iterator[tuple[int, Callable]]:
    """Yield stamp and reader of chosen clouds (number: stamp); of a stamp the first whole one."""
    read: set[int] = set()

    def once(snapshot, stamp_ns: int, origin=None):
        scan, kept = snapshot.read(origin, lookup, map_frame)
        read.add(stamp_ns)
        if path is not None:
            scan = _with_path(scan, path(stamp_ns))
        space = seen.spaces.get(stamp_ns)
        return (scan if space is None else _with_space(scan, space, map_frame, lookup)), kept

    for snapshot in chain.from_iterable(snapshots_of(seen, n) for n in _passes(chosen)):
        stamp_ns = chosen[snapshot.number]
        if stamp_ns in read:
            inputs.refused_count += 1
        else:
            yield stamp_ns, partial(once, snapshot, stamp_ns)


def _passes(stamps: dict[int, int]) -> list[frozenset[int]]:
    """
    Return the numbers of clouds (number: stamp) that each pass through a bag reads.

    All passes together give the order of the stamps, and none holds more than one cloud; a bag in
    that order is read once.
    """
    passes: list[list[int]] = []
    for number in sorted(stamps, key=lambda number: (stamps[number], number)):
        if not passes or number < passes[-1][-1]:
            passes.append([])
        passes[-1].append(number)
    return [frozenset(numbers) for numbers in passes]


def _with_path(scan: Scan, places: np.ndarray) -> Scan:
    """Return a scan with the path (P, 3) in the map, or with a finding where there is none."""
    if len(places):
        path = (places - np.array(scan.origin)).astype(np.float32)
        return replace(scan, sensor_path=path)
    return replace(scan, findings=(*scan.findings, NO_PATH))


def _with_space(
    scan: Scan, recorded: Recorded, map_frame: str, lookup: Callable[[str, int], np.ndarray] | None
) -> Scan:
    """Return a scan with what a message beside it says, or with a finding why it says nothing."""
    try:
        message = deserialized(recorded, recorded.topic.name)
        frame = str(message.header.frame_id)
        if frame == map_frame:
            return with_space(scan, message)
        if lookup is None:
            raise FrameUnavailableError(f'{recorded.topic.name}: it is in frame {frame!r}')
        return with_space(scan, message, lookup(frame, scan.stamp_ns))
    except (ScanError, FrameUnavailableError) as error:
        found = Finding(
            'observed_space',
            Severity.WARNING,
            str(error),
            f'path and free cells in frame {map_frame!r}',
            'they are left out, with weaker evidence of absence; mend what publishes them',
        )
        return replace(scan, findings=(*scan.findings, found))


def _without_repetitions(seen: Survey, inputs: Inputs) -> list[Seen]:
    """Return the clouds, each once; say what is wrong with the stamps."""
    known = {(cloud.stamp_ns, cloud.checksum): cloud for cloud in reversed(seen.clouds)}
    clouds = sorted(known.values(), key=lambda cloud: cloud.number)
    if len(clouds) < len(seen.clouds):
        inputs.notes.append(
            f'{seen.name}: {len(seen.clouds) - len(clouds)} of {len(seen.clouds)} clouds repeat '
            'one before, with its stamp; they are left out'
        )
    again = len(clouds) - len({cloud.stamp_ns for cloud in clouds})
    if again:
        _refuse(
            inputs,
            f'{seen.name}: expected a stamp of its own for each cloud, got {again} of '
            f'{len(clouds)} with the stamp of another; of each stamp the first whole one is taken',
            0,  # counted when they are passed over
        )
    unstamped = sum(not cloud.stamped for cloud in clouds)
    if unstamped:
        inputs.notes.append(
            f'{seen.name}: {unstamped} clouds have a header.stamp of zero; the time of recording '
            'is taken'
        )
    return clouds


def _registered(
    seen: Survey, clouds: list[Seen], map_frame: str, inputs: Inputs
) -> tuple[list[Seen], Callable[[str, int], np.ndarray] | None]:
    """Return the clouds whose frame is the map's or leads to it, and the look-up for these."""
    others = {c.frame_id: c for c in clouds if c.frame_id not in (None, map_frame)}
    if not others:
        return clouds, None
    tree = TransformTree.of_files(seen.files)
    lost = set()
    for frame in others:
        of_frame = [c for c in clouds if c.frame_id == frame]
        error = _why_lost(tree, map_frame, of_frame)
        if error:
            lost.add(frame)
            _refuse(
                inputs,
                f'{seen.name}: expected clouds in frame {map_frame!r}, got '
                f'{_described(of_frame)}; {error}. One registered cloud per visit comes from a '
                'mapping node; --map-frame is for a map of another name',
                len(of_frame),
            )
    kept = [c for c in clouds if c.frame_id not in lost]
    return kept, partial(tree.lookup, map_frame)


def _why_lost(tree: TransformTree, map_frame: str, clouds: list[Seen]) -> str:
    """Return why none of the clouds of a frame can be taken to the map; '' if one can."""
    why = ''
    for cloud in clouds:
        try:
            tree.lookup(map_frame, str(cloud.frame_id), cloud.stamp_ns)
        except FrameUnavailableError as error:
            why = why or str(error)
        else:
            return ''
    return why


def _described(clouds: list[Seen]) -> str:
    if len(clouds) == 1:
        return f'1 cloud in {clouds[0].frame_id!r}'
    drive = any(len(group) > 1 for group in bursts_of(clouds))
    told = describe_burst(sorted(clouds, key=lambda cloud: cloud.stamp_ns))
    return told + (', which are frames of one drive, not visits' if drive else '')


def _of_bursts(seen: Survey, clouds: list[Seen], bursts: str, inputs: Inputs) -> list[Seen]:
    """Return the clouds that count as visits."""
    chosen = [cloud for cloud in clouds if cloud.frame_id is None]  # refused when it is read
    refused = []
    for group in bursts_of([cloud for cloud in clouds if cloud.frame_id is not None]):
        last = group[-1].stamp_ns
        if group[0].stamp_ns == last or bursts == 'each':
            chosen += group
        elif bursts == 'last':
            chosen += [cloud for cloud in group if cloud.stamp_ns == last]
        else:
            refused.append(group)
    if refused:
        frames = [cloud for group in refused for cloud in group]
        more = f' (the first of {len(refused)} such drives)' if len(refused) > 1 else ''
        _refuse(
            inputs,
            f'{seen.name}: expected one registered cloud per visit, got '
            f'{describe_burst(refused[0])}{more}: these are frames of one drive, not visits. '
            'Record the cloud that a mapping node makes of the drive; --bursts last takes the '
            'last cloud of each drive, --bursts each takes all',
            len(frames),
        )
    return chosen
