"""`rescene4d replay`: what the node does, for files or a bag, without ROS running."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import datetime, UTC
from decimal import Decimal, InvalidOperation
import json
from pathlib import Path
import sys

import numpy as np
from rescene4d_ros import config
from rescene4d_ros.data.readers.bags import snapshots
from rescene4d_ros.data.readers.cloud_files import read_cloud
from rescene4d_ros.errors import RescenError, ScanError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.memory.export import changes_document, objects_document
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene import SceneTracker, TrackerConfig
from rescene4d_ros.structures import SceneUpdate
from tqdm import tqdm

CLOUDS = ('.ply', '.pcd', '.npz')
BAGS = ('.mcap', '.db3')
DAY_NS = 86_400 * 10**9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        'inputs',
        nargs='+',
        type=Path,
        metavar='INPUT',
        help='.ply, .pcd or .npz files, folders of them, or a rosbag2 bag',
    )
    parser.add_argument(
        '--memory',
        type=Path,
        required=True,
        metavar='DIR',
        help='scene memory; made if it is not there, continued if it is',
    )
    parser.add_argument(
        '--memory-url',
        metavar='URL',
        help='database of the memory, as postgresql://user@host/name; default: '
        'the one that its folder names, else SQLite in the folder',
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='DIR',
        help='visit_K.npz, objects.json and changes.json go here',
    )
    parser.add_argument(
        '--times',
        nargs='+',
        metavar='TIME',
        help='when each cloud was taken: ISO 8601 or seconds since 1970; default: '
        'one day apart in the order of the arguments',
    )
    parser.add_argument('--topic', default='', help='of the snapshots in a bag, if it has several')
    parser.add_argument('--map-id', default='map', help='which map the clouds are registered in')
    parser.add_argument('--map-frame', default='map', help='frame of the clouds')
    parser.add_argument('--weights', default='', help='weights file; default: the shipped one')
    parser.add_argument('--threads', type=int, default=2, help='threads of the network')


def run(options: argparse.Namespace) -> int:
    """Segment and remember every visit in turn; 1 if a visit was refused."""
    options.out.mkdir(parents=True, exist_ok=True)
    segmenter = Segmenter.load(
        config.make(
            InferenceConfig, {'weights': options.weights, 'torch_threads': options.threads}
        )
    )
    refused = 0
    with SceneMemory.open(
        options.memory,
        map_id=options.map_id,
        frame_id=options.map_frame,
        class_names=segmenter.class_names,
        weights_hash=segmenter.weights_hash,
        url=options.memory_url,
    ) as memory:
        segmenter.keep_features(memory.files.derived)
        tracker = SceneTracker(memory, segmenter, TrackerConfig())
        while (update := tracker.process_next()) is not None:
            print(f'finished the visit left unfinished before: {describe(update)}')
        newest = max((v.stamp_ns for v in memory.snapshot().visits), default=0)
        visits = list(find_visits(options, newest))
        for read in tqdm(visits, desc='visits', unit='visit', disable=len(visits) < 2):
            try:
                scan, kept = read()
                if scan.frame_id != options.map_frame:
                    raise ScanError(
                        f'{scan.name}: expected a cloud in frame '
                        f'{options.map_frame!r}, got {scan.frame_id!r}; transform it '
                        'to the map first, or name its frame with --map-frame'
                    )
                update = tracker.add_visit(scan)
            except RescenError as error:
                refused += 1
                tqdm.write(f'refused: {error}', file=sys.stderr)
                continue
            write_visit(options.out, update, kept)
            tqdm.write(describe(update))
        write_documents(options.out, memory)
    if refused:
        print(
            f'{refused} of {len(visits)} visits were refused, the others are processed',
            file=sys.stderr,
        )
    return 1 if refused else 0


def find_visits(options: argparse.Namespace, newest_ns: int) -> Iterator:
    """Yield one reader per visit: a function that gives the scan and which points it kept."""
    files, bags = [], []
    for path in options.inputs:
        if not path.exists():
            raise ScanError(
                f'{path}: no such file; expected a cloud ({", ".join(CLOUDS)}), a '
                'folder of clouds, or a rosbag2 bag'
            )
        if path.suffix in BAGS or (path / 'metadata.yaml').exists():
            bags.append(path)
        elif path.is_dir():
            clouds = sorted(p for p in path.iterdir() if p.suffix in CLOUDS)
            if not clouds:
                raise ScanError(
                    f'{path}: expected clouds ({", ".join(CLOUDS)}) or a rosbag2 bag '
                    'with its metadata.yaml, found neither'
                )
            files += clouds
        else:
            files.append(path)
    if bags and files:
        raise ScanError('expected clouds or bags, got both; replay them one after the other')
    if bags and options.times:
        raise ScanError('--times is for files; snapshots of a bag carry their stamps')
    if bags:
        for path in bags:
            for snapshot in snapshots(path, options.topic or None):
                yield snapshot.read
        return
    times = [parse_time(t) for t in options.times or ()]
    if times and len(times) != len(files):
        raise ScanError(f'--times: expected one per cloud ({len(files)}), got {len(times)}')
    for i, path in enumerate(files):
        stamp_ns = times[i] if times else newest_ns + (i + 1) * DAY_NS
        yield lambda path=path, stamp_ns=stamp_ns: read_cloud(
            path, stamp_ns, path.name, options.map_frame
        )


def parse_time(text: str) -> int:
    """Return a stamp in ns from ISO 8601 (UTC where no zone is given) or seconds since 1970."""
    try:
        return int(Decimal(text) * 10**9)  # a float would round nanoseconds away
    except InvalidOperation:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ScanError(
            f'--times: expected ISO 8601 (2026-11-22T10:00) or seconds since 1970, got {text!r}'
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1e9)


def describe(update: SceneUpdate) -> str:
    """Say in one line what a visit brought."""
    present = len(np.unique(update.object_ids[update.object_ids > 0]))
    changes = ', '.join(f'{c.kind.name} {c.class_name} #{c.object_id}' for c in update.changes)
    return (
        f'visit {update.visit.visit_id} ({update.visit.name}): {present} objects seen, '
        f'{len(update.objects)} remembered; {changes or "no changes"}'
    )


def write_visit(out: Path, update: SceneUpdate, kept: np.ndarray) -> None:
    """
    Write what each point of the input belongs to, in the order of the input.

    Parameters
    ----------
    out : Path
    update : SceneUpdate
    kept : ndarray (M,), bool
        Which of the M input points had finite coordinates; the others belong to nothing.

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


def write_documents(out: Path, memory: SceneMemory) -> None:
    """Write objects.json and changes.json of everything the memory knows."""
    snapshot = memory.snapshot()
    documents = {
        'objects.json': objects_document(snapshot),
        'changes.json': changes_document(snapshot, memory.changes()),
    }
    for name, document in documents.items():
        (out / name).write_text(json.dumps(document, indent=1) + '\n')
