"""How made rooms compare with scans of real ones: the same statistics of both."""

from rescene4d_ros.synthetic_rooms.comparison.real_scans import read_real_scans, REAL_SCANS
from rescene4d_ros.synthetic_rooms.comparison.scan_statistics import (
    scan_statistics,
    Statistic,
    STATISTICS,
)
from rescene4d_ros.synthetic_rooms.comparison.spans import comparison_table, Span, spans_of

__all__ = [
    'comparison_table',
    'read_real_scans',
    'REAL_SCANS',
    'scan_statistics',
    'Span',
    'spans_of',
    'Statistic',
    'STATISTICS',
]
