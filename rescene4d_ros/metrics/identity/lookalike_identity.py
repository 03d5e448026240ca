"""Identity of look-alikes as a group: switches beyond an exchange within the group."""

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
    Count switches and recovered gaps per group of look-alikes.

    Equal objects that exchange places leave no trace, so only the number of continuing members and
    their ids can be known. Switches of a group are the members matched in two consecutive visits
    minus the ids that the group has in both. Recovered gaps are the members that returned, at most
    the ids that the group had before, not in the previous visit, and has again.

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
    """Return whether a member that returned is matched before its absence and now."""
    return bool(issued[-1] > 0 and issued[np.flatnonzero(visible)[-1]] > 0)
