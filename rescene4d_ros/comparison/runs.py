"""All methods over a folder of sequences: predict what is missing, compare with the truth."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
import hashlib
from pathlib import Path

from rescene4d_ros.comparison.config import ComparisonConfig
from rescene4d_ros.comparison.methods import METHODS, run_method
from rescene4d_ros.comparison.observations import Case, Observations
from rescene4d_ros.comparison.results import ResultsFolder, SequenceRecord
from rescene4d_ros.data import read_sequence
from rescene4d_ros.data.sequence_file import room_of
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.evaluation.config import ScoreRules
from rescene4d_ros.evaluation.sequences import true_sequence
from rescene4d_ros.evaluation.summary import reduce_sequence, ReducedSequence
from rescene4d_ros.inference import Segmenter
from rescene4d_ros.structures import INSTANCE_CLASSES

Progress = Callable[[int, str], None]


@dataclass(frozen=True)
class Compared:
    """
    Hold what the scores need of all methods and sequences.

    Attributes
    ----------
    sequences : dict of str to list of ReducedSequence
        Per method, in the order of the files.
    records : list of SequenceRecord
        Of the same sequences.

    """

    sequences: dict[str, list[ReducedSequence]]
    records: list[SequenceRecord]


def compare(paths: Sequence[Path], segmenter: Segmenter, methods: Sequence[str],
            config: ComparisonConfig, rules: ScoreRules, folder: ResultsFolder,
            clock: Callable[[], float], progress: Progress = lambda done, doing: None
            ) -> Compared:
    """
    Run methods over sequence files.

    Parameters
    ----------
    paths : sequence of Path
        Sequence files with names of their own.
    segmenter : Segmenter
        For INSTANCE_CLASSES.
    methods : sequence of str
        Of `METHODS`.
    config : ComparisonConfig
    rules : ScoreRules
        Of the scores; predictions do not depend on them.
    folder : ResultsFolder
        Claimed; what is in it is not computed again.
    clock : callable
        Returns seconds, for the costs.
    progress : callable
        Called with (sequences done, what is being done now).

    Raises
    ------
    ConfigError
        An unknown method, or weights for other classes.
    FileFormatError, ScanError, StorageError
        A sequence cannot be read or used, or the disk refused.

    """
    unknown = [m for m in methods if m not in METHODS]
    if unknown or not methods:
        raise ConfigError(f'methods: expected some of {", ".join(METHODS)}; '
                          f'got {", ".join(unknown) or "none"}')
    if segmenter.class_names != INSTANCE_CLASSES:
        raise ConfigError(f'weights: expected the classes {", ".join(INSTANCE_CLASSES)}; got '
                          f'{", ".join(segmenter.class_names)}; score predictions of other '
                          'classes with `rescene4d score`')
    compared = Compared({method: [] for method in methods}, [])
    for done, path in enumerate(paths):
        progress(done, f'{path.stem}: reading')
        sequence, truth = read_sequence(path)
        case = Case(replace(sequence, name=path.stem), truth,
                    true_sequence(truth, path.stem, room_of(path)))
        known = hashlib.sha256(path.read_bytes()).hexdigest()
        record = folder.record(path.stem, known) or SequenceRecord(known, len(sequence), {})
        observations = Observations(case, segmenter, config, folder.path, clock)
        for method in methods:
            if method not in record.seconds:
                progress(done, f'{path.stem}: {method}')
                prediction, seconds = run_method(method, observations, clock)
                record = replace(record, seconds={**record.seconds, method: round(seconds, 4)})
                folder.store(path.stem, method, prediction, record)
            compared.sequences[method].append(reduce_sequence(
                case.scored, folder.prediction(path.stem, method, case.scored), rules))
        compared.records.append(record)
    progress(len(paths), 'done')
    return compared
