"""
Distances and shares that several steps of tracking have in common.

Distances that geometry needs, too, are defined in `geometry.tolerances`: SAME_SURFACE (0.05 m).
"""

from rescene4d_ros.geometry.tolerances import SAME_SURFACE

__all__ = [
    'BOX_SLACK',
    'COVERED',
    'MAX_POINTS',
    'MIN_POINTS',
    'OTHER_SURFACE',
    'POINT_SPACING',
    'SAME_CLASS',
    'SAME_SPOT',
    'SAME_SURFACE',
]

POINT_SPACING = 0.03  # m; grid on which an object's points are remembered
MAX_POINTS = 6000  # of one object; bounds its row in the database to 72 kB
MIN_POINTS = 30  # of an observation; fewer are no evidence of an object
OTHER_SURFACE = 0.06  # m; a point farther from all old ones is on another surface
SAME_SPOT = 0.02  # m; a point this near shows the same spot, with its color
BOX_SLACK = 0.06  # m; by which the box of a partial view may exceed that of the whole
SAME_CLASS = 0.5  # agreement of class posteriors from which two observations may be one object
COVERED = 0.85  # share of a view's points on another's surface, to be a view of a part of it
