"""`rescene4d replay`: the processing of the node for files or a bag, without ROS running."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
from typing import Any

import numpy as np
from rescene4d_ros.cli.flags import add_parameter_flags, parameters_of
from rescene4d_ros.cli.visits.checked_visits import (
    add_input_arguments,
    checked_visit,
    config_of,
    inputs_of,
)
from rescene4d_ros.data.readers.images.camera import KINDS
from rescene4d_ros.data.readers.images.recorded_images import DepthTopics
from rescene4d_ros.errors import ConfigError, RescenError
from rescene4d_ros.memory.export import write_documents
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.mask_source import load_masks
from rescene4d_ros.scene.processing_settings import configs_of, make_tracker
from rescene4d_ros.scene.scan_acceptance import ScanAcceptance
from rescene4d_ros.structures import SceneUpdate
from tqdm import tqdm


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_input_arguments(parser)
    parser.add_argument(
        '--memory',
        type=Path,
        required=True,
        metavar='DIR',
        help='folder of the memory; created if missing, else continued',
    )
    parser.add_argument(
        '--memory-url',
        metavar='URL',
        help='database of the memory, as postgresql://user@host/name; default: the one stored in '
        'the folder, else SQLite in the folder',
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='DIR',
        help='folder for visit_K.npz, objects.json and changes.json',
    )
    parser.add_argument(
        '--times',
        nargs='+',
        metavar='TIME',
        help='time of each visit: ISO 8601 or seconds since 1970; default: one day apart in the '
        'order of the arguments',
    )
    parser.add_argument(
        '--map-id', default='map', help='name of the map in which the clouds are registered'
    )
    parser.add_argument(
        '--source',
        choices=('network', 'given', 'none'),
        default='network',
        help='where instances come from: the network, the field `instance` of each cloud or '
        'boxes (given), or none: objects are found by geometry alone where they come, leave or '
        'move',
    )
    parser.add_argument(
        '--boxes',
        type=Path,
        nargs='+',
        metavar='FILE',
        help='boxes of each cloud file, .json or .csv, whose points are its instances; with '
        '--source given',
    )
    add_parameter_flags(parser)
    parser.add_argument(
        '--classes',
        default='',
        metavar='LIST|FILE',
        help='classes of the results, such as scannet18, scannet200, agnostic, or a text file; '
        'default: those of the weights',
    )
    parser.add_argument(
        '--build-visits',
        action='store_true',
        help='build visits of the live clouds of a bag by its transforms, one for each drive',
    )
    parser.add_argument(
        '--standing-still',
        type=float,
        default=0.0,
        metavar='S',
        help='with --build-visits, a visit also ends where the sensor stands as long (default: '
        'only a pause of 10 s ends one)',
    )
    parser.add_argument(
        '--color-topic',
        default='',
        metavar='NAME',
        help='with --build-visits, color images of the pixels of the depth images on --topic, or '
        'none (default: the only topic of such images)',
    )
    parser.add_argument(
        '--camera-info-topic',
        default='',
        metavar='NAME',
        help='camera_info of the depth images (default: that beside them)',
    )
    parser.add_argument(
        '--depth-image',
        choices=KINDS,
        default='auto',
        help='which matrix of camera_info counts: P of rectified images, K and the distortion of '
        'raw ones; auto: K of a camera without distortion',
    )
    parser.add_argument(
        '--picture',
        action='store_true',
        help='also write visits.png: the newest six visits, with objects and changes',
    )
    parser.add_argument('--threads', type=int, default=2, help='threads of the network')


def run(options: argparse.Namespace) -> int:
    """Process every visit; 1 if a visit was refused."""
    settings = _settings(options)
    segmenter = load_masks(settings['inference'])
    options.out.mkdir(parents=True, exist_ok=True)
    with SceneMemory.open(
        options.memory,
        map_id=options.map_id,
        frame_id=options.map_frame,
        class_names=segmenter.class_names,
        weights_hash=segmenter.weights_hash,
        url=options.memory_url,
    ) as memory:
        segmenter.keep_features(memory.files.derived)
        tracker = make_tracker(memory, segmenter, settings)
        while (update := tracker.process_next()) is not None:
            print(f'finished the visit left unfinished before: {describe(update)}')
        newest = max((v.stamp_ns for v in memory.snapshot().visits), default=0)
        inputs = inputs_of(
            options,
            newest_ns=newest,
            times=options.times,
            build_visits=options.build_visits,
            standing_still=options.standing_still,
            images=DepthTopics(
                options.color_topic, options.camera_info_topic, options.depth_image
            ),
            boxes=options.boxes,
        )
        check = ScanAcceptance(memory, config_of(options), options.accept, options.register)
        refused = 0
        for read in tqdm(
            inputs.visits(),
            desc='visits',
            unit='visit',
            total=inputs.count,
            disable=inputs.count < 2,
        ):
            try:
                scan, kept = checked_visit(read, memory.origin, check)
                update = tracker.add_visit(scan)
            except RescenError as error:
                refused += 1
                tqdm.write(f'refused: {error}', file=sys.stderr)
                continue
            for finding in scan.findings:
                tqdm.write(f'{scan.name}: {finding}', file=sys.stderr)
            write_visit(options.out, update, kept)
            tqdm.write(describe(update))
        write_documents(options.out, memory.snapshot(), memory.changes())
        if options.picture:
            from rescene4d_ros.view.before_after import draw_newest  # matplotlib takes a second

            draw_newest(options.out / 'visits.png', memory)
    total = inputs.count + inputs.refused_count
    refused += inputs.refused_count
    if refused:
        print(summary_of_refused(refused, total), file=sys.stderr)
    return 1 if refused else 0


def summary_of_refused(refused: int, total: int) -> str:
    """Say how many of some visits were refused, and what became of the rest."""
    if total == 1:
        return 'the visit was refused, nothing is processed'
    if refused == total:
        return f'all {total} visits were refused, nothing is processed'
    were = 'visits was' if refused == 1 else 'visits were'
    others = 'the other is' if total - refused == 1 else 'the others are'
    return f'{refused} of {total} {were} refused, {others} processed'


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of every section; `--set` wins over the other flags."""
    values = {
        'inference.source': options.source,
        'inference.classes': options.classes,
        'inference.torch_threads': options.threads,
        **parameters_of(options),
    }
    settings = configs_of(values.items())
    if options.boxes and settings['inference'].source != 'given':
        raise ConfigError(
            f'--boxes: expected --source given, got {settings["inference"].source}; add it, or '
            'leave --boxes out'
        )
    return settings


def describe(update: SceneUpdate) -> str:
    """Return one line about the result of a visit."""
    present = len(np.unique(update.object_ids[update.object_ids > 0]))
    changes = ', '.join(f'{c.kind.name} {c.class_name} #{c.object_id}' for c in update.changes)
    return (
        f'visit {update.visit.visit_id} ({update.visit.name}): {present} objects seen, '
        f'{len(update.objects)} remembered; {changes or "no changes"}'
    )


def write_visit(out: Path, update: SceneUpdate, kept: np.ndarray) -> None:
    """
    Write object, class and score of each input point, in the order of the input.

    Parameters
    ----------
    out : Path
    update : SceneUpdate
    kept : ndarray (M,), bool
        Which of the M input points had finite coordinates; the others have no object.

    """
    instance_id = np.zeros(len(kept), np.int64)
    class_id = np.full(len(kept), -1, np.int32)
    score = np.zeros(len(kept), np.float32)
    instance_id[kept] = update.object_ids
    class_id[kept] = update.class_ids
    score[kept] = update.scores
    np.savez_compressed(
        out / f'visit_{update.visit.visit_id}.npz',
        instance_id=instance_id,
        class_id=class_id,
        score=score,
    )
