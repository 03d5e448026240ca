"""A drive through a room of boxes, measured by casting rays; a person may walk through it."""

import numpy as np
import pytest
from rescene4d_ros.visit_building.posed_clouds import PosedCloud

START_NS = 1_700_000_000 * 10**9
ROOM = np.array([[-3.0, -2.0, 0.0], [3.0, 2.0, 2.5]])
TABLE = np.array([[0.6, 0.8, 0.0], [1.6, 1.5, 0.7]])
RADIUS = 0.25  # m; of the person


def rays(rows=64, columns=160):
    """Return directions (N, 3) of one turn of a sensor that sees 90 degrees from up to down."""
    pitch, yaw = np.meshgrid(
        np.radians(np.linspace(-60, 30.1, rows)),
        np.linspace(-3.141, 3.142, columns, endpoint=False),
    )
    pitch, yaw = pitch.ravel(), yaw.ravel()
    return np.stack(
        [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)], axis=1
    )


def ranges(position, directions, boxes, person=None):
    """Return the distance (N,) to what each ray meets first."""
    with np.errstate(divide='ignore', invalid='ignore'):
        far = ((np.where(directions > 0, ROOM[1], ROOM[0]) - position) / directions).min(axis=1)
        for low, high in boxes:
            one, other = (low - position) / directions, (high - position) / directions
            enter = np.minimum(one, other).max(axis=1)
            leave = np.maximum(one, other).min(axis=1)
            far = np.where((enter > 0) & (enter < leave) & (enter < far), enter, far)
        if person is not None:
            to = np.asarray(person) - position[:2]
            length = (directions[:, :2] ** 2).sum(axis=1)
            middle = (directions[:, :2] @ to) / length
            inside = RADIUS**2 - (to @ to - middle**2 * length)
            near = middle - np.sqrt(np.maximum(inside, 0) / length)
            height = position[2] + near * directions[:, 2]
            far = np.where((inside > 0) & (near > 0) & (near < far) & (height < 1.8), near, far)
    return far


def pose_at(k):
    """Return map_T_sensor of cloud k: to and fro along the room, turning slowly."""
    pose = np.eye(4)
    yaw = 0.05 * k
    pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    pose[:3, 3] = 2.0 * np.sin(0.06 * k), -1.0, 1.1
    return pose


def cloud_at(k, person=None, boxes=(TABLE,)):
    """Return cloud k of the drive, 10 each second, with 3 mm of noise."""
    pose, directions = pose_at(k), rays()
    distance = ranges(pose[:3, 3], directions @ pose[:3, :3].T, boxes, person)
    distance = distance + np.random.default_rng(k).normal(0, 0.003, len(distance))
    rgb = np.full((len(directions), 3), 90, np.uint8)
    return PosedCloud(directions * distance[:, None], pose, START_NS + k * 10**8, rgb)


@pytest.fixture(scope='session')
def make_cloud():
    """Return `cloud_at`."""
    return cloud_at


@pytest.fixture(scope='session')
def on_static():
    """Return what tells which points lie on the walls, floor, ceiling or table of the room."""

    def tell(xyz, slack=0.04):
        wall = np.minimum(np.abs(xyz - ROOM[0]), np.abs(xyz - ROOM[1])).min(axis=1) < slack
        outside = np.maximum(TABLE[0] - xyz, xyz - TABLE[1])
        return wall | (np.abs(outside.max(axis=1)) < slack)

    return tell


@pytest.fixture(scope='session')
def drive():
    """Return 120 clouds of 12 s, in which a person crosses the room."""
    return [
        cloud_at(k, person=(-2.0 + 0.08 * k, 0.4) if 10 <= k < 60 else None) for k in range(120)
    ]
