"""Drift of the poses within a visit is measured on the surfaces themselves."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.visit_building.builder import VisitBuilder
from rescene4d_ros.visit_building.config import VisitBuildingConfig

COARSE = VisitBuildingConfig(voxel_size=0.04)


def drift_of(clouds, meters):
    """Return the finding about a drive whose poses drift evenly along y."""
    builder = VisitBuilder(COARSE)
    for k, cloud in enumerate(clouds):
        pose = cloud.map_T_sensor.copy()
        pose[1, 3] += meters * k / len(clouds)
        builder.add(replace(cloud, map_T_sensor=pose))
    (found,) = [f for f in builder.finish().scan.findings if f.code == 'drift']
    return found


@pytest.mark.parametrize(('meters', 'severity'), [(0.0, 'INFO'), (0.15, 'WARNING')])
def test_drift_is_measured_and_told(drive, meters, severity):
    """The end of the visit is off the begin by most of the whole drift."""
    found = drift_of(drive[60:], meters)  # the person has left
    assert found.severity.name == severity
    told = float(found.measured.split()[2])
    assert 100 * meters * 0.45 - 0.5 < told < 100 * meters * 0.95 + 1.0


def test_the_same_clouds_give_the_same_visit(drive):
    """What is built twice has the same points, colors, path and findings."""

    def built():
        builder = VisitBuilder(COARSE)
        for cloud in drive[:40]:
            builder.add(cloud)
        return builder.finish()

    one, other = built(), built()
    for name in ('xyz', 'rgb', 'sensor_path'):
        np.testing.assert_array_equal(getattr(one.scan, name), getattr(other.scan, name))
    np.testing.assert_array_equal(one.viewpoint, other.viewpoint)
    assert one.scan.findings == other.scan.findings
