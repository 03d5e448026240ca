"""
How exactly a visit that lies elsewhere is laid on the memory, and what is taken wrongly.

    .venv/bin/python benchmarks/registration.py out/sets/rooms-val [--limit 20] [--seed 0]
    .venv/bin/python benchmarks/registration.py --drives 4

The last visit of each sequence is moved in a random direction and turned about a random axis, and
checked against the first one as `plausibility: register` and `refuse` do. The error that is left
is measured at the middle of the visit, against the motion that was made. With --drives the poses
of robot drives drift by a known motion from begin to end, and what the finding `drift` says is
measured against it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from zlib import crc32

import numpy as np
from rescene4d_ros.config import make
from rescene4d_ros.evaluation.config import ComparisonConfig
from rescene4d_ros.evaluation.runs import read_case
from rescene4d_ros.geometry.surface_registration import moved_by
from rescene4d_ros.plausibility.check import check_scan, moved_scan
from rescene4d_ros.plausibility.registered import Reference
from rescene4d_ros.structures import Scan
from rescene4d_ros.synthetic_rooms import make_life, RoomsConfig
from rescene4d_ros.synthetic_rooms.robot_drive.drive import make_drive
from rescene4d_ros.visit_building.builder import VisitBuilder
from rescene4d_ros.visit_building.posed_clouds import PosedCloud
from scipy.spatial.transform import Rotation

LEVELS = ((0, 0), (0.03, 1), (0.05, 2), (0.1, 3), (0.2, 5), (0.3, 10), (1.0, 30))  # m, degrees
WRONG = 0.05, 1.0  # m and degrees; a visit that is taken and is more off is taken wrongly
DRIFTS = ((0, 0), (0.03, 0.5), (0.06, 1.0), (0.1, 2.0))  # m, degrees from begin to end
FIRST_SEED = 24
SECONDS, RATE = 20.0, 10.0


def offset(scan: Scan, level: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Return a motion (4, 4) about the middle of a scan, of a size in m and degrees."""
    axis, way = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec(np.radians(level[1]) * axis).as_matrix()
    middle = scan.xyz.mean(0).astype(np.float64)
    motion[:3, 3] = middle - motion[:3, :3] @ middle + level[0] * way
    return motion


def errors(
    scan: Scan, reference: Reference, motion: np.ndarray
) -> tuple[bool, bool, float, float]:
    """Return whether it is taken as it is, and registered; the error then, m and degrees."""
    moved = moved_scan(scan, motion)
    as_it_is = not check_scan(moved, reference).refusals()
    found = check_scan(moved, reference, register=True)
    laid = found.reference_T_scan is not None
    registered = not found.refusals(frozenset({'registration'} if laid else ()))
    left = motion if found.reference_T_scan is None else found.reference_T_scan @ motion
    distance, angle = moved_by(left, scan.xyz.mean(0).astype(np.float64))
    return as_it_is, registered, distance, float(np.degrees(angle))


def measure_offsets(folder: Path, limit: int | None, seed: int) -> None:
    """Print one row per size of the motion."""
    config = ComparisonConfig(sensor_path=False)
    visits = [
        (case.sequence.name, case.sequence.scans[0], case.sequence.scans[-1])
        for case in (read_case(p, config) for p in sorted(folder.glob('*.npz'))[:limit])
    ]
    references = [Reference.of_points(first.xyz) for _, first, _ in visits]
    print(
        '| motion | visits | refused without `register` | wrong | refused with it | wrong '
        '| median error | 95 % | worst |\n|---|---|---|---|---|---|---|---|---|'
    )
    for level in LEVELS:
        rows = []
        for (name, _, last), reference in zip(visits, references):
            rng = np.random.default_rng([seed, crc32(name.encode())])
            rows.append(errors(last, reference, offset(last, level, rng)))
        plain, taken, off, turned = (np.array(column) for column in zip(*rows))
        is_off = level[0] > WRONG[0] or level[1] > WRONG[1]
        wrong = taken & ((off > WRONG[0]) | (turned > WRONG[1]))
        shown = [
            f'{100 * of(off[taken]):.1f} cm, {of(turned[taken]):.2f}°' if taken.any() else '-'
            for of in (np.median, lambda v: np.percentile(v, 95), np.max)
        ]
        counts = ((~plain).sum(), plain.sum() if is_off else 0, (~taken).sum(), wrong.sum())
        row = [f'{100 * level[0]:.0f} cm, {level[1]}°', len(rows), *counts, *shown]
        print('| ' + ' | '.join(map(str, row)) + ' |', flush=True)


def measure_drifts(count: int) -> None:
    """Print what is said of the drift of drives through made rooms."""
    room = {'visits': 1, 'hidden_visit': 0, 'room_type': 'living'}
    config = make(RoomsConfig, {**room, 'view_width': 256, 'view_height': 192})
    print('| drift | drives | told of | warned of | median error |\n|---|---|---|---|---|')
    drives = []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        life = make_life(seed, config)
        drives.append([*make_drive(life, 0, seed, config, SECONDS, RATE).frames()])
    for level in DRIFTS:
        told = [_told(frames, level) for frames in drives]
        known = [t for t in told if t is not None]
        off = np.median([abs(t[0] - level[0]) for t in known]) if known else np.nan
        turn = np.median([abs(t[1] - level[1]) for t in known]) if known else np.nan
        warned = sum(t[2] for t in known)
        row = [f'{100 * level[0]:.0f} cm, {level[1]}°', count, len(known), warned]
        print('| ' + ' | '.join(map(str, row)) + f' | {100 * off:.1f} cm, {turn:.2f}° |')


def _told(frames: list, level: tuple[float, float]) -> tuple[float, float, bool] | None:
    """Return m, degrees and whether it is a warning of what the builder says of a drift."""
    builder = VisitBuilder()
    for k, frame in enumerate(frames):
        share = k / len(frames)
        error = np.eye(4)
        error[:3, :3] = Rotation.from_euler('z', share * level[1], degrees=True).as_matrix()
        error[0, 3] = share * level[0]
        pose = error @ frame.map_T_odom @ frame.odom_T_base @ frame.base_T_camera
        builder.add(PosedCloud(frame.xyz, pose, frame.stamp_ns, frame.rgb))
    findings = {f.code: f for f in builder.finish().scan.findings}
    if 'drift' not in findings:
        return None
    words = findings['drift'].measured.split()
    return float(words[2]) / 100, float(words[5]), findings['drift'].severity.name == 'WARNING'


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('data', type=Path, nargs='?', help='folder of sequence files')
    parser.add_argument('--limit', type=int, help='only the first sequences')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--drives', type=int, default=0, help='drives whose drift is measured')
    options = parser.parse_args()
    if options.data:
        measure_offsets(options.data, options.limit, options.seed)
    if options.drives:
        measure_drifts(options.drives)


if __name__ == '__main__':
    main()
