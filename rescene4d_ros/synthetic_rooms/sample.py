"""Choose a sequence for demonstrations: one in which everything happens, and can be seen."""

from __future__ import annotations

from collections import Counter
from itertools import count

import numpy as np
from rescene4d_ros.config import make
from rescene4d_ros.structures import ChangeKind, ObjectState, ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from rescene4d_ros.synthetic_rooms.life import Life, make_life
from rescene4d_ros.synthetic_rooms.sequence import scan_life

SAMPLE = {
    'visits': 4,
    'min_objects': 10,
    'max_objects': 12,
    'p_move': 0.2,
    'p_remove': 0.13,
    'p_arrive': 0.1,
    'p_return': 0.8,
    'p_swap': 0.0,
    'p_deform': 0.0,
    'p_niche': 0.0,
    'p_hidden_zone': 0.0,
    'hidden_visit': 3,
    'days_min': 1.0,
    'days_max': 9.0,
    'views': 26,
    'failures_per_object': 0.0,
}
KINDS = ('living', 'bedroom', 'office')
MIN_MOVE_M = 0.4
MAX_CHANGES = 12
MIN_SHARE = 0.1


def make_sample(seed: int) -> tuple[ScanSequence, SequenceTruth]:
    """
    Make four visits of one room with about a dozen objects.

    Seeds are tried upwards from `seed` until things move, leave, arrive and come back, one place
    is not seen at one visit, and all else is seen well.
    """
    for attempt in count(seed):
        config = make(RoomsConfig, {**SAMPLE, 'room_type': KINDS[attempt % len(KINDS)]})
        life = make_life(attempt, config)
        if not _eventful(life):
            continue
        sequence, truth = scan_life(life, attempt, config)
        if _clear(truth):
            return sequence, truth
    raise AssertionError('unreachable: seeds do not end')


def _eventful(life: Life) -> bool:
    """Return whether every kind of change happens, and no move is too small to see."""
    kinds: Counter[str] = Counter()
    left: set[int] = set()
    for before, now in zip(life.visits, life.visits[1:]):
        for k in before.keys() - now.keys():
            kinds['left'] += 1
            left.add(k)
        for k in now.keys() - before.keys():
            kinds['back' if k in left else 'new'] += 1
        for k in now.keys() & before.keys():
            a, b = before[k], now[k]
            far = np.hypot(a.x - b.x, a.y - b.y)
            if far > 0 or a.yaw != b.yaw:
                kinds['moved'] += 1
                if far < MIN_MOVE_M:
                    return False
    everything = set().union(*life.visits)
    classes = {p.model.class_name for v in life.visits for p in v.values()}
    return (
        kinds['moved'] >= 2
        and min(kinds[k] for k in ('left', 'back', 'new')) >= 1
        and kinds.total() <= MAX_CHANGES
        and len(everything) <= 15
        and len(classes) >= 7
    )


def _clear(truth: SequenceTruth) -> bool:
    """Return whether one visit misses one or two movable things, and all else is seen well."""
    missed: Counter[int] = Counter()
    for t, visit in enumerate(truth.visits):
        for o in visit.objects:
            if o.state == ObjectState.NOT_OBSERVED:
                missed[t] += 1
                if o.change != ChangeKind.UNKNOWN:
                    return False
            elif o.in_room and o.visible_share < MIN_SHARE:
                return False
    return len(missed) == 1 and missed.total() <= 2
