"""Which shapes of parametric furniture are for training, validation and test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.synthetic_rooms.furniture.makers import draw
from rescene4d_ros.synthetic_rooms.furniture.model import Draw, Model

T = TypeVar('T')

SPLITS = ('train', 'val', 'test')
# Stripes of the logarithm of volume repeat with this period: short enough that also makers of
# little variety reach every split, and not so short that the stripes between them mean nothing.
PERIOD = 0.25
# Shares of a period; what is between two of them belongs to no split.
_STRIPES = {'train': (0.0, 0.46), 'val': (0.54, 0.69), 'test': (0.77, 0.92)}
_TRIES = 2000


def belongs(size: Sequence[float], split: str) -> bool:
    """
    Return whether a shape is one of a split.

    A maker draws its shapes from continuous ranges, so there are no two equal ones to keep apart.
    Instead the volume of the box decides, in stripes with gaps: two models of different splits
    differ in volume by at least 2 %.

    Parameters
    ----------
    size : sequence of float, m
        Dimensions of the box; of things that fill a hole, its width and height.
    split : str
        'train', 'val', 'test', or 'any', to which everything belongs.

    """
    if split == 'any':
        return True
    low, high = _STRIPES[split]
    return low <= float(np.log(size).sum() / PERIOD) % 1.0 < high


def draw_of(split: str) -> Draw:
    """
    Return `draw`, limited to the shapes of one split.

    Parameters
    ----------
    split : str
        'train', 'val', 'test', or 'any' for `draw` itself.

    Raises
    ------
    ConfigError
        There is no such split.

    """
    if split == 'any':
        return draw
    if split not in SPLITS:
        raise ConfigError(f'expected a split of {", ".join(SPLITS)} or any, got {split!r}')

    def draw_in_split(makers: str, rng: np.random.Generator) -> Model:
        # One maker for all tries: those whose shapes are rarely in the split stay as frequent.
        choices = makers.split('|')
        maker = choices[int(rng.integers(len(choices)))]
        return until_in_split(split, lambda: draw(maker, rng), lambda model: model.size)

    return draw_in_split


def until_in_split(
    split: str, make: Callable[[], T], size_of: Callable[[T], Sequence[float]]
) -> T:
    """
    Make things until one is of the split, and return that one.

    Raises
    ------
    ConfigError
        None of very many is: the maker varies too little.

    """
    for _ in range(_TRIES):
        made = make()
        if belongs(size_of(made), split):
            return made
    raise ConfigError(
        f'expected a shape of split {split!r} in {_TRIES} draws, got none, the last '
        f'of {[round(v, 3) for v in size_of(made)]} m; let its sizes vary more'
    )
