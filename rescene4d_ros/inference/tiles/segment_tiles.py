"""Segment more than one pass of the network holds: tile by tile, objects at borders joined."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rescene4d_ros.geometry.floor.pieces import KIND, Piece, pieces_of, rooms_of_window
from rescene4d_ros.geometry.floor.room_plan import RoomPlan
from rescene4d_ros.inference.tiles.joining import join_visit, join_visits, TileMasks, VisitMask
from rescene4d_ros.structures import Scan, Segmentation, TileName
from scipy.sparse import csr_matrix, diags

if TYPE_CHECKING:  # it loads torch
    from rescene4d_ros.inference.visit_encoder import FeatureFiles

# Segments some scans, given the names of their points; see `Segmenter.segment`.
SegmentOnce = Callable[[Sequence[Scan], Sequence[Hashable] | None], Segmentation]


@dataclass(frozen=True)
class _Part:
    """What was found in one piece of the visits."""

    piece: Piece
    found: Segmentation
    first: int  # number of its first instance among those of all pieces


def segment_tiles(
    scans: Sequence[Scan],
    keys: Sequence[Hashable] | None,
    edge: float,
    least: int,
    segment: SegmentOnce,
    files: FeatureFiles | None = None,
) -> Segmentation:
    """
    Find the instances of T visits of many rooms.

    Tiles are rooms, or squares of a grid fixed in the map; see `pieces_of`. Where the newest visit
    has no points, nothing is segmented.

    Parameters
    ----------
    scans : sequence of T Scan
    keys : sequence of T hashable, optional
        Names of the visits; a tile of a visit is named by both.
    edge : float, m
        Of the core of a tile.
    least : int
        Least number of points of the newest visit in the core of a tile.
    segment : callable
        Finds the instances of the points of one tile.
    files : FeatureFiles, optional
        Keep the rooms of a named visit, so that windows that begin with it have the same tiles.

    """
    # 1. Segment each tile jointly over the visits.
    plan = _rooms(scans, keys, edge, files)
    pieces = pieces_of([scan.xyz for scan in scans], edge, least, plan=plan)
    parts = list(_segmented(scans, keys, pieces, segment)) or [_nothing(scans, segment)]
    scores = np.concatenate([part.found.scores for part in parts])

    # 2. Join the masks of neighboring tiles, visit by visit.
    visits = [join_visit([_masks(part, t) for part in parts], scores) for t in range(len(scans))]

    # 3. Join over the visits: what a tile calls one object is one.
    objects = join_visits(visits)

    # 4. Write labels; class, score and features are means over what contributes points.
    return _combined(scans, parts, visits, objects)


def _rooms(
    scans: Sequence[Scan], keys: Sequence[Hashable] | None, edge: float, files: FeatureFiles | None
) -> RoomPlan | None:
    """Return the rooms of a window, kept for its newest visit as they were for its earliest."""
    first, last = (keys[0], keys[-1]) if keys and files is not None else (None, None)
    data, kind = None, f'{KIND}-{edge:g}'
    if files is not None and isinstance(first, str) and first:
        data = files.read(first, kind)
    kept = RoomPlan.from_bytes(data) if data else None
    plan = rooms_of_window([scan.xyz for scan in scans], edge, kept)
    if plan is not None and files is not None and isinstance(last, str) and last:
        files.write(last, kind, plan.to_bytes())
    return plan


def _segmented(
    scans: Sequence[Scan],
    keys: Sequence[Hashable] | None,
    pieces: Iterable[Piece],
    segment: SegmentOnce,
) -> Iterator[_Part]:
    """Yield what is found in each tile."""
    first = 0
    for piece in pieces:
        cut = [scan.take(index) for scan, index in zip(scans, piece.points)]
        found = segment(cut, keys and [TileName(key, piece.name) for key in keys])
        yield _Part(piece, found, first)
        first += len(found)


def _nothing(scans: Sequence[Scan], segment: SegmentOnce) -> _Part:
    """Return what is found where no tile has points."""
    none = tuple(np.empty(0, dtype=np.int64) for _ in scans)
    nowhere = tuple(np.empty(0, dtype=bool) for _ in scans)
    found = segment([scan.take(none[0]) for scan in scans], None)
    return _Part(Piece('', none, nowhere, nowhere), found, 0)


def _masks(part: _Part, visit: int) -> TileMasks:
    """Return what a tile says of one visit, with instances numbered over all tiles."""
    piece, label = part.piece, part.found.labels[visit]
    return TileMasks(
        piece.points[visit],
        np.where(label < 0, -1, label + part.first),
        piece.is_core[visit],
        piece.at_edge[visit],
    )


def _combined(
    scans: Sequence[Scan],
    parts: Sequence[_Part],
    visits: Sequence[Sequence[VisitMask]],
    objects: Sequence[Sequence[int]],
) -> Segmentation:
    """Return one segmentation of the instances of all tiles."""
    found = [part.found for part in parts]
    places = [
        (t, k, mask)
        for t, ids in enumerate(objects)
        for k, mask in zip(ids, visits[t], strict=True)
    ]
    labels = [np.full(len(scan), -1, dtype=np.int32) for scan in scans]
    for t, k, mask in places:
        labels[t][mask.points] = k
    rows = [(k, instance, n) for _, k, mask in places for instance, n in mask.parts.items()]
    row, instance, points = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    shape = (int(row.max(initial=-1)) + 1, sum(map(len, found)))
    weight = csr_matrix((points.astype(np.float32), (row, instance)), shape=shape)
    weight = diags(1 / np.asarray(weight.sum(axis=1)).ravel()) @ weight

    def mean(name: str) -> np.ndarray:
        every = np.concatenate([getattr(one, name) for one in found])
        return np.asarray(weight @ every, dtype=np.float32)

    return Segmentation(
        labels=tuple(labels),
        class_probs=mean('class_probs'),
        scores=mean('scores'),
        features=mean('features'),
        point_scores=tuple(_point_scores(parts, t, label) for t, label in enumerate(labels)),
    )


def _point_scores(parts: Sequence[_Part], visit: int, label: np.ndarray) -> np.ndarray:
    """Return the largest score of each point in any tile; 0 where no object has it."""
    scores = np.zeros(len(label), dtype=np.float32)
    for part in parts:
        at = part.piece.points[visit]
        scores[at] = np.maximum(scores[at], part.found.point_scores[visit])
    return np.where(label < 0, np.float32(0), scores)
