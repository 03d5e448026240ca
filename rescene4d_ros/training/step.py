"""One training step: passes over parts of a batch, then the optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import math
from pathlib import Path
from typing import Any, cast

from rescene4d_ros.errors import ConfigError, RescenError
from rescene4d_ros.losses import Criterion
from rescene4d_ros.models.inputs import VisitInput
from rescene4d_ros.models.outputs import QueryOutput, VisitFeatures, VisitPyramid
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.training.distributed import average_gradients, share_weights, world
from rescene4d_ros.training.oom_recovery import MemoryGuard
from rescene4d_ros.training.parameter_groups import frozen_parts, parameter_groups
from rescene4d_ros.training.recipe import Recipe
from rescene4d_ros.training.samples.augmented_samples import Sample
from rescene4d_ros.training.samples.kept_features import KeptFeatures
from rescene4d_ros.training.schedule import average_of, nearness, one_cycle
import torch
from torch import nn, Tensor

ROUNDED_BITS = 12  # of the 23 of a float32's fraction; as many are left as a float16 has, and one


class Learner:
    """
    A model with averaged weights and optimizer, trained batch by batch.

    Parameters
    ----------
    recipe : Recipe
    device : torch.device
    features : Path, optional
        Folder for the features of a frozen encoder, if the recipe keeps them.

    Attributes
    ----------
    skipped : int
        Steps without a finite gradient, or without memory.
    memory : MemoryGuard
        Counts the steps that did not fit into memory as they were.

    Raises
    ------
    ConfigError
        The device or the backbone does not support the recipe.

    """

    def __init__(self, recipe: Recipe, device: torch.device, features: Path | None = None):
        self.recipe, self.device = recipe, device
        config = recipe.train
        self.is_bf16 = _is_bf16(config.precision, device)
        torch.manual_seed(config.seed)
        self.model = ReScene4D(recipe.model).to(device)
        self.frozen = frozen_parts(self.model, config.freeze)
        for part in self.frozen:
            part.requires_grad_(False)
        self.features = None
        if config.kept_variants and features is not None:
            self.features = KeptFeatures(self.model, config.freeze, features)
        share_weights(self.model)
        self.average = average_of(self.model, config.ema_decay)
        rank, size = world()
        torch.manual_seed(config.seed * size + rank)
        if size > 1 and config.compact_checkpoints:
            raise ConfigError(
                'TrainConfig.compact_checkpoints: expected false in several processes, of which '
                'only the first writes checkpoints, got true; leave it out'
            )
        self.criterion = Criterion(recipe.losses)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.model, config), lr=config.lr)
        self.skipped = 0
        self.skipped_in_a_row = 0
        self.memory = MemoryGuard(device, config.seed, config.max_out_of_memory)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        config = self.recipe.train
        return one_cycle(step, config.steps, config.lr, config.warmup, config.lr_end)

    def beta(self, step: int) -> float:
        """Return the first beta of AdamW in a step."""
        config = self.recipe.train
        share = nearness(step, config.steps, config.warmup)
        return config.beta + (config.beta_at_peak - config.beta) * share

    def step(self, batch: Sequence[Sample], step: int) -> dict[str, float]:
        """
        Run one optimizer step, or skip it if a loss or gradient is not finite.

        Parameters
        ----------
        batch : sequence of Sample
        step : int
            Its number.

        Returns
        -------
        dict of str to float
            Mean losses; empty if the step was skipped.

        Raises
        ------
        RescenError
            Too many steps in a row without a finite gradient, or without memory.

        """
        self._set_modes()
        buffers = {name: b.clone() for name, b in self.model.named_buffers()}
        for group in self.optimizer.param_groups:
            # Checkpoints of runs before there were rates have none.
            group['lr'] = self.rate(step) * group.get('rate', 1.0)
            group['betas'] = (self.beta(step), group['betas'][1])
        losses = self._gradients(batch, step, buffers)
        is_usable = bool(losses) and math.isfinite(losses['total'])
        n_usable = average_gradients(self.model, is_usable)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.train.grad_clip)
        if n_usable and torch.isfinite(norm):
            self.optimizer.step()
            self.average.update_parameters(self.model)
            self.skipped_in_a_row = 0
            return losses if is_usable else {}
        self._restore(buffers)  # running means must not include the bad batch
        self.skipped += 1
        self.skipped_in_a_row += bool(losses)
        if self.skipped_in_a_row >= self.recipe.train.max_skipped:
            raise RescenError(
                f'training: expected finite gradients, got none in '
                f'{self.skipped_in_a_row} steps in a row up to step {step}; '
                'lower the learning rate and start from the last checkpoint'
            )
        return {}

    @property
    def averaged_model(self) -> ReScene4D:
        """Return the model of the averaged weights, in evaluation mode."""
        return cast(ReScene4D, self.average.module)

    def restart_average(self) -> None:
        """Restart the average from the current weights."""
        self.average = average_of(self.model, self.recipe.train.ema_decay)

    @torch.no_grad()
    def round_state(self) -> None:
        """Round the moments of the optimizer and the averaged weights; all stay float32."""
        for state in self.optimizer.state.values():
            for name in ('exp_avg', 'exp_avg_sq'):
                if name in state:
                    state[name].copy_(state[name].bfloat16())
        for weight in self.average.parameters():
            bits = weight.view(torch.int32)
            bits.add_(1 << ROUNDED_BITS - 1).bitwise_and_(-1 << ROUNDED_BITS)

    def state(self) -> dict[str, Any]:
        """Return the state on which later steps depend."""
        return {
            'skipped': self.skipped,
            'skipped_in_a_row': self.skipped_in_a_row,
            'made_smaller': self.memory.made_smaller,
            'out_of_memory_in_a_row': self.memory.out_of_memory_in_a_row,
            'model': self.model.state_dict(),
            'average': self.average.module.state_dict(),
            'n_averaged': int(self.average.n_averaged),
            'optimizer': self.optimizer.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """
        Go on from a state.

        Older ones do: before memory was watched, and before averaged steps were counted, when
        `step` of the run stood for them.
        """
        self.model.load_state_dict(state['model'])
        self.average.module.load_state_dict(state['average'])
        self.average.n_averaged.fill_(state.get('n_averaged', state.get('step', 0) + 1))
        self.optimizer.load_state_dict(state['optimizer'])
        self.skipped, self.skipped_in_a_row = state['skipped'], state['skipped_in_a_row']
        self.memory.made_smaller = state.get('made_smaller', 0)
        self.memory.out_of_memory_in_a_row = state.get('out_of_memory_in_a_row', 0)

    def _set_modes(self) -> None:
        """Set training mode except for frozen parts, which drop no paths."""
        self.model.train()
        for part in self.frozen:
            part.eval()

    def _gradients(
        self, batch: Sequence[Sample], step: int, buffers: dict[str, Tensor]
    ) -> dict[str, float]:
        """Compute gradients and return the mean losses; None if memory does not suffice."""
        size = self.recipe.train.batch_part or len(batch)
        parts: list[Sequence[Sample]] = [batch[k : k + size] for k in range(0, len(batch), size)]
        return self.memory.fit(parts, step, self._pass, lambda: self._undo(buffers))

    def _undo(self, buffers: dict[str, Tensor]) -> None:
        """Leave nothing behind of a pass that failed."""
        self.optimizer.zero_grad(set_to_none=True)
        self._restore(buffers)

    def _pass(self, parts: Sequence[Sequence[Sample]]) -> dict[str, float]:
        """Accumulate the gradients of all parts; return the mean losses of the sequences."""
        self.optimizer.zero_grad(set_to_none=True)
        n_sequences = sum(map(len, parts))
        sums: dict[str, float] = {}
        for part in parts:
            losses = self._losses(part, n_sequences)
            losses['total'].backward()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
        return sums

    def _losses(self, part: Sequence[Sample], n_sequences: int) -> dict[str, Tensor]:
        """Return the contribution of a part to the mean losses."""
        part = [sample.to(self.device) for sample in part]
        with self._autocast():
            features = self._encode([v for sample in part for v in sample.visits])
        losses: dict[str, Tensor] = {}
        for sample in part:
            own, features = features[: len(sample.visits)], features[len(sample.visits) :]
            with self._autocast():
                output = self.model.decode(own)
            for name, value in self.criterion(_in_float32(output), sample.targets).items():
                losses[name] = losses.get(name, 0.0) + value / n_sequences
        return losses

    def _encode(
        self, visits: Sequence[VisitInput]
    ) -> Sequence[VisitFeatures] | Sequence[VisitPyramid]:
        """Return the features of visits, read from disk where they are kept."""
        return self.model.encode(visits) if self.features is None else self.features.encode(visits)

    def _autocast(self) -> torch.autocast:
        """Return the context of a pass through the network."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.is_bf16)

    @torch.no_grad()
    def _restore(self, buffers: dict[str, Tensor]) -> None:
        for name, buffer in self.model.named_buffers():
            buffer.copy_(buffers[name])


def _is_bf16(precision: str, device: torch.device) -> bool:
    """Return whether passes are in bf16; raise an error if the device does not support it."""
    can = device.type != 'cuda' or torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == 'bf16' and not can:
        raise ConfigError(
            'TrainConfig.precision: expected a GPU that computes in bf16, got '
            f'{torch.cuda.get_device_name(device)}; set it to auto or float32'
        )
    return precision == 'bf16' or (precision == 'auto' and device.type == 'cuda' and can)


def _in_float32(output: QueryOutput) -> QueryOutput:
    """Return the output in float32, which the losses need."""
    return replace(
        output,
        **{
            name: tensor.float()
            for name, tensor in vars(output).items()
            if tensor.is_floating_point()
        },
    )
