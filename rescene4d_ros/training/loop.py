"""The training loop: draw, encode all visits at once, decode each sequence, step, look back."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rescene4d_ros.errors import RescenError
from rescene4d_ros.inference import save_weights, WeightsInfo
from rescene4d_ros.losses import Criterion
from rescene4d_ros.models import ReScene4D
from rescene4d_ros.processes import end_with_parent
from rescene4d_ros.structures import INSTANCE_CLASSES
from rescene4d_ros.training.distributed import average_gradients, share_weights, world
from rescene4d_ros.training.recipe import Recipe
from rescene4d_ros.training.run_folder import RunFolder
from rescene4d_ros.training.samples import Sample, TrainingSamples
from rescene4d_ros.training.schedule import AveragedWeights, one_cycle
from rescene4d_ros.training.validation import HeldOut, read_held_out, validate
import torch
from torch.utils.data import DataLoader


@dataclass(frozen=True)
class Progress:
    """
    Say how far a run is.

    Attributes
    ----------
    step, steps : int
    seconds_per_step : float
        Since the last report.
    remaining_s : float
        Estimate for the rest.
    metrics : dict of str to float
        Mean losses, learning rate, skipped steps, scores where there was a validation.

    """

    step: int
    steps: int
    seconds_per_step: float
    remaining_s: float
    metrics: dict[str, float]


class Trainer:
    """
    Train one model in one run folder.

    Samples are pure functions of seed and step, the only other randomness is torch's generator,
    whose state is in the checkpoint: on the CPU a killed and resumed run gives the same bits.

    Parameters
    ----------
    recipe : Recipe
    train_files, validation_files : sequence of Path
        Prepared sequences.
    folder : RunFolder
    device : torch.device
    clock : callable
        Returns seconds that never go back.
    workers : int
        Processes that prepare batches; 0 = this one.

    """

    def __init__(self, recipe: Recipe, train_files: Sequence[Path],
                 validation_files: Sequence[Path], folder: RunFolder, device: torch.device,
                 clock: Callable[[], float], workers: int = 1):
        self.recipe, self.folder, self.device = recipe, folder, device
        self.clock, self.workers = clock, workers
        config = recipe.train
        torch.manual_seed(config.seed)
        self.model = ReScene4D(recipe.model).to(device)
        share_weights(self.model)
        self.average = AveragedWeights(self.model, ReScene4D(recipe.model).to(device),
                                       config.ema_decay)
        rank, size = world()
        torch.manual_seed(config.seed * size + rank)
        self.criterion = Criterion(recipe.losses)
        self.optimizer = torch.optim.AdamW(_parameter_groups(self.model, config.weight_decay),
                                           lr=config.lr)
        self.samples = TrainingSamples(train_files, config, recipe.model, recipe.augment,
                                       rank, size)
        self.validation_files = list(validation_files)[:config.validate_sequences]
        self._held_out: list[HeldOut] | None = None
        self.step = 0
        self.skipped = 0
        self.skipped_in_a_row = 0
        self.best = -1.0
        self._sums: dict[str, float] = {}  # of the losses since the last report
        self._reported = 0

    def fit(self, report: Callable[[Progress], None] = lambda _: None,
            deadline: float = float('inf')) -> None:
        """
        Train until the last step or the deadline, then write checkpoint and weights.

        Parameters
        ----------
        report : callable
            Told the progress every `log_every` steps and after validations.
        deadline : float, s
            Of the clock.

        Raises
        ------
        RescenError
            Too many steps in a row without a finite gradient.

        """
        config = self.recipe.train
        batches = self._batches()
        last_checkpoint = last_report = self.clock()
        resumed = self.step
        while self.step < config.steps and self.clock() < deadline:
            losses = self._train_step(next(batches))
            self.step += 1
            for name, value in losses.items():
                self._sums[name] = self._sums.get(name, 0.0) + value
            is_validated = self.step % config.validate_every == 0 or self.step == config.steps
            if self.step % config.log_every == 0 or is_validated:
                seconds = (self.clock() - last_report) / (self.step - max(self._reported, resumed))
                metrics = self._mean_losses()
                metrics |= {'lr': self._rate(self.step - 1), 'skipped': self.skipped}
                if is_validated:
                    metrics |= self._validate()
                self._report(report, seconds, metrics)
                last_report = self.clock()
            if self.clock() - last_checkpoint >= 60 * config.checkpoint_minutes:
                self.save()
                last_checkpoint = self.clock()
        self.save()

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, from the first process only."""
        if world()[0] > 0:
            return
        self.folder.save_checkpoint(self.state())
        save_weights(self.folder.weights, self.average.average, self._weights_info({}))

    def state(self) -> dict[str, Any]:
        """Return everything that the rest of the run depends on."""
        state = {'step': self.step, 'skipped': self.skipped, 'best': self.best,
                 'skipped_in_a_row': self.skipped_in_a_row,
                 'sums': self._sums, 'reported': self._reported,
                 'model': self.model.state_dict(), 'average': self.average.average.state_dict(),
                 'optimizer': self.optimizer.state_dict(), 'rng': torch.get_rng_state()}
        if self.device.type == 'cuda':
            state['cuda_rng'] = torch.cuda.get_rng_state(self.device)
        return state

    def resume(self) -> None:
        """Go on from the folder's checkpoint."""
        state = self.folder.load_checkpoint()
        self.model.load_state_dict(state['model'])
        self.average.average.load_state_dict(state['average'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.step, self.skipped, self.best = state['step'], state['skipped'], state['best']
        self.skipped_in_a_row = state['skipped_in_a_row']
        self._sums, self._reported = state['sums'], state['reported']
        torch.set_rng_state(state['rng'])
        if 'cuda_rng' in state and self.device.type == 'cuda':
            torch.cuda.set_rng_state(state['cuda_rng'], self.device)
        self.folder.cut_metrics(self.step)

    def _batches(self):
        """Return the batches from this step on, made in the background."""
        loader = DataLoader(
            self.samples, batch_size=None, sampler=range(self.step, self.recipe.train.steps),
            num_workers=self.workers, collate_fn=_unchanged, worker_init_fn=end_with_parent,
            # Its own generator: drawing the workers' seeds must not advance the run's.
            generator=torch.Generator(), prefetch_factor=2 if self.workers else None)
        return iter(loader)

    def _rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        config = self.recipe.train
        return one_cycle(step, config.steps, config.lr, config.warmup)

    def _train_step(self, batch: list[Sample]) -> dict[str, float]:
        """Do one optimizer step, or skip it where a loss or gradient is not finite."""
        self.model.train()
        buffers = {name: b.clone() for name, b in self.model.named_buffers()}
        for group in self.optimizer.param_groups:
            group['lr'] = self._rate(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        losses = self._losses([sample.to(self.device) for sample in batch])
        losses['total'].backward()
        average_gradients(self.model)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(),
                                              self.recipe.train.grad_clip)
        if torch.isfinite(norm) and torch.isfinite(losses['total'].detach()):
            self.optimizer.step()
            self.average.update(self.step)
            self.skipped_in_a_row = 0
            return {name: float(value.detach()) for name, value in losses.items()}
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= self.recipe.train.max_skipped:
            raise RescenError(f'training: expected finite gradients, got none in '
                              f'{self.skipped_in_a_row} steps in a row up to step {self.step}; '
                              'lower the learning rate and start from the last checkpoint')
        for name, buffer in self.model.named_buffers():
            buffer.copy_(buffers[name])  # running means must not remember the bad batch
        return {}

    def _losses(self, batch: list[Sample]) -> dict[str, torch.Tensor]:
        """Return the mean losses of the sequences."""
        features = self.model.encode([v for sample in batch for v in sample.visits])
        losses: dict[str, torch.Tensor] = {}
        for sample in batch:
            own, features = features[:len(sample.visits)], features[len(sample.visits):]
            for name, value in self.criterion(self.model.decode(own), sample.targets).items():
                losses[name] = losses.get(name, 0.0) + value / len(batch)
        return losses

    def _mean_losses(self) -> dict[str, float]:
        """Return the mean losses since the last report, and begin anew."""
        n = self.step - self._reported
        means = {name: value / n for name, value in self._sums.items()}
        self._sums, self._reported = {}, self.step
        return means

    def _validate(self) -> dict[str, float]:
        """Score the averaged weights and keep them where they are the best so far."""
        if not self.validation_files or world()[0] > 0:
            return {}
        if self._held_out is None:
            self._held_out = [read_held_out(path, self.recipe.train.max_visits,
                                            self.recipe.model) for path in self.validation_files]
        scores = validate(self.average.average, self._held_out, self.device)
        quality = scores['t_ap50'] + scores['t_ap50_any']
        if quality >= self.best:
            self.best = quality
            save_weights(self.folder.best_weights, self.average.average,
                         self._weights_info(scores))
        return scores

    def _weights_info(self, scores: dict[str, float]) -> WeightsInfo:
        """Return what the weights file should say about this run."""
        return WeightsInfo(INSTANCE_CLASSES, self.recipe.superpoints,
                           {'steps': self.step, 'of_steps': self.recipe.train.steps,
                            'seed': self.recipe.train.seed,
                            'sequences': len(self.samples.files), **scores})

    def _report(self, report, seconds: float, metrics: dict[str, float]) -> None:
        """Log and tell the metrics."""
        if world()[0] > 0:
            return
        self.folder.log(step=self.step, **metrics)
        steps = self.recipe.train.steps
        report(Progress(self.step, steps, seconds, seconds * (steps - self.step), metrics))


def _unchanged(batch: list[Sample]) -> list[Sample]:
    """Return the batch as it is; a function of this module, so that workers can import it."""
    return batch


def _parameter_groups(model: torch.nn.Module, decay: float) -> list[dict]:
    """Return matrices with weight decay, and norms and biases without."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    return [{'params': matrices, 'weight_decay': decay},
            {'params': vectors, 'weight_decay': 0.0}]
