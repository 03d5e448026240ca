"""Ids of look-alikes dealt anew: what is left of a switch when nobody can tell who is who."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.evaluation.identity import IssuedIds


def exchange_lookalikes(ids: IssuedIds, groups: np.ndarray) -> IssuedIds:
    """
    Deal the ids that look-alikes got in a visit anew among those who got them.

    Two equal chairs that trade places leave no trace, and where some of six leave and others
    move, no method can know which. What it can know is how many there are and which ids are
    theirs. So in each visit the ids of a group are dealt anew among its members that got one
    there: the id and the member that can be together in most visits come together first. Who is
    there when stays as it is.

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
        issued[:, members] = _deal(ids.issued[:, members])
    return replace(ids, issued=issued)


def _deal(issued: np.ndarray) -> np.ndarray:
    """Return the ids (T, members) of one group dealt anew; 0 = not matched."""
    numbers = np.unique(issued[issued > 0])
    waits = (issued[:, :, None] == numbers).any(1)       # (T, ids): to be dealt
    takes = issued > 0                                   # (T, members): to be dealt to
    dealt = np.zeros_like(issued)
    while waits.any():
        together = waits.T.astype(int) @ takes           # (ids, members): visits
        i, member = np.unravel_index(together.argmax(), together.shape)
        visits = waits[:, i] & takes[:, member]
        dealt[visits, member] = numbers[i]
        waits[visits, i] = takes[visits, member] = False
    return dealt
