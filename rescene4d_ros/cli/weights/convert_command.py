"""The `rescene4d convert` command: published checkpoints to weights files."""

from __future__ import annotations

import argparse
from pathlib import Path

from rescene4d_ros.class_lists import ClassList, list_of_names
from rescene4d_ros.cli.flags import setting
from rescene4d_ros.inference.weights_of_checkpoints import published_classes, write_converted
from rescene4d_ros.models.checkpoints import convert, Converted

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
        '--class-names',
        metavar='A,B,...',
        type=lambda text: text.split(','),
        help='class names in the order of the outputs (default: the published list with that '
        'number)',
    )
    parser.add_argument(
        '--classes',
        default='',
        metavar='LIST|FILE',
        help='the same as a known list or a text file with one name per line',
    )
    add_conversion_flags(parser)


def add_conversion_flags(parser: argparse.ArgumentParser) -> None:
    """Declare settings that the checkpoint does not contain, and what may differ."""
    parser.add_argument(
        '--set',
        dest='settings',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='a setting of ModelConfig that the file does not contain, such as backbone=sonata, '
        'temporal_mask_pooling=mean, n_queries=150',
    )
    for flag, text in (
        ('--allow-extra', 'published tensors to leave out; * = anything'),
        ('--allow-missing', 'published tensors that may stay as initialized; * = anything'),
        ('--allow-option', 'options of the training configuration to ignore; * = anything'),
    ):
        parser.add_argument(flag, action='append', default=[], metavar='PATTERN', help=text)
    parser.add_argument('--half', action='store_true', help='store matrices as float16')
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of tensors that are not in the file'
    )


def run(options: argparse.Namespace) -> int:
    """Convert, write, and report the outcome for all tensors."""
    converted = converted_of(options)
    names = tuple(options.class_names or ())
    classes = (
        ClassList(list_of_names(names), names, tuple(range(1, len(names) + 1)))
        if names
        else published_classes(converted.model.config.n_classes, options.classes)
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_converted(options.out, converted, options.file, classes, half=options.half)
    print('\n'.join(coverage_lines(converted)))
    print(options.out)
    return 0


def converted_of(options: argparse.Namespace) -> Converted:
    """Return the network of the checkpoint and the flags of `add_conversion_flags`."""
    return convert(
        options.file,
        dict(map(setting, options.settings)),
        seed=options.seed,
        may_have=options.allow_extra,
        may_lack=options.allow_missing,
        may_set=options.allow_option,
    )


def coverage_lines(converted: Converted) -> list[str]:
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
