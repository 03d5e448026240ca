"""
Rooms that are made as training goes: which room a sample shows, and where its file is.

Room r of a stream is a function of (seed, r), and the rooms that a sample may show are a function
of its number. Files are a cache: what is missing is made again, with the same content.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
import hashlib
import json
from pathlib import Path
import time

import numpy as np
from rescene4d_ros import __version__
from rescene4d_ros.errors import RescenError
from rescene4d_ros.geometry.superpoints.cut import SuperpointConfig
from rescene4d_ros.structures import ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth
from rescene4d_ros.training.samples.prepared_sequences import prepare, save_prepared

POLL_S = 0.05
FAILURE = 'failed.txt'  # in the folder of the rooms: why no more of them come
LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class RoomStream:
    """
    Rooms of one kind without end, of which `pool` may be drawn at a time.

    Attributes
    ----------
    kind : str
        Names the rooms; part of their seeds and file names.
    make : callable
        Makes a sequence and its truth of a seed; of a module, so that other processes find it.
    folder : Path
        Of prepared sequences.
    seed : int
        Of the run.
    superpoints : SuperpointConfig
    normals : {'given', 'estimated'}
        As for `prepare`.
    pool : int
        Newest rooms, of which a sample shows one.
    uses : float
        Draws of the run, of all data sets, per new room.

    """

    kind: str
    make: Callable[[int], tuple[ScanSequence, SequenceTruth]]
    folder: Path
    seed: int
    superpoints: SuperpointConfig
    normals: str
    pool: int
    uses: float

    def newest(self, number: int) -> int:
        """Return the newest room that sample `number` of the run may show; the first is 0."""
        return self.pool - 1 + int(number / self.uses)

    def oldest(self, number: int) -> int:
        """Return the oldest room that sample `number` of the run may show."""
        return self.newest(number) - self.pool + 1

    def path(self, room: int) -> Path:
        """Return the file of a room; its name changes with the settings and the version."""
        settings = json.dumps(
            [__version__, self.kind, self.seed, self.normals, asdict(self.superpoints)]
        )
        digest = hashlib.sha256(settings.encode()).hexdigest()[:12]
        return self.folder / f'{self.kind}-{digest}-{room:06d}.npz'

    def write(self, room: int) -> float:
        """Make a room and write its file; return how long that took, in s."""
        start = time.monotonic()
        kind = int.from_bytes(hashlib.sha256(self.kind.encode()).digest()[:4], 'little')
        rng = np.random.default_rng([self.seed, kind, room])
        made = self.make(int(rng.integers(LARGEST_SEED)))
        save_prepared(self.path(room), prepare(*made, self.superpoints, self.normals))
        return time.monotonic() - start

    def wait_for(self, room: int) -> Path:
        """
        Return the file of a room when it is there.

        Raises
        ------
        RescenError
            No more rooms come.

        """
        path = self.path(room)
        while not path.exists():
            failure = self.folder / FAILURE
            if failure.exists():
                raise RescenError(failure.read_text())
            time.sleep(POLL_S)
        return path
