"""By what happened to it: the kind under which an instance counts in the recall by change."""

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
# Of several changes of one instance the later of these counts, as in the published data.
KIND_OF_CHANGE = {
    ChangeKind.MOVED: RIGID,
    ChangeKind.DEFORMED: NON_RIGID,
    ChangeKind.ADDED: ADDED,
    ChangeKind.REAPPEARED: ADDED,
    ChangeKind.REMOVED: REMOVED,
}


def kinds_of_change(truth: TrueSequence, rules: ScoreRules) -> np.ndarray | None:
    """Return (G,) the kind of change of each instance; None where the truth does not know."""
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
