"""
Tolerances for points of two views on one surface; all in m.

Source of each: set by hand, larger than the noise of a scan and the error of its registration, and
smaller than furniture. Sensitivity: see `tracking.thresholds`.
"""

SAME_SURFACE = 0.05  # two points within this distance show one surface
FITTED_SURFACE = 0.04  # the same after the best motion of a view, which takes registration out
PART_SLACK = 0.05  # by which a part may reach beyond its whole
