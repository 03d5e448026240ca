"""A small memory that the tracker made of four visits to a room of boxes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, UTC

import numpy as np
import pytest
from rescene4d_ros.memory.editing import corrections
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import Scan, Segmentation

CLASSES = ('bed', 'chair', 'table', 'lamp', 'sofa', 'refrigerator', 'otherfurniture')
FLOOR = 6.0  # m
SECOND_NS = 10**9
# Low corner and size in m, color, class.
BED = ((0.2, 0.2, 0.0), (2.0, 1.6, 0.5), (225, 222, 215), 'bed')
TABLE = ((3.5, 3.0, 0.0), (1.2, 0.8, 0.75), (139, 90, 43), 'table')
RED_CHAIR = ((3.0, 1.0, 0.0), (0.5, 0.5, 0.9), (190, 50, 45), 'chair')
BLUE_CHAIR = ((3.8, 4.1, 0.0), (0.5, 0.45, 0.9), (60, 70, 150), 'chair')
LAMP = ((5.2, 0.4, 0.0), (0.35, 0.35, 1.5), (230, 220, 60), 'lamp')
SOFA = ((0.3, 4.2, 0.0), (1.8, 0.8, 0.8), (60, 120, 70), 'sofa')
MOVED_CHAIR = ((5.0, 2.2, 0.0), *RED_CHAIR[1:])
READING_CHAIR = 4  # its id
VISITS = (
    ('2026-11-20T09:00', (BED, TABLE, RED_CHAIR, BLUE_CHAIR, LAMP)),
    ('2026-11-22T09:00', (BED, TABLE, RED_CHAIR, BLUE_CHAIR)),
    ('2026-11-24T09:00', (BED, TABLE, MOVED_CHAIR, BLUE_CHAIR, SOFA)),
    ('2026-11-26T09:00', (BED, TABLE, MOVED_CHAIR, BLUE_CHAIR, SOFA)),
)


def stamp(text: str) -> int:
    """Return a time in UTC as ns since the Unix epoch."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_NS


class TrueMasks:
    """Answer for the network: the boxes that were sampled, with their classes."""

    class_names = CLASSES

    def __init__(self) -> None:
        self.visits: dict[int, tuple[np.ndarray, list[str]]] = {}  # by stamp

    def add(self, scan: Scan, instance: np.ndarray, classes: list[str]) -> None:
        """Remember the boxes of a scan; 0 is the floor."""
        self.visits[scan.stamp_ns] = (instance, classes)

    def segment(self, scans, keys) -> Segmentation:
        """Return the boxes of all visits, each with a number of its own."""
        labels, classes, points = [], [], []
        for scan in scans:
            instance, names = self.visits[scan.stamp_ns]
            found = np.where(instance > 0, len(classes) + instance - 1, -1)
            labels.append(found.astype(np.int32))
            points.append((instance > 0).astype(np.float32))
            classes += [CLASSES.index(name) for name in names]
        probs = np.full((len(classes), len(CLASSES)), 0.02, np.float32)
        probs[np.arange(len(classes)), classes] = 0.88
        return Segmentation(
            tuple(labels),
            probs,
            np.full(len(classes), 0.9, np.float32),
            np.zeros((len(classes), 0), np.float32),
            tuple(points),
        )


@pytest.fixture(scope='session')
def home(tmp_path_factory, boxes_room):
    """
    Return the folder of a memory of four visits, closed.

    The lamp is removed at visit 2; the red chair is moved and the sofa added at visit 3; visit 4
    does not observe the corner of the bed. The blue chair has the name `reading chair`.
    """
    path = tmp_path_factory.mktemp('home') / 'memory'
    masks = TrueMasks()
    with SceneMemory.open(path, 'home', 'map', CLASSES) as memory:
        tracker = SceneTracker(memory, masks)
        for number, (when, boxes) in enumerate(VISITS):
            shapes = [(low, size, color) for low, size, color, _ in boxes]
            scan, instance = boxes_room(shapes, number, 500.0, FLOOR, stamp(when))
            if number == 3:
                seen = (scan.xyz[:, 0] > 2.6) | (scan.xyz[:, 1] > 2.4)
                scan, instance = scan.take(seen), instance[seen]
            names = [name for *_, name in boxes]
            masks.add(scan, instance, names)
            tracker.add_visit(replace(scan, name=f'visit {number + 1}'))
    with SceneMemory.edit(path) as memory:
        corrections.rename(memory, READING_CHAIR, 'reading chair')
    return path
