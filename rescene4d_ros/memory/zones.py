"""Zones: named parts of a map, such as a kitchen, in a YAML file of the memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.structures import Box, Change
import yaml

FILE = 'zones.yaml'  # in the folder of the memory
MOST_BYTES = 1 << 20
MOST_NAME = 200  # characters
KEYS = ('polygon', 'floor', 'ceiling')
EXAMPLE = 'kitchen: {polygon: [[0, 0], [4, 0], [4, 3], [0, 3]]}'


@dataclass(frozen=True)
class Zone:
    """
    Hold one named part of a map.

    Attributes
    ----------
    name : str
        As people write it.
    polygon : tuple of (x, y), m
        Its outline seen from above, in the frame of the memory's results; closed by itself.
    floor, ceiling : float, m
        Its extent along z, for buildings with several storeys; infinite by default.

    """

    name: str
    polygon: tuple[tuple[float, float], ...]
    floor: float = -math.inf
    ceiling: float = math.inf

    def contains(self, xyz: np.ndarray) -> np.ndarray:
        """
        Say which points lie in the zone.

        Parameters
        ----------
        xyz : ndarray (N, 3), float, m

        Returns
        -------
        ndarray (N,), bool

        """
        points = np.asarray(xyz, dtype=np.float64).reshape(-1, 3)
        is_high = (points[:, 2] >= self.floor) & (points[:, 2] <= self.ceiling)
        return self.covers(points[:, :2]) & is_high

    def covers(self, xy: np.ndarray) -> np.ndarray:
        """Say which places (N, 2) in m lie in the outline; returns (N,) bool."""
        start = np.array(self.polygon)
        end = np.roll(start, -1, axis=0)
        x, y = xy[:, :1], xy[:, 1:2]
        # Even-odd rule: edges that a ray along +x crosses.
        crosses = (start[:, 1] > y) != (end[:, 1] > y)
        with np.errstate(divide='ignore', invalid='ignore'):
            at = start[:, 0] + (y - start[:, 1]) * (end - start)[:, 0] / (end - start)[:, 1]
        return (crosses & (x < at)).sum(1) % 2 == 1

    def holds(self, box: Box) -> bool:
        """Return whether the center of a box lies in the zone."""
        return bool(self.contains(np.array([box.center]))[0])


def read_zones(memory: Path) -> tuple[Zone, ...]:
    """
    Read the zones of a memory, in the order of the file; none where there is no file.

    Parameters
    ----------
    memory : Path
        Folder of the memory.

    Raises
    ------
    FileFormatError
        It cannot be read, or is not as expected.

    """
    path = memory / FILE
    if path.exists() and not path.is_file():  # a pipe would be waited for without end
        raise FileFormatError(f'{path}: expected a file, got a folder, pipe or device; remove it')
    try:
        with path.open(encoding='utf-8') as file:
            text = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(
            f'{path}: expected zones as YAML in UTF-8, cannot read it ({error})'
        ) from error
    if len(text) > MOST_BYTES:
        raise FileFormatError(f'{path}: expected at most {MOST_BYTES} characters, got more')
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise FileFormatError(f'{path}: expected YAML such as {EXAMPLE!r}: {error}') from error
    if content is None:
        return ()
    if not isinstance(content, dict):
        raise FileFormatError(f'{path}: expected names with polygons such as {EXAMPLE!r}')
    zones = tuple(_zone(path, name, values) for name, values in content.items())
    keys = [_key(zone.name) for zone in zones]
    if len(set(keys)) < len(keys):
        raise FileFormatError(f'{path}: expected names that differ, got {", ".join(sorted(keys))}')
    return zones


def zone_named(zones: Sequence[Zone], name: str) -> Zone:
    """
    Return the zone of a name, whatever its case.

    Raises
    ------
    ConfigError
        There is none.

    """
    found = next((zone for zone in zones if _key(zone.name) == _key(name)), None)
    if found is None:
        known = ', '.join(zone.name for zone in zones) or f'none; write {FILE} of the memory'
        raise ConfigError(f'expected the name of a zone, got {name!r}; there are: {known}')
    return found


def zones_of(zones: Iterable[Zone], box: Box) -> tuple[str, ...]:
    """Return the names of the zones that hold the center of a box."""
    return tuple(zone.name for zone in zones if zone.holds(box))


def zones_of_change(zones: Iterable[Zone], change: Change) -> tuple[str, ...]:
    """Return the names of the zones in which an object was before a change, or is after it."""
    boxes = [box for box in (change.before, change.after) if box is not None]
    return tuple(zone.name for zone in zones if any(map(zone.holds, boxes)))


def zones_by_place(zones: Sequence[Zone], xyz: np.ndarray) -> list[tuple[str, ...]]:
    """Return the names of the zones that hold each of some places (N, 3) in m."""
    inside = [zone.contains(xyz) for zone in zones]
    return [
        tuple(zone.name for zone, held in zip(zones, inside) if held[k]) for k in range(len(xyz))
    ]


def written_at(memory: Path) -> tuple[int, int] | None:
    """Return what differs where the file of zones was written again; None = there is none."""
    try:
        found = (memory / FILE).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _key(name: str) -> str:
    return ' '.join(name.casefold().split())


def _zone(path: Path, name: Any, values: Any) -> Zone:
    """Return the zone of one entry of the file."""
    name = str(name)
    if not 0 < len(name.strip()) <= MOST_NAME or not name.isprintable():
        raise FileFormatError(
            f'{path}: expected names of 1 to {MOST_NAME} printable characters, got {name[:40]!r}'
        )
    if not isinstance(values, dict) or 'polygon' not in values or set(values) - set(KEYS):
        raise FileFormatError(
            f'{path}: zone {name!r}: expected {", ".join(KEYS)} such as {EXAMPLE!r}, '
            f'got {str(values)[:80]}'
        )
    try:
        corners = np.array(values['polygon'], dtype=np.float64)
        floor = float(values.get('floor', -math.inf))
        ceiling = float(values.get('ceiling', math.inf))
    except (TypeError, ValueError) as error:
        raise FileFormatError(
            f'{path}: zone {name!r}: expected numbers in m, got {error}'
        ) from error
    is_polygon = corners.ndim == 2 and corners.shape[1] == 2 and len(corners) >= 3
    if not is_polygon or not np.isfinite(corners).all() or not floor < ceiling:
        raise FileFormatError(
            f'{path}: zone {name!r}: expected three or more corners [x, y] in m and floor below '
            f'ceiling, got {len(corners)} corners, {floor:g} and {ceiling:g} m'
        )
    return Zone(name, tuple((float(x), float(y)) for x, y in corners), floor, ceiling)
