"""Tables of scores: one method with intervals, several methods, several runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

SECTIONS = {
    'segmentation': (
        't_map',
        't_map50',
        't_map25',
        't_map_any',
        't_mrec',
        'map',
        'map50',
        'map25',
        'recall50_any',
        'recall50_small',
        'precision50_any',
        'wall_share',
        'class_right_share',
    ),
    'identity': (
        'id_switch_rate',
        'fragmentation_rate',
        'merge_rate',
        'gap_recovery_recall',
        'gap_recovery_accuracy',
        'gap_attempt_coverage',
        'false_reactivation_rate',
    ),
    'change': (
        'change_precision',
        'change_recall',
        'change_f1',
        'change_f1_any',
        'place_event_precision',
        'place_event_recall',
        'place_event_f1',
        'false_change_rate',
        'unobserved_as_removed_rate',
        'in_place_as_removed_rate',
        'move_error_cm_median',
        'move_error_deg_median',
        'change_calibration_error',
    ),
}
NETWORK_SCORES = ('t_sim', 't_sim_other')  # of the features, the same for every method
UNITS = {'move_error_cm_median': 'cm', 'move_error_deg_median': 'deg'}


def intervals_table(name: str, scores: Mapping, ends: Mapping, title: str, rooms: int) -> Table:
    """Return all main scores of one method with their intervals."""
    table = Table('', 'score', name, f'95 % over {rooms} rooms', title=title)
    for section, key, is_last in _rows():
        interval = ends.get(key)
        table.add_row(
            section,
            key,
            score_text(scores[key], key, with_unit=True),
            '' if interval is None else f'{interval[0]:.3f} .. {interval[1]:.3f}',
            end_section=is_last,
        )
    for kind, value in scores['t_mrec_by_change'].items():
        table.add_row('', f't_mrec {kind}', score_text(value, ''), '')
    return table


def methods_table(document: Mapping[str, Any], title: str) -> Table:
    """Return the main scores of all methods of a run side by side, and their seconds."""
    methods = document['methods']
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column('score', no_wrap=True)
    for name in methods:
        table.add_column(name.replace('_', '\n'), justify='right', no_wrap=True)
    for _, key, is_last in _rows():
        table.add_row(
            _label(key),
            *(score_text(scores[key], key) for scores in methods.values()),
            end_section=is_last,
        )
    for n, seconds in _seconds(document).items():
        table.add_row(f's for {n} visits', *(f'{seconds[name]:.1f}' for name in methods))
    return table


def network_table(found: Mapping[str, Any]) -> Table:
    """Return what the features are worth, with intervals and the numbers of instances."""
    table = Table(title='network', box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ('score', 'features', '95 %', 'sequences', 'instances', 'left out'):
        table.add_column(name, no_wrap=True)
    for key, (value, interval) in network_rows(found).items():
        counts = (str(found[k]) for k in ('sequences', 'instances', 'left_out'))
        ends = '' if interval is None else f'{interval[0]:.3f} .. {interval[1]:.3f}'
        table.add_row(key, score_text(value, key), ends, *counts)
    return table


def network_rows(found: Mapping[str, Any]) -> dict[str, tuple[float | None, Sequence | None]]:
    """Return value and interval of each score of the features."""
    return {key: (found[key], found['intervals'].get(key)) for key in NETWORK_SCORES}


def runs_table(documents: Mapping[str, Mapping[str, Any]], methods: Sequence[str]) -> Table:
    """
    Return the main scores of methods over several runs, and the gain of the last run.

    Parameters
    ----------
    documents : mapping of str to mapping
        Contents of `metrics.json` by name of the run.
    methods : sequence of str
        A run without one of them shows '-'.

    """
    table = Table(title='runs', box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ('method', 'score'):
        table.add_column(name, no_wrap=True)
    for name in (*documents, 'last - first'):
        table.add_column(name, justify='right')
    for method in methods:
        for _, key, is_last in _rows():
            values = [d['methods'].get(method, {}).get(key) for d in documents.values()]
            table.add_row(
                method,
                _label(key),
                *(score_text(v, key) for v in values),
                _gain(values),
                end_section=is_last and key == SECTIONS['change'][-1],
            )
    for key in NETWORK_SCORES if all('network' in d for d in documents.values()) else ():
        values = [d['network'][key] for d in documents.values()]
        table.add_row('network', key, *(score_text(v, key) for v in values), _gain(values))
    return table


def _gain(values: Sequence[float | None]) -> str:
    """Return what the last value is more than the first."""
    first, last = values[0], values[-1]
    return '-' if first is None or last is None else f'{last - first:+.3f}'


def _rows() -> Iterator[tuple[str, str, bool]]:
    """Yield section (at its first key, else empty), key, and whether the key ends the section."""
    for section, keys in SECTIONS.items():
        for key in keys:
            yield section if key == keys[0] else '', key, key == keys[-1]


def _seconds(document: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return the seconds of each method by number of visits."""
    by_visits: dict[str, dict[str, float]] = {}
    for name, seconds in document['seconds_by_visits'].items():
        for n, value in seconds.items():
            by_visits.setdefault(n, {})[name] = value
    return by_visits


def _label(key: str) -> str:
    return f'{key} [{UNITS[key]}]' if key in UNITS else key


def score_text(value: float | None, key: str, with_unit: bool = False) -> str:
    """Return a formatted score; '-' if undefined."""
    if value is None:
        return '-'
    if key not in UNITS:
        return f'{value:.3f}'
    return f'{value:.2f} {UNITS[key]}' if with_unit else f'{value:.2f}'
