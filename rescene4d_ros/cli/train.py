"""`rescene4d train CONFIG.yaml --data DIR --val DIR --out RUN`: learn weights from sequences."""
from __future__ import annotations

import argparse
from dataclasses import replace
import os
from pathlib import Path
import platform
import sys
import time

from rescene4d_ros import __version__
from rescene4d_ros.cli.provenance import git_commit
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.training import prepare_folder, Progress, Recipe, RunFolder, Trainer
from rescene4d_ros.training.distributed import world
import torch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument('config', type=Path, help='recipe (YAML), see config/training/')
    parser.add_argument('--data', type=Path, required=True, help='folder of sequences to learn')
    parser.add_argument('--val', type=Path, help='folder of held-out sequences')
    parser.add_argument('--out', type=Path, required=True, help='run folder')
    parser.add_argument('--prepared', type=Path,
                        help='folder of prepared sequences, to share between runs '
                             '(default: prepared/ in the run folder)')
    parser.add_argument('--resume', action='store_true', help="go on from the run's checkpoint")
    parser.add_argument('--steps', type=int, help="in place of the recipe's number of steps")
    parser.add_argument('--max-minutes', type=float, default=float('inf'),
                        help='stop then, with a checkpoint to resume from')
    parser.add_argument('--threads', type=int, default=max(1, (os.cpu_count() or 1) - 1),
                        help='torch threads; preparing uses as many processes')
    parser.add_argument('--workers', type=int, default=1,
                        help='processes that make batches; 0 = none beside this one')


def run(options: argparse.Namespace) -> int:
    """Prepare the data, train, and write the run folder."""
    started = time.monotonic()
    recipe = Recipe.read(options.config)
    if options.steps is not None:
        values = {'train': {**vars(recipe.train), 'steps': options.steps}}
        recipe = replace(recipe, train=Recipe.from_mapping(values).train)
    torch.set_num_threads(options.threads)
    device = _join_world()
    folder = RunFolder(options.out)
    is_first = world()[0] == 0
    if is_first:
        folder.begin(recipe.to_yaml(), _environment(options), options.resume)
    prepared = options.prepared or options.out / 'prepared'
    files = _prepare(options.data, prepared, recipe, options.threads, is_first)
    held_out = _prepare(options.val, prepared, recipe, options.threads, is_first) \
        if options.val else []
    trainer = Trainer(recipe, files, held_out, folder, device, time.monotonic, options.workers)
    if options.resume:
        trainer.resume()
    if is_first:
        n_weights = sum(p.numel() for p in trainer.model.parameters())
        print(f'{len(files)} sequences to learn, {len(held_out)} held out, '
              f'{n_weights / 1e6:.2f} M weights, {device}, step {trainer.step} of '
              f'{recipe.train.steps}', flush=True)
    trainer.fit(_print_progress, started + 60 * options.max_minutes)
    if is_first:
        print(f'stopped at step {trainer.step} of {recipe.train.steps}; weights: '
              f'{folder.weights}')
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    return 0


def _join_world() -> torch.device:
    """Join the processes that torchrun started, if it did, and return this one's device."""
    local_rank = int(os.environ.get('LOCAL_RANK', 0))
    is_cuda = torch.cuda.is_available()
    if int(os.environ.get('WORLD_SIZE', 1)) > 1:
        torch.distributed.init_process_group('nccl' if is_cuda else 'gloo')
    if is_cuda:
        torch.cuda.set_device(local_rank)
    return torch.device('cuda', local_rank) if is_cuda else torch.device('cpu')


def _prepare(source: Path, prepared: Path, recipe: Recipe, workers: int, is_first: bool
             ) -> list[Path]:
    """Return the prepared sequences of a folder; only the first process makes them."""
    sources = sorted(source.glob('*.npz'))
    if not sources:
        raise ConfigError(f'{source}: expected sequence files (*.npz), found none; make some '
                          'with `rescene4d rooms`')
    if torch.distributed.is_initialized() and not is_first:
        torch.distributed.barrier()
    files = prepare_folder(sources, prepared, recipe.superpoints, normals=recipe.train.normals,
                           workers=workers,
                           progress=_print_preparing if is_first else lambda *_: None)
    if torch.distributed.is_initialized() and is_first:
        torch.distributed.barrier()
    return files


def _print_preparing(done: int, of: int) -> None:
    """Print how many sequences are prepared, now and then."""
    if done in (0, of) or done % 20 == 0:
        print(f'prepared {done} of {of} sequences', flush=True)


def _print_progress(progress: Progress) -> None:
    """Print one line of metrics with the time left."""
    metrics = ' '.join(f'{name} {value:.3g}' for name, value in progress.metrics.items())
    left = time.strftime('%H:%M:%S', time.gmtime(min(progress.remaining_s, 359_999)))
    print(f'step {progress.step}/{progress.steps}  {progress.seconds_per_step:.2f} s/step  '
          f'left {left}  {metrics}', flush=True)


def _environment(options: argparse.Namespace) -> dict:
    """Return where and from what the run is made."""
    return {'version': __version__, 'commit': git_commit() or 'not a git checkout',
            'command': sys.argv,
            'python': platform.python_version(), 'torch': torch.__version__,
            'machine': platform.platform(), 'cpus': os.cpu_count(),
            'cuda': torch.cuda.get_device_name() if torch.cuda.is_available() else '',
            'threads': options.threads, 'time': time.strftime('%Y-%m-%dT%H:%M:%S%z')}
