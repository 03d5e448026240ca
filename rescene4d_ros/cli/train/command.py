"""`rescene4d train CONFIG.yaml --data DIR --val DIR --out RUN`: train weights on sequences."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import os
from pathlib import Path
import platform
import sys
import time

from rescene4d_ros import __version__
from rescene4d_ros.cli.flags import setting
from rescene4d_ros.cli.interruption import Interruption
from rescene4d_ros.cli.provenance import git_commit
from rescene4d_ros.cli.train.train_log import open_tensorboard
from rescene4d_ros.cli.train.training_data import data_source, training_data
from rescene4d_ros.inference.weights_file import weights_hash
from rescene4d_ros.inference.weights_folder import find_weights
from rescene4d_ros.training import Progress, Recipe, RunFolder, Trainer
from rescene4d_ros.training.distributed import world
from rescene4d_ros.training.init_weights import Taken
from rescene4d_ros.view.learning_curves import draw_learning_curves
import torch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument('config', type=Path, help='recipe (YAML), see config/training/')
    parser.add_argument(
        '--data',
        type=data_source,
        action='append',
        required=True,
        metavar='DIR[:WEIGHT]',
        help='folder of training sequences, or synthetic:PRESET for rooms that are made as '
        'training goes; may be repeated: draws are then distributed by weight (default 1)',
    )
    parser.add_argument('--val', type=Path, help='folder of held-out sequences')
    parser.add_argument('--out', type=Path, required=True, help='run folder')
    parser.add_argument(
        '--set',
        dest='settings',
        action='append',
        default=[],
        metavar='SECTION.KEY=VALUE',
        help='replaces a setting of the recipe, such as losses.contrastive_weight=0',
    )
    parser.add_argument(
        '--init',
        default='',
        metavar='FILE',
        help='initial weights, of rescene4d train or convert, or a name of `rescene4d weights`',
    )
    parser.add_argument(
        '--init-allow',
        action='append',
        default=[],
        metavar='PATTERN',
        help='tensors of the recipe that may be missing or different in FILE; they are '
        'initialized; * = anything',
    )
    parser.add_argument(
        '--prepared',
        type=Path,
        help='folder of prepared sequences, to share between runs '
        '(default: prepared/ in the run folder)',
    )
    parser.add_argument(
        '--features',
        type=Path,
        help='folder of the features of a frozen encoder where train.kept_variants keeps them, to '
        'share between runs (default: features/ in the run folder)',
    )
    parser.add_argument(
        '--resume',
        action='store_true',
        help='continue from the checkpoint of the run; --init is ignored',
    )
    parser.add_argument('--steps', type=int, help='replaces the number of steps of the recipe')
    parser.add_argument(
        '--max-minutes',
        type=float,
        default=float('inf'),
        help='stop after this time, with a checkpoint to resume from',
    )
    parser.add_argument(
        '--threads',
        type=int,
        default=max(1, (os.cpu_count() or 1) - 1),
        help='torch threads, and processes for preparation',
    )
    parser.add_argument(
        '--workers', type=int, default=1, help='processes that prepare batches; 0 = this process'
    )
    parser.add_argument(
        '--room-workers',
        type=int,
        default=max(1, (os.cpu_count() or 1) - 2),
        help='processes that make the rooms of --data synthetic:PRESET',
    )


def run(options: argparse.Namespace) -> int:
    """Prepare the data, train, and write the run folder."""
    deadline = time.monotonic() + 60 * options.max_minutes
    changes = dict(map(setting, options.settings))
    if options.steps is not None:
        changes['train.steps'] = options.steps
    recipe = Recipe.read(options.config, changes)
    if options.init:
        options.init = find_weights(options.init)
    torch.set_num_threads(options.threads)
    device = _join_world()
    folder = RunFolder(options.out)
    is_first = world()[0] == 0
    if is_first:
        folder.begin(recipe.to_yaml(), _environment(options), options.resume)
    trainer = _make_trainer(options, recipe, folder, device)
    if options.resume:
        trainer.resume()
    elif options.init:
        taken = trainer.start_from(options.init, options.init_allow)
        if is_first:
            print('\n'.join(_told(taken, options.init)))
    with Interruption() as interruption:

        def should_stop() -> bool:
            return bool(interruption.code) or time.monotonic() >= deadline

        _fit(trainer, should_stop, is_first)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    return interruption.code


def _fit(trainer: Trainer, should_stop: Callable[[], bool], is_first: bool) -> None:
    """Train, and report progress in the first process."""
    if not is_first:
        trainer.fit(should_stop=should_stop)
        return
    recipe, folder = trainer.recipe, trainer.folder
    n_weights = sum(p.numel() for p in trainer.learner.model.parameters())
    print(
        f'{len(trainer.samples.files)} sequences to learn, '
        f'{len(trainer.validation_files)} held out, {n_weights / 1e6:.2f} M weights, '
        f'{trainer.device}, step {trainer.step} of {recipe.train.steps}',
        flush=True,
    )
    for stream in trainer.samples.streams:
        print(f'rooms of {stream.kind} are made, {stream.pool} to draw from', flush=True)
    with open_tensorboard(folder.path / 'tensorboard', trainer.step, _warn) as log:
        trainer.fit(_both(_print_progress, log), should_stop)
    print(f'stopped at step {trainer.step} of {recipe.train.steps}; weights: {folder.weights}')
    if folder.metrics.exists():
        draw_learning_curves(folder.curves, {folder.path.name: folder.metrics})
        print(f'loss and scores: {folder.curves}')


def _make_trainer(
    options: argparse.Namespace, recipe: Recipe, folder: RunFolder, device: torch.device
) -> Trainer:
    """Prepare all data and return the trainer."""
    data = training_data(
        options.data,
        options.val,
        options.prepared or options.out / 'prepared',
        recipe,
        options.threads,
        options.room_workers,
    )
    return Trainer(
        recipe,
        data.train_files,
        data.validation_files,
        folder,
        device,
        time.monotonic,
        options.workers,
        data.mixing,
        data.streams,
        data.makers,
        options.features,
    )


def _join_world() -> torch.device:
    """Join the processes that torchrun started, if it did, and return this one's device."""
    local_rank = int(os.environ.get('LOCAL_RANK', 0))
    is_cuda = torch.cuda.is_available()
    if int(os.environ.get('WORLD_SIZE', 1)) > 1:
        torch.distributed.init_process_group('nccl' if is_cuda else 'gloo')
    if is_cuda:
        torch.cuda.set_device(local_rank)
    return torch.device('cuda', local_rank) if is_cuda else torch.device('cpu')


def _told(taken: Taken, path: Path) -> list[str]:
    """Return a report on the use of initial weights."""
    lines = [f'{path}: {len(taken.taken)} tensors taken']
    for title, names in (('left out', taken.left_out), ('from nothing', taken.as_initialized)):
        if names:
            lines.append(
                f'{title}: {len(names)} ({", ".join(names[:8])}'
                f'{", ..." if len(names) > 8 else ""})'
            )
    return lines


def _both(*reports: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Return a callback that calls all given ones."""

    def tell(progress: Progress) -> None:
        for report in reports:
            report(progress)

    return tell


def _print_progress(progress: Progress) -> None:
    """Print one line of metrics with the time left."""
    metrics = ' '.join(f'{name} {value:.3g}' for name, value in progress.metrics.items())
    left = time.strftime('%H:%M:%S', time.gmtime(min(progress.remaining_s, 359_999)))
    print(
        f'step {progress.step}/{progress.steps}  {progress.seconds_per_step:.2f} s/step  '
        f'left {left}  {metrics}',
        flush=True,
    )


def _warn(text: str) -> None:
    """Print a warning."""
    print(text, file=sys.stderr)


def _environment(options: argparse.Namespace) -> dict:
    """Return the environment of the run."""
    return {
        'version': __version__,
        'commit': git_commit() or 'not a git checkout',
        'command': sys.argv,
        'init': weights_hash(options.init) if options.init else '',
        'python': platform.python_version(),
        'torch': torch.__version__,
        'machine': platform.platform(),
        'cpus': os.cpu_count(),
        'cuda': torch.cuda.get_device_name() if torch.cuda.is_available() else '',
        'threads': options.threads,
        'time': time.strftime('%Y-%m-%dT%H:%M:%S%z'),
    }
