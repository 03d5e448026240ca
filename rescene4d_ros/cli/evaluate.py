"""`rescene4d evaluate`: our model and the baselines on identical observations, side by side."""
from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import time
from typing import Any

from rescene4d_ros import __version__
from rescene4d_ros.cli.flags import add_flags, made
from rescene4d_ros.cli.provenance import checksum, git_commit
from rescene4d_ros.cli.score_tables import methods_table, runs_table
from rescene4d_ros.comparison import (
    compare,
    Compared,
    ComparisonConfig,
    METHODS,
    metrics_of,
    ResultsFolder,
)
from rescene4d_ros.config import settings
from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.evaluation.changes import pool
from rescene4d_ros.evaluation.config import ScoreRules
from rescene4d_ros.evaluation.segmentation import precision_recall_curve
from rescene4d_ros.inference import InferenceConfig, Segmenter
from rescene4d_ros.structures import INSTANCE_CLASSES
from rescene4d_ros.view.score_plots import (
    draw_change_confusion,
    draw_cost,
    draw_identities,
    draw_precision_recall,
)
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

# Every sequence sets the one to its number of visits, and keeps none for another run.
NOT_A_FLAG = ('cache_visits', 'cache_files')
TIMELINES = 3                       # sequences whose identities are drawn
LEAST_WIDTH = 120                   # of the table: a narrow terminal wraps, it loses no method


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare data, methods and outputs, and the settings of network, methods and rules."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--data', type=Path, metavar='DIR',
                        help='sequence files of `rescene4d rooms make` or `rescene4d prepare`')
    source.add_argument('--compare', type=Path, nargs='+', metavar='FILE',
                        help='show metrics.json of several runs side by side')
    parser.add_argument('--methods', nargs='+', choices=METHODS, metavar='METHOD',
                        help=f'of {", ".join(METHODS)} (default: all)')
    parser.add_argument('--limit', type=int, metavar='N', help='only the first N sequences')
    parser.add_argument('--out', type=Path, default=Path('out/evaluate'), metavar='DIR',
                        help='predictions, metrics.json and plots; a run that was stopped goes '
                             'on there (default: %(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE',
                        help='all scores go there (default: metrics.json in --out)')
    parser.add_argument('--seed', type=int, default=0, help='of the intervals')
    for config in (ComparisonConfig, InferenceConfig, ScoreRules):
        add_flags(parser, config, without=NOT_A_FLAG)


def run(options: argparse.Namespace) -> int:
    """Predict and score all sequences, or compare runs."""
    if options.compare:
        return _compare_runs(options.compare, options.methods)
    start = time.perf_counter()
    paths = _sequence_files(options.data, options.limit)
    config, rules = made(ComparisonConfig, options), made(ScoreRules, options)
    segmenter = Segmenter.load(made(InferenceConfig, options))
    methods = list(dict.fromkeys(options.methods or METHODS))
    made_with = {'version': __version__, 'commit': git_commit(),
                 'weights_hash': segmenter.weights_hash,
                 'device': segmenter.device_name,
                 'inference': _values(segmenter.config, without=('weights', *NOT_A_FLAG)),
                 'comparison': _values(config)}
    folder = ResultsFolder(options.out)
    folder.claim(made_with)
    compared = _compare(paths, segmenter, methods, config, rules, folder)
    document = {**made_with, 'data': str(options.data), 'data_sha256': checksum(paths),
                'sequences': len(paths),
                'rooms': len({s.truth.room for s in compared.sequences[methods[0]]}),
                'rules': _values(rules)}
    with Console(stderr=True).status('scoring'):
        document |= metrics_of(compared, rules, options.seed)
    document['seconds'] = round(time.perf_counter() - start, 3)
    _console().print(methods_table(document, f'{options.data}: {len(paths)} sequences, '
                                   f'{document["rooms"]} rooms'))
    target = options.json or options.out / 'metrics.json'
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document, indent=1, allow_nan=False) + '\n')
    print(target, *_draw(options.out, compared, document, rules), sep='\n')
    return 0


def _sequence_files(folder: Path, limit: int | None) -> list[Path]:
    """Return the files to run on, or say that there are none."""
    if limit is not None and limit < 1:
        raise ConfigError(f'--limit: expected at least 1 sequence, got {limit}')
    paths = sorted(folder.glob('*.npz'))[:limit]
    if not paths:
        raise FileFormatError(f'{folder}: expected sequence files (*.npz), found none; make some '
                              'with `rescene4d rooms make` or `rescene4d prepare`')
    return paths


def _compare(paths: Sequence[Path], segmenter: Segmenter, methods: Sequence[str],
             config: ComparisonConfig, rules: ScoreRules, folder: ResultsFolder) -> Compared:
    """Run everything, showing how far it is and what is being done."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
               TextColumn('{task.description}'))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task('', total=len(paths))
        return compare(paths, segmenter, methods, config, rules, folder, time.perf_counter,
                       lambda done, doing: bar.update(task, completed=done, description=doing))


def _draw(out: Path, compared: Compared, document: dict[str, Any], rules: ScoreRules
          ) -> list[Path]:
    """Write the plots; return their paths."""
    curves = {name: precision_recall_curve([s.truth for s in found], [s.found for s in found],
                                           rules)
              for name, found in compared.sequences.items()}
    changes = {name: [s.changes for s in found if s.changes is not None]
               for name, found in compared.sequences.items()}
    paths = [out / f'{name}.png' for name in ('precision_recall', 'change_confusion', 'cost')]
    draw_precision_recall(paths[0], curves)
    draw_change_confusion(paths[1], {name: pool(counts).confusion
                                     for name, counts in changes.items() if counts})
    draw_cost(paths[2], document['seconds_by_visits'])
    first = next(iter(compared.sequences.values()))
    for k, truth in enumerate(s.truth for s in first[:TIMELINES]):
        paths.append(out / f'identities_{truth.name}.png')
        draw_identities(paths[-1], {name: found[k].ids
                                    for name, found in compared.sequences.items()},
                        [f'{INSTANCE_CLASSES[c]} {i}' for c, i in
                         zip(truth.classes.tolist(), truth.instance_ids.tolist())])
    return paths


def _compare_runs(paths: Sequence[Path], methods: Sequence[str] | None) -> int:
    """Print the scores of several runs side by side, and in what the runs differ."""
    documents = {}
    for path in paths:
        try:
            document = json.loads(path.read_text())
            known = document['methods']
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FileFormatError(f'{path}: expected a metrics.json of `rescene4d evaluate`, got '
                                  f'{error!r}; give the file that a run wrote') from error
        name = path.parent.name if path.name == 'metrics.json' else path.stem
        documents[name if name not in documents else str(path)] = document
        methods = methods or list(known)
    console = _console()
    console.print(runs_table(documents, methods))
    for key in ('data_sha256', 'weights_hash', 'commit', 'device', 'inference', 'comparison',
                'rules'):
        told = {name: document.get(key) for name, document in documents.items()}
        if any(value != document.get(key) for value in told.values()):
            console.print(f'{key} differs: ' + ', '.join(f'{n}: {v}' for n, v in told.items()),
                          markup=False, highlight=False, soft_wrap=True)
    return 0


def _console() -> Console:
    """Return a console that is wide enough for all methods."""
    return Console(width=max(Console().width, LEAST_WIDTH))


def _values(config: object, without: Sequence[str] = ()) -> dict[str, Any]:
    """Return the settings of a config as plain values."""
    return {s.name: getattr(config, s.name) for s in settings(type(config))
            if s.name not in without}
