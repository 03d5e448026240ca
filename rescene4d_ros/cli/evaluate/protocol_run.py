"""`rescene4d evaluate --protocol`: masters in several orders, at common prefixes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
import json
from pathlib import Path
from typing import Any

from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.cli.flags import values_of
from rescene4d_ros.evaluation import Compared, metrics_of, Plan, ResultsFolder
from rescene4d_ros.evaluation.protocols import PROTOCOLS, write_units
from rescene4d_ros.metrics.summary import summarize
from rich.table import Table

SCORES = (
    't_map',
    't_map50',
    't_map25',
    'map',
    't_mrec',
    'id_switch_rate',
    'fragmentation_rate',
    'merge_rate',
    'gap_recovery_recall',
    'gap_recovery_accuracy',
    'gap_attempt_coverage',
)
SHOWN = (
    't_map',
    't_map50',
    't_mrec',
    'id_switch_rate',
    'fragmentation_rate',
    'gap_recovery_recall',
    'gap_recovery_accuracy',
)
Run = Callable[[Sequence[Path], Plan], Compared]


def protocol_scores(
    name: str, masters: Sequence[Path], plan: Plan, made_with: Mapping[str, Any], run: Run
) -> dict[str, Any]:
    """
    Score every prefix of the population of a protocol.

    Parameters
    ----------
    name : str
        Of `PROTOCOLS`.
    masters : sequence of Path
    plan : Plan
        Its folder gets `units/`, and one results folder `visits_T` per prefix.
    made_with : mapping
        As of `ResultsFolder.claim`.
    run : callable
        Computes the predictions of files.

    Returns
    -------
    dict
        'prefixes': by number of visits 'methods', 'intervals' (95 %, draws of rooms) and
        'without_room' (the scores of all rooms but one).

    """
    protocol = PROTOCOLS[name]
    units = write_units(masters, protocol, plan.folder.path / 'units')
    prefixes = {}
    for visits in protocol.prefixes:
        config = replace(plan.config, visits=visits)
        folder = ResultsFolder(plan.folder.path / f'visits_{visits}')
        folder.claim({**made_with, 'comparison': values_of(config)})
        compared = run(units, replace(plan, config=config, folder=folder))
        prefixes[str(visits)] = _scores(compared, plan, protocol.draws)
    return {
        'protocol': name,
        'masters': len(masters),
        'orders': list(protocol.orders),
        'units': len(units),
        'draws': protocol.draws,
        'prefixes': prefixes,
    }


def _scores(compared: Compared, plan: Plan, draws: int) -> dict[str, Any]:
    found = metrics_of(compared, plan.rules, 0, draws)
    rooms = sorted({s.truth.room for s in compared.sequences[plan.methods[0]]})
    without = {
        room: {
            method: _chosen(summarize([s for s in sequences if s.truth.room != room], plan.rules))
            for method, sequences in compared.sequences.items()
        }
        for room in rooms
        if len(rooms) > 1
    }
    return {
        'rooms': len(rooms),
        'methods': {m: _chosen(s) for m, s in found['methods'].items()},
        'intervals': {m: _chosen(s) for m, s in found['intervals'].items()},
        'without_room': without,
        'seconds': found['seconds_by_visits'],
    }


def _chosen(scores: Mapping[str, Any]) -> dict[str, Any]:
    return {key: scores.get(key) for key in SCORES}


def write_protocol(path: Path, document: Mapping[str, Any]) -> None:
    """Write the scores of a protocol."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(json.dumps(document, indent=1, allow_nan=False).encode() + b'\n')


def protocol_table(document: Mapping[str, Any]) -> Table:
    """Return one row per method and number of visits."""
    table = Table(
        title=f'{document["protocol"]}: {document["masters"]} masters, {document["units"]} units, '
        f'{next(iter(document["prefixes"].values()))["rooms"]} rooms'
    )
    for column in ('method', 'visits', *SHOWN):
        table.add_column(column)
    for method in next(iter(document['prefixes'].values()))['methods']:
        for visits, found in document['prefixes'].items():
            scores = found['methods'][method]
            table.add_row(method, visits, *(_text(scores[key]) for key in SHOWN))
    return table


def _text(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'
