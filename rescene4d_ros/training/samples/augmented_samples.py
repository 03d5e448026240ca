"""
Training samples: visits, augmentation and targets.

Sample i is a function of (seed, i). A resumed run needs no sampler state, and the samples do not
depend on the number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from rescene4d_ros.data.sequences.augment import augment, AugmentConfig
from rescene4d_ros.data.sequences.mixing import MixedSampler
from rescene4d_ros.losses import IGNORED_CLASS, Targets
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.inputs import make_visit_input, sequence_origin, VisitInput
from rescene4d_ros.structures import STRUCTURE_CLASSES, UNLABELED
from rescene4d_ros.training.config import TrainConfig
from rescene4d_ros.training.samples.background import UNKNOWN
from rescene4d_ros.training.samples.made_rooms import RoomStream
from rescene4d_ros.training.samples.prepared_sequences import PreparedFile, PreparedVisit
import torch
from torch.utils.data import Dataset


@dataclass(frozen=True)
class Sample:
    """Network input and targets of one sequence."""

    visits: tuple[VisitInput, ...]
    targets: Targets

    def to(self, device: torch.device | str) -> Sample:
        """Return the sample on another device."""
        return Sample(tuple(v.to(device) for v in self.visits), self.targets.to(device))


def make_targets(
    visits: Sequence[VisitInput],
    instances: Sequence[np.ndarray],
    classes: dict[int, int],
    n_classes: int,
    backgrounds: Sequence[np.ndarray] | None = None,
) -> Targets:
    """
    Assign each superpoint to the instance of the majority of its points.

    Superpoints of no instance are structure, or unknown, if half of their points are.

    Parameters
    ----------
    visits : sequence of T VisitInput
    instances : sequence of T ndarrays (N_t,), int
        Instance id per point; 0 = none.
    classes : dict of int to int
        Instance id to class; instances of classes from `n_classes` on (wall, floor) are ignored.
    n_classes : int
        K.
    backgrounds : sequence of T ndarrays (N_t,), int8, optional
        Of `background_of`; None = nothing is known of the structure.

    """
    ids = np.unique(np.concatenate([np.unique(i) for i in instances]))
    ids = np.array(
        [i for i in ids if i > 0 and classes.get(int(i), UNLABELED) < n_classes], dtype=np.int64
    )
    counts = np.concatenate([instance_counts(v, i, ids) for v, i in zip(visits, instances)])
    owner = counts.argmax(axis=1)  # column 0 = none
    masks = owner[None, :] == np.arange(1, len(ids) + 1)[:, None]
    masks &= np.any(counts, axis=1)[None]
    seen = masks.any(axis=1)
    known = np.array([classes.get(int(i), UNLABELED) for i in ids[seen]], dtype=np.int64)
    n_points = counts.sum(axis=1)
    structure = unknown = None
    if backgrounds is not None:
        kinds = np.array([UNKNOWN, *range(1, len(STRUCTURE_CLASSES) + 1)])
        of_kind = [instance_counts(v, b, kinds)[:, 1:] for v, b in zip(visits, backgrounds)]
        is_kind = np.concatenate(of_kind) * 2 >= n_points[:, None].clip(min=1)
        is_kind &= (owner == 0)[:, None]
        unknown, structure = torch.from_numpy(is_kind[:, 0]), torch.from_numpy(is_kind[:, 1:].T)
    return Targets(
        torch.from_numpy(masks[seen]),
        torch.from_numpy(np.where(known < 0, IGNORED_CLASS, known)),
        torch.from_numpy(n_points.astype(np.float32)),
        structure,
        unknown,
    )


def instance_counts(visit: VisitInput, instance: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """
    Count the shared points of superpoints and instances.

    Parameters
    ----------
    visit : VisitInput
    instance : ndarray (N,), int
    ids : ndarray (G,), int64, sorted
        Other ids count as none.

    Returns
    -------
    ndarray (S, G + 1), int64
        Column 0 = none, column g + 1 = ids[g].

    """
    column = np.zeros(len(instance), dtype=np.int64)
    if len(ids):
        place = np.searchsorted(ids, instance).clip(max=len(ids) - 1)
        column = np.where(ids[place] == instance, place + 1, 0)
    width = len(ids) + 1
    flat = visit.point_superpoint.astype(np.int64) * width + column
    return np.bincount(flat, minlength=visit.n_superpoints * width).reshape(-1, width)


class TrainingSamples(Dataset):
    """
    Batches of all steps.

    Parameters
    ----------
    files : sequence of Path
        Prepared sequences.
    config : TrainConfig
    model : ModelConfig
    variation : AugmentConfig
    rank, world_size : int
        Rank of this process and number of processes.
    mixing : MixedSampler, optional
        Sampler over several data sets, whose files are concatenated; without it every epoch uses
        every sequence once.
    streams : sequence of RoomStream
        Rooms made during training: the last data sets of `mixing`, with a pool each.

    """

    def __init__(
        self,
        files: Sequence[Path],
        config: TrainConfig,
        model: ModelConfig,
        variation: AugmentConfig,
        rank: int = 0,
        world_size: int = 1,
        mixing: MixedSampler | None = None,
        streams: Sequence[RoomStream] = (),
    ):
        self.streams = tuple(streams)
        self.files = tuple(files)
        self.config, self.model, self.variation = config, model, variation
        self.rank, self.world_size = rank, world_size
        self.mixing = mixing

    def __len__(self) -> int:
        """Return the number of steps."""
        return self.config.steps

    def __getitem__(self, step: int) -> list[Sample]:
        """Return this process's samples of one step."""
        first = self.first_of(step) + self.rank * self.config.batch
        return [self.sample(first + b) for b in range(self.config.batch)]

    def first_of(self, step: int) -> int:
        """Return the number of the first sample of a step, of all processes."""
        return step * self.world_size * self.config.batch

    def sample(self, number: int) -> Sample:
        """Return sample `number` of the run."""
        seed, path = self.config.seed, self._draw_file(number)
        rng = np.random.default_rng([seed, 1, number])
        if self.config.kept_variants:
            variant = int(rng.integers(self.config.kept_variants))
            rng = np.random.default_rng([seed, 2, crc32(path.name.encode()), variant])
        with PreparedFile(path) as file:
            visits = tuple(file.visit(t) for t in self._draw_visits(len(file), rng))
            classes = file.classes
        return self._make(visits, classes, rng)

    def _draw_file(self, number: int) -> Path:
        """Return the sequence of sample `number`; wait for it where it is being made."""
        if self.mixing is not None:
            dataset, item = self.mixing.draw(number)
            stream = dataset - (len(self.mixing.lengths) - len(self.streams))
            if stream < 0:
                return self.files[self.mixing.number(dataset, item)]
            rooms = self.streams[stream]
            return rooms.wait_for(rooms.newest(number) - item)
        epoch, place = divmod(number, len(self.files))
        order = np.random.default_rng([self.config.seed, 0, epoch]).permutation(len(self.files))
        return self.files[int(order[place])]

    def _draw_visits(self, n_visits: int, rng: np.random.Generator) -> np.ndarray:
        """Return the visits in random order: changes are plausible in both directions."""
        most = min(n_visits, self.config.max_visits)
        if most == 1 or rng.random() < self.config.p_single:
            return rng.integers(n_visits, size=1)
        return rng.permutation(n_visits)[: rng.integers(2, most + 1)]

    def _make(
        self, visits: tuple[PreparedVisit, ...], classes: dict[int, int], rng: np.random.Generator
    ) -> Sample:
        """Augment the visits and convert them to input and targets."""
        scans, kept = augment(tuple(v.scan for v in visits), rng, self.variation)
        origin = sequence_origin(scans, self.model)
        inputs = tuple(
            make_visit_input(s, v.superpoint[k], self.model, origin)
            for s, v, k in zip(scans, visits, kept)
        )
        instances = [v.instance[k] for v, k in zip(visits, kept)]
        backgrounds = [v.background[k] for v, k in zip(visits, kept)]
        n_classes = self.model.n_classes
        return Sample(inputs, make_targets(inputs, instances, classes, n_classes, backgrounds))
