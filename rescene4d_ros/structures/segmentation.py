"""The classes, and results of the segmenter for T visits."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np

INSTANCE_CLASSES = (
    'cabinet',
    'bed',
    'chair',
    'sofa',
    'table',
    'door',
    'window',
    'bookshelf',
    'picture',
    'counter',
    'desk',
    'curtain',
    'refrigerator',
    'shower curtain',
    'toilet',
    'sink',
    'bathtub',
    'otherfurniture',
)
SEMANTIC_CLASSES = (*INSTANCE_CLASSES, 'wall', 'floor')
WALL = SEMANTIC_CLASSES.index('wall')
FLOOR = SEMANTIC_CLASSES.index('floor')
UNLABELED = -1
STRUCTURE_CLASSES = ('wall', 'floor', 'ceiling')  # parts of the room, never objects
OTHER_OBJECT = INSTANCE_CLASSES.index('otherfurniture')

# Ids of NYU40, the label space of ScanNet and 3RScan, for the classes of this package.
NYU40 = {
    1: 'wall',
    2: 'floor',
    3: 'cabinet',
    4: 'bed',
    5: 'chair',
    6: 'sofa',
    7: 'table',
    8: 'door',
    9: 'window',
    10: 'bookshelf',
    11: 'picture',
    12: 'counter',
    14: 'desk',
    16: 'curtain',
    24: 'refrigerator',
    28: 'shower curtain',
    33: 'toilet',
    34: 'sink',
    36: 'bathtub',
    39: 'otherfurniture',
}
_CLASS_OF_NYU40 = np.full(256, UNLABELED, dtype=np.int32)
for _id, _name in NYU40.items():
    _CLASS_OF_NYU40[_id] = SEMANTIC_CLASSES.index(_name)


def class_of_nyu40(ids: np.ndarray) -> np.ndarray:
    """Return the index in SEMANTIC_CLASSES of NYU40 ids, int32; -1 for all other ids."""
    ids = np.asarray(ids, dtype=np.int64)
    return _CLASS_OF_NYU40[np.where((ids >= 0) & (ids < len(_CLASS_OF_NYU40)), ids, 0)]


class TileName(NamedTuple):
    """Name of the points of a visit that lie in a tile, a room or a square of the floor plan."""

    visit: Hashable
    tile: str


class MaskSource(Enum):
    """What an instance was found by."""

    NETWORK = 'network'
    CHANGE = 'change'  # it came, left or moved between visits
    GIVEN = 'given'  # by another program or a person, with the cloud


@dataclass(frozen=True)
class Prediction:
    """
    The queries of one joint pass over T visits, as the network returns them.

    Attributes
    ----------
    class_probs : ndarray (Q, K + 1), float32
        Softmax; the last column is "no object".
    mask_probs : tuple of T ndarrays (S_t, Q), float32
        Sigmoid mask probability per superpoint.
    superpoint : tuple of T ndarrays (N_t,), int32
        Superpoint of each point, 0..S_t - 1; the i-th belongs to visit i only.
    features : ndarray (Q, C), float32
        Decoder features: appearance of the object over all visits.
    objectness : tuple of T ndarrays (S_t,), float32, optional
        Probability that a superpoint is part of an object, as the backbone alone sees it.
    superpoint_features : tuple of T ndarrays (S_t, E), float32, optional
        Mask features of each superpoint, followed by its class probabilities as the backbone
        alone sees them.
    voxels : tuple of T ndarrays (S_t,), int, optional
        Voxels of each superpoint; only networks that follow published code keep them.
    orientations : int
        Passes whose queries follow one another, Q / orientations of each.

    """

    class_probs: np.ndarray
    mask_probs: tuple[np.ndarray, ...]
    superpoint: tuple[np.ndarray, ...]
    features: np.ndarray
    objectness: tuple[np.ndarray, ...] | None = None
    superpoint_features: tuple[np.ndarray, ...] | None = None
    voxels: tuple[np.ndarray, ...] | None = None
    orientations: int = 1


@dataclass(frozen=True)
class Segmentation:
    """
    Disjoint instances of T visits: one query is one instance in all of them.

    Attributes
    ----------
    labels : tuple of T ndarrays (N_t,), int32
        Instance of each point, 0..I - 1; -1 = none.
    class_probs : ndarray (I, K), float32
        Over the object classes, summing to 1.
    scores : ndarray (I,), float32
        Confidence in [0, 1]: class probability times mask quality.
    features : ndarray (I, C), float32
        Query features, for appearance.
    point_scores : tuple of T ndarrays (N_t,), float32
        Mask probability of the point's instance; 0 where none.
    queries : ndarray (I,), int64, optional
        Query of each instance; separated parts of one query share it. None = not made of queries.
    sources : tuple of I MaskSource, optional
        What found each instance; None = the network found all.

    """

    labels: tuple[np.ndarray, ...]
    class_probs: np.ndarray
    scores: np.ndarray
    features: np.ndarray
    point_scores: tuple[np.ndarray, ...]
    queries: np.ndarray | None = None
    sources: tuple[MaskSource, ...] | None = None

    def source_of(self, instance: int) -> MaskSource:
        """Return what found an instance."""
        return MaskSource.NETWORK if self.sources is None else self.sources[instance]

    def __len__(self) -> int:
        """Return the number of instances I."""
        return len(self.scores)
