"""
How far changes by geometry alone stand errors of real scans: the last of two visits is disturbed.

    .venv/bin/python benchmarks/disturbed_visits.py out/sets/rooms-val [--limit 20] [--seed 0]
    .venv/bin/python benchmarks/disturbed_visits.py out/sets/rooms-val --level noise --level zone

Registration errors up to 3 cm and 1 degree, noise of 2 to 11 mm, half and double density, and a
zone that the visit misses, each alone, then all together. Prints precision, recall and F1 of
places where something came or went, and the share of unchanged things that are called changed,
without a disturbance and at each level. What a missed zone hides is no change that counts.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
from rescene4d_ros.evaluation.config import ComparisonConfig
from rescene4d_ros.evaluation.observations import Case
from rescene4d_ros.evaluation.region_changes import changes_by_regions
from rescene4d_ros.evaluation.runs import read_case
from rescene4d_ros.geometry.se3 import transform
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.summary import reduce_sequence, summarize
from rescene4d_ros.structures import ObjectState, Scan
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from scipy.spatial.transform import Rotation

LEAST_POINTS = RoomsConfig().min_points  # of a thing that a visit shows
SCORES = ('place_event_f1', 'place_event_precision', 'place_event_recall', 'false_change_rate')


@dataclass(frozen=True)
class Disturbance:
    """
    Say what is wrong with the last visit.

    Attributes
    ----------
    shift_m, turn_deg : float
        Error of registration, in a random direction and about a random axis.
    noise_m : float
        Deviation of further noise along each axis; normals are estimated anew.
    density : float
        Points per area over those of the earlier visit; the denser visit is thinned.
    zone_m : float
        Radius of an upright cylinder around a thing, of which the visit shows nothing.

    """

    shift_m: float = 0.0
    turn_deg: float = 0.0
    noise_m: float = 0.0
    density: float = 1.0
    zone_m: float = 0.0


LEVELS = {
    'undisturbed': Disturbance(),
    'registration 1 cm, 0.3 deg': Disturbance(0.01, 0.3),
    'registration 2 cm, 0.6 deg': Disturbance(0.02, 0.6),
    'registration 3 cm, 1 deg': Disturbance(0.03, 1.0),
    'noise 2 mm': Disturbance(noise_m=0.002),
    'noise 6 mm': Disturbance(noise_m=0.006),
    'noise 11 mm': Disturbance(noise_m=0.011),
    'density x 0.5': Disturbance(density=0.5),
    'density x 2': Disturbance(density=2.0),
    'zone of 0.9 m missed': Disturbance(zone_m=0.9),
    'zone of 1.5 m missed': Disturbance(zone_m=1.5),
    'all: 3 cm, 1 deg, 6 mm, x 0.5, 0.9 m': Disturbance(0.03, 1.0, 0.006, 0.5, 0.9),
}


def disturb(case: Case, what: Disturbance, rng: np.random.Generator) -> Case:
    """Return the first two visits of a sequence with the second one disturbed, and its truth."""
    before, after = case.sequence.scans[:2]
    keep = [np.ones(len(scan), dtype=bool) for scan in (before, after)]
    if what.density != 1:
        thinned = 1 if what.density < 1 else 0
        keep[thinned] = rng.random(len(keep[thinned])) < min(what.density, 1 / what.density)
    truth = case.scored
    states, changes, poses = truth.states, truth.changes, truth.poses
    assert states is not None  # of a made room, as the others
    assert changes is not None
    assert poses is not None
    assert truth.is_structure is not None
    if what.zone_m:
        labels = truth.instance[truth.visit == 1]
        middle = after.xyz[rng.choice(np.flatnonzero(labels)), :2]
        missed = np.linalg.norm(after.xyz[:, :2] - middle, axis=1) < what.zone_m
        keep[1] &= ~missed
        states = _states_without(case, states, labels[~missed], middle, what.zone_m)
    keep_all = np.concatenate([*keep, np.zeros((truth.visit > 1).sum(), dtype=bool)])
    scored = replace(
        truth,
        visit=truth.visit[keep_all],
        instance=truth.instance[keep_all],
        states=states[:, :2],
        changes=changes[:, :2],
        poses=poses[:, :2],
        is_structure=truth.is_structure[keep_all],
    )
    after = _off(after.take(keep[1]), what, rng)
    scans = (before.take(keep[0]), after)
    return replace(case, sequence=replace(case.sequence, scans=scans), scored=scored)


def _states_without(
    case: Case, states: np.ndarray, labels: np.ndarray, middle: np.ndarray, radius: float
) -> np.ndarray:
    """Return the states (G, T) of things where the second visit misses a zone."""
    states = states.copy()
    place = {o.instance_id: np.array(o.box.center[:2]) for o in case.truth.visits[0].objects}
    for g, instance in enumerate(case.scored.instance_ids):
        few = (labels == instance).sum() < LEAST_POINTS
        here = states[g, 1] == ObjectState.PRESENT
        gone = states[g, 1] == ObjectState.ABSENT and int(instance) in place
        hidden = gone and np.linalg.norm(place[int(instance)] - middle) < radius
        if (here and few) or hidden:
            states[g, 1] = ObjectState.NOT_OBSERVED
    return states


def _off(scan: Scan, what: Disturbance, rng: np.random.Generator) -> Scan:
    """Return a scan with an error of registration and with noise."""
    axis, way = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec(np.radians(what.turn_deg) * axis).as_matrix()
    middle = scan.xyz.mean(0).astype(np.float64)
    motion[:3, 3] = middle - motion[:3, :3] @ middle + what.shift_m * way
    xyz = transform(motion, scan.xyz) + rng.normal(0, 1, scan.xyz.shape) * what.noise_m
    normals = None if scan.normals is None or what.noise_m else scan.normals @ motion[:3, :3].T
    if normals is not None:
        normals = normals.astype(np.float32)
    return replace(scan, xyz=xyz.astype(np.float32), normals=normals)


def main() -> None:
    """Measure all levels, and print one row per level."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('data', type=Path, help='folder of sequence files')
    parser.add_argument('--limit', type=int, help='only the first sequences')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--level', action='append', help='only levels whose name holds this; may be repeated'
    )
    options = parser.parse_args()
    config, rules = ComparisonConfig(sensor_path=False), ScoreRules()
    cases = [read_case(p, config) for p in sorted(options.data.glob('*.npz'))[: options.limit]]
    print('| disturbance | place F1 | precision | recall | false changes |\n|---|---|---|---|---|')
    for name, what in LEVELS.items():
        if options.level and not any(part in name for part in options.level):
            continue
        reduced = []
        for case in cases:
            rng = np.random.default_rng([options.seed, crc32(case.sequence.name.encode())])
            case = disturb(case, what, rng)
            found = changes_by_regions(case.sequence.scans)
            reduced.append(reduce_sequence(case.scored, found, rules))
        scores = summarize(reduced, rules)
        values = ('-' if scores[key] is None else f'{scores[key]:.3f}' for key in SCORES)
        print('| ' + ' | '.join([name, *values]) + ' |', flush=True)


if __name__ == '__main__':
    main()
