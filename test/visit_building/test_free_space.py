"""Free cells of a drive: inside the room, not in what stands there, also where somebody walked."""

import numpy as np
import pytest
from rescene4d_ros.visit_building.builder import VisitBuilder
from rescene4d_ros.visit_building.volume.free_space import CELL


@pytest.mark.slow
def test_free_cells_are_air(drive, on_static):
    """Nearly all of the room's air is free, no solid is, and nothing beyond its walls."""
    builder = VisitBuilder()
    for cloud in drive:
        builder.add(cloud)
    visit = builder.finish()
    free = visit.scan.free
    assert free is not None
    assert free.cell == CELL
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in free.is_free.shape], indexing='ij'), -1)
    middle = free.map_T_grid[:3, 3] + (grid.reshape(-1, 3) + 0.5) * CELL
    found = free.at(middle)
    np.testing.assert_array_equal(found, free.is_free.ravel())
    low, high = np.array([[-3.0, -2.0, 0.0], [3.0, 2.0, 2.5]])
    air = ((middle > low + 0.15) & (middle < high - 0.15)).all(axis=1)
    table = ((middle > (0.6, 0.8, 0.0)) & (middle < (1.6, 1.5, 0.7))).all(axis=1)
    assert not found[((middle < low - CELL) | (middle > high + CELL)).any(axis=1)].any()
    assert found[table].mean() < 0.02
    beside = ((middle > (0.4, 0.6, 0.0)) & (middle < (1.8, 1.7, 0.9))).all(axis=1)
    assert found[air & ~beside].mean() > 0.85
    assert not free.at(visit.scan.xyz.astype(np.float64)).any()
    assert not free.at(np.array([[100.0, 0, 0], [-100.0, 0, 0]])).any()
