"""What to do when a batch does not fit into memory: fewer sequences at once, then less of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import gc

import numpy as np
from rescene4d_ros.losses import Targets
from rescene4d_ros.models.inputs import VisitInput
from rescene4d_ros.training.samples.samples import Sample
import torch

# Torch has a type of its own for CUDA only; on the CPU its allocator says one of these.
MESSAGES = (
    'out of memory',
    "can't allocate memory",
    'not enough memory',
    'bad_alloc',
    'ALLOC_FAILED',
)
MOST_CROPS = 2  # a quarter of a sequence is the least that is tried


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an allocation failed, on a GPU or not."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and any(m in str(error) for m in MESSAGES)
    )


def free_memory(device: torch.device) -> None:
    """Give back what a failed pass held; call it when its exception is gone."""
    gc.collect()
    if device.type == 'cuda':
        torch.cuda.empty_cache()


def smaller_parts(
    parts: Sequence[Sequence[Sample]], rng: np.random.Generator
) -> list[list[Sample]]:
    """
    Return parts of a batch that take less memory than these.

    Parameters
    ----------
    parts : sequence of sequences of Sample
        What passes the network at once.
    rng : Generator
        Decides which half of a place is left.

    Returns
    -------
    list of lists of Sample
        Sequences one by one; where they are that already, half of each.

    """
    if any(len(part) > 1 for part in parts):
        return [[sample] for part in parts for sample in part]
    return [[crop(sample, 0.5, rng) for sample in part] for part in parts]


def crop(sample: Sample, share: float, rng: np.random.Generator) -> Sample:
    """
    Keep the superpoints around one of them, at the same place in every visit.

    Points stay as dense as they are: what a voxel looks like does not change.

    Parameters
    ----------
    sample : Sample
    share : float
        Of the voxels of all visits that stay, 0..1; at least one superpoint does.
    rng : Generator
        Draws the middle, on an object where there is one.

    """
    visit = np.repeat(np.arange(len(sample.visits)), [v.n_superpoints for v in sample.visits])
    if not len(visit):
        return sample
    n_voxels, places = (np.concatenate(x) for x in zip(*map(_extent, sample.visits)))
    on_object = sample.targets.masks.any(0).numpy(force=True)
    middle = rng.choice(np.flatnonzero(on_object) if on_object.any() else len(visit))
    order = np.argsort(np.linalg.norm(places - places[middle], axis=1), kind='stable')
    before = np.cumsum(n_voxels[order]) - n_voxels[order]
    keep = np.zeros(len(visit), dtype=bool)
    keep[order[0]] = True
    keep[order[before < share * n_voxels.sum()]] = True
    visits = tuple(_take(v, keep[visit == t]) for t, v in enumerate(sample.visits))
    return Sample(visits, _take_targets(sample.targets, torch.from_numpy(keep)))


def _extent(visit: VisitInput) -> tuple[np.ndarray, np.ndarray]:
    """Return voxels (S,) and mean place on the floor plan (S, 2), m, of each superpoint."""
    superpoint = visit.superpoint.numpy(force=True)
    xyz = visit.xyz.numpy(force=True)
    count = np.bincount(superpoint, minlength=visit.n_superpoints)
    sums = [np.bincount(superpoint, xyz[:, k], visit.n_superpoints) for k in (0, 1)]
    return count, np.stack(sums, axis=1) / count[:, None]


def _take(visit: VisitInput, keep: np.ndarray) -> VisitInput:
    """Return the visit with some of its superpoints (S,), numbered anew."""
    number = np.cumsum(keep) - 1
    points = visit.point_superpoint[keep[visit.point_superpoint]]
    superpoint = visit.superpoint.numpy(force=True)
    rows = torch.from_numpy(np.flatnonzero(keep[superpoint])).to(visit.coords.device)
    return replace(
        visit,
        coords=visit.coords[rows],
        feats=visit.feats[rows],
        xyz=visit.xyz[rows],
        superpoint=torch.from_numpy(number).to(rows.device)[visit.superpoint[rows]],
        n_superpoints=int(keep.sum()),
        point_superpoint=number[points].astype(np.int32),
    )


def _take_targets(targets: Targets, keep: torch.Tensor) -> Targets:
    """Return the truth of some superpoints (S,), without instances that are not there."""
    keep = keep.to(targets.masks.device)
    masks = targets.masks[:, keep]
    seen = masks.any(1)
    n_points = None if targets.n_points is None else targets.n_points[keep]
    return Targets(masks[seen], targets.classes[seen], n_points)
