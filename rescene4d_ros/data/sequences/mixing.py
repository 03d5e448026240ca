"""
Draw training items from several data sets by weight.

Draws are with replacement: a data set is chosen by its weight, then one of its items uniformly, as
ReScene4D mixes 3RScan and ScanNet (1.0 : 0.8). Draw i is a function of (seed, i), so a resumed run
needs only the number of draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from rescene4d_ros.errors import ConfigError

PAPER_WEIGHTS = (1.0, 0.8)


class MixedSampler:
    """
    Order of the items of several data sets over the epochs.

    Iteration continues at `position` and ends with the epoch. Items are numbered consecutively
    over the data sets, as in `torch.utils.data.ConcatDataset`.

    Parameters
    ----------
    lengths : sequence of int
        Items of each data set; the first is the main one.
    weights : sequence of float
        Share of each data set in the draws; need not sum to 1.
    seed : int
    position : int
        Draws already made, over all epochs.

    Attributes
    ----------
    position : int
        Number of the next draw; save it to resume.

    Raises
    ------
    ConfigError
        Nothing to draw from, or weights that do not fit the data sets.

    """

    def __init__(
        self,
        lengths: Sequence[int],
        weights: Sequence[float] = PAPER_WEIGHTS,
        seed: int = 0,
        position: int = 0,
    ):
        self.lengths = np.asarray(lengths, np.int64)
        self.weights = np.asarray(weights, np.float64)
        if len(lengths) == 0 or self.lengths.shape != self.weights.shape:
            raise ConfigError(
                f'mixing: expected one weight per data set, got {len(lengths)} data '
                f'sets and {len(weights)} weights'
            )
        are_shares = np.isfinite(self.weights).all() and (self.weights >= 0).all()
        if not (are_shares and self.weights[0] > 0):
            raise ConfigError(
                'mixing: expected weights of at least 0, the first above 0, got '
                f'{self.weights.tolist()}'
            )
        if (self.lengths[self.weights > 0] < 1).any():
            raise ConfigError(
                'mixing: expected items in every data set that has a weight, got '
                f'lengths {self.lengths.tolist()}; give an empty one the weight 0'
            )
        self.seed, self.position = seed, position
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self._bounds = np.cumsum(self.weights) / self.weights.sum()

    def __len__(self) -> int:
        """Return the draws per epoch, which show the main data set once on average."""
        return int(self.lengths[0] * (self.weights.sum() / self.weights[0]))

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of the remaining items of this epoch."""
        end = (self.position // len(self) + 1) * len(self)
        while self.position < end:
            self.position += 1
            yield self.number(*self.draw(self.position - 1))

    def draw(self, i: int) -> tuple[int, int]:
        """Return data set and item of draw i, independent of earlier draws."""
        rng = np.random.default_rng([self.seed, i])
        chosen = int(np.searchsorted(self._bounds, rng.random(), side='right'))
        return chosen, int(rng.integers(self.lengths[chosen]))

    def number(self, dataset: int, item: int) -> int:
        """Return the number of an item over all data sets."""
        return int(self._starts[dataset]) + item

    def locate(self, number: int) -> tuple[int, int]:
        """Return data set and item of a number."""
        dataset = int(np.searchsorted(self._starts, number, side='right')) - 1
        return dataset, number - int(self._starts[dataset])
