"""Changes by geometry alone: what a method without any network states of a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rescene4d_ros.metrics.sequences import predicted_sequence, PredictedChange, PredictedSequence
from rescene4d_ros.structures import ChangeKind, INSTANCE_CLASSES, Scan
from rescene4d_ros.tracking.regions.change_regions import ChangeRegion, find_change_regions
from rescene4d_ros.tracking.regions.changed_things import bind_motions
from rescene4d_ros.tracking.regions.surfaces import last_seen, prepare_surfaces, VisitSurfaces

OTHER = INSTANCE_CLASSES.index('otherfurniture')


def changes_by_regions(scans: Sequence[Scan]) -> PredictedSequence:
    """
    Find what came, left and moved between the visits; things that never changed have no mask.

    Parameters
    ----------
    scans : sequence of T Scan
        Oldest first. Sensor paths are not used: no robot's cloud brings one.

    """
    visits = [prepare_surfaces(scan.xyz, scan.normals, scan.rgb) for scan in scans]
    ids = [np.zeros(len(visit), dtype=np.int64) for visit in visits]
    quality: dict[int, float] = {}
    changes: list[PredictedChange] = []
    for t in range(1, len(visits)):
        before, after = last_seen(visits[:t]), visits[t]
        regions = find_change_regions(before, after)
        bound = bind_motions(regions, before, after)
        motion = {pair.left: pair for pair in bound}
        partner = {pair.left: pair.came for pair in bound}
        for k, region in enumerate(regions):
            if region.came:
                continue
            object_id = _known_id(region, before, ids) or len(quality) + 1
            quality[object_id] = max(region.quality, quality.get(object_id, 0.0))
            _mark(region, before, ids, object_id)
            if k not in partner:
                changes.append(PredictedChange(t, ChangeKind.REMOVED, object_id, region.quality))
                continue
            arrived = regions[partner[k]]
            ids[t][arrived.points] = object_id
            changes.append(
                PredictedChange(
                    t,
                    ChangeKind.MOVED,
                    object_id,
                    min(region.quality, arrived.quality),
                    motion[k].after_T_before,
                )
            )
        for k in set(range(len(regions))) - set(partner.values()):
            if regions[k].came:
                object_id = len(quality) + 1
                quality[object_id] = regions[k].quality
                ids[t][regions[k].points] = object_id
                changes.append(PredictedChange(t, ChangeKind.ADDED, object_id, regions[k].quality))
    return _prediction(scans, visits, ids, quality, changes)


def _known_id(region: ChangeRegion, before: VisitSurfaces, ids: Sequence[np.ndarray]) -> int:
    """Return the object that most of a region belongs to already; 0 = none."""
    own = np.concatenate(
        [ids[t][_rows(before, region, t)] for t in np.unique(before.source[region.points])]
    )
    counts = np.bincount(own)
    best = int(counts.argmax())
    return best if best and counts[best] > 0.3 * len(own) else 0


def _rows(before: VisitSurfaces, region: ChangeRegion, visit: int) -> np.ndarray:
    """Return the positions, in the surfaces of one visit, of a region's points from there."""
    points = region.points[before.source[region.points] == visit]
    return before.row[points]


def _mark(
    region: ChangeRegion, before: VisitSurfaces, ids: Sequence[np.ndarray], object_id: int
) -> None:
    """Give the points of a region that left an id, in the visits that they come from."""
    for t in np.unique(before.source[region.points]):
        ids[t][_rows(before, region, t)] = object_id


def _prediction(
    scans: Sequence[Scan],
    visits: Sequence[VisitSurfaces],
    ids: Sequence[np.ndarray],
    quality: dict[int, float],
    changes: Sequence[PredictedChange],
) -> PredictedSequence:
    """Return the masks of all objects, in the points of the scans, and what is stated."""
    labels = [
        own[visit.tree.query(scan.xyz)[1]] if len(visit) else np.zeros(len(scan), np.int64)
        for scan, visit, own in zip(scans, visits, ids)
    ]
    names = sorted(quality)
    found = predicted_sequence(
        labels, names, [OTHER] * len(names), [quality[name] for name in names]
    )
    return replace(found, changes=tuple(changes))
