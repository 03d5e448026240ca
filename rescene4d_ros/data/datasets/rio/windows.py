"""Choice and order of the scans of a sequence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations
from math import perm

import numpy as np
from rescene4d_ros.data.datasets.rio.config import RioConfig
from rescene4d_ros.data.datasets.rio.metadata import RioScene, SPLITS
from rescene4d_ros.errors import ConfigError

MOST_PER_SCENE = 20_000


@dataclass(frozen=True)
class Window:
    """Positions in a scene of the scans of one sequence, in the order of the visits."""

    scene: RioScene
    numbers: tuple[int, ...]

    @property
    def name(self) -> str:
        """Return the names of the scans, joined by '-'."""
        return '-'.join(self.scene.scans[n].name for n in self.numbers)


def windows(scenes: Iterable[RioScene], config: RioConfig) -> Iterator[Window]:
    """
    Yield the sequences of all scenes that have enough scans.

    `sliding`: the scans of a scene are shuffled, then every cyclic window of consecutive ones is
    used: n scans give n sequences. One generator shuffles all
    scenes, split after split, so leaving scenes out changes the order of others.
    `exhaustive`: every ordered choice. `single`: the first scans in the order of the metadata.

    Raises
    ------
    ConfigError
        There would be more than `MOST_PER_SCENE` choices of one scene.

    """
    rng = np.random.default_rng(config.seed)
    for scene in sorted(scenes, key=lambda s: (SPLITS.index(s.split), s.index)):
        n = len(scene.scans)
        length = config.visits or n
        if n < length:
            continue
        if config.windows == 'sliding':
            order = rng.permutation(n)
            choices = [tuple(int(order[(i + k) % n]) for k in range(length)) for i in range(n)]
        elif config.windows == 'exhaustive':
            if perm(n, length) > MOST_PER_SCENE:
                raise ConfigError(
                    f'windows: {scene.name} has {perm(n, length)} ordered choices '
                    f'of {length} out of {n} scans, expected at most '
                    f'{MOST_PER_SCENE}; use fewer visits or sliding windows'
                )
            choices = list(permutations(range(n), length))
        else:
            choices = [tuple(range(length))]
        yield from (Window(scene, c) for c in choices)
