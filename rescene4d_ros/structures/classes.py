"""
The classes of ScanNet / 3RScan: 18 kinds of objects, then wall and floor.

A class id is the index in `SEMANTIC_CLASSES`; weights carry their own list, checked against it.
"""

INSTANCE_CLASSES = (
    'cabinet',
    'bed',
    'chair',
    'sofa',
    'table',
    'door',
    'window',
    'bookshelf',
    'picture',
    'counter',
    'desk',
    'curtain',
    'refrigerator',
    'shower curtain',
    'toilet',
    'sink',
    'bathtub',
    'otherfurniture',
)
SEMANTIC_CLASSES = (*INSTANCE_CLASSES, 'wall', 'floor')
WALL = SEMANTIC_CLASSES.index('wall')
FLOOR = SEMANTIC_CLASSES.index('floor')
UNLABELED = -1
