"""Settings of training."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.config import param


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the training loop."""

    steps: int = param(20_000, 'Optimizer steps; end of the learning rate schedule', ge=1)
    batch: int = param(2, 'Sequences per step and process', ge=1, le=1024)
    batch_part: int = param(
        0,
        'Sequences per forward pass; gradients are accumulated over the batch; fewer need '
        'less memory; 0 = all',
        ge=0,
        le=1024,
    )
    seed: int = param(0, 'Seed of initial weights, samples and augmentation', ge=0)
    max_visits: int = param(2, 'Largest number of visits drawn from a sequence', ge=1, le=16)
    normals: str = param(
        'estimated',
        'Normals: those of the files if present (given), or fitted to the points, as for a '
        'robot without normals (estimated)',
        one_of=('given', 'estimated'),
    )
    p_single: float = param(0.15, 'Share of samples with one visit only', ge=0, le=1)
    room_pool: int = param(
        64,
        'Rooms made during training that are drawn from at a time, the newest ones',
        ge=1,
        le=100_000,
    )
    room_uses: float = param(
        8.0, 'Samples drawn from a data set made during training, per new room', ge=1, le=10_000
    )
    lr: float = param(5e-4, 'Largest learning rate of AdamW', ge=0, le=1)
    fine_level_rate: float = param(
        1.0,
        'Learning rate of the fine level in multiples of lr, as it may be new beside trained '
        'weights',
        ge=0,
        le=100,
    )
    warmup: float = param(0.1, 'Share of the steps in which the learning rate rises', ge=0, le=1)
    lr_end: float = param(
        1e-4, 'Learning rate of the last step in multiples of lr (published: 4e-6)', ge=0, le=1
    )
    beta: float = param(
        0.9, "AdamW's average of gradients, first beta, at the first and last step", ge=0, le=0.999
    )
    beta_at_peak: float = param(
        0.9,
        'The same where the learning rate is largest (published: 0.95 and 0.85)',
        ge=0,
        le=0.999,
    )
    weight_decay: float = param(0.05, 'Decay of matrices and kernels', ge=0, le=1)
    grad_clip: float = param(1.0, 'Largest norm of the gradient', ge=0)
    ema_decay: float = param(
        0.999,
        'Decay of the moving average of the weights, which is the result of training',
        ge=0,
        le=1,
    )
    log_every: int = param(20, 'Steps between lines of metrics', ge=1)
    validate_every: int = param(1000, 'Steps between validations', ge=1)
    validate_sequences: int = param(
        40, 'Largest number of held-out sequences per validation', ge=1
    )
    checkpoint_minutes: float = param(5.0, 'Time between checkpoints', unit='min', ge=0)
    compact_checkpoints: bool = param(
        False,
        'At a checkpoint, round the moments of the optimizer to bfloat16 and averaged weights to '
        'the precision of a weights file, also in the run itself, so that a resumed run is the '
        'same; checkpoints then compress to half the size',
    )
    max_skipped: int = param(
        50, 'Consecutive steps without a finite gradient that end the run', ge=1
    )
    max_out_of_memory: int = param(
        5,
        'Consecutive steps for which not even a quarter of a sequence fits into memory that '
        'end the run',
        ge=1,
    )
    precision: str = param(
        'auto',
        'Of the passes through the network; weights, losses and optimizer stay float32; auto: '
        'bf16 on a GPU that supports it',
        one_of=('auto', 'float32', 'bf16'),
    )
    kept_variants: int = param(
        0,
        'Ways in which a sequence is varied in the whole run; a frozen encoder runs once for '
        'each, and its features are kept on disk; 0 = each sample is varied anew',
        ge=0,
        le=1000,
    )
    freeze: str = param(
        'none',
        'Frozen weights: none, those of the encoder of a Point Transformer (encoder), or those of '
        'the whole backbone (backbone)',
        one_of=('none', 'encoder', 'backbone'),
    )
