"""The `rescene4d convert` command: published checkpoints to weights files."""

from __future__ import annotations

import argparse
from pathlib import Path

from rescene4d_ros.cli.flags import setting
from rescene4d_ros.inference.weights import save_weights, weights_hash, WeightsInfo
from rescene4d_ros.models.checkpoints import convert, Converted
from rescene4d_ros.structures import INSTANCE_CLASSES

SHOWN_NAMES = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the files, and settings that the checkpoint does not contain."""
    parser.add_argument(
        'file',
        type=Path,
        help='checkpoint: ReScene4D or Mask3D (.ckpt), Sonata or Concerto (.pth)',
    )
    parser.add_argument('--out', type=Path, required=True, help='weights file (.safetensors)')
    parser.add_argument(
        '--set',
        dest='settings',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='a setting of ModelConfig that the file does not contain, such as backbone=sonata, '
        'temporal_mask_pooling=mean, n_queries=150',
    )
    parser.add_argument(
        '--class-names',
        metavar='A,B,...',
        type=lambda text: text.split(','),
        help='class names in the order of the outputs (default: the 18 of ScanNet and 3RScan)',
    )
    parser.add_argument(
        '--allow-extra',
        action='append',
        default=[],
        metavar='PATTERN',
        help='published tensors to leave out; * = anything',
    )
    parser.add_argument(
        '--allow-missing',
        action='append',
        default=[],
        metavar='PATTERN',
        help='published tensors that may stay as initialized; * = anything',
    )
    parser.add_argument('--half', action='store_true', help='store matrices as float16')
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of tensors that are not in the file'
    )


def run(options: argparse.Namespace) -> int:
    """Convert, write, and report the outcome for all tensors."""
    converted = convert(
        options.file,
        dict(map(setting, options.settings)),
        seed=options.seed,
        may_have=options.allow_extra,
        may_lack=options.allow_missing,
    )
    origin = {
        'converted_from': options.file.name,
        'sha256_16': weights_hash(options.file),
        'family': converted.family,
        'as_initialized': list(converted.coverage.untrained),
    }
    names = tuple(options.class_names or INSTANCE_CLASSES)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_weights(
        options.out, converted.model, WeightsInfo(names, training=origin), half=options.half
    )
    print('\n'.join(_report(converted)))
    print(options.out)
    return 0


def _report(converted: Converted) -> list[str]:
    """Return lines on the tensors of the file and of the network."""
    coverage = converted.coverage
    in_file = len(coverage.loaded) + len(coverage.left_out)
    return [
        f'{converted.family}: {len(coverage.loaded)} of {in_file} tensors of the file used',
        _listed('left out', coverage.left_out),
        _listed('as initialized, not in the file', coverage.as_initialized),
    ]


def _listed(title: str, names: tuple[str, ...]) -> str:
    """Return the number of names and the first ones."""
    if not names:
        return f'{title}: none'
    more = f', {len(names) - SHOWN_NAMES} more' if len(names) > SHOWN_NAMES else ''
    return f'{title}: {len(names)} ({", ".join(names[:SHOWN_NAMES])}{more})'
