"""Scores as Markdown tables, with the command that made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rescene4d_ros.cli.evaluate.score_tables import network_rows, score_text, SECTIONS, UNITS

SPLIT_RATES = ('id_switch_rate', 'gap_recovery_recall', 'false_reactivation_rate')
HASH_DIGITS = 12


def markdown(document: Mapping[str, Any]) -> str:
    """
    Write the scores of all methods with their intervals.

    Parameters
    ----------
    document : mapping
        Content of `metrics.json` of `rescene4d score` or `rescene4d evaluate`.

    Returns
    -------
    str
        Ends with a line break.

    """
    return '\n'.join(('\n'.join(_origin(document)), *_tables(document)))


def _origin(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield data and command of the numbers."""
    origin = [
        f'{document["data"]}: {document["sequences"]} sequences, {document["rooms"]} rooms',
        f'data {document["data_sha256"][:HASH_DIGITS]}',
        f'weights {document["weights_hash"] or "unknown"}',
        f'commit {document["commit"] or "unknown"}',
        document['device'],
    ]
    yield '; '.join(origin) + '. In parentheses 95 % intervals over rooms.'
    yield f'\n```bash\n{document["command"]}\n```\n'


def _tables(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tables, one row per method."""
    methods, ends = document['methods'], document['intervals']
    for section, keys in SECTIONS.items():
        yield _table(
            section,
            [f'{k} [{UNITS[k]}]' if k in UNITS else k for k in keys],
            {
                m: [_cell(scores[k], k, ends[m].get(k)) for k in keys]
                for m, scores in methods.items()
            },
        )
    kinds = list(next(iter(methods.values()))['t_mrec_by_change'])
    yield _table(
        't_mrec by change',
        kinds,
        {
            m: [_cell(scores['t_mrec_by_change'][k], '') for k in kinds]
            for m, scores in methods.items()
        },
    )
    splits = document['identity_by_split']
    for rate in SPLIT_RATES:
        parts = [
            p
            for p in next(iter(splits.values()))
            if any(rows[p]['opportunities'][rate] for rows in splits.values())
        ]
        if parts:
            yield _table(
                f'{rate} of',
                parts,
                {m: [_cell(rows[p][rate], '') for p in parts] for m, rows in splits.items()},
            )
    if 'network' in document:
        found = network_rows(document['network'])
        row = [_cell(value, key, interval) for key, (value, interval) in found.items()]
        yield _table('network', list(found), {'features': row})
    seconds = document.get('seconds_by_visits', {})
    visits = sorted({n for of_method in seconds.values() for n in of_method}, key=int)
    if visits:
        yield _table(
            's per sequence',
            [f'{n} visits' for n in visits],
            {m: [f'{of_method[n]:.1f}' for n in visits] for m, of_method in seconds.items()},
        )


def _table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """Return one table, with its title above the row names."""
    lines = [
        (title, *columns),
        ('---', *('--:' for _ in columns)),
        *((name, *cells) for name, cells in rows.items()),
    ]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def _cell(value: float | None, key: str, interval: Sequence[float] | None = None) -> str:
    """Return a score, with its interval if known."""
    if value is None or interval is None:
        return score_text(value, key)
    return f'{score_text(value, key)} ({interval[0]:.3f} .. {interval[1]:.3f})'
