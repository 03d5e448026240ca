"""One memory at a time: process its visits again, try that on a copy, or export what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
import json
from pathlib import Path
import tempfile
import time
from typing import Any

from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.cli.archive.comparison import differences, MemoryState
from rescene4d_ros.cli.archive.memories import ArchivedMemory
from rescene4d_ros.errors import MemoryFormatError, RescenError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.memory.export import write_documents
from rescene4d_ros.memory.maintenance.backup import back_up
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.mask_source import load_masks, MaskProvider
from rescene4d_ros.scene.processing_settings import configs_of, make_tracker


@dataclass(frozen=True)
class Task:
    """
    Hold what is done with every memory.

    Attributes
    ----------
    action : str
        reprocess, evaluate or export.
    settings : tuple of (str, value)
        Of `configs_of`, such as ('inference.source', 'none').
    out : Path
        Absolute folder of records and exports, which every worker must reach.

    """

    action: str
    settings: tuple[tuple[str, Any], ...]
    out: Path

    def record_of(self, memory: ArchivedMemory) -> Path:
        """Return the file that says what was done with a memory."""
        return self.out / f'{memory.name}.{self.action}.json'


def work_on(task: Task, memory: ArchivedMemory) -> dict[str, Any]:
    """
    Do a task with one memory, unless its record says that it is done.

    The memory changes in one transaction, then the record is written. Killed between the two, the
    memory is worked on once more, with the same result.

    Returns
    -------
    dict
        The record: `outcome` is done, done before, or failed with `error`. Plain values.

    """
    start = time.monotonic()
    about = {'memory': str(memory.folder), 'action': task.action, 'settings': dict(task.settings)}
    try:
        if task.action == 'export':
            record = about | _export(task, memory)
        else:
            record = about | _process(task, memory)
    except (RescenError, OSError) as error:
        return {**about, 'outcome': 'failed', 'error': f'{type(error).__name__}: {error}'}
    if record['outcome'] == 'done':
        record['seconds'] = round(time.monotonic() - start, 3)
        task.out.mkdir(parents=True, exist_ok=True)
        with atomic_write(task.record_of(memory), durable=True) as file:
            file.write(json.dumps(record, indent=1).encode() + b'\n')
    return record


def _done_before(task: Task, memory: ArchivedMemory, about: Mapping[str, Any]) -> dict | None:
    """Return the record of a memory where it is of the same task, weights and revision."""
    try:
        record = json.loads(task.record_of(memory).read_text())
    except (OSError, ValueError):
        return None
    wanted = {'settings': dict(task.settings), **about}
    same = isinstance(record, dict) and all(record.get(k) == v for k, v in wanted.items())
    return {**record, 'outcome': 'done before'} if same else None


def _export(task: Task, memory: ArchivedMemory) -> dict[str, Any]:
    """Write objects.json and changes.json of a memory."""
    with SceneMemory.inspect(memory.folder) as opened:
        snapshot, changes = opened.snapshot(), opened.changes()
    about = {'revision': snapshot.revision}
    if (before := _done_before(task, memory, about)) is not None:
        return before
    folder = task.out / memory.name
    folder.mkdir(parents=True, exist_ok=True)
    write_documents(folder, snapshot, changes)
    return {**about, 'outcome': 'done', 'objects': len(snapshot.objects)}


def _process(task: Task, memory: ArchivedMemory) -> dict[str, Any]:
    """Process the visits of a memory again, or of a copy of it."""
    configs = configs_of(task.settings)
    segmenter = _segmenter(configs['inference'])
    with SceneMemory.inspect(memory.folder) as opened:
        about = {'weights': segmenter.weights_hash, 'revision': opened.metadata.revision}
        classes = opened.metadata.class_names
    if (before := _done_before(task, memory, about)) is not None:
        return before
    if classes != tuple(segmenter.class_names):
        raise MemoryFormatError(
            f'{memory.folder}: expected a memory of the classes of the weights, got one of '
            f'{len(classes)} classes against {len(segmenter.class_names)}; choose weights or '
            '--set inference.classes=... of its list'
        )
    if task.action == 'reprocess':
        return _reprocessed(memory.folder, segmenter, configs)
    task.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=task.out, prefix='copy_') as scratch:
        copy = Path(scratch) / 'memory'
        faults = back_up(memory.folder, copy)
        if faults:
            raise MemoryFormatError(f'{memory.folder}: {faults[0]}; `rescene4d memory check` it')
        return {**_reprocessed(copy, segmenter, configs), **about}


def _reprocessed(
    folder: Path, segmenter: MaskProvider, configs: Mapping[str, Any]
) -> dict[str, Any]:
    """Process all visits of a memory again; say what changed."""
    with SceneMemory.open(
        folder, None, None, segmenter.class_names, segmenter.weights_hash, create=False
    ) as opened:
        segmenter.keep_features(opened.files.derived)
        before = MemoryState.of(opened)
        result = make_tracker(opened, segmenter, configs).reprocess()
        after = MemoryState.of(opened)
    return {
        'outcome': 'done',
        'weights': segmenter.weights_hash,
        'revision': after.revision,
        'processed': len(result.visits),
        'differences': differences(before, after),
    }


@lru_cache(maxsize=1)
def _segmenter(inference: InferenceConfig) -> MaskProvider:
    """Return what finds instances; a worker loads it once."""
    return load_masks(inference)


def plan_of(task: Task, memory: ArchivedMemory) -> dict[str, Any]:
    """Return what is known of a memory before it is worked on: visits, revision, weights."""
    try:
        with SceneMemory.inspect(memory.folder) as opened:
            found = opened.metadata
            return {
                'memory': str(memory.folder),
                'map': found.map_id,
                'visits': len(opened.visits()),
                'revision': found.revision,
                'weights': found.weights_hash,
                'recorded': task.record_of(memory).is_file(),
            }
    except RescenError as error:
        return {'memory': str(memory.folder), 'visits': 0, 'error': str(error)}
