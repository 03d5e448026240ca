"""Mapping from published tensors to ours, and a report of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from rescene4d_ros.errors import WeightsError
from rescene4d_ros.models.checkpoints.reading import Checkpoint
from torch import nn, Tensor


def as_is(tensor: Tensor) -> Tensor:
    """Return the tensor: ours has the same shape and meaning."""
    return tensor


@dataclass(frozen=True)
class Entry:
    """
    Source of one of our tensors.

    Attributes
    ----------
    name : str
        Published name; several of our tensors may be parts of one.
    shape : tuple of int
        Published shape.
    bring : callable
        Published tensor -> ours.

    """

    name: str
    shape: tuple[int, ...]
    bring: Callable[[Tensor], Tensor] = as_is


@dataclass(frozen=True)
class Coverage:
    """
    Outcome for the tensors of a checkpoint, by their published names.

    Attributes
    ----------
    loaded : tuple of str
    left_out : tuple of str
        In the file, not in the network.
    as_initialized : tuple of str
        In the network, not in the file; our name for tensors without a published one.
    untrained : tuple of str
        The same tensors by our names.

    """

    loaded: tuple[str, ...]
    left_out: tuple[str, ...]
    as_initialized: tuple[str, ...]
    untrained: tuple[str, ...]


def fill(
    module: nn.Module,
    entries: Mapping[str, Entry],
    checkpoint: Checkpoint,
    *,
    may_have: Sequence[str] = (),
    may_lack: Sequence[str] = (),
) -> Coverage:
    """
    Load published tensors into a module; it is changed only if all of them fit.

    Parameters
    ----------
    module : Module
    entries : dict of str to Entry
        By the names in `module.state_dict()`.
    checkpoint : Checkpoint
    may_have, may_lack : sequence of str
        Patterns (`*` = anything) of published names that may be additional or missing in the file.

    Raises
    ------
    WeightsError
        Tensors that are missing, unexpected or of another shape.

    """
    state = checkpoint.state
    shapes = {entry.name: entry.shape for entry in entries.values()}
    lacking = [name for name in shapes if name not in state]
    spare = [name for name in state if name not in shapes]
    problems = [f'missing {name}' for name in _unnamed(lacking, may_lack)]
    problems += [f'unexpected {name}' for name in _unnamed(spare, may_have)]
    problems += [
        f'{name} {tuple(state[name].shape)} instead of {shape}'
        for name, shape in shapes.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    if problems:
        more = f' and {len(problems) - 5} more' if len(problems) > 5 else ''
        raise WeightsError(
            f'checkpoint {checkpoint.path}: expected the tensors of the preset, '
            f'got {"; ".join(problems[:5])}{more}; choose the preset that the '
            'checkpoint was trained with, or name what may differ'
        )
    own = module.state_dict()
    for ours, entry in entries.items():
        if entry.name in state:
            own[ours] = entry.bring(state[entry.name]).to(own[ours].dtype)
    module.load_state_dict(own)
    never_published = [name for name in own if name not in entries]
    return Coverage(
        tuple(name for name in shapes if name in state),
        tuple(spare),
        (*lacking, *never_published),
        tuple(name for name in own if name not in entries or entries[name].name not in state),
    )


def _unnamed(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the names that match no pattern."""
    return [name for name in names if not any(fnmatch(name, p) for p in patterns)]
