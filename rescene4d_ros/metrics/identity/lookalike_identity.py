"""Identity of look-alikes as a group: what is left of a switch when nobody can tell who is who."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.metrics.identity.identity_scores import (
    GAP_ACCURACY,
    GAP_COVERAGE,
    GAP_RECALL,
    identity_counts,
    IssuedIds,
    RATES,
    SWITCH,
)


def exchanged_counts(ids: IssuedIds, groups: np.ndarray) -> np.ndarray:
    """
    Count switches and recovered gaps, each group of look-alikes as a whole.

    Two equal chairs that trade places leave no trace, and where some of six leave and others
    move, no method can know which. What it can know is how many went on and which ids are
    theirs. So of a group there are as many switches as members that two visits in a row show,
    less the ids that the group has in both; and as many recovered gaps as members that are back,
    at most the ids that the group had before, not in the visit before, and has again.

    Parameters
    ----------
    ids : IssuedIds
    groups : ndarray (G,), int
        Members of one positive group are look-alikes; 0 = none, counted one by one.

    Returns
    -------
    ndarray (7, 2), int64
        As `identity_counts`; rows other than switches and gaps are 0.

    """
    counts = np.zeros((len(RATES), 2), dtype=np.int64)
    single = identity_counts(ids, instances=groups == 0)
    for row in (SWITCH, GAP_RECALL, GAP_ACCURACY, GAP_COVERAGE):
        counts[row] = single[row]
    for group in np.unique(groups[groups > 0]):
        members = groups == group
        issued, visible = ids.issued[:, members], ids.is_visible[:, members]
        known: set[int] = set()
        for t in range(1, len(issued)):
            last, now = (set(row[row > 0].tolist()) for row in issued[t - 1 : t + 1])
            known |= last
            both = int(((issued[t - 1] > 0) & (issued[t] > 0)).sum())
            counts[SWITCH] += max(both - len(last & now), 0), both
            back = np.flatnonzero(visible[t] & ~visible[t - 1] & visible[:t].any(0))
            tried = sum(_is_matched(issued[: t + 1, g], visible[:t, g]) for g in back)
            right = min(tried, len((now - last) & known))
            counts[GAP_RECALL] += right, len(back)
            counts[GAP_ACCURACY] += right, tried
            counts[GAP_COVERAGE] += tried, len(back)
    return counts


def _is_matched(issued: np.ndarray, visible: np.ndarray) -> bool:
    """Return whether a member that is back was matched before its absence and is now."""
    return bool(issued[-1] > 0 and issued[np.flatnonzero(visible)[-1]] > 0)
