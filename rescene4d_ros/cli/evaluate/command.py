"""`rescene4d evaluate`: network, memory and baselines on identical observations."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
import json
import os
from pathlib import Path
import sys
import time
from typing import Any

from rescene4d_ros.cli.console import TextConsole
from rescene4d_ros.cli.evaluate.evaluation_data import EvaluationData, find_data
from rescene4d_ros.cli.evaluate.evaluation_plots import draw_evaluation
from rescene4d_ros.cli.evaluate.protocol_run import protocol_scores, protocol_table, write_protocol
from rescene4d_ros.cli.evaluate.score_markdown import markdown
from rescene4d_ros.cli.evaluate.score_tables import methods_table, network_table, runs_table
from rescene4d_ros.cli.flags import add_flags, made, values_of
from rescene4d_ros.cli.provenance import checksum, provenance
from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.evaluation import (
    ALL_METHODS,
    compare,
    Compared,
    ComparisonConfig,
    loaded,
    METHODS,
    metrics_of,
    Plan,
    ResultsFolder,
)
from rescene4d_ros.evaluation.protocols import PROTOCOLS
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.intervals import DRAWS
from rescene4d_ros.synthetic_rooms.sets import SETS
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

# The cache size of features is the number of visits; nothing is kept for another run.
NOT_A_FLAG = ('cache_visits', 'cache_files')
LEAST_WIDTH = 120  # columns of the table; a narrow terminal wraps it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare data, methods and outputs, and the settings of network, methods and rules."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        '--data',
        metavar='DIR|NAME',
        help='sequence files of `rescene4d rooms make` or `rescene4d prepare`, or the name of a '
        f'fixed set, {", ".join(SETS)}, which is made if it is missing',
    )
    source.add_argument(
        '--compare',
        type=Path,
        nargs='+',
        metavar='FILE',
        help='show metrics.json of several runs side by side',
    )
    parser.add_argument(
        '--sets',
        type=Path,
        default=Path('out/sets'),
        metavar='DIR',
        help='folder of the fixed sets, one subfolder each (default: %(default)s)',
    )
    parser.add_argument(
        '--methods',
        nargs='+',
        choices=ALL_METHODS,
        metavar='METHOD',
        help=f'of {", ".join(ALL_METHODS)} (default: all but published)',
    )
    parser.add_argument(
        '--protocol',
        choices=PROTOCOLS,
        help='a population of long sequences: each in several orders, scored at its first 2, 3, '
        '... visits; writes protocol.json in --out',
    )
    parser.add_argument(
        '--t-sim',
        action='store_true',
        help='also compare the features of each object in visits 0 and 1 (t-SIM)',
    )
    parser.add_argument('--limit', type=int, metavar='N', help='only the first N sequences')
    parser.add_argument(
        '--jobs',
        type=int,
        default=1,
        help='processes; each needs up to 3 GB for 12 visits of a large room',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('out/evaluate'),
        metavar='DIR',
        help='folder of predictions, scores and plots; a stopped run is continued (default: '
        '%(default)s)',
    )
    parser.add_argument(
        '--json',
        type=Path,
        metavar='FILE',
        help='file for all scores (default: metrics.json in --out)',
    )
    parser.add_argument(
        '--markdown',
        type=Path,
        metavar='FILE',
        help='file for Markdown tables (default: metrics.md in --out)',
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the intervals')
    parser.add_argument(
        '--draws',
        type=int,
        default=DRAWS,
        metavar='N',
        help='number of bootstrap draws of rooms; 0 = no intervals (default: %(default)s)',
    )
    for config in (ComparisonConfig, InferenceConfig, ScoreRules):
        add_flags(parser, config, without=NOT_A_FLAG)


def run(options: argparse.Namespace) -> int:
    """Predict and score all sequences, or compare runs."""
    if options.compare:
        return _compare_runs(options.compare, options.methods)
    if options.protocol and options.visits:
        raise ConfigError(
            f'--visits: expected none with --protocol {options.protocol}, which sets them, got '
            f'{options.visits}; leave it out'
        )
    if options.protocol and options.t_sim:
        raise ConfigError(
            f'--t-sim: expected none with --protocol {options.protocol}, whose masters come in '
            'several orders; run it without the protocol'
        )
    start = time.perf_counter()
    plan = Plan(
        tuple(dict.fromkeys(options.methods or METHODS)),
        _inference(options),
        made(ComparisonConfig, options),
        made(ScoreRules, options),
        ResultsFolder(options.out),
        time.perf_counter,
        options.t_sim,
    )
    longest = PROTOCOLS[options.protocol].prefixes[-1] if options.protocol else 0
    visits = longest or plan.config.visits
    data = find_data(options.data, options.sets, options.limit, visits, options.jobs)
    if data.message:
        print(data.message, file=sys.stderr)
    origin = provenance('evaluate', options.arguments)
    segmenter = loaded(plan.inference)
    made_with = {
        **{key: origin[key] for key in ('version', 'commit')},
        'weights_hash': segmenter.weights_hash,
        'device': segmenter.device_name,
        'inference': values_of(plan.inference, ('weights', 'torch_threads', *NOT_A_FLAG)),
        'comparison': values_of(plan.config),
    }
    if options.protocol:
        return _run_protocol(options, plan, data, {**origin, **made_with}, made_with)
    plan.folder.claim(made_with)
    compared = _compare(data.paths, plan, options.jobs)
    document = {
        **origin,
        **made_with,
        'data': data.name,
        'data_sha256': checksum(data.paths),
        'data_is_as_recorded': data.is_as_recorded,
        'sequences': len(data.paths),
        'rooms': len({s.truth.room for s in compared.sequences[plan.methods[0]]}),
        'jobs': options.jobs,
        'torch_threads': plan.inference.torch_threads,
        'seed': options.seed,
        'draws': options.draws,
        'rules': values_of(plan.rules),
    }
    with TextConsole(stderr=True).status('scoring'):
        document |= metrics_of(compared, plan.rules, options.seed, options.draws)
    document['seconds'] = round(time.perf_counter() - start, 3)
    _console().print(
        methods_table(
            document, f'{data.name}: {len(data.paths)} sequences, {document["rooms"]} rooms'
        )
    )
    if 'network' in document:
        _console().print(network_table(document['network']))
    for path, text in (
        (
            options.json or options.out / 'metrics.json',
            json.dumps(document, indent=1, allow_nan=False) + '\n',
        ),
        (options.markdown or options.out / 'metrics.md', markdown(document)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(path)
    print(*draw_evaluation(options.out, compared, document, plan.rules), sep='\n')
    return 0


def _run_protocol(
    options: argparse.Namespace,
    plan: Plan,
    data: EvaluationData,
    origin: dict[str, Any],
    made_with: dict[str, Any],
) -> int:
    """Score the population of a protocol and write `protocol.json`."""
    document = {
        **origin,
        'data': data.name,
        'data_sha256': checksum(data.paths),
        'rules': values_of(plan.rules),
        **protocol_scores(
            options.protocol,
            data.paths,
            plan,
            made_with,
            lambda paths, prefix: _compare(paths, prefix, options.jobs),
        ),
    }
    path = options.json or options.out / 'protocol.json'
    write_protocol(path, document)
    _console().print(protocol_table(document))
    print(path)
    return 0


def _inference(options: argparse.Namespace) -> InferenceConfig:
    """Return the settings of the network; several processes share the threads."""
    config = made(InferenceConfig, options)
    if options.jobs > 1 and not config.torch_threads:
        return replace(config, torch_threads=max(1, (os.cpu_count() or 1) // options.jobs))
    return config


def _compare(paths: Sequence[Path], plan: Plan, processes: int) -> Compared:
    """Run everything with a progress display."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn('{task.description}', markup=False),
    )
    with Progress(*columns, console=TextConsole(stderr=True), transient=True) as bar:
        task = bar.add_task('', total=len(paths))
        return compare(
            paths,
            plan,
            processes,
            lambda done, doing: bar.update(task, completed=done, description=doing),
        )


def _compare_runs(paths: Sequence[Path], methods: Sequence[str] | None) -> int:
    """Print the scores of several runs side by side, and their differences in settings."""
    documents = {}
    for path in paths:
        try:
            document = json.loads(path.read_text())
            known = document['methods']
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FileFormatError(
                f'{path}: expected a metrics.json of `rescene4d evaluate`, got '
                f'{error!r}; give the file that a run wrote'
            ) from error
        name = path.parent.name if path.name == 'metrics.json' else path.stem
        documents[name if name not in documents else str(path)] = document
        methods = methods or list(known)
    console = _console()
    console.print(runs_table(documents, methods or ()))
    for key in (
        'data_sha256',
        'weights_hash',
        'commit',
        'device',
        'inference',
        'comparison',
        'rules',
    ):
        values = {name: document.get(key) for name, document in documents.items()}
        if any(value != document.get(key) for value in values.values()):
            console.print(
                f'{key} differs: ' + ', '.join(f'{n}: {v}' for n, v in values.items()),
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    return 0


def _console() -> TextConsole:
    """Return a console that is wide enough for all methods."""
    return TextConsole(width=max(TextConsole().width, LEAST_WIDTH))
