"""Make a whole sequence: a room, its life, its scans, and the truth about all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from rescene4d_ros.structures import Scan, ScanSequence, UNLABELED
from rescene4d_ros.structures.truth import SequenceTruth
from rescene4d_ros.synthetic_rooms.annotation import as_annotated, draw_left_out, notes_of
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from rescene4d_ros.synthetic_rooms.furniture import Draw
from rescene4d_ros.synthetic_rooms.handheld_scanning.path import draw_focus
from rescene4d_ros.synthetic_rooms.handheld_scanning.sensors import CLOSER, draw_setup
from rescene4d_ros.synthetic_rooms.handheld_scanning.visit import capture
from rescene4d_ros.synthetic_rooms.layout.floorplan import Placed
from rescene4d_ros.synthetic_rooms.layout.room_shell import Room
from rescene4d_ros.synthetic_rooms.life import Life, make_life
from rescene4d_ros.synthetic_rooms.rendering.camera import camera_poses
from rescene4d_ros.synthetic_rooms.rendering.depth_camera import (
    covered,
    local_places,
    scan,
    Surface,
    surface_of,
)
from rescene4d_ros.synthetic_rooms.rendering.fusion import fuse
from rescene4d_ros.synthetic_rooms.rendering.light import draw_lights, shade
from rescene4d_ros.synthetic_rooms.rendering.occlusion import Occlusion
from rescene4d_ros.synthetic_rooms.rendering.rigid_points import moved, settled, turned
from rescene4d_ros.synthetic_rooms.surfaces.pattern import albedo
from rescene4d_ros.synthetic_rooms.truth import VisitRecord, write_truth

SCANNER = 5
ANNOTATION = 6


def make_sequence(
    seed: int, config: RoomsConfig, draw: Draw | None = None
) -> tuple[ScanSequence, SequenceTruth]:
    """
    Make one room that changes between visits, and scan it at each of them.

    Parameters
    ----------
    seed : int
        The same seed, config and source of furniture give the same bytes.
    config : RoomsConfig
    draw : callable, optional
        Gives furniture models; `Catalog.source` mixes catalog models in. Without it: parametric
        furniture of the shapes of `config.split`.

    Returns
    -------
    sequence : ScanSequence
        Points in a map frame that is turned and shifted against the room.
    truth : SequenceTruth

    """
    return scan_life(make_life(seed, config, draw), seed, config)


def scan_life(life: Life, seed: int, config: RoomsConfig) -> tuple[ScanSequence, SequenceTruth]:
    """Scan a room at each of its visits; see `make_sequence`."""
    scans, records = [], []
    left_out = left_out_of(life, seed, config)
    setup, focus = None, None
    if config.scanner != 'plain':
        chance = np.random.default_rng([seed, SCANNER])
        setup, focus = draw_setup(config.split, chance), draw_focus(life.room, chance)
        setup = setup if focus is None else setup.closer(float(chance.uniform(*CLOSER)))
    for t, (placed, stamp_ns) in enumerate(zip(life.visits, life.stamps_ns)):
        rng = np.random.default_rng([seed, 10 + t])
        hide = rng.random() < config.p_hidden_zone or t + 1 == config.hidden_visit
        name = f'visit {t + 1}'
        if setup is None:
            made, record = _visit(
                life.room, placed, life.map_T_room, stamp_ns, config, rng, name, hide
            )
        else:
            made, record = capture(
                life.room,
                placed,
                setup,
                life.map_T_room,
                _registration_error(life.map_T_room, config, rng),
                stamp_ns,
                rng,
                name,
                focus=focus,
                hidden=_hidden_zone(placed, rng) if hide else None,
                hidden_radius=config.hidden_radius,
            )
        if config.ragged or left_out:
            record = as_annotated(record, made.xyz, left_out, config.ragged, rng)
        scans.append(made)
        records.append(record)
    annotated = [{k: p for k, p in v.items() if k not in left_out} for v in life.visits]
    return (
        ScanSequence(tuple(scans), f'{life.room.kind}-{seed:08d}'),
        write_truth(annotated, records, life.map_T_room, config),
    )


def left_out_of(life: Life, seed: int, config: RoomsConfig) -> frozenset[int]:
    """Return the instances of a room that are not annotated."""
    return draw_left_out(life.visits, config.p_left_out, np.random.default_rng([seed, ANNOTATION]))


def notes_of_life(life: Life, seed: int, config: RoomsConfig) -> dict[str, Any]:
    """Return what is known of a made room beyond its scans and truth; see `annotation`."""
    return {'annotation': notes_of(life.visits, left_out_of(life, seed, config))}


def _visit(
    room: Room,
    placed: dict[int, Placed],
    map_T_room: np.ndarray,
    stamp_ns: int,
    config: RoomsConfig,
    rng: np.random.Generator,
    name: str,
    hide: bool,
) -> tuple[Scan, VisitRecord]:
    surface = surface_of(room, placed.values())
    hidden = _hidden_zone(placed, rng) if hide else None
    poses = camera_poses(room, placed.values(), config, rng, hidden)
    if hidden is not None and _stands_in(poses, hidden, config.hidden_radius):
        hidden = None  # the room is too small to be walked around the zone
    return scan_from_poses(room, surface, poses, map_T_room, stamp_ns, config, rng, name, hidden)


def scan_from_poses(
    room: Room,
    surface: Surface,
    poses: np.ndarray,
    map_T_room: np.ndarray,
    stamp_ns: int,
    config: RoomsConfig,
    rng: np.random.Generator,
    name: str,
    hidden: np.ndarray | None = None,
) -> tuple[Scan, VisitRecord]:
    """
    Scan a furnished room by one depth image per pose, fused to one cloud in the map.

    Parameters
    ----------
    room : Room
    surface : Surface
        Of the room and what is in it.
    poses : ndarray (P, 4, 4)
        room_T_camera.
    map_T_room : ndarray (4, 4)
    stamp_ns : int, ns since the Unix epoch
    config : RoomsConfig
    rng : Generator
    name : str
    hidden : ndarray (2,), m, in room, optional
        Middle of a zone that is left out.

    """
    hits = scan(surface, poses, config, rng, hidden)
    # Walls and floor are apart, so that a cell has one semantic class as well.
    instance = surface.instance[hits.face].astype(np.int64)
    semantic = surface.semantic[hits.face].astype(np.int64)
    fused = fuse(hits, instance * 32 + semantic + 1, map_T_room, config.spacing, rng)
    sample = fused.sample
    points = hits.true[sample].astype(np.float64)
    normals = turned(fused.normals, map_T_room[:3, :3].T)
    local = local_places(surface, hits.face[sample], hits.uv[sample])
    color = albedo(
        surface.materials, surface.material[hits.face[sample]], local.astype(np.float64)
    )
    occlusion = Occlusion(surface.vertices[surface.faces])
    lights = draw_lights(room, hits.ranges.size, rng)
    rgb = shade(occlusion, lights, points, normals, color, fused.gain, hits.pixel[sample])
    # A pixel that flew far from its surface is nobody's.
    stray = hits.flying[sample] & (
        ((hits.measured[sample] - hits.true[sample]) ** 2).sum(axis=1) > 0.06**2
    )
    instance = np.where(stray, 0, instance[sample]).astype(np.int32)
    semantic = np.where(stray, UNLABELED, semantic[sample]).astype(np.int32)
    error = _registration_error(map_T_room, config, rng)
    made = Scan(
        moved(fused.xyz, error).astype(np.float32),
        stamp_ns,
        rgb,
        turned(fused.normals, error[:3, :3]).astype(np.float32),
        moved(poses[:, :3, 3], error @ map_T_room).astype(np.float32),
        name=name,
    )
    record = VisitRecord(
        instance, semantic, local, lambda where: covered(where, poses, hits.ranges, config)
    )
    return made, record


def _stands_in(poses: np.ndarray, zone: np.ndarray, radius: float) -> bool:
    """Return whether any camera is inside an upright cylinder."""
    return bool((np.hypot(*(poses[:, :2, 3] - zone).T) < radius).any())


def _hidden_zone(placed: dict[int, Placed], rng: np.random.Generator) -> np.ndarray | None:
    """Return the middle of a zone to leave out: around something that could change."""
    lively = [p for p in placed.values() if p.model.liveliness > 0 and p.z < 1.0]
    if not lively:
        return None
    p = lively[int(rng.integers(len(lively)))]
    return np.array([p.x, p.y])


def _registration_error(
    map_T_room: np.ndarray, config: RoomsConfig, rng: np.random.Generator
) -> np.ndarray:
    """Return a small transform about the middle of the room."""
    shift = rng.normal(size=3)
    shift *= config.registration_m * rng.random() / max(float(np.linalg.norm(shift)), 1e-9)
    axis = rng.normal(size=3) * (0.3, 0.3, 1.0)
    length = max(float(np.linalg.norm(axis)), 1e-9)
    axis *= np.deg2rad(config.registration_deg) * rng.random() / length
    angle = np.linalg.norm(axis)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation = np.eye(3)
    if angle > 0:
        k = cross / angle
        rotation = np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k
    error = np.eye(4)
    middle = map_T_room[:3, 3]
    error[:3, :3] = rotation
    error[:3, 3] = middle - rotation @ middle + shift
    return settled(error)
