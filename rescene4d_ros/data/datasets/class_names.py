"""Classes of this package for the free names that data sets use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
import re

import numpy as np
from rescene4d_ros.class_lists import published_labels
from rescene4d_ros.structures import SEMANTIC_CLASSES, UNLABELED

# Lists whose publisher gives the NYU40 class of each name; the first that has a name decides.
LISTS = ('scannet200', 's3dis', '3rscan')
# Names that no list has, by the class that their own publisher merges them into.
OTHER_NAMES = {
    'computer table': 'table',
    'adjustable desk': 'desk',
    'computer desk': 'desk',
    'bar table': 'table',
    'stacked chairs': 'chair',
    'wine cabinet': 'cabinet',
    'sink cabinet': 'cabinet',
    'wall cabinet': 'cabinet',
    'tv cabinet': 'cabinet',
    'shoe cabinet': 'cabinet',
    'sliding door': 'door',
    'glass door': 'door',
    'bifold door': 'door',
    'stall wall': 'wall',
    'short wall': 'wall',
    'low wall': 'wall',
    'door curtain': 'curtain',
    'pit toilet': 'toilet',
    'fridge': 'refrigerator',
}


def class_of_name(name: str) -> int:
    """
    Return the index in SEMANTIC_CLASSES of a name of any data set; -1 for all other names.

    Case, underscores, hyphens and a number after a point (`wall_cabinet.2`) do not count.
    """
    plain = re.sub(r'\.\d+$', '', name.strip().lower())
    return _classes().get(re.sub(r'[_\-\s]+', ' ', plain), UNLABELED)


def semantic_of(instance: np.ndarray, names: Mapping[int, str]) -> np.ndarray:
    """
    Return the class of each point from the name of its instance.

    Parameters
    ----------
    instance : ndarray (N,), int
        0 = none.
    names : mapping of int to str

    Returns
    -------
    ndarray (N,), int32
        Index in SEMANTIC_CLASSES; -1 without an instance, and for names of other classes.

    """
    known = {i: class_of_name(name) for i, name in names.items()}
    ids, index = np.unique(instance, return_inverse=True)
    of_ids = np.array([known.get(int(i), UNLABELED) for i in ids], dtype=np.int32)
    return of_ids[index.ravel()]


@cache
def _classes() -> dict[str, int]:
    own = {name: k for k, name in enumerate(SEMANTIC_CLASSES)}
    found = {name: own[merged] for name, merged in OTHER_NAMES.items()}
    for source in reversed(LISTS):
        for label in published_labels():
            if label.of == source:
                coarse = label.coarser.get('nyu40', '')
                found[label.name.replace('-', ' ')] = own.get(coarse, UNLABELED)
    return found | own
