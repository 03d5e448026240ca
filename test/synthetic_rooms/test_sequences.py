"""Whole sequences: repeatable bytes, and truth that the points bear out."""

import dataclasses
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.config import make
from rescene4d_ros.data.sequences.sequence_file import read_sequence
from rescene4d_ros.structures import ChangeKind, FLOOR, ObjectState
from rescene4d_ros.synthetic_rooms import make_sequence, PRESETS, RoomsConfig
from scipy.spatial import cKDTree

SMALL = {
    'visits': 3,
    'view_width': 96,
    'view_height': 72,
    'views': 14,
    'spacing': 0.04,
    **PRESETS['busy'],
}


@pytest.fixture(scope='module')
def made():
    """Return a few sequences with their truth."""
    return [make_sequence(seed, make(RoomsConfig, SMALL)) for seed in (1, 2, 3)]


def bytes_of(sequence, truth):
    """Return all arrays of a sequence as bytes."""
    return (
        b''.join(
            a.tobytes()
            for scan, visit in zip(sequence.scans, truth.visits)
            for a in (
                scan.xyz,
                scan.rgb,
                scan.normals,
                scan.sensor_path,
                visit.instance,
                visit.semantic,
            )
        )
        + repr([v.objects for v in truth.visits]).encode()
    )


def test_same_seed_same_bytes(made):
    """Another process makes the same; another seed does not."""
    config = make(RoomsConfig, SMALL)
    assert bytes_of(*make_sequence(1, config)) == bytes_of(*made[0])
    assert bytes_of(*made[1]) != bytes_of(*made[0])


def test_arrays_fit_together(made):
    """Lengths, types, unit normals towards the sensor, stamps that grow."""
    for sequence, truth in made:
        assert np.diff([s.stamp_ns for s in sequence.scans]).min() > 0
        for scan, visit in zip(sequence.scans, truth.visits, strict=True):
            assert len(scan) == len(visit.instance) == len(visit.semantic) > 2000
            assert np.isfinite(scan.xyz).all()
            np.testing.assert_allclose(np.linalg.norm(scan.normals, axis=1), 1, atol=1e-4)
            nearest = scan.sensor_path[cKDTree(scan.sensor_path).query(scan.xyz)[1]]
            faces = ((nearest - scan.xyz) * scan.normals).sum(axis=1) > 0
            assert faces.mean() > 0.6
            up = scan.normals[visit.semantic == FLOOR, 2]
            assert np.median(up) > 0.95


def test_every_identity_has_one_class(made):
    """In the points of all visits, and in the list of objects."""
    for _, truth in made:
        classes = {o.instance_id: o.class_id for v in truth.visits for o in v.objects}
        for visit in truth.visits:
            for k in np.unique(visit.instance[visit.instance > 0]):
                assert set(visit.semantic[visit.instance == k]) == {classes[k]}
            for o in visit.objects:
                assert classes[o.instance_id] == o.class_id


def test_states_say_what_was_scanned(made):
    """PRESENT has points, ABSENT is out of the room, and no other object has enough points."""
    config = make(RoomsConfig, SMALL)
    states = set()
    for _, truth in made:
        for visit in truth.visits:
            for o in visit.objects:
                count = int((visit.instance == o.instance_id).sum())
                states.add(o.state)
                if o.state == ObjectState.PRESENT:
                    assert o.in_room
                    assert count >= config.min_points
                    assert 0 < o.visible_share <= 1
                else:
                    assert count < config.min_points
                if o.state == ObjectState.ABSENT:
                    assert not o.in_room
                if not o.in_room:
                    assert count == 0
    assert {ObjectState.PRESENT, ObjectState.ABSENT} <= states


def test_points_lie_in_their_box(made):
    """Up to noise, flying pixels and the registration error."""
    for sequence, truth in made:
        for scan, visit in zip(sequence.scans, truth.visits):
            for o in visit.objects:
                points = scan.xyz[visit.instance == o.instance_id]
                if len(points) < 25:
                    continue
                c, s = np.cos(o.box.yaw), np.sin(o.box.yaw)
                local = (points - o.box.center) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
                inside = (np.abs(local) < np.array(o.box.size) / 2 + 0.09).all(axis=1)
                assert inside.mean() > 0.97


def test_poses_carry_points_from_visit_to_visit(made):
    """Static or moved: in the frame of the object its points agree within noise."""
    agree, moved = [], 0
    for sequence, truth in made:
        for t in range(1, len(truth.visits)):
            before = {o.instance_id: o for o in truth.visits[t - 1].objects}
            for o in truth.visits[t].objects:
                old = before.get(o.instance_id)
                pair = [
                    (sequence.scans[t - 1], truth.visits[t - 1], old),
                    (sequence.scans[t], truth.visits[t], o),
                ]
                local = []
                for scan, visit, item in pair:
                    if item is not None and item.state == ObjectState.PRESENT:
                        points = scan.xyz[visit.instance == o.instance_id].astype(np.float64)
                        pose = np.linalg.inv(item.map_T_object)
                        local.append(points @ pose[:3, :3].T + pose[:3, 3])
                if o.change == ChangeKind.DEFORMED:
                    continue
                # Another side may be seen; where both saw the same, the surfaces coincide.
                if len(local) == 2 and min(map(len, local)) > 300:
                    distance = cKDTree(local[0]).query(local[1])[0]
                    agree.append(np.percentile(distance, 30))
                    moved += o.change == ChangeKind.MOVED
    assert moved > 2
    assert np.median(agree) < 0.03
    assert np.mean(np.array(agree) < 0.06) > 0.9


def test_change_kinds_follow_from_presence(made):
    """ADDED once, REMOVED only from presence, REAPPEARED only after REMOVED."""
    kinds = set()
    for _, truth in made:
        history = {}
        for t, visit in enumerate(truth.visits):
            for o in visit.objects:
                past = history.setdefault(o.instance_id, [])
                kinds.add(o.change)
                if t == 0:
                    assert o.change == ChangeKind.UNKNOWN
                elif o.change == ChangeKind.ADDED:
                    assert not past
                    assert o.in_room
                elif o.change == ChangeKind.REMOVED:
                    assert past[-1]
                    assert not o.in_room
                elif o.change == ChangeKind.REAPPEARED:
                    assert past
                    assert not past[-1]
                    assert o.in_room
                elif o.change == ChangeKind.MOVED:
                    assert past[-1]
                    assert o.in_room
                else:
                    assert past[-1] == o.in_room
                past.append(o.in_room)
    assert {ChangeKind.MOVED, ChangeKind.REMOVED} <= kinds


def test_zone_that_fills_the_room_is_not_missed():
    """A camera inside the zone would see nothing at all."""
    config = make(
        RoomsConfig,
        {**SMALL, 'visits': 1, 'room_type': 'bath', 'p_hidden_zone': 1.0, 'hidden_radius': 4.0},
    )
    sequence, _ = make_sequence(2, config)
    whole, _ = make_sequence(2, dataclasses.replace(config, p_hidden_zone=0.0))
    assert len(sequence.scans[0]) > 0.9 * len(whole.scans[0])


def test_hidden_visit_misses_something():
    """What stands in the zone has no points and counts as not observed."""
    config = make(
        RoomsConfig,
        {**SMALL, 'visits': 2, 'hidden_visit': 2, 'p_hidden_zone': 0.0, 'room_type': 'living'},
    )
    _, truth = make_sequence(11, config)
    hidden = [
        o for o in truth.visits[1].objects if o.in_room and o.state == ObjectState.NOT_OBSERVED
    ]
    assert hidden


@pytest.mark.slow
def test_command_makes_goes_on_and_shows(tmp_path):
    """Real processes: two jobs; a second call makes only what is missing; a picture."""
    command = [sys.executable, '-m', 'rescene4d_ros.cli.main', 'rooms']
    make_two = [
        *command,
        'make',
        '--out',
        tmp_path,
        '--count',
        '2',
        '--seed',
        '5',
        '--jobs',
        '2',
        '--room-type',
        'bath',
        '--visits',
        '1',
    ]
    subprocess.run(make_two, check=True, timeout=1800)
    files = sorted(tmp_path.iterdir())
    assert [f.name for f in files] == ['room_00000005.npz', 'room_00000006.npz']
    first, time = files[0].read_bytes(), files[1].stat().st_mtime_ns
    files[0].unlink()
    subprocess.run(make_two, check=True, timeout=1800)
    assert files[0].read_bytes() == first
    assert files[1].stat().st_mtime_ns == time
    sequence, _ = read_sequence(files[0])
    assert sequence.name == 'bath-00000005'
    picture = tmp_path / 'a.png'
    subprocess.run([*command, 'show', files[0], '--out', picture], check=True, timeout=1800)
    assert Path(picture).read_bytes().startswith(b'\x89PNG')


def test_command_refuses_more_than_the_most(tmp_path, capsys):
    """A request for at least 30 objects is not quietly cut to the default of 20 at most."""
    command = ['rooms', 'make', '--out', str(tmp_path), '--min-objects', '30']
    assert main(command) == 2
    assert 'expected at most 20' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
