"""One visit of a room as a robot's live topics carry it, and as one cloud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
import math

import numpy as np
from rescene4d_ros.structures import Scan
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from rescene4d_ros.synthetic_rooms.life import Life
from rescene4d_ros.synthetic_rooms.rendering.camera import image_plane
from rescene4d_ros.synthetic_rooms.rendering.depth_camera import scan, Surface, surface_of
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import moved
from rescene4d_ros.synthetic_rooms.robot_drive.path import base_poses, camera_mounts, drive_places
from rescene4d_ros.synthetic_rooms.robot_drive.person import CLOTHES, with_person
from rescene4d_ros.synthetic_rooms.sequence import scan_from_poses
from rescene4d_ros.synthetic_rooms.truth import VisitRecord
from scipy.spatial import cKDTree

DRIFT_M, DRIFT_RAD = 0.10, math.radians(2.0)  # of the odometry in one visit
LAG = 1.0  # s; how late the localization corrects the odometry
WALKS = 0.25, 0.75  # of the visit: from when to when a person walks through the room
PERSONAL_M = 0.7  # of space that a person keeps to the robot
STEPS_HZ = 1.8  # of a person
COLOR_M = 0.1  # distance to which the color of the snapshot counts


@dataclass(frozen=True)
class Frame:
    """
    Hold what the robot publishes at one time.

    Attributes
    ----------
    stamp_ns : int, ns since the Unix epoch
    xyz : ndarray (N, 3), float32, m
        Measured, in the frame of the camera.
    rgb : ndarray (N, 3), uint8
    depth : ndarray (H, W), float32, m
        The same as an image of the camera; 0 = nothing measured.
    color : ndarray (H, W, 3), uint8
        Black where nothing was measured.
    map_T_odom, odom_T_base, base_T_camera : ndarray (4, 4), float64
        As the robot believes: their product is off by what the odometry drifts in `LAG`.

    """

    stamp_ns: int
    xyz: np.ndarray
    rgb: np.ndarray
    depth: np.ndarray
    color: np.ndarray
    map_T_odom: np.ndarray
    odom_T_base: np.ndarray
    base_T_camera: np.ndarray


@dataclass(frozen=True)
class Drive:
    """
    Hold one visit.

    Attributes
    ----------
    snapshot : Scan
        The same room, scanned from places of the drive as one cloud, without a person.
    record : VisitRecord
        What each point of the snapshot truly is.
    n_frames : int

    """

    snapshot: Scan
    record: VisitRecord
    n_frames: int
    _room_T_base: np.ndarray
    _base_T_camera: np.ndarray
    _people: np.ndarray
    _surface: Surface
    _life: Life
    _config: RoomsConfig
    _seed: tuple[int, int]
    _rate: float

    @property
    def camera_matrix(self) -> np.ndarray:
        """Return focal lengths and principal point (3, 3), pixels, of the images of the frames."""
        matrix = np.eye(3)
        for axis, places in enumerate(image_plane(self._config)):
            matrix[axis, axis] = (len(places) - 1) / (places[-1] - places[0])
            matrix[axis, 2] = (len(places) - 1) / 2
        return matrix

    def frames(self) -> Iterator[Frame]:
        """Measure one frame after the other."""
        tree = cKDTree(self.snapshot.xyz)
        for k in range(self.n_frames):
            yield self._frame(k, tree)

    def _frame(self, k: int, tree: cKDTree) -> Frame:
        room_T_camera = self._room_T_base[k] @ self._base_T_camera[k]
        rng = np.random.default_rng([*self._seed, k])
        hits = scan(self._surface_at(k), room_T_camera[None], self._config, rng)
        off, at = tree.query(moved(hits.true.astype(np.float64), self._life.map_T_room))
        assert self.snapshot.rgb is not None
        rgb = self.snapshot.rgb[at].copy()
        rgb[off > COLOR_M] = np.rint(255 * np.array(CLOTHES.color))
        local = (hits.measured - room_T_camera[:3, 3]) @ room_T_camera[:3, :3]
        depth = np.zeros(hits.ranges.shape[1:], np.float32)
        color = np.zeros((*depth.shape, 3), np.uint8)
        depth.flat[hits.pixel] = local[:, 2]
        color.reshape(-1, 3)[hits.pixel] = rgb
        map_T_base = self._life.map_T_room @ self._room_T_base[k]
        before = max(0, k - round(LAG * self._rate))
        return Frame(
            self.snapshot.stamp_ns + round(k * 1e9 / self._rate),
            local.astype(np.float32),
            rgb,
            depth,
            color,
            np.linalg.inv(drift(before / self.n_frames)),
            drift(k / self.n_frames) @ map_T_base,
            self._base_T_camera[k],
        )

    def _surface_at(self, k: int) -> Surface:
        share = k / self.n_frames
        place = self._people[k]
        near = np.hypot(*(place - self._room_T_base[k, :2, 3])) < PERSONAL_M
        if not WALKS[0] <= share < WALKS[1] or near:
            return self._surface
        ahead = self._people[min(k + 1, self.n_frames - 1)] - place
        swing = math.sin(2 * math.pi * STEPS_HZ / 2 * k / self._rate)
        return with_person(self._surface, place, math.atan2(ahead[1], ahead[0]), swing)


def drift(share: float) -> np.ndarray:
    """Return odom_T_map (4, 4) after a share of the visit; identity at its begin."""
    angle = share * DRIFT_RAD
    out = np.eye(4)
    c, s = math.cos(angle), math.sin(angle)
    out[:2, :2] = [[c, -s], [s, c]]
    out[0, 3] = share * DRIFT_M
    return out


def make_drive(
    life: Life, visit: int, seed: int, config: RoomsConfig, seconds: float, rate: float
) -> Drive:
    """
    Plan a robot's drive at one visit of a room.

    Parameters
    ----------
    life : Life
    visit : int
        From 0.
    seed : int
    config : RoomsConfig
        Its views are those of the snapshot; the frames of the drive have half as many columns
        and rows.
    seconds : float, s
        Duration of the drive.
    rate : float, Hz
        Frames per second.

    """
    placed, count = life.visits[visit], round(seconds * rate)
    rng = np.random.default_rng([seed, 20 + visit])
    surface = surface_of(life.room, placed.values())
    bases = base_poses(drive_places(life.room, placed.values(), count, rate, rng), rate)
    mounts = camera_mounts(bases, rate, rng.uniform(0, 2 * np.pi))
    people = drive_places(life.room, placed.values(), count, rate, rng)
    at = np.rint(np.linspace(0, count - 1, config.views)).astype(int)
    stamp_ns = life.stamps_ns[visit]
    snapshot, record = scan_from_poses(
        life.room,
        surface,
        bases[at] @ mounts[at],
        life.map_T_room,
        stamp_ns,
        config,
        rng,
        f'visit {visit + 1}',
    )
    live = replace(config, view_width=config.view_width // 2, view_height=config.view_height // 2)
    return Drive(
        snapshot, record, count, bases, mounts, people, surface, life, live, (seed, visit), rate
    )
