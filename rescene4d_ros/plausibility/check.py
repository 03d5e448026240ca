"""The check of a scan before it becomes a visit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.errors import ScanError
from rescene4d_ros.geometry.se3 import invert, transform
from rescene4d_ros.plausibility.config import PlausibilityConfig
from rescene4d_ros.plausibility.foreign_points import (
    find_people,
    find_repeated,
    find_stray,
    told_of_people,
    told_of_repeated,
    told_of_stray,
)
from rescene4d_ros.plausibility.registered import check_registered, Reference
from rescene4d_ros.plausibility.single_cloud import check_cloud, check_tilt, measure
from rescene4d_ros.structures import Finding, Scan, Severity


@dataclass(frozen=True)
class Plausibility:
    """
    Hold what the check of a scan found.

    Attributes
    ----------
    findings : tuple of Finding
        Of reading and checking; none where all is as expected.
    kept : ndarray (N,), bool
        Points of the scan that are neither repeated nor stray nor of people.
    reference_T_scan : ndarray (4, 4) or None
        Motion that would lay the scan on the memory, where it is refused for not being there, or
        where it was asked for.

    """

    findings: tuple[Finding, ...]
    kept: np.ndarray
    reference_T_scan: np.ndarray | None = None

    def refusals(self, accepted: frozenset[str] = frozenset()) -> tuple[Finding, ...]:
        """Return why the scan should not be a visit, less the codes that a person accepts."""
        return tuple(
            f for f in self.findings if f.severity == Severity.REFUSED and f.code not in accepted
        )

    def require(self, name: str, accepted: frozenset[str] = frozenset(), remedy: str = '') -> None:
        """
        Refuse what should not be a visit, see `refusals`.

        Parameters
        ----------
        name : str
            Of the scan.
        accepted : frozenset of str
        remedy : str
            Beside those of the findings.

        Raises
        ------
        ScanError

        """
        refusals = ' / '.join(map(str, self.refusals(accepted)))
        if refusals:
            raise ScanError('; '.join(filter(None, (f'{name}: {refusals}', remedy))))


def check_scan(
    scan: Scan,
    reference: Reference | None = None,
    config: PlausibilityConfig | None = None,
    register: bool = False,
) -> Plausibility:
    """
    Check a scan, alone and against what is remembered of its place.

    Takes below 0.3 s for 100,000 points.

    Parameters
    ----------
    scan : Scan
    reference : Reference, optional
        None where there is no earlier visit.
    config : PlausibilityConfig, optional
    register : bool
        Whether to look for the motion that lays the scan on what is remembered exactly.

    Returns
    -------
    Plausibility

    """
    config, repeated = config or PlausibilityConfig(), find_repeated(scan.xyz)
    if not repeated.any():
        return _check(scan, reference, config, register)
    found = _check(scan.take(~repeated), reference, config, register)
    kept = ~repeated
    kept[kept] = found.kept
    if any(f.code == 'rounded' for f in found.findings):  # which is why places are repeated
        return replace(found, kept=kept)
    return replace(found, findings=(*found.findings, *told_of_repeated(repeated)), kept=kept)


def _check(
    scan: Scan, reference: Reference | None, config: PlausibilityConfig, register: bool
) -> Plausibility:
    """Check a scan without repeated points; what an earlier check told of it is told once."""
    measures = measure(scan.xyz)
    findings = [*dict.fromkeys((*scan.findings, *check_cloud(scan, measures, config)))]
    kept = np.ones(len(scan), dtype=bool)
    if any(f.severity == Severity.REFUSED for f in findings):
        return Plausibility(tuple(findings), kept)
    stray = find_stray(scan.xyz, measures, config)
    findings += told_of_stray(scan.xyz, stray, measures, config.drop_stray)
    inside = np.flatnonzero(~stray)
    people, places = find_people(scan.xyz[inside])
    findings += told_of_people(places, config.drop_people)
    if config.drop_stray:
        kept &= ~stray
    if config.drop_people and not people.all():
        kept[inside[people]] = False
    motion: np.ndarray | None = None
    told: list[Finding] = []
    xyz = scan.xyz[kept & ~stray]
    if reference is not None:
        told, motion = check_registered(xyz, reference, config)
        if register:
            told, motion = laid_exactly(xyz, reference, told, motion)
    # What lies on the memory, or would after a motion, is as level as the memory.
    is_placed = any(f.code in ('registration', 'up_axis') for f in (*findings, *told))
    if reference is None or told:
        told = told if is_placed else [*told, *check_tilt(xyz)]
    findings += (f for f in told if f not in findings)
    return Plausibility(tuple(findings), kept, motion)


def laid_exactly(
    xyz: np.ndarray, reference: Reference, told: list[Finding], coarse: np.ndarray | None
) -> tuple[list[Finding], np.ndarray | None]:
    """
    Add the last centimeters to a motion, if there is one.

    A small motion of the cloud as it came is preferred to a large one that explains little more: a
    localization is seldom far off, and a part of a room may lie on another part.

    Parameters
    ----------
    xyz : ndarray (N, 3), float32, m, in map
    reference : Reference
    told : list of Finding
    coarse : ndarray (4, 4) or None
        Of `check_registered`, as `told`.

    Returns
    -------
    findings : list of Finding
    reference_T_scan : ndarray (4, 4) or None

    """
    from rescene4d_ros.plausibility.small_motion import GAIN, lay_small

    small = lay_small(xyz, reference)
    if coarse is None:
        return [*told, small.finding], small.motion
    fine = lay_small(transform(coarse, xyz).astype(np.float32), reference)
    if small.motion is not None and fine.coverage < small.coverage + GAIN:
        return [*(f for f in told if f.code != 'registration'), small.finding], small.motion
    return [*told, fine.finding], coarse if fine.motion is None else fine.motion @ coarse


def checked_scan(scan: Scan, found: Plausibility, register: bool = False) -> Scan:
    """
    Return the scan as it should be stored: what is kept, with the findings.

    Parameters
    ----------
    scan : Scan
    found : Plausibility
        Of `check_scan`.
    register : bool
        Whether to move it onto the memory where it does not lie there.

    """
    kept = scan.take(found.kept) if not found.kept.all() else scan
    kept = replace(kept, findings=found.findings)
    if not register or found.reference_T_scan is None:
        return kept
    return moved_scan(kept, found.reference_T_scan)


def moved_scan(scan: Scan, motion: np.ndarray) -> Scan:
    """Return a scan with all that lies in space moved by a rigid (4, 4) motion, m."""
    path, normals = scan.sensor_path, scan.normals
    return replace(
        scan,
        xyz=transform(motion, scan.xyz).astype(np.float32),
        normals=None if normals is None else (normals @ motion[:3, :3].T).astype(np.float32),
        sensor_path=None if path is None else transform(motion, path).astype(np.float32),
        free=None if scan.free is None else scan.free.moved(motion),
    )


def in_memory_frame(scan: Scan, map_T_memory: np.ndarray) -> Scan:
    """
    Return a scan of a map that was moved in the frame in which its memory keeps everything.

    Parameters
    ----------
    scan : Scan
        In the map, less the origin of the memory.
    map_T_memory : ndarray (4, 4), float64
        In coordinates with the origin.

    """
    if np.array_equal(map_T_memory, np.eye(4)):
        return scan
    at_origin = np.eye(4)
    at_origin[:3, 3] = scan.origin
    return moved_scan(scan, invert(at_origin) @ invert(map_T_memory) @ at_origin)
