"""The `rescene4d weights` command: weights of the user, kept by name."""

from __future__ import annotations

import argparse
from pathlib import Path
import shutil
import tempfile

from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.class_lists import KNOWN_LISTS
from rescene4d_ros.cli.console import TextConsole
from rescene4d_ros.cli.weights.convert_command import (
    add_conversion_flags,
    converted_of,
    coverage_lines,
)
from rescene4d_ros.errors import WeightsError
from rescene4d_ros.inference.selection.quality import quality_file
from rescene4d_ros.inference.weights_file import load_weights, read_header, weights_hash
from rescene4d_ros.inference.weights_folder import (
    file_of,
    FOLDER_VARIABLE,
    named_weights,
    NamedWeights,
    names,
    SUFFIX,
    weights_folder,
)
from rescene4d_ros.inference.weights_of_checkpoints import (
    check_runs,
    file_hash,
    published_classes,
    write_converted,
)
from rich.table import Table

ENCODER = 'encoder'  # family of which only the encoder is trained


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest='action', required=True, metavar='action')
    add = actions.add_parser('add', help='convert and check a checkpoint, and keep it by name')
    add.add_argument(
        'file',
        type=Path,
        help='checkpoint of Mask3D, ReScene4D, Sonata or Concerto, or a weights file '
        '(.safetensors)',
    )
    add.add_argument('--name', help='default: kind and classes, such as mask3d-scannet200')
    add.add_argument(
        '--classes',
        default='',
        metavar='LIST|FILE',
        help=f'classes of the outputs: {", ".join(KNOWN_LISTS)}, or a text file with one name per '
        'line; default: the published list with that number',
    )
    add.add_argument('--license', default='', metavar='TEXT', help='note on the terms of use')
    add_conversion_flags(add)
    actions.add_parser('list', help='show all names')
    for action, text in (('show', 'show what is known of weights'), ('remove', 'delete weights')):
        actions.add_parser(action, help=text).add_argument('name')
    parser.epilog = (
        f'kept in {FOLDER_VARIABLE}, else in rescene4d/weights of XDG_DATA_HOME or '
        '~/.local/share; used by name as inference.weights or --weights'
    )


def run(options: argparse.Namespace) -> int:
    """Run one action."""
    folder = weights_folder()
    if options.action == 'add':
        return _add(options, folder)
    if options.action == 'list':
        return _list(folder)
    if options.action == 'show':
        print('\n'.join(described(named_weights(options.name, folder))))
        return 0
    path = file_of(options.name, folder)
    if not path.is_file():
        raise WeightsError(
            f'weights {options.name!r}: expected one of {", ".join(names(folder)) or "none"} in '
            f'{folder}, got another name'
        )
    path.unlink()
    quality_file(path).unlink(missing_ok=True)
    print(f'removed {path}')
    return 0


def _add(options: argparse.Namespace, folder: Path) -> int:
    """Convert or copy a file, check it, and give it its name."""
    if options.name:
        _refuse_taken(file_of(options.name, folder), options.file)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix='.adding-') as place:
        part = Path(place) / f'new{SUFFIX}'
        lines, name = _made(options, part)
        path = file_of(options.name or name, folder)
        _refuse_taken(path, options.file)
        _, info = read_header(part)
        if info.training.get('family') != ENCODER:
            lines.append(f'check: a made-up room of two visits gives {check_runs(part)} queries')
        if options.file.suffix == SUFFIX and quality_file(options.file).is_file():
            _copy(quality_file(options.file), quality_file(path))
        _copy(part, path)
    print('\n'.join([*lines, *described(named_weights(path.stem, folder))]))
    return 0


def _copy(source: Path, target: Path) -> None:
    """Copy a file; it appears under its name only when it is complete."""
    with source.open('rb') as content, atomic_write(target) as file:
        shutil.copyfileobj(content, file)


def _made(options: argparse.Namespace, out: Path) -> tuple[list[str], str]:
    """Write the weights file; return a report of its tensors, and the default name."""
    if options.file.suffix == SUFFIX:
        load_weights(options.file)
        shutil.copyfile(options.file, out)
        return [f'{options.file.name}: weights file, unchanged'], options.file.stem
    converted = converted_of(options)
    classes = published_classes(converted.model.config.n_classes, options.classes)
    write_converted(out, converted, options.file, classes, options.license, half=options.half)
    kind = converted.family.removesuffix('-unet').removesuffix('-ptv3')
    name = options.file.stem if kind == ENCODER else f'{kind}-{classes.name}'
    return coverage_lines(converted), name


def _refuse_taken(path: Path, source: Path) -> None:
    """Refuse a name that other weights have."""
    if not path.is_file():
        return
    kept = read_header(path)[1].training.get('sha256') or file_hash(path)
    same = source.is_file() and kept == file_hash(source)
    raise WeightsError(
        f'weights {path.stem!r}: expected a new name, got one that '
        f'{"this very file" if same else "other weights"} already has; give another with --name, '
        f'or `rescene4d weights remove {path.stem}` first'
    )


def _list(folder: Path) -> int:
    """Print a table of all names; damaged files are named with what is wrong."""
    table = Table('name', 'kind', 'classes', 'voxel', 'size', 'license')
    problems = []
    for name in names(folder):
        try:
            weights = named_weights(name, folder)
        except WeightsError as error:
            problems.append(str(error))
            continue
        training = weights.info.training
        table.add_row(
            name,
            training.get('family', 'own'),
            f'{training.get("class_list", "")} ({len(weights.info.class_names)})'.strip(),
            f'{weights.config.voxel_size * 100:g} cm',
            f'{weights.path.stat().st_size / 1e6:.0f} MB',
            training.get('license', ''),
        )
    TextConsole().print(table if table.row_count else f'no weights in {folder}')
    print('\n'.join(problems), end='\n' if problems else '')
    return 1 if problems else 0


def described(weights: NamedWeights) -> list[str]:
    """Return lines on weights: origin, classes, grid, terms, and how to use them."""
    config, training = weights.config, weights.info.training
    shown = ', '.join(weights.info.class_names[:8])
    more = len(weights.info.class_names) - 8
    lines = [
        f'{weights.name}: {weights.path}',
        f'kind: {training.get("family", "own")}, backbone {config.backbone}, compat '
        f'{config.compat}, {config.n_queries} queries',
        f'classes: {len(weights.info.class_names)} {training.get("class_list", "")} ({shown}'
        f'{f", {more} more" if more > 0 else ""})',
        f'voxels: {config.voxel_size * 100:g} cm',
        f'weights hash: {weights_hash(weights.path)}',
    ]
    if 'sha256' in training:
        lines += [
            f'from: {training.get("converted_from")}, sha256 {training["sha256"]}',
            f'tensors: {training.get("loaded")} used, {len(training.get("left_out", ()))} left '
            f'out, {len(training.get("as_initialized", ()))} as initialized',
        ]
    if training.get('license'):
        lines.append(f'terms: {training["license"]}')
    if training.get('family') == ENCODER:
        lines.append('only the encoder is trained: use it with `rescene4d train --init`')
    else:
        lines.append(f'use: inference.weights:={weights.name}, or --weights {weights.name}')
    return lines
