"""`rescene4d score`: compare prediction files with the truth, as one table and as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
import json
from pathlib import Path
import time

import numpy as np
from rescene4d_ros.class_lists import ClassList, read_class_list
from rescene4d_ros.cli.console import TextConsole
from rescene4d_ros.cli.evaluate.score_markdown import markdown
from rescene4d_ros.cli.evaluate.score_tables import intervals_table
from rescene4d_ros.cli.flags import add_flags, made, values_of
from rescene4d_ros.cli.provenance import checksum, provenance
from rescene4d_ros.data.sequences.sequence_file import read_sequence, room_of
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.files.checked_arrays import CheckedArrays
from rescene4d_ros.metrics.files.scannet_files import read_scannet_files, write_scannet_files
from rescene4d_ros.metrics.files.score_files import read_prediction_file, read_truth_file
from rescene4d_ros.metrics.intervals import DRAWS, intervals
from rescene4d_ros.metrics.sequences import true_sequence, TrueSequence
from rescene4d_ros.metrics.summary import (
    identity_by_split,
    judge_all,
    reduce_sequence,
    ReducedSequence,
    summarize,
)
from rich.progress import track


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare folders, output, and the rules of `ScoreRules`."""
    parser.add_argument(
        '--pred',
        type=Path,
        required=True,
        metavar='DIR',
        help='one .npz per sequence, named as its truth (docs/reference/score_card.md), or .txt '
        "in the format of ScanNet's benchmark",
    )
    parser.add_argument(
        '--classes',
        default='scannet18',
        metavar='LIST|FILE',
        help='what the class ids of .txt files mean, such as scannet18, scannet200, s3dis '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--export-text',
        type=Path,
        metavar='DIR',
        help="write the predictions in the format of ScanNet's benchmark as well",
    )
    parser.add_argument(
        '--truth',
        type=Path,
        required=True,
        metavar='DIR',
        help='one .npz per sequence: of docs/reference/score_card.md, or sequence files of '
        '`rescene4d rooms make` and `rescene4d prepare`',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='file for all scores')
    parser.add_argument('--markdown', type=Path, metavar='FILE', help='file for Markdown tables')
    parser.add_argument('--name', default='prediction', help='name of the method in the output')
    parser.add_argument('--seed', type=int, default=0, help='seed of the intervals')
    parser.add_argument(
        '--draws',
        type=int,
        default=DRAWS,
        metavar='N',
        help='number of bootstrap draws of rooms; 0 = no intervals (default: %(default)s)',
    )
    add_flags(parser, ScoreRules)


def run(options: argparse.Namespace) -> int:
    """Score all sequences of the truth."""
    rules = made(ScoreRules, options)
    start = time.perf_counter()
    pairs = matched_files(options.pred, options.truth)
    classes = read_class_list(options.classes)
    sequences = list(_reduce(pairs, rules, classes, options.export_text))
    judged = judge_all(sequences, rules)
    scores = summarize(sequences, rules, judged)
    ends = intervals(sequences, judged, np.random.default_rng(options.seed), options.draws)
    rooms = len({s.truth.room for s in sequences})
    document = {
        **provenance('score', options.arguments),
        'device': 'cpu',
        'weights_hash': None,
        'data': str(options.truth),
        'data_sha256': checksum([t for _, t in pairs]),
        'predictions_sha256': checksum([p for p, _ in pairs]),
        'sequences': len(sequences),
        'rooms': rooms,
        'seed': options.seed,
        'draws': options.draws,
        'rules': values_of(rules),
        'methods': {options.name: scores},
        'intervals': {options.name: ends},
        'identity_by_split': {options.name: identity_by_split(sequences)},
    }
    document['seconds'] = round(time.perf_counter() - start, 3)
    TextConsole().print(
        intervals_table(options.name, scores, ends, f'{len(sequences)} sequences', rooms)
    )
    for path, text in (
        (options.json, json.dumps(document, indent=1, allow_nan=False) + '\n'),
        (options.markdown, markdown(document)),
    ):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(path)
    return 0


def matched_files(predictions: Path, truths: Path) -> list[tuple[Path, Path]]:
    """
    Pair the files of two folders by name.

    Raises
    ------
    FileFormatError
        No truth, or a truth without prediction.

    """
    truth_files = sorted(truths.glob('*.npz'))
    if not truth_files:
        raise FileFormatError(
            f'{truths}: expected .npz files of truth, found none; give the folder that holds them'
        )
    named = [predictions / p.name for p in truth_files]
    named = [p if p.is_file() else p.with_suffix('.txt') for p in named]
    missing = [t.name for p, t in zip(named, truth_files) if not p.is_file()]
    if missing:
        raise FileFormatError(
            f'{predictions}: expected one prediction per truth, got none for '
            f'{", ".join(missing[:5])}{" ..." if len(missing) > 5 else ""} ({len(missing)} of '
            f'{len(truth_files)}); write files of that name, also if nothing was found'
        )
    return list(zip(named, truth_files))


def read_truth_of(path: Path) -> TrueSequence:
    """Read a truth file, or the truth in a sequence file."""
    if 'header' not in CheckedArrays(path):
        return read_truth_file(path)
    return true_sequence(read_sequence(path)[1], path.stem, room_of(path))


def _reduce(
    pairs: Sequence[tuple[Path, Path]], rules: ScoreRules, classes: ClassList, text: Path | None
) -> Iterator[ReducedSequence]:
    """Read and compare all sequences with a progress display; write text files if asked for."""
    console = TextConsole(stderr=True)
    for predicted, true in track(pairs, 'scoring', console=console, transient=True):
        truth = read_truth_of(true)
        n_points = len(truth.visit)
        if predicted.suffix == '.txt':
            prediction = read_scannet_files(predicted, n_points, classes)
        else:
            prediction = read_prediction_file(predicted, truth)
        if text is not None:
            write_scannet_files(text, true.stem, prediction, n_points, classes)
        yield reduce_sequence(truth, prediction, rules)
