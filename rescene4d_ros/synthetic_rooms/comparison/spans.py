"""Whether the spread of a made set holds what real scans show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rescene4d_ros.structures.objects import triple
from rescene4d_ros.synthetic_rooms.comparison.scan_statistics import Statistic, STATISTICS

LOW, HIGH = 5, 95
NO_SPAN = (np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Span:
    """
    Hold one statistic of a set beside real scans.

    Attributes
    ----------
    statistic : Statistic
    made : ndarray (N,), float
        Of the visits of the set that have it.
    low, middle, high : float
        5, 50 and 95 % of these.
    real : tuple of float

    """

    statistic: Statistic
    made: np.ndarray
    low: float
    middle: float
    high: float
    real: tuple[float, ...]

    @property
    def missed(self) -> tuple[float, ...]:
        """Return the real values outside 5 % .. 95 % of the set."""
        return tuple(v for v in self.real if not self.low <= v <= self.high)


def spans_of(
    rows: Sequence[Mapping[str, float]], real: Mapping[str, Sequence[float]]
) -> list[Span]:
    """
    Compare the visits of a set with real scans, statistic by statistic.

    Parameters
    ----------
    rows : sequence of mappings
        Of `scan_statistics`, one per visit.
    real : mapping
        Of `read_real_scans`.

    """
    spans = []
    for statistic in STATISTICS:
        made = np.array([row[statistic.name] for row in rows], float)
        made = made[np.isfinite(made)]
        low, middle, high = triple(np.percentile(made, (LOW, 50, HIGH))) if len(made) else NO_SPAN
        spans.append(Span(statistic, made, low, middle, high, tuple(real[statistic.name])))
    return spans


def comparison_table(spans: Sequence[Span]) -> str:
    """Return a Markdown table of spans."""
    lines = [
        '| | unit | this set: 5 % .. 50 % .. 95 % | real scans | outside |',
        '|---|---|---|---|---|',
    ]
    for span in spans:
        made = ' .. '.join(f'{v:.3g}' for v in (span.low, span.middle, span.high))
        real = ', '.join(f'{v:.3g}' for v in span.real)
        missed = ', '.join(f'{v:.3g}' for v in span.missed) or '-'
        lines.append(
            f'| {span.statistic.text} | {span.statistic.unit} | {made} | {real} | {missed} |'
        )
    held = sum(not span.missed for span in spans)
    lines += ['', f'{held} of {len(spans)} statistics of the set hold all values of real scans.']
    return '\n'.join(lines) + '\n'
