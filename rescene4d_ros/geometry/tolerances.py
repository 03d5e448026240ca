"""Distances that decide whether points of two views show one surface; all in m."""

# Source: noise of a depth camera at 4 m and of the registration of two visits, 1 to 3 cm each.
SAME_SURFACE = 0.05  # two points this near show one surface
# Source: as above, without the registration: the best motion has taken it out.
FITTED_SURFACE = 0.04  # the same after the best motion of a view
# Source: as SAME_SURFACE; a view trimmed by its mask ends on its whole.
PART_SLACK = 0.05  # by which a part may reach beyond its whole
