"""Initial weights: tensors of a file that fit are loaded into a model before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from rescene4d_ros.errors import WeightsError
from rescene4d_ros.inference.weights_file import read_weights
from rescene4d_ros.structures import INSTANCE_CLASSES
from torch import nn

CLASS_HEADS = ('decoder.class_head.*', 'decoder.semantic_head.*')
FREQUENCIES = 'decoder.encoding.frequencies'  # of x, y, z and time, one row each
FINE_LEVEL = 'fine_level.'
NAMED_PROBLEMS = 5


@dataclass(frozen=True)
class Taken:
    """
    Outcome for the tensors of a weights file.

    Attributes
    ----------
    taken : tuple of str
    left_out : tuple of str
        In the file, not used: of another shape, for other classes, or not in the model.
    as_initialized : tuple of str
        In the model, with initial values.

    """

    taken: tuple[str, ...]
    left_out: tuple[str, ...]
    as_initialized: tuple[str, ...]


def take_weights(model: nn.Module, path: str | Path, allow: Sequence[str] = ()) -> Taken:
    """
    Load the tensors of a weights file into a model; it is changed only if all of them fit.

    Tensors that are untrained according to the file, such as those above a converted encoder, are
    ignored; a fine level that the file does not have is left as it is, without effect. Heads for
    other classes than INSTANCE_CLASSES do not fit, whatever their shape.

    Parameters
    ----------
    model : Module
    path : str or Path
        Of `save_weights` or `rescene4d convert`.
    allow : sequence of str
        Patterns (`*` = anything) of tensors that need not fit; they keep their initial values.

    Raises
    ------
    WeightsError
        The file cannot be read, or a tensor is missing, unknown or of another shape, and no
        pattern allows it.

    """
    config, info, tensors = read_weights(path)
    nothing_learned = set(info.training.get('as_initialized', ()))
    own = model.state_dict()
    without_effect = set()
    if not config.fine_level_channels:
        without_effect = {name for name in own if name.startswith(FINE_LEVEL)}
    problems = {}
    for name in dict.fromkeys((*own, *tensors)):
        if name in nothing_learned or name in without_effect:
            continue
        if name not in tensors:
            problems[name] = 'is not in the file'
        elif name not in own:
            problems[name] = 'is not in the model'
        elif tensors[name].shape != own[name].shape:
            problems[name] = f'is {tuple(tensors[name].shape)} instead of {tuple(own[name].shape)}'
        elif info.class_names != INSTANCE_CLASSES and _is_one_of(name, CLASS_HEADS):
            problems[name] = 'is for other classes'
    not_allowed = [
        f'{name} {why}' for name, why in problems.items() if not _is_one_of(name, allow)
    ]
    if not_allowed:
        more = (
            f' and {len(not_allowed) - NAMED_PROBLEMS} more'
            if len(not_allowed) > NAMED_PROBLEMS
            else ''
        )
        raise WeightsError(
            f'weights {path}: expected the tensors of the recipe, but '
            f'{"; ".join(not_allowed[:NAMED_PROBLEMS])}{more}; '
            'use the model settings of the file, or allow differences with --init-allow'
        )
    taken = [
        name
        for name in own
        if name in tensors and name not in problems and name not in nothing_learned
    ]
    if FREQUENCIES in taken and not tensors[FREQUENCIES][-1].any():
        # A converted Mask3D ignores time; training needs it.
        tensors[FREQUENCIES][-1] = own[FREQUENCIES][-1]
    for name in taken:
        own[name].copy_(tensors[name])
    return Taken(
        tuple(taken),
        tuple(n for n in tensors if n not in taken),
        tuple(n for n in own if n not in taken),
    )


def _is_one_of(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a pattern matches the name."""
    return any(fnmatch(name, p) for p in patterns)
