"""Fit the model of mask quality, and measure how well it is calibrated."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.inference.selection.quality import LIMIT, OUTPUTS, QualityModel
from rescene4d_ros.training.mask_quality.candidate_examples import CandidateExamples
import torch
from torch import nn

HIDDEN = 192
DROPOUT = 0.2  # of the inputs and of the first hidden layer
BATCH = 2048
RATE, DECAY = 4e-3, 1e-2
BINS = 10


def fit_quality(examples: CandidateExamples, epochs: int, seed: int) -> QualityModel:
    """
    Fit a perceptron of two hidden layers to the overlaps of candidates.

    Parameters
    ----------
    examples : CandidateExamples
    epochs : int
    seed : int
        Of the first weights and of the order of the candidates.

    """
    torch.manual_seed(seed)
    center = examples.features.mean(axis=0)
    scale = examples.features.std(axis=0) + 1e-6
    targets = torch.from_numpy(targets_of(examples.overlap))
    net = nn.Sequential(
        nn.Dropout(DROPOUT),
        nn.Linear(len(center), HIDDEN),
        nn.ReLU(),
        nn.Dropout(DROPOUT),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, len(OUTPUTS)),
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    steps = epochs * -(-len(targets) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(targets)).split(BATCH):
            inputs = ((examples.features[batch] - center) / scale).clip(-LIMIT, LIMIT)
            loss = nn.functional.binary_cross_entropy_with_logits(
                net(torch.from_numpy(inputs)), targets[batch]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    layers = tuple(
        (layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy())
        for layer in net
        if isinstance(layer, nn.Linear)
    )
    return QualityModel(center, scale, layers)


def targets_of(overlap: np.ndarray) -> np.ndarray:
    """Return what the model has to tell of overlaps (C,): (C, 3), float32, by `OUTPUTS`."""
    return np.stack([overlap, overlap >= 0.5, overlap >= 0.75], axis=1).astype(np.float32)


def calibration_error(model: QualityModel, examples: CandidateExamples) -> tuple[float, ...]:
    """Return mean |told - true|, weighted by candidates, over ten bins of each output."""
    told = model.predict(examples.features)
    errors = []
    for said, true in zip(told.T, targets_of(examples.overlap).T):
        column = np.minimum((said * BINS).astype(int), BINS - 1)
        gap = np.bincount(column, said - true, minlength=BINS)
        errors.append(float(np.abs(gap).sum() / max(len(said), 1)))
    return tuple(errors)
