"""Statistics that are compared with real scans, on clouds whose numbers are known."""

import numpy as np
import pytest
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures import FLOOR, Scan, UNLABELED
from rescene4d_ros.structures.truth import VisitTruth
from rescene4d_ros.synthetic_rooms.comparison import (
    comparison_table,
    read_real_scans,
    scan_statistics,
    spans_of,
    STATISTICS,
)

SPACING, NOISE = 0.02, 0.004


def grid(width, depth):
    """Return a flat grid of points, m."""
    u, v = np.meshgrid(np.arange(0, width, SPACING), np.arange(0, depth, SPACING))
    return np.column_stack([u.ravel(), v.ravel(), np.zeros(u.size)])


@pytest.fixture
def visit():
    """Return a floor, two plates that touch, one that is apart, and points without a label."""
    parts = [grid(2, 2)]
    parts += [grid(0.4, 0.4) + shift for shift in ([0, 0, 1], [0.41, 0, 1], [1.5, 1.5, 1])]
    parts.append(grid(0.4, 0.2) + [0, 1.5, 1.0])
    xyz = np.concatenate(parts)
    xyz[:, 2] += np.random.default_rng(0).normal(0, NOISE, len(xyz))
    owner = np.repeat([0, 1, 2, 3, 0], [len(p) for p in parts]).astype(np.int32)
    semantic = np.repeat([FLOOR, 2, 2, 2, UNLABELED], [len(p) for p in parts]).astype(np.int32)
    rgb = np.tile(np.array([200, 100, 0], np.uint8), (len(xyz), 1))
    return Scan(xyz.astype(np.float32), 0, rgb), VisitTruth(owner, semantic)


def test_numbers_of_a_known_cloud(visit):
    """Each statistic is what its text says."""
    found = scan_statistics(*visit, np.random.default_rng(0))
    assert set(found) == {s.name for s in STATISTICS}
    assert found['things'] == 3
    count = len(visit[0])
    assert found['structure_share'] == pytest.approx(10_000 / count)
    assert found['unlabeled_share'] == pytest.approx(200 / count)
    assert found['thing_points_median'] == 400
    assert found['thing_size_median'] == pytest.approx(0.38, abs=0.03)
    assert 0.02 <= found['spacing_median'] < 0.022
    assert found['roughness_median'] == pytest.approx(NOISE, rel=0.2)
    assert found['normals_up'] > 0.9
    assert (found['red_mean'], found['green_std'], found['saturation_mean']) == (200, 0, 1)
    assert found['contrast_p90'] == pytest.approx(0, abs=1e-6)
    # Two of three plates, 3 cm apart, lie within 6 cm of another with 2 of their 20 rows.
    assert found['contact_median'] == pytest.approx(2 / 20, abs=0.02)


def test_clouds_without_color_have_no_color_statistics(visit):
    """They are NaN, and left out of the spans."""
    scan, truth = visit
    bare = scan_statistics(Scan(scan.xyz, 0), truth, np.random.default_rng(0))
    assert np.isnan([bare['red_mean'], bare['contrast_median'], bare['saturation_mean']]).all()
    full = scan_statistics(scan, truth, np.random.default_rng(0))
    spans = {s.statistic.name: s for s in spans_of([bare, full, full], read_real_scans())}
    assert len(spans['red_mean'].made) == 2
    assert len(spans['things'].made) == 3


def test_spans_tell_which_real_values_are_outside():
    """A set from 10 to 110 holds 12 but not 2 of real scans."""
    real = {s.name: (12.0, 2.0) for s in STATISTICS}
    rows = [{s.name: float(v) for s in STATISTICS} for v in range(10, 111)]
    span = spans_of(rows, real)[0]
    assert (span.low, span.middle, span.high) == (15, 60, 105)
    assert span.missed == (12.0, 2.0)
    table = comparison_table([span])
    assert '15 .. 60 .. 105' in table
    assert '0 of 1 statistics' in table


def test_every_statistic_is_known_of_real_scans(tmp_path):
    """The table has a row per statistic; a damaged one is told."""
    assert set(read_real_scans()) == {s.name for s in STATISTICS}
    assert {len(v) for v in read_real_scans().values()} == {4}
    path = tmp_path / 'real.csv'
    path.write_text('statistic,a\nthings,many\n')
    with pytest.raises(FileFormatError, match='restore'):
        read_real_scans(path)
