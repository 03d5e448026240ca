"""What differs between two visits: the changes of the visits between them, put together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.structures import Change, ChangeKind
from rescene4d_ros.view.browser.knowledge import Knowledge
from rescene4d_ros.view.browser.session import Session

SAME_PLACE = 0.05  # m; between centers
NEW = (ChangeKind.ADDED, ChangeKind.REAPPEARED)


def shown_changes(knowledge: Knowledge, session: Session) -> dict[int, Change]:
    """
    Return the changes that a session marks, by the id in use.

    Those that the shown visit found, or that were found since the chosen visit; where two visits
    are drawn, what differs between them.
    """
    if not knowledge.visits:
        return {}
    until = session.visit if session.compare.is_pair else session.shown
    return changes_between(knowledge, session.marked_since, until)


def changes_between(knowledge: Knowledge, before: int, after: int) -> dict[int, Change]:
    """
    Return what differs after one visit from after another, by the id in use.

    Parameters
    ----------
    knowledge : Knowledge
    before, after : int
        Positions in `Knowledge.visits`; what visits after the first found, up to the second.

    Returns
    -------
    dict of int to Change
        The latest change of each object, from the place where the first visit knew it.

    """
    found: dict[int, list[Change]] = {}
    for visit in knowledge.visits[before + 1 : after + 1]:
        for change in knowledge.changes_of(visit.visit_id):
            if change.kind != ChangeKind.MERGED:
                found.setdefault(knowledge.current_id(change.object_id), []).append(change)
    joined = {i: _joined(changes[0], changes[-1]) for i, changes in found.items()}
    return {i: change for i, change in joined.items() if change is not None}


def _joined(first: Change, last: Change) -> Change | None:
    """Return what the first and the last change of an object come to; None = to nothing."""
    was_there, is_there = first.kind not in NEW, last.kind != ChangeKind.REMOVED
    if first is last:
        return last
    if not was_there:
        return replace(last, kind=first.kind, before=first.before) if is_there else None
    if not is_there or last.kind not in NEW:
        return replace(last, before=first.before)
    if first.before is None or last.after is None:
        return last
    step = np.linalg.norm(np.subtract(last.after.center, first.before.center))
    if step < SAME_PLACE:
        return None
    return replace(last, kind=ChangeKind.MOVED, before=first.before)
