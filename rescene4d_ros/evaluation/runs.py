"""All methods over a folder of sequences: compute missing predictions, compare with the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
import hashlib
import math
from pathlib import Path
from zlib import crc32

import numpy as np
from rescene4d_ros.data.sequences.sequence_file import read_extras, read_sequence, room_of
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.evaluation.config import ComparisonConfig
from rescene4d_ros.evaluation.methods import ALL_METHODS, run_method
from rescene4d_ros.evaluation.observations import Case, Observations
from rescene4d_ros.evaluation.results_folder import ResultsFolder, SequenceRecord
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.inference.weights_file import weights_hash
from rescene4d_ros.inference.weights_folder import find_weights
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.sequences import true_sequence
from rescene4d_ros.metrics.summary import reduce_sequence, ReducedSequence
from rescene4d_ros.processes import each_result
from rescene4d_ros.structures import INSTANCE_CLASSES, Scan, ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth, VisitTruth

SAMPLED = 0.9  # share of kept points
Progress = Callable[[int, str], None]


@dataclass(frozen=True)
class Compared:
    """
    Data of all methods and sequences for the scores.

    Attributes
    ----------
    sequences : dict of str to list of ReducedSequence
        Per method, in the order of the files.
    records : list of SequenceRecord
        Of the same sequences.

    """

    sequences: dict[str, list[ReducedSequence]]
    records: list[SequenceRecord]


@dataclass(frozen=True)
class Plan:
    """
    Settings of a comparison; sent to worker processes.

    Attributes
    ----------
    methods : tuple of str
        Of `ALL_METHODS`.
    inference : InferenceConfig
        Of the network; its classes are translated to INSTANCE_CLASSES.
    config : ComparisonConfig
    rules : ScoreRules
        Rules of the scores; predictions do not depend on them.
    folder : ResultsFolder
        Folder of predictions; existing ones are not computed again.
    clock : callable
        Returns seconds.
    t_sim : bool
        Whether to compare the features of visits 0 and 1, too.

    """

    methods: tuple[str, ...]
    inference: InferenceConfig
    config: ComparisonConfig
    rules: ScoreRules
    folder: ResultsFolder
    clock: Callable[[], float]
    t_sim: bool = False

    def __post_init__(self):
        """Refuse methods that do not exist."""
        unknown = [m for m in self.methods if m not in ALL_METHODS]
        if unknown or not self.methods:
            raise ConfigError(
                f'methods: expected some of {", ".join(ALL_METHODS)}; '
                f'got {", ".join(unknown) or "none"}'
            )


def compare(
    paths: Sequence[Path],
    plan: Plan,
    processes: int = 1,
    progress: Progress = lambda done, doing: None,
) -> Compared:
    """
    Run methods over sequence files.

    Parameters
    ----------
    paths : sequence of Path
        Sequence files with distinct names.
    plan : Plan
    processes : int
        1 = this one. Each holds a network and one sequence.
    progress : callable
        Called with (finished sequences, present or last task).

    Raises
    ------
    ConfigError
        Weights for other classes.
    FileFormatError, ScanError, StorageError
        A sequence cannot be read or used, the disk refused a write, or a process was killed.

    """
    alone = processes <= 1 or len(paths) < 2
    results: dict[Path, tuple[SequenceRecord, list[ReducedSequence]]] = {}
    if alone:
        for done, path in enumerate(paths):
            results[path] = compare_sequence(path, plan, partial(progress, done))
    else:
        progress(0, f'{processes} processes')
        for (path, _), result in each_result(
            compare_sequence, [(p, plan) for p in paths], processes
        ):
            results[path] = result
            progress(len(results), path.stem)
    progress(len(paths), 'done')
    in_order = [results[path] for path in paths]
    return Compared(
        {method: [reduced[k] for _, reduced in in_order] for k, method in enumerate(plan.methods)},
        [record for record, _ in in_order],
    )


def compare_sequence(
    path: Path, plan: Plan, tell: Callable[[str], None] = lambda doing: None
) -> tuple[SequenceRecord, list[ReducedSequence]]:
    """
    Run all methods on one sequence, and compare with its truth.

    Returns
    -------
    record : SequenceRecord
    reduced : list of ReducedSequence
        In the order of the methods.

    """
    tell(f'{path.stem}: reading')
    case = read_case(path, plan.config)
    known = hashlib.sha256(path.read_bytes()).hexdigest()
    record = plan.folder.record(path.stem, known) or SequenceRecord(known, len(case.sequence), {})
    observed = cache(
        lambda: Observations(
            case, loaded(plan.inference), plan.config, plan.folder.path, plan.clock
        )
    )
    reduced = []
    for method in plan.methods:
        if method not in record.seconds:
            tell(f'{path.stem}: {method}')
            prediction, seconds = run_method(method, observed())
            record = replace(record, seconds={**record.seconds, method: round(seconds, 4)})
            plan.folder.store(path.stem, method, prediction, record)
        reduced.append(
            reduce_sequence(
                case.scored, plan.folder.prediction(path.stem, method, case.scored), plan.rules
            )
        )
    if plan.t_sim and record.similarity is None:
        tell(f'{path.stem}: t-SIM')
        record = replace(record, similarity=observed().similarity().scores())
        plan.folder.store_record(path.stem, record)
    return record, reduced


def read_case(path: Path, config: ComparisonConfig) -> Case:
    """Read a sequence file as the settings require."""
    sequence, truth = read_sequence(path)
    last = config.visits or len(sequence)
    scans, true_visits = sequence.scans[:last], truth.visits[:last]
    superpoint = read_extras(path).superpoint
    if config.sample_seed:
        superpoint = None
        scans, true_visits = _sampled(
            scans,
            true_visits,
            np.random.default_rng([config.sample_seed, crc32(path.stem.encode())]),
        )
    if not config.colors:
        scans = tuple(replace(scan, rgb=None) for scan in scans)
    if not config.sensor_path:
        scans = tuple(replace(scan, sensor_path=None) for scan in scans)
    truth = SequenceTruth(true_visits)
    return Case(
        ScanSequence(scans, path.stem),
        truth,
        true_sequence(truth, path.stem, room_of(path)),
        None if superpoint is None else superpoint[:last],
    )


def _sampled(
    scans: Sequence[Scan], truths: Sequence[VisitTruth], rng: np.random.Generator
) -> tuple[tuple[Scan, ...], tuple[VisitTruth, ...]]:
    """Sample points in random order, with their truth."""
    kept = [rng.permutation(len(scan))[: math.ceil(SAMPLED * len(scan))] for scan in scans]
    return (
        tuple(scan.take(k) for scan, k in zip(scans, kept)),
        tuple(
            replace(truth, instance=truth.instance[k], semantic=truth.semantic[k])
            for truth, k in zip(truths, kept)
        ),
    )


def loaded(config: InferenceConfig) -> Segmenter:
    """
    Return the network, loaded once per process and weights; classes as in the truth.

    Raises
    ------
    ConfigError
        Results in other classes than INSTANCE_CLASSES were asked for.
    WeightsError
        The weights file is missing, damaged or of another version.

    """
    config = replace(config, classes=config.classes or 'rescene4d')
    segmenter = _loaded(config, weights_hash(find_weights(config.weights)))
    if segmenter.class_names != INSTANCE_CLASSES:
        raise ConfigError(
            f'classes: expected those of the truth ({", ".join(INSTANCE_CLASSES)}), got '
            f'{config.classes!r}; score predictions of other classes with `rescene4d score`'
        )
    return segmenter


@lru_cache(maxsize=1)
def _loaded(config: InferenceConfig, name: str) -> Segmenter:
    """Load the weights; the hash is part of the cache key because a file may be replaced."""
    return Segmenter.load(config)
