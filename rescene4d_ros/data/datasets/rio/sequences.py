"""Make the sequences of one 3RScan scene: scans in one frame, with truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rescene4d_ros.data.datasets.annotated_truth import sequence_truth, VisitNotes
from rescene4d_ros.data.datasets.annotations import AnnotatedScan
from rescene4d_ros.data.datasets.prepare import cause_of, Job
from rescene4d_ros.data.datasets.rio.changes import (
    ambiguity_groups,
    change_codes,
    ChangeCode,
    Transition,
    transition,
)
from rescene4d_ros.data.datasets.rio.config import RioConfig
from rescene4d_ros.data.datasets.rio.folder import aligned, read_folder
from rescene4d_ros.data.datasets.rio.metadata import read_metadata, RioScan, RioScene, SPLITS
from rescene4d_ros.data.datasets.rio.windows import windows
from rescene4d_ros.data.datasets.written_scans import color_moments, write_annotated
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures import ChangeKind

# The published loader scales these colors to 0..1, and those of ScanNet to 0..255.
OFFICIAL_COLOR_SCALE = 1 / 255


def rio_jobs(root: Path, config: RioConfig, splits: Sequence[str] = SPLITS) -> list[Job]:
    """
    Return the work of preparing 3RScan, one job per scene.

    Parameters
    ----------
    root : Path
        Folder with `3RScan.json` and one folder per scan.
    config : RioConfig
    splits : sequence of str

    Raises
    ------
    FileFormatError
        The metadata are missing or damaged.
    ConfigError
        The settings ask for too many sequences.

    """
    choices: dict[int, list[tuple[int, ...]]] = {}
    scenes = {}
    for window in windows(read_metadata(root), config):
        scenes[window.scene.index] = window.scene
        choices.setdefault(window.scene.index, []).append(window.numbers)
    return [
        Job(
            scene.name,
            scene.split,
            partial(prepare_scene, root, scene, tuple(choices[i]), config.official),
        )
        for i, scene in scenes.items()
        if scene.split in splits
    ]


def prepare_scene(
    root: Path, scene: RioScene, choices: Sequence[tuple[int, ...]], official: bool, folder: Path
) -> dict[str, Any]:
    """
    Read the scans of a scene once and write all its sequences.

    Parameters
    ----------
    root : Path
    scene : RioScene
    choices : sequence of tuples of int
        Positions in the scene of the scans of each sequence.
    official : bool
    folder : Path
        Output folder.

    Returns
    -------
    dict
        The record of the scene.

    Raises
    ------
    FileFormatError
        The reference scan is missing or damaged, or too few others are whole. Damaged rescans are
        left out, and the record says why.

    """
    labels = scene.split != 'test'
    scans: dict[int, AnnotatedScan] = {}
    centers: Mapping[int, np.ndarray] = {}
    left_out: dict[str, str] = {}
    for number in sorted({0}.union(*choices)):
        info = scene.scans[number]
        try:
            read = read_folder(root, info, labels=labels, official=official)
            scans[number] = aligned(read.scan, info, official=official)
        except Exception as error:  # of any kind, as of a library that damaged files upset
            if number == 0:
                raise  # all others are aligned to it
            left_out[info.name] = cause_of(info.name, error)
            continue
        if number == 0:
            centers = read.centers
    choices = _without(choices, frozenset(scans), whole=len(scene.scans))
    if not choices:
        raise FileFormatError(
            f'{scene.name}: expected scans for a sequence, got too few; '
            f'{"; ".join(left_out.values())}'
        )
    written = [_write(folder, scene, numbers, scans, centers, official) for numbers in choices]
    used = sorted(set().union(*choices))
    return {
        'scene': scene.name,
        'reference': scene.scans[0].scan_id,
        'sequences': written,
        'colors': [color_moments(scans[n]) for n in used],
        'left_out': left_out,
    }


def _without(
    choices: Sequence[tuple[int, ...]], there: frozenset[int], whole: int
) -> list[tuple[int, ...]]:
    """
    Return the sequences that can be made of the scans that are there.

    A sequence of all scans of a scene goes on without a damaged one; one of a number that was
    asked for is left out.
    """
    kept = [
        (tuple(n for n in numbers if n in there), min(2, len(numbers)))
        for numbers in choices
        if len(numbers) == whole or there.issuperset(numbers)
    ]
    return list(dict.fromkeys(numbers for numbers, least in kept if len(numbers) >= least))


def _write(
    folder: Path,
    scene: RioScene,
    numbers: Sequence[int],
    scans: Mapping[int, AnnotatedScan],
    centers: Mapping[int, np.ndarray],
    official: bool,
) -> dict[str, Any]:
    infos = [scene.scans[n] for n in numbers]
    transitions = [transition(a, b, centers, official=official) for a, b in zip(infos, infos[1:])]
    groups = ambiguity_groups(scene.look_alikes, official=official)
    visits = [scans[n] for n in numbers]
    truth = sequence_truth(visits, visit_notes(infos, transitions), groups, official=official)
    notes = {
        'source': '3RScan',
        'compat': 'official' if official else 'corrected',
        'split': scene.split,
        'scans': [i.scan_id for i in infos],
        'ambiguities': [list(g) for g in groups],
        'changes': [_by_name(change_codes(t, groups, official=official)) for t in transitions],
        'color_scale': OFFICIAL_COLOR_SCALE if official else 1.0,
    }
    return write_annotated(folder, '-'.join(i.name for i in infos), visits, truth, notes)


def visit_notes(infos: Sequence[RioScan], transitions: Sequence[Transition]) -> list[VisitNotes]:
    """
    Return the metadata of the objects at each visit of a sequence.

    For an object in several lists of a transition, the last of moved, deformed, added, removed
    counts.
    """
    notes = []
    for info, change in zip(infos, (Transition(), *transitions), strict=True):
        changes = {
            **dict.fromkeys(change.rigid, ChangeKind.MOVED),
            **dict.fromkeys(change.nonrigid, ChangeKind.DEFORMED),
            **dict.fromkeys(change.added, ChangeKind.ADDED),
            **dict.fromkeys(change.removed, ChangeKind.REMOVED),
        }
        motions = {i: m.moved for i, m in info.rigid.items() if m is not None}
        notes.append(VisitNotes(changes, info.removed, motions))
    return notes


def _by_name(codes: Mapping[int, ChangeCode]) -> dict[str, list[int]]:
    """Return sorted ids by the name of their change."""
    return {
        code.name.lower(): sorted(i for i, c in codes.items() if c == code)
        for code in ChangeCode
        if code in codes.values()
    }
