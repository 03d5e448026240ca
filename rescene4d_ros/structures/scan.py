"""One visit's point cloud, what its check found, and a sequence of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from rescene4d_ros.errors import ScanError

if TYPE_CHECKING:
    from rescene4d_ros.structures.free_space import FreeSpace
    from rescene4d_ros.structures.local_light import LocalLight

ONE_LIGHT = 128.0  # m^2 of floor, up to which the light of a visit is one


class Severity(Enum):
    """How much a finding says about a cloud."""

    INFO = 'info'  # done and told: a few points were dropped
    WARNING = 'warning'  # results are less sure than usual
    REFUSED = 'refused'  # results would be wrong; the cloud is not taken unless told otherwise


@dataclass(frozen=True)
class Finding:
    """
    Hold one outcome of reading or checking a cloud.

    Attributes
    ----------
    code : str
        Stable name for programs, such as 'unit' or 'overlap'.
    severity : Severity
    measured, expected : str
        Values with their units.
    remedy : str
        What to do about it; empty where nothing needs to be done.

    """

    code: str
    severity: Severity
    measured: str
    expected: str
    remedy: str = ''

    def __str__(self) -> str:
        """Return one line: expected, got, what to do."""
        remedy = f'; {self.remedy}' if self.remedy else ''
        return f'{self.code}: expected {self.expected}, got {self.measured}{remedy}'

    def as_dict(self) -> dict[str, str]:
        """Return the values as plain text, for JSON and the memory."""
        return {
            'code': self.code,
            'severity': self.severity.value,
            'measured': self.measured,
            'expected': self.expected,
            'remedy': self.remedy,
        }

    @classmethod
    def from_dict(cls, values: dict[str, str]) -> Finding:
        """Return the finding that `as_dict` wrote."""
        return cls(
            values['code'],
            Severity(values['severity']),
            values['measured'],
            values['expected'],
            values['remedy'],
        )


LATEST_NS = 2**31 * 10**9 - 1  # ns since the Unix epoch; a stamp of ROS has 31 bits of seconds
STAMPS = 'from 1970 to 2038'


@dataclass(frozen=True)
class GivenInstances:
    """
    Hold instances that a cloud brings with it.

    Attributes
    ----------
    instance : ndarray (N,), int64
        Instance of each point within its visit; 0 and below = none.
    class_id : ndarray (N,), int32, optional
        Index in the class list; others are of unknown class.
    score : ndarray (N,), float32, 0..1, optional
        Confidence.

    """

    instance: np.ndarray
    class_id: np.ndarray | None = None
    score: np.ndarray | None = None

    def take(self, index: np.ndarray) -> GivenInstances:
        """Return those of the points that `index` (mask or indices) selects."""
        return GivenInstances(
            self.instance[index],
            None if self.class_id is None else self.class_id[index],
            None if self.score is None else self.score[index],
        )


@dataclass(frozen=True)
class Scan:
    """
    The registered points of one visit.

    Attributes
    ----------
    xyz : ndarray (N, 3), float32, m, in map
        All finite.
    stamp_ns : int, ns since the Unix epoch
        When the visit was made (wall clock).
    rgb : ndarray (N, 3), uint8, optional
        None where the sensor has no color.
    normals : ndarray (N, 3), float32, optional
        Unit normals, towards the sensor.
    sensor_path : ndarray (P, 3), float32, m, in map, optional
        Sensor positions; makes evidence of absence more precise.
    frame_id : str
        The map frame.
    name : str
        Name in messages (a file name, a visit number).
    origin : tuple of 3 float, m
        What was subtracted from the coordinates of the source before they became float32, so
        that large ones keep their precision: source = xyz + origin. One per map.
    findings : tuple of Finding
        What reading and checking the cloud found.
    given : GivenInstances, optional
        Instances that came with the cloud, for `inference.source: given`.
    free : FreeSpace, optional
        What the visit looked through; evidence of absence where nothing behind was measured.

    """

    xyz: np.ndarray
    stamp_ns: int
    rgb: np.ndarray | None = None
    normals: np.ndarray | None = None
    sensor_path: np.ndarray | None = None
    frame_id: str = 'map'
    name: str = ''
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    findings: tuple[Finding, ...] = ()
    given: GivenInstances | None = None
    free: FreeSpace | None = None

    def __post_init__(self) -> None:
        """Refuse shapes and dtypes that would cause silent errors later."""
        n = len(self.xyz)
        expected = (
            ('xyz', (n, 3), np.float32),
            ('rgb', (n, 3), np.uint8),
            ('normals', (n, 3), np.float32),
            ('sensor_path', (None, 3), np.float32),
        )
        for field, shape, dtype in expected:
            value = getattr(self, field)
            if value is None:
                continue
            good = value.ndim == 2 and value.shape[1] == 3 and shape[0] in (None, len(value))
            if not good or value.dtype != dtype:
                raise ScanError(
                    f'scan {self.name!r}: {field} must be {shape} {dtype.__name__}, '
                    f'got {value.shape} {value.dtype}'
                )
        for field in ('instance', 'class_id', 'score') if self.given is not None else ():
            value = getattr(self.given, field)
            if value is not None and value.shape != (n,):
                raise ScanError(
                    f'scan {self.name!r}: given.{field} must be {(n,)}, got {value.shape}'
                )

    def __len__(self) -> int:
        """Return the number of points N."""
        return len(self.xyz)

    @cached_property
    def mean_color(self) -> np.ndarray | None:
        """Return the mean color (3,) plus one, in which the light shows; None without color."""
        return None if self.rgb is None else self.rgb.mean(0) + 1.0

    @cached_property
    def local_light(self) -> LocalLight | None:
        """
        Return the mean colors around places of a visit of many rooms, each with its lamp.

        None of a visit of one room, whose `mean_color` stands for it, and without color.
        """
        if self.rgb is None or len(self) == 0:
            return None
        low, high = np.floor(self.xyz.min(axis=0)), np.floor(self.xyz.max(axis=0))
        if np.prod((high - low + 1)[:2]) <= ONE_LIGHT:
            return None
        from rescene4d_ros.structures.local_light import LocalLight

        light = LocalLight(self.xyz, self.rgb)
        return light if light.has_many_rooms else None

    def take(self, index: np.ndarray) -> Scan:
        """Return the scan with the points that `index` (mask or indices) selects."""

        def pick(a: np.ndarray | None) -> np.ndarray | None:
            return None if a is None else a[index]

        return replace(
            self,
            xyz=self.xyz[index],
            rgb=pick(self.rgb),
            normals=pick(self.normals),
            given=None if self.given is None else self.given.take(index),
        )


@dataclass(frozen=True)
class ScanSequence:
    """
    T visits of one place, oldest first.

    Attributes
    ----------
    scans : tuple of Scan
        Stage t of the network is `scans[t]`.
    name : str
        Unique within its data set.

    """

    scans: tuple[Scan, ...]
    name: str = ''

    def __len__(self) -> int:
        """Return the number of visits T."""
        return len(self.scans)


def check_not_future(stamp_ns: int, now_ns: int, most: float) -> None:
    """
    Refuse a stamp behind which all visits of the present would be LATE.

    Parameters
    ----------
    stamp_ns, now_ns : int, ns since the Unix epoch
        A now of 0 is unknown.
    most : float, s
        What a stamp may be after now: clocks differ.

    Raises
    ------
    ScanError
        It is further in the future.

    """
    if now_ns and stamp_ns > now_ns + int(most * 1e9):
        raise ScanError(
            f'cloud of {stamp_ns / 1e9:.3f} s: expected a stamp at most {most:g} s after now '
            f'({now_ns / 1e9:.3f} s), got {stamp_ns / 1e9:.3f} s; set the clocks, or raise '
            'max_future'
        )
