"""Category of an instance in the recall by kind of change."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.sequences import TrueSequence
from rescene4d_ros.structures import ChangeKind

STATIC, RIGID, NON_RIGID, AMBIGUOUS, ADDED, REMOVED = KINDS = (
    'static',
    'rigid',
    'non_rigid',
    'ambiguous',
    'added',
    'removed',
)
# The last of these that applies to an instance counts, as in the published data.
KIND_OF_CHANGE = {
    ChangeKind.MOVED: RIGID,
    ChangeKind.DEFORMED: NON_RIGID,
    ChangeKind.ADDED: ADDED,
    ChangeKind.REAPPEARED: ADDED,
    ChangeKind.REMOVED: REMOVED,
}


def change_categories(truth: TrueSequence, rules: ScoreRules) -> np.ndarray | None:
    """Return (G,) the category of each instance; None if the truth has no changes."""
    if truth.changes is None:
        return None
    kinds = np.full(len(truth.instance_ids), STATIC, dtype=object)
    kinds[truth.groups > 0] = AMBIGUOUS
    for kind in (RIGID, NON_RIGID, ADDED, REMOVED):
        values = [c for c, name in KIND_OF_CHANGE.items() if name == kind]
        kinds[np.isin(truth.changes, values).any(axis=1)] = kind
    if rules.ambiguous_wins:
        kinds[truth.groups > 0] = AMBIGUOUS
    return kinds
