"""Fit the model of mask quality, and measure how well it is calibrated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rescene4d_ros.inference.selection.quality import LIMIT, OUTPUTS, QualityModel
from rescene4d_ros.training.mask_quality.candidate_examples import CandidateExamples
import torch
from torch import nn

HIDDEN = 128
ROUNDS = 2  # of context
DROPOUT = 0.2  # of the inputs and of the first hidden layer
VISITS = 3  # per step
RATE, DECAY = 2e-3, 1e-2
BINS = 10
SAMPLE = 100_000  # candidates that tell the mean and deviation of features


class QualityNet(nn.Module):
    """
    Tell the quality of candidates as `QualityModel` does, with gradients.

    The last input says whether the network was trained on the room of a candidate. Its masks are
    surer there; in use the input is 0 and left out.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(DROPOUT)
        self.inner = nn.ModuleList([nn.Linear(inputs, HIDDEN), nn.Linear(HIDDEN, HIDDEN)])
        self.contexts = nn.ModuleList([nn.Linear(6 * HIDDEN, HIDDEN) for _ in range(ROUNDS)])
        self.last = nn.Linear((1 + ROUNDS) * HIDDEN, len(OUTPUTS))

    def forward(
        self, inputs: torch.Tensor, related: torch.Tensor, visit: torch.Tensor
    ) -> torch.Tensor:
        """
        Return the logits (C, 3).

        Parameters
        ----------
        inputs : tensor (C, F + 1), float32
        related : tensor (C, 5), int64
            Of `relatives`; C where there is none.
        visit : tensor (C,), int64
            Candidates of one visit have one number, from 0 on.

        """
        state = inputs
        for layer in self.inner:
            state = torch.relu(layer(self.dropout(state)))
        states, count = [state], torch.bincount(visit)[:, None]
        for layer in self.contexts:
            padded = torch.cat([state, state.new_zeros(1, HIDDEN)])
            parent, sibling, part, other_part, partner = (
                padded.index_select(0, column.contiguous()) for column in related.T
            )
            mean = state.new_zeros(len(count), HIDDEN).index_add(0, visit, state) / count
            parts = torch.maximum(part, other_part)
            joined = torch.cat([state, parent, sibling, parts, partner, mean[visit]], dim=1)
            state = torch.relu(layer(joined))
            states.append(state)
        return self.last(torch.cat(states, dim=1))


def fit_quality(examples: CandidateExamples, epochs: int, seed: int) -> QualityModel:
    """
    Fit a perceptron with rounds of context to the overlaps of candidates.

    Parameters
    ----------
    examples : CandidateExamples
    epochs : int
    seed : int
        Of the first weights and of the order of the visits.

    """
    torch.manual_seed(seed)
    some = examples.features[:: max(len(examples.features) // SAMPLE, 1)].astype(np.float32)
    center, scale = some.mean(axis=0), some.std(axis=0) + 1e-6
    net = QualityNet(len(center) + 1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    steps = epochs * -(-len(examples.sizes) // VISITS)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(epochs):
        for rows, related, visit in _batches(examples):
            known = (examples.features[rows] - center) / scale
            inputs = np.hstack([known.clip(-LIMIT, LIMIT), examples.is_seen[rows, None]])
            logits = net(torch.from_numpy(inputs.astype(np.float32)), related, visit)
            loss = nn.functional.binary_cross_entropy_with_logits(
                logits, torch.from_numpy(targets_of(examples.overlap[rows])), reduction='none'
            )
            is_told = torch.from_numpy(examples.is_told[rows])
            optimizer.zero_grad()
            (loss.mean(dim=1) * is_told).sum().div(is_told.sum().clamp(min=1)).backward()
            optimizer.step()
            schedule.step()
    return model_of(net, center, scale)


def _batches(
    examples: CandidateExamples,
) -> Iterator[tuple[np.ndarray, torch.Tensor, torch.Tensor]]:
    """Yield rows, their relatives among them and their visits, a few random visits at a time."""
    ends = np.cumsum(examples.sizes)
    for visits in torch.randperm(len(ends)).split(VISITS):
        batch = visits.numpy()
        sizes = examples.sizes[batch]
        rows = np.concatenate([np.arange(ends[v] - examples.sizes[v], ends[v]) for v in batch])
        shift = np.repeat(np.cumsum(sizes) - ends[batch], sizes)
        related = examples.related[rows]
        related = np.where(related < 0, len(rows), related + shift[:, None])
        visit = np.repeat(np.arange(len(sizes)), sizes)
        yield rows, torch.from_numpy(related), torch.from_numpy(visit)


def model_of(net: QualityNet, center: np.ndarray, scale: np.ndarray) -> QualityModel:
    """Return what a net has learned, without the input that is 0 in use."""

    def weights(layer: nn.Module) -> tuple[np.ndarray, np.ndarray]:
        matrix, bias = (layer.get_parameter(n).detach().numpy() for n in ('weight', 'bias'))
        return matrix.T.copy(), bias.copy()

    (first, bias), second = (weights(layer) for layer in net.inner)
    return QualityModel(
        center,
        scale,
        ((first[:-1].copy(), bias), second, weights(net.last)),
        contexts=tuple(weights(layer) for layer in net.contexts),
    )


def targets_of(overlap: np.ndarray) -> np.ndarray:
    """Return what the model has to tell of overlaps (C,): (C, 3), float32, by `OUTPUTS`."""
    return np.stack([overlap, overlap >= 0.5, overlap >= 0.75], axis=1).astype(np.float32)


def calibration_error(model: QualityModel, examples: CandidateExamples) -> tuple[float, ...]:
    """Return mean |told - true|, weighted by candidates, over ten bins of each output."""
    said = []
    for end, size in zip(np.cumsum(examples.sizes).tolist(), examples.sizes.tolist()):
        related = examples.related[end - size : end]
        related = np.where(related < 0, -1, related - (end - size))
        said.append(model.predict(examples.features[end - size : end].astype(np.float32), related))
    told = np.concatenate(said)[examples.is_told]
    errors = []
    for column, true in zip(told.T, targets_of(examples.overlap[examples.is_told]).T):
        place = np.minimum((column * BINS).astype(int), BINS - 1)
        gap = np.bincount(place, column - true, minlength=BINS)
        errors.append(float(np.abs(gap).sum() / max(len(column), 1)))
    return tuple(errors)
