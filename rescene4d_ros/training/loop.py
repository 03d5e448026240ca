"""The training loop: sample, step, validate, log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rescene4d_ros.data.sequences.mixing import MixedSampler
from rescene4d_ros.inference.weights_file import save_weights, WeightsInfo
from rescene4d_ros.models.outputs import QueryOutput
from rescene4d_ros.structures import INSTANCE_CLASSES
from rescene4d_ros.training.distributed import any_process, world
from rescene4d_ros.training.init_weights import take_weights, Taken
from rescene4d_ros.training.recipe import Recipe
from rescene4d_ros.training.run_folder import RunFolder
from rescene4d_ros.training.samples.augmented_samples import Sample, TrainingSamples
from rescene4d_ros.training.samples.batches import open_batches
from rescene4d_ros.training.samples.made_rooms import RoomStream
from rescene4d_ros.training.samples.room_makers import RoomMakers
from rescene4d_ros.training.step import Learner
from rescene4d_ros.training.validation import HeldOut, read_held_out, validate
from rescene4d_ros.training.validation_examples import Example, make_example
import torch

N_EXAMPLES = 2  # held-out sequences with logged predictions


@dataclass(frozen=True)
class Progress:
    """
    Progress of a run.

    Attributes
    ----------
    step, steps : int
    seconds_per_step : float
        Since the last report.
    remaining_s : float
        Estimate for the rest.
    metrics : dict of str to float
        Mean losses of the steps that were not skipped, learning rate, skipped steps, scores
        where there was a validation.
    examples : tuple of Example
        After a validation: predictions of the averaged weights on the first held-out sequences.

    """

    step: int
    steps: int
    seconds_per_step: float
    remaining_s: float
    metrics: dict[str, float]
    examples: tuple[Example, ...] = ()


class Trainer:
    """
    Train one model in one run folder.

    Samples are functions of seed and step, and the state of torch's generator is in the
    checkpoint: on the CPU a killed and resumed run gives the same bits.

    Parameters
    ----------
    recipe : Recipe
    train_files, validation_files : sequence of Path
        Prepared sequences.
    folder : RunFolder
    device : torch.device
    clock : callable
        Returns monotonic seconds.
    workers : int
        Processes that prepare batches; 0 = this one.
    mixing : MixedSampler, optional
        Sampler over several data sets, whose files are concatenated in `train_files`.
    streams : sequence of RoomStream
        Rooms made during training: the last data sets of `mixing`.
    makers : RoomMakers, optional
        Makes them for all processes; without it another process does.
    features : Path, optional
        Folder for the features of a frozen encoder (default: `features` in the run folder).

    """

    def __init__(
        self,
        recipe: Recipe,
        train_files: Sequence[Path],
        validation_files: Sequence[Path],
        folder: RunFolder,
        device: torch.device,
        clock: Callable[[], float],
        workers: int = 1,
        mixing: MixedSampler | None = None,
        streams: Sequence[RoomStream] = (),
        makers: RoomMakers | None = None,
        features: Path | None = None,
    ):
        self.recipe, self.folder, self.device = recipe, folder, device
        self.clock, self.workers, self.makers = clock, workers, makers
        config = recipe.train
        self.learner = Learner(recipe, device, features or folder.path / 'features')
        self.samples = TrainingSamples(
            train_files, config, recipe.model, recipe.augment, *world(), mixing, streams
        )
        self.validation_files = list(validation_files)[: config.validate_sequences]
        self._held_out: list[HeldOut] | None = None
        self.step = 0
        self.best = -1.0
        self._sums: dict[str, float] = {}  # of the losses since the last report
        self._counted = 0  # steps that are in them; skipped ones are not
        self._reported = 0

    def start_from(self, path: Path, allow: Sequence[str] = ()) -> Taken:
        """Load initial weights; parameters and errors as of `take_weights`."""
        taken = take_weights(self.learner.model, path, allow)
        self.learner.restart_average()
        return taken

    def fit(
        self,
        report: Callable[[Progress], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Train until the last step or until stopped, then write checkpoint and weights.

        Parameters
        ----------
        report : callable
            Called with the progress every `log_every` steps and after validations.
        should_stop : callable
            Called before each step in every process; all processes stop if one of them should.

        Raises
        ------
        RescenError
            Too many steps in a row without a finite gradient, or without memory.

        """
        with open_batches(self.samples, self.step, self.workers, self.makers) as batches:
            self._fit(batches, report, should_stop)

    def _fit(
        self,
        batches: Iterator[list[Sample]],
        report: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> None:
        """Go through the batches; see `fit`."""
        config = self.recipe.train
        last_checkpoint = last_report = self.clock()
        resumed = self.step
        while self.step < config.steps and not any_process(should_stop(), self.device):
            losses = self.learner.step(next(batches), self.step)
            self.step += 1
            self._counted += bool(losses)
            for name, value in losses.items():
                self._sums[name] = self._sums.get(name, 0.0) + value
            is_validated = self.step % config.validate_every == 0 or self.step == config.steps
            if self.step % config.log_every == 0 or is_validated:
                seconds = (self.clock() - last_report) / (self.step - max(self._reported, resumed))
                metrics = self._mean_losses()
                metrics |= self._counts()
                scores, examples = self._validate() if is_validated else ({}, ())
                self._report(report, seconds, metrics | scores, examples)
                last_report = self.clock()
            if self.clock() - last_checkpoint >= 60 * config.checkpoint_minutes:
                self.save()
                last_checkpoint = self.clock()
        self.save()

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, from the first process only."""
        if world()[0] > 0:
            return
        if self.recipe.train.compact_checkpoints:
            self.learner.round_state()
        self.folder.save_checkpoint(self.state())
        save_weights(self.folder.weights, self.learner.averaged_model, self._weights_info({}))

    def state(self) -> dict[str, Any]:
        """Return the state on which the rest of the run depends."""
        state = {
            'step': self.step,
            'best': self.best,
            'sums': self._sums,
            'counted': self._counted,
            'reported': self._reported,
            **self.learner.state(),
            'rng': torch.get_rng_state(),
        }
        if self.device.type == 'cuda':
            state['cuda_rng'] = torch.cuda.get_rng_state(self.device)
        return state

    def resume(self) -> None:
        """Continue from the folder's checkpoint."""
        state = self.folder.load_checkpoint()
        self.learner.load_state(state)
        self.step, self.best = state['step'], state['best']
        self._sums, self._reported = state['sums'], state['reported']
        self._counted = state.get('counted', self.step - self._reported)
        torch.set_rng_state(state['rng'])
        if 'cuda_rng' in state and self.device.type == 'cuda':
            torch.cuda.set_rng_state(state['cuda_rng'], self.device)
        self.folder.cut_metrics(self.step)

    def _counts(self) -> dict[str, float]:
        """Return the learning rate and the numbers of skipped and reduced steps."""
        counts = {'lr': self.learner.rate(self.step - 1), 'skipped': self.learner.skipped}
        if self.learner.memory.made_smaller:
            counts['made_smaller'] = self.learner.memory.made_smaller
        return counts

    def _mean_losses(self) -> dict[str, float]:
        """Return the mean losses of the steps since the last report, and begin anew."""
        means = {name: value / self._counted for name, value in self._sums.items()}
        self._sums, self._counted, self._reported = {}, 0, self.step
        return means

    def _validate(self) -> tuple[dict[str, float], tuple[Example, ...]]:
        """Score the averaged weights and save them if they are the best so far."""
        if not self.validation_files or world()[0] > 0:
            return {}, ()
        if self._held_out is None:
            self._held_out = [
                read_held_out(path, self.recipe.train.max_visits, self.recipe.model)
                for path in self.validation_files
            ]
        examples: list[Example] = []
        held_out = self._held_out

        def look(number: int, output: QueryOutput) -> None:
            if number < N_EXAMPLES:
                examples.append(
                    make_example(output, held_out[number], self.validation_files[number])
                )

        model = self.learner.averaged_model
        scores = validate(model, held_out, self.device, look)
        quality = scores['t_ap50'] + scores['t_ap50_any']
        if quality >= self.best:
            self.best = quality
            save_weights(self.folder.best_weights, model, self._weights_info(scores))
        return scores, tuple(examples)

    def _weights_info(self, scores: dict[str, float]) -> WeightsInfo:
        """Return the record of this run for the weights file."""
        return WeightsInfo(
            INSTANCE_CLASSES,
            self.recipe.superpoints,
            {
                'steps': self.step,
                'of_steps': self.recipe.train.steps,
                'seed': self.recipe.train.seed,
                'sequences': len(self.samples.files),
                'made_rooms': [s.kind for s in self.samples.streams],
                **scores,
            },
        )

    def _report(
        self,
        report: Callable[[Progress], None],
        seconds: float,
        metrics: dict[str, float],
        examples: tuple[Example, ...],
    ) -> None:
        """Log and report the metrics."""
        if world()[0] > 0:
            return
        self.folder.log(step=self.step, **metrics)
        steps = self.recipe.train.steps
        report(
            Progress(self.step, steps, seconds, seconds * (steps - self.step), metrics, examples)
        )
