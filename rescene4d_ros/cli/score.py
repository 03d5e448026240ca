"""`rescene4d score`: compare prediction files with the truth, as one table and as JSON."""
from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
import hashlib
import json
from pathlib import Path
import time

import numpy as np
from rescene4d_ros import __version__
from rescene4d_ros.config import make, settings
from rescene4d_ros.data import read_sequence
from rescene4d_ros.data.sequence_file import read_extras
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.evaluation.checked_arrays import CheckedArrays
from rescene4d_ros.evaluation.config import ScoreRules
from rescene4d_ros.evaluation.score_files import read_prediction_file, read_truth_file
from rescene4d_ros.evaluation.sequences import true_sequence, TrueSequence
from rescene4d_ros.evaluation.summary import (
    identity_by_split,
    intervals,
    reduce_sequence,
    ReducedSequence,
    summarize,
)
from rich.console import Console
from rich.progress import track
from rich.table import Table

SECTIONS = {
    'segmentation': ('t_map', 't_map50', 't_map25', 't_mrec', 'map', 'map50', 'map25'),
    'identity': ('id_switch_rate', 'fragmentation_rate', 'merge_rate', 'gap_recovery_recall',
                 'gap_recovery_accuracy', 'gap_attempt_coverage', 'false_reactivation_rate'),
    'change': ('change_precision', 'change_recall', 'change_f1', 'false_change_rate',
               'unobserved_as_removed_rate', 'move_error_cm_median', 'move_error_deg_median',
               'change_calibration_error')}
UNITS = {'move_error_cm_median': 'cm', 'move_error_deg_median': 'deg'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare folders, output, and the rules of `ScoreRules`."""
    parser.add_argument('--pred', type=Path, required=True, metavar='DIR',
                        help='one .npz per sequence, named as its truth; docs/evaluation.md')
    parser.add_argument('--truth', type=Path, required=True, metavar='DIR',
                        help='one .npz per sequence: of docs/evaluation.md, or sequence files of '
                             '`rescene4d rooms make` and `rescene4d prepare`')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all scores there')
    parser.add_argument('--name', default='prediction', help='of the method, in the output')
    parser.add_argument('--seed', type=int, default=0, help='of the intervals')
    for s in settings(ScoreRules):
        flag = '--' + s.name.replace('_', '-')
        told = f'{s.text} (default: {s.default})'
        if s.type is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=s.default,
                                help=s.text)
        else:
            parser.add_argument(flag, type=s.type, default=s.default, choices=s.one_of, help=told)


def run(options: argparse.Namespace) -> int:
    """Score all sequences of the truth."""
    rules = make(ScoreRules, {s.name: getattr(options, s.name) for s in settings(ScoreRules)})
    start = time.perf_counter()
    pairs = matched_files(options.pred, options.truth)
    sequences = list(_reduce(pairs, rules))
    scores = summarize(sequences, rules)
    ends = intervals(sequences, np.random.default_rng(options.seed))
    parts = identity_by_split(sequences)
    Console().print(_table(options.name, scores, ends, sequences))
    if options.json is not None:
        document = {'version': __version__, 'sequences': len(sequences),
                    'rooms': len({s.truth.room for s in sequences}),
                    'truth_sha256': checksum([true for _, true in pairs]),
                    'seconds': round(time.perf_counter() - start, 3),
                    'rules': {s.name: getattr(rules, s.name) for s in settings(ScoreRules)},
                    'methods': {options.name: scores}, 'intervals': {options.name: ends},
                    'identity_by_split': {options.name: parts}}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(document, indent=1, allow_nan=False) + '\n')
        print(options.json)
    return 0


def matched_files(predictions: Path, truths: Path) -> list[tuple[Path, Path]]:
    """
    Pair the files of two folders by name.

    Raises
    ------
    FileFormatError
        No truth, or a truth without prediction.

    """
    wanted = sorted(truths.glob('*.npz'))
    if not wanted:
        raise FileFormatError(f'{truths}: expected .npz files of truth, found none; '
                              'give the folder that holds them')
    missing = [p.name for p in wanted if not (predictions / p.name).is_file()]
    if missing:
        raise FileFormatError(
            f'{predictions}: expected one prediction per truth, got none for '
            f'{", ".join(missing[:5])}{" ..." if len(missing) > 5 else ""} ({len(missing)} of '
            f'{len(wanted)}); write files of that name, also where nothing was found')
    return [(predictions / p.name, p) for p in wanted]


def read_truth_of(path: Path) -> TrueSequence:
    """
    Read a truth file, or the truth in a sequence file.

    Files of public data sets are named `sceneSSSS_RR-...`: all of one scene are one room.
    """
    if 'header' not in CheckedArrays(path):
        return read_truth_file(path)
    is_public = 'source' in read_extras(path).notes
    room = path.stem.split('_')[0] if is_public else path.stem
    return true_sequence(read_sequence(path)[1], path.stem, room)


def checksum(paths: Sequence[Path]) -> str:
    """Return one SHA-256 of the names and bytes of some files."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _reduce(pairs: Sequence[tuple[Path, Path]], rules: ScoreRules) -> Iterator[ReducedSequence]:
    """Read and compare one sequence after the other, showing how far it is."""
    console = Console(stderr=True)
    for predicted, true in track(pairs, 'scoring', console=console, transient=True):
        truth = read_truth_of(true)
        yield reduce_sequence(truth, read_prediction_file(predicted, truth), rules)


def _table(name: str, scores: dict, ends: dict, sequences: Sequence[ReducedSequence]) -> Table:
    """Return all main scores with their intervals."""
    rooms = len({s.truth.room for s in sequences})
    table = Table('', 'score', name, f'95 % over {rooms} rooms',
                  title=f'{len(sequences)} sequences')
    for section, names in SECTIONS.items():
        for key in names:
            interval = ends.get(key)
            table.add_row(section if key == names[0] else '', key, _text(scores[key], key),
                          '' if interval is None else f'{interval[0]:.3f} .. {interval[1]:.3f}',
                          end_section=key == names[-1])
    for kind, value in scores['t_mrec_by_change'].items():
        table.add_row('', f't_mrec {kind}', _text(value, ''), '')
    return table


def _text(value: float | None, key: str) -> str:
    """Return a score for people; undefined is not 0."""
    if value is None:
        return '-'
    return f'{value:.2f} {UNITS[key]}' if key in UNITS else f'{value:.3f}'
