"""Three visits of a made room, as a bag of live topics and as snapshots, with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rescene4d_ros.config import make
from rescene4d_ros.data.readers.bags.drive_writing import write_drives
from rescene4d_ros.structures import Scan, UNLABELED
from rescene4d_ros.structures.truth import SequenceTruth, VisitTruth
from rescene4d_ros.synthetic_rooms import make_life, RoomsConfig
from rescene4d_ros.synthetic_rooms.robot_drive.drive import make_drive
from rescene4d_ros.synthetic_rooms.sample import SAMPLE
from rescene4d_ros.synthetic_rooms.truth import write_truth
from scipy.spatial import cKDTree

SEED, ROOM_TYPE = 24, 'living'  # things move, leave, arrive and come back, and one can drive
ROOM = {**SAMPLE, 'visits': 3, 'hidden_visit': 0, 'view_width': 256, 'view_height': 192}
RATE = 10.0  # Hz
SAME = 0.05  # m; farther points show what the snapshot does not


@dataclass(frozen=True)
class Visits:
    """
    Hold what is known of the visits.

    Attributes
    ----------
    kind : str
        Of the room.
    n_clouds : int
        Of all drives.
    snapshots : tuple of Scan
    truth : SequenceTruth
        Of their points.

    """

    kind: str
    n_clouds: int
    snapshots: tuple[Scan, ...]
    truth: SequenceTruth

    def truth_of(self, visit: int, xyz: np.ndarray) -> VisitTruth:
        """Return the truth of a visit (from 0) for other points (N, 3), m, in map."""
        known = self.truth.visits[visit]
        off, at = cKDTree(self.snapshots[visit].xyz).query(xyz)
        same = off < SAME
        return VisitTruth(
            np.where(same, known.instance[at], 0).astype(np.int32),
            np.where(same, known.semantic[at], UNLABELED).astype(np.int32),
            known.objects,
        )


def make_visits(bag: Path, seconds: float, seed: int = SEED, room_type: str = ROOM_TYPE) -> Visits:
    """Make the visits, and the bag of their drives; its folder must not exist."""
    config = make(RoomsConfig, {**ROOM, 'room_type': room_type})
    life = make_life(seed, config)
    drives = [make_drive(life, t, seed, config, seconds, RATE) for t in range(len(life.visits))]
    write_drives(bag, (drive.frames() for drive in drives))
    truth = write_truth(life.visits, [d.record for d in drives], life.map_T_room, config)
    kind = f'{room_type} room' if room_type == ROOM_TYPE else room_type
    return Visits(kind, sum(d.n_frames for d in drives), tuple(d.snapshot for d in drives), truth)
