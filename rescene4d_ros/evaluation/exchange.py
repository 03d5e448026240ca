"""Ids of look-alikes dealt anew: what is left of a switch when nobody can tell who is who."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.evaluation.identity import IssuedIds


def exchange_lookalikes(ids: IssuedIds, groups: np.ndarray) -> IssuedIds:
    """
    Deal the ids that look-alikes got in a visit anew among those who got them.

    Two equal chairs that trade places leave no trace, and no method can know. What it can know is
    how many there are and which ids are theirs. So whoever has had an id before takes it again
    if one of the group got it; the latest holder comes first. Of the ids that are left, new ones
    go to the members that had none.

    Parameters
    ----------
    ids : IssuedIds
    groups : ndarray (G,), int
        Members of one positive group are look-alikes; 0 = none.

    Returns
    -------
    IssuedIds
        The same ids per group and visit.

    """
    issued = ids.issued.copy()
    for group in np.unique(groups[groups > 0]):
        members = np.flatnonzero(groups == group)
        last: dict[int, tuple[int, int]] = {}        # member: (visit, id)
        for t, row in enumerate(ids.issued[:, members]):
            here = members[row > 0]
            dealt = _deal(here.tolist(), set(row[row > 0].tolist()), last, ids.first_use)
            for member, number in dealt.items():
                issued[t, member] = number
                last[member] = t, number
    return replace(ids, issued=issued)


def _deal(here: list[int], free: set[int], last: dict[int, tuple[int, int]],
          first_use: dict[int, int]) -> dict[int, int]:
    """Return who of the members that are matched in a visit gets which of their ids."""
    dealt = {}
    for member in sorted((m for m in here if m in last), key=lambda m: (-last[m][0], m)):
        if last[member][1] in free:
            dealt[member] = last[member][1]
            free.remove(last[member][1])
    known_first = sorted((m for m in here if m not in dealt), key=lambda m: (m not in last, m))
    return dealt | dict(zip(known_first, sorted(free, key=lambda i: (first_use[i], i))))
