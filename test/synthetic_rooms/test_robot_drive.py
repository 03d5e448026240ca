"""A robot drives: its frames lie on the room, but for a person who walks through."""

import numpy as np
import pytest
from rescene4d_ros.config import make
from rescene4d_ros.synthetic_rooms import make_life, RoomsConfig
from rescene4d_ros.synthetic_rooms.rendering.depth_camera import surface_of
from rescene4d_ros.synthetic_rooms.robot_drive.drive import make_drive
from rescene4d_ros.synthetic_rooms.robot_drive.person import with_person
from scipy.spatial import cKDTree

SMALL = {
    'visits': 1, 'room_type': 'office', 'min_objects': 6, 'max_objects': 6, 'views': 12,
    'view_width': 96, 'view_height': 72, 'p_hidden_zone': 0.0,
}  # fmt: skip


@pytest.fixture(scope='module')
def drive():
    """Return a drive of 6 s at 5 Hz."""
    config = make(RoomsConfig, SMALL)
    return make_drive(make_life(3, config), 0, 3, config, 6.0, 5.0)


@pytest.fixture(scope='module')
def frames(drive):
    """Return what it measures."""
    return list(drive.frames())


def test_frames_lie_on_the_snapshot_but_for_the_person(drive, frames):
    """The product of the transforms is off by the little that the odometry drifts in a second."""
    tree = cKDTree(drive.snapshot.xyz)
    off = []
    for frame in frames:
        pose = frame.map_T_odom @ frame.odom_T_base @ frame.base_T_camera
        xyz = frame.xyz @ pose[:3, :3].T + pose[:3, 3]
        off.append((tree.query(xyz)[0] > 0.15).mean())
        assert frame.rgb.shape == frame.xyz.shape
    walking = np.arange(len(frames)) / len(frames)
    walking = (walking >= 0.25) & (walking < 0.75)
    assert np.median(np.array(off)[~walking]) < 0.05
    assert max(np.array(off)[walking]) > np.median(np.array(off)[~walking]) + 0.03


def test_odometry_drifts_and_the_robot_drives_on(drive, frames):
    """Odometry alone is off by centimeters at the end; frames come at their rate."""
    end = frames[-1]
    true = drive._life.map_T_room @ drive._room_T_base[-1]
    believed = end.map_T_odom @ end.odom_T_base
    assert np.linalg.norm(end.odom_T_base[:3, 3] - true[:3, 3]) > 0.05
    assert np.linalg.norm(believed[:3, 3] - true[:3, 3]) < 0.05
    assert np.diff([f.stamp_ns for f in frames]).tolist() == [200_000_000] * 29
    steps = np.diff([f.odom_T_base[:2, 3] for f in frames], axis=0)
    assert 0 < np.hypot(*steps.T).max() < 0.4


def test_a_person_belongs_to_no_object(drive):
    """Truth calls the person unlabeled, so that who is remembered as an object is wrong."""
    life = drive._life
    room = surface_of(life.room, life.visits[0].values())
    crowded = with_person(room, np.zeros(2), 0.0, 0.5)
    added = len(crowded.faces) - len(room.faces)
    assert added > 50
    assert not crowded.instance[-added:].any()
    assert (crowded.semantic[-added:] == -1).all()
    assert crowded.vertices[len(room.vertices) :, 2].max() == pytest.approx(1.73)
