"""Where two visits stand that are drawn at once: beside each other, or on sides of a plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from rescene4d_ros.view.browser.drawing.wipe import Wipe
from rescene4d_ros.view.browser.session import Compare
from rescene4d_ros.view.report.surroundings import Surroundings

GAP = 1.0  # m; between the two places that stand side by side
OVER = 0.4  # m; of the name of a visit over its place
NOWHERE = np.zeros((0, 3), np.float32)


@dataclass(frozen=True)
class Arrangement:
    """
    Hold where the drawn visits stand.

    Attributes
    ----------
    points : ndarray (N, 3), m
        Of all of them, as they stand.
    shift : ndarray (3,), m
        How far the place of before stands from where it is in map.
    right : ndarray (2,) or None
        Unit vector from the place of before to that of now; None where they do not stand apart.
    wipe : Wipe or None
        The plane between them; None where there is none.
    tops : mapping of str to ndarray (3,), m
        Where the names of places stand that are beside each other.

    """

    points: np.ndarray = field(default_factory=lambda: NOWHERE)
    shift: np.ndarray = field(default_factory=lambda: np.zeros(3))
    right: np.ndarray | None = None
    wipe: Wipe | None = None
    tops: Mapping[str, np.ndarray] = field(default_factory=dict)

    def shift_of(self, name: str) -> np.ndarray:
        """Return how far (m) a place stands from where it is in map."""
        return self.shift if name == 'before' else np.zeros(3)


def arranged(clouds: Mapping[str, Surroundings], compare: Compare) -> Arrangement:
    """Return where the visits of some clouds stand, by the names `now` and `before`."""
    every = np.concatenate([cloud.xyz for cloud in clouds.values()])
    if compare == Compare.WIPE:
        return Arrangement(every, wipe=Wipe.of(every))
    if compare != Compare.BOTH or not len(every):
        return Arrangement(every)
    right = Wipe.of(every).along
    ends = [np.percentile(c.xyz[:, :2] @ right, (0.5, 99.5)) for c in clouds.values() if len(c)]
    shift = np.append(-(float(np.ptp(ends, axis=1).max()) + GAP) * right, 0)
    shifts = {name: shift if name == 'before' else np.zeros(3) for name in clouds}
    tops = {n: _top(c.xyz) + shifts[n] for n, c in clouds.items() if len(c)}
    drawn = np.concatenate([cloud.xyz + shifts[name] for name, cloud in clouds.items()])
    return Arrangement(drawn, shift, right, None, tops)


def _top(xyz: np.ndarray) -> np.ndarray:
    """Return the place (3,) in m over the middle of a cloud."""
    middle = np.percentile(xyz[:, :2], (1, 99), axis=0).mean(axis=0)
    return np.append(middle, np.percentile(xyz[:, 2], 99) + OVER)
