"""
Distances and shares that several steps of tracking have in common.

Distances that geometry needs, too, are in `geometry.point_sets`. Source of each: set by hand; none
is fitted.

Sensitivity, by `benchmarks/threshold_sensitivity.py` on the first 10 sequences of rooms-val with
true masks (143 observations of later visits, 41 changes): observations with another id and changes
that differ, with the constant a fifth smaller and a quarter larger.

| constant | smaller: ids, changes | larger: ids, changes |
|---|---|---|
| SAME_SURFACE | 1, 4 | 0, 1 |
| FITTED_SURFACE | 1, 3 | 0, 0 |
| PART_SLACK, OTHER_SURFACE, SAME_SPOT, BOX_SLACK, SAME_CLASS | 0, 0 | 0, 0 |
| COVERED (6 % smaller and larger) | 0, 0 | 0, 0 |
| POINT_SPACING | 0, 3 | 1, 3 |
"""

from rescene4d_ros.geometry.point_sets import SAME_SURFACE

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
