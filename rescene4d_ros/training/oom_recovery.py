"""Recovery from out of memory: fewer sequences per pass, then parts of sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
import gc

import numpy as np
from rescene4d_ros.errors import RescenError
from rescene4d_ros.models.fine_level import take_fine
from rescene4d_ros.models.inputs import VisitInput
from rescene4d_ros.training.samples.augmented_samples import Sample
import torch

# Torch has an exception type for CUDA only; messages of its CPU allocator.
MESSAGES = (
    'out of memory',
    "can't allocate memory",
    'not enough memory',
    'bad_alloc',
    'ALLOC_FAILED',
)
MOST_CROPS = 2  # a quarter of a sequence is the least that is tried

# Passes parts of a batch through the network; returns the mean losses of the sequences.
Pass = Callable[[Sequence[Sequence[Sample]]], dict[str, float]]


class MemoryGuard:
    """
    Pass batches through a network in parts that fit into memory.

    Parameters
    ----------
    device : torch.device
    seed : int
        Decides, with the step, which half of a place is left.
    most_in_a_row : int
        So many steps in a row without memory end the run.

    Attributes
    ----------
    made_smaller : int
        Steps whose batch fitted only in smaller parts, or in part.
    out_of_memory_in_a_row : int
        Steps in a row that did not fit at all.

    """

    def __init__(self, device: torch.device, seed: int, most_in_a_row: int):
        self.device, self.seed, self.most_in_a_row = device, seed, most_in_a_row
        self.made_smaller = 0
        self.out_of_memory_in_a_row = 0

    def fit(
        self, parts: Sequence[Sequence[Sample]], step: int, run: Pass, undo: Callable[[], None]
    ) -> dict[str, float]:
        """
        Run a pass, with smaller parts where memory does not do.

        Parameters
        ----------
        parts : sequence of sequences of Sample
            Sequences per forward pass.
        step : int
        run : callable
            Does the pass; returns the mean losses.
        undo : callable
            Leaves nothing behind of a pass that failed.

        Returns
        -------
        dict of str to float
            Mean losses; none where a quarter of a sequence does not fit.

        Raises
        ------
        RescenError
            Too many steps in a row without memory.

        """
        rng = np.random.default_rng([self.seed, 2, step])
        losses, message = _run_if_it_fits(run, parts)
        for attempt in range(MOST_CROPS + (len(parts[0]) > 1)):
            if losses:
                break
            self.made_smaller += attempt == 0
            undo()
            free_memory(self.device)
            parts = smaller_parts(parts, rng)
            losses, message = _run_if_it_fits(run, parts)
        if losses:
            self.out_of_memory_in_a_row = 0
            return losses
        undo()
        free_memory(self.device)
        self.out_of_memory_in_a_row += 1
        if self.out_of_memory_in_a_row >= self.most_in_a_row:
            raise RescenError(
                f'training: expected memory for a quarter of a sequence, got too little in '
                f'{self.out_of_memory_in_a_row} steps in a row up to step {step} ({message}); '
                'lower augment.max_points, model.train_tokens or losses.contrastive_chunk, or '
                'raise model.voxel_size, and start from the last checkpoint'
            )
        return {}


def _run_if_it_fits(run: Pass, parts: Sequence[Sequence[Sample]]) -> tuple[dict[str, float], str]:
    """Return the losses, or None and the message of the allocator."""
    try:
        return run(parts), ''
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return {}, (str(error) or type(error).__name__).splitlines()[0]


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an allocation failed, on a GPU or not."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and any(m in str(error) for m in MESSAGES)
    )


def free_memory(device: torch.device) -> None:
    """Free the memory of a failed pass; call it after its exception is handled."""
    gc.collect()
    if device.type == 'cuda':
        torch.cuda.empty_cache()


def smaller_parts(
    parts: Sequence[Sequence[Sample]], rng: np.random.Generator
) -> list[Sequence[Sample]]:
    """
    Return smaller parts of a batch.

    Parameters
    ----------
    parts : sequence of sequences of Sample
        Sequences per forward pass.
    rng : Generator
        Chooses the half of a place that is kept.

    Returns
    -------
    list of lists of Sample
        Single sequences; if they are single already, half of each.

    """
    if any(len(part) > 1 for part in parts):
        return [[sample] for part in parts for sample in part]
    return [[crop(sample, 0.5, rng) for sample in part] for part in parts]


def crop(sample: Sample, share: float, rng: np.random.Generator) -> Sample:
    """
    Crop to the superpoints around one of them, at the same place in every visit.

    The density of points is unchanged, and so are the features of a voxel.

    Parameters
    ----------
    sample : Sample
    share : float
        Share of kept voxels of all visits, 0..1; at least one superpoint is kept.
    rng : Generator
        Samples the center, on an object if there is one.

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
    return Sample(visits, sample.targets.of_superpoints(torch.from_numpy(keep)))


def _extent(visit: VisitInput) -> tuple[np.ndarray, np.ndarray]:
    """Return voxels (S,) and mean horizontal position (S, 2), m, of each superpoint."""
    superpoint = visit.superpoint.numpy(force=True)
    xyz = visit.xyz.numpy(force=True)
    count = np.bincount(superpoint, minlength=visit.n_superpoints)
    sums = [np.bincount(superpoint, xyz[:, k], visit.n_superpoints) for k in (0, 1)]
    return count, np.stack(sums, axis=1) / count[:, None]


def _take(visit: VisitInput, keep: np.ndarray) -> VisitInput:
    """Return the visit with a selection of its superpoints (S,), renumbered."""
    number = np.cumsum(keep) - 1
    points = visit.point_superpoint[keep[visit.point_superpoint]]
    superpoint = visit.superpoint.numpy(force=True)
    rows = torch.from_numpy(np.flatnonzero(keep[superpoint])).to(visit.coords.device)
    fine = None if visit.fine is None else take_fine(visit, visit.fine, torch.from_numpy(keep))
    return replace(
        visit,
        coords=visit.coords[rows],
        feats=visit.feats[rows],
        xyz=visit.xyz[rows],
        superpoint=torch.from_numpy(number).to(rows.device)[visit.superpoint[rows]],
        n_superpoints=int(keep.sum()),
        point_superpoint=number[points].astype(np.int32),
        fine=fine,
    )
