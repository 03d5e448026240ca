"""Many memories with one command: by processes and by Ray, with workers killed at work."""

from __future__ import annotations

from contextlib import closing, suppress
import json
import os
from pathlib import Path
import signal
import sqlite3
from threading import Thread
import time

import pytest
from rescene4d_ros.cli.archive.memories import find_memories
from rescene4d_ros.cli.main import main
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.memory.maintenance.repair import repair
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.mask_source import load_masks, tracker_for
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.tracking.settings import TrackerConfig

DAY_NS = 86_400 * 10**9
NAMES = ('first', 'second')


@pytest.fixture
def archive(tmp_path, boxes_room):
    """Return a folder of two memories of three visits each; a box comes at the third."""
    box = ((0.6, 0.5, 0.0), (0.4, 0.4, 0.5), (200, 40, 40))
    table = ((1.6, 1.7, 0.0), (0.9, 0.6, 0.7), (60, 60, 180))
    masks = load_masks(InferenceConfig(source='none'))
    for name in NAMES:
        path = tmp_path / 'archive' / name
        with SceneMemory.open(path, name, 'map', masks.class_names) as memory:
            tracker = SceneTracker(memory, masks, tracker_for(TrackerConfig(), 'none'))
            for day in (1, 2, 3):
                boxes = [table, box] if day == 3 else [table]
                scan, _ = boxes_room(boxes, seed=day, density=150, stamp_ns=day * DAY_NS)
                tracker.add_visit(scan)
    return tmp_path / 'archive'


def holders_of(folder: Path) -> set[int]:
    """Return the processes that have the lock of a memory open."""
    found = set()
    for fd in Path('/proc').glob('[0-9]*/fd/*'):
        with suppress(OSError):
            if fd.readlink() == folder / 'writer.lock':
                found.add(int(fd.parts[2]))
    return found - {os.getpid()}


def kill_one_at_work(folders: list[Path], killed: list[int]) -> None:
    """Kill one process with SIGKILL as soon as it has one of some memories open for writing."""
    deadline = time.monotonic() + 300
    while not killed and time.monotonic() < deadline:
        for pid in set().union(*map(holders_of, folders)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return
        time.sleep(0.002)


def run_while_killing(arguments: list[str], folders: list[Path]) -> int:
    """Run the command; kill one worker that is at work."""
    killed: list[int] = []
    killer = Thread(target=kill_one_at_work, args=(folders, killed), daemon=True)
    killer.start()
    code = main(arguments)
    killer.join()
    assert killed
    return code


def report_of(out: Path) -> dict:
    return json.loads((out / 'report.json').read_text())


def documents_of(folder: Path, out: Path) -> dict[str, str]:
    """Return what a memory says, without its revision."""
    assert main(['memory', 'export', str(folder), '--out', str(out)]) == 0
    texts = {path.name: json.loads(path.read_text()) for path in out.iterdir()}
    return {
        name: {k: v for k, v in text.items() if k != 'revision'} for name, text in texts.items()
    }


def test_killed_worker_loses_nothing_and_what_is_done_is_not_repeated(archive, tmp_path, capsys):
    folders, out = [archive / name for name in NAMES], tmp_path / 'out'
    before = [documents_of(folder, tmp_path / folder.name) for folder in folders]
    command = ['archive', 'reprocess', str(archive), '--out', str(out), '--set']
    command += ['inference.source=none', '--jobs', '1']
    assert main([*command, '--dry-run']) == 0
    assert '2 memories, 6 visits; nothing was done' in capsys.readouterr().out
    assert not out.exists()
    assert run_while_killing(command, folders) == 0
    report = report_of(out)
    assert report['outcomes'] == {'done': 2}
    for record, folder, said in zip(report['memories'], folders, before):
        assert record['memory'] == str(folder)
        assert record['processed'] == 3
        counts = record['differences']
        assert counts['objects']['before'] > 0
        assert counts['objects']['kept'] == counts['objects']['before']
        assert counts['changes']['kept'] == counts['changes']['after']
        assert documents_of(folder, tmp_path / folder.name) == said
        with SceneMemory.inspect(folder) as memory:
            assert find_faults(memory) == ()
            assert memory.metadata.revision == 4  # reprocessed once, whatever was killed
    assert main(command) == 0
    assert report_of(out)['outcomes'] == {'done before': 2}
    assert [SceneMemory.inspect(f).metadata.revision for f in folders] == [4, 4]


@pytest.mark.slow
def test_evaluate_and_export_leave_the_memories_as_they_are(archive, tmp_path):
    out, exported = tmp_path / 'out', tmp_path / 'exported'
    settings = ['--set', 'inference.source=none', '--set', 'changes.min_confidence=1.0']
    assert main(['archive', 'evaluate', str(archive / 'first'), '--out', str(out), *settings]) == 0
    (record,) = report_of(out)['memories']
    assert record['differences']['objects'] == {'before': 1, 'after': 1, 'kept': 1}
    assert record['differences']['changes'] == {'before': 1, 'after': 0, 'kept': 0}
    assert [p.name for p in out.iterdir() if p.name.startswith('copy_')] == []
    assert main(['archive', 'export', str(archive), '--out', str(exported)]) == 0
    found = sorted(exported.glob('*/objects.json'))
    assert [path.parent.name.partition('-')[0] for path in found] == list(NAMES)
    assert all(json.loads(path.read_text())['revision'] == 3 for path in found)


@pytest.mark.slow
def test_memories_in_schemas_of_one_server_are_reprocessed(archive, tmp_path, postgres):
    for name in NAMES:
        schema = f'archive_{name}_{time.monotonic_ns()}'
        with postgres.connect() as connection:
            connection.execute(f'CREATE SCHEMA {schema}')
        url = f'{postgres.url}&options=-csearch_path%3D{schema}'
        assert main(['memory', 'move', str(archive / name), '--to', url]) == 0
    out = tmp_path / 'out'
    command = ['archive', 'reprocess', str(archive), '--out', str(out), '--jobs', '2']
    command += ['--set', 'inference.source=none']
    assert main(command) == 0
    assert report_of(out)['outcomes'] == {'done': 2}
    for record, name in zip(report_of(out)['memories'], NAMES):
        assert record['processed'] == 3
        counts = record['differences']
        assert counts['objects']['kept'] == counts['objects']['before'] > 0
        with SceneMemory.inspect(archive / name) as memory:
            assert memory.database.url.get_backend_name() == 'postgresql'
            assert memory.metadata.revision == 4
            assert find_faults(memory) == ()
    assert main(command) == 0
    assert report_of(out)['outcomes'] == {'done before': 2}


def test_what_cannot_be_done_is_told_and_holds_up_nothing(archive, tmp_path, capsys):
    (archive / 'first' / 'memory.sqlite3').write_bytes(b'no database')
    out = tmp_path / 'out'
    assert main(['archive', 'export', str(archive), '--out', str(out), '--jobs', '1']) == 1
    assert report_of(out)['outcomes'] == {'failed': 1, 'done': 1}
    assert main(['archive', 'export', str(tmp_path / 'nowhere'), '--out', str(out)]) == 2
    assert 'found none' in capsys.readouterr().err
    wrong = ['archive', 'reprocess', str(archive), '--out', str(out), '--set', 'window=4']
    assert main(wrong) == 2
    assert 'tracker.window=4' in capsys.readouterr().err


def test_a_database_that_was_set_aside_is_no_memory(archive):
    """A repair keeps the damaged file within the memory; no action may touch it."""
    with closing(sqlite3.connect(archive / 'first' / 'memory.sqlite3')) as database:
        database.execute('DELETE FROM visits WHERE visit_id = 3')
        database.commit()
    repair(archive / 'first')
    assert (archive / 'first' / 'damaged-1' / 'memory.sqlite3').is_file()
    assert [memory.folder for memory in find_memories([archive])] == [archive / n for n in NAMES]


@pytest.mark.slow
def test_ray_repeats_the_memory_of_a_killed_worker(archive, tmp_path):
    pytest.importorskip('ray', reason='no Ray; pip install ray')
    folders, out = [archive / name for name in NAMES], tmp_path / 'out'
    command = ['archive', 'reprocess', str(archive), '--out', str(out), '--engine', 'ray']
    command += ['--jobs', '2', '--set', 'inference.source=none']
    assert run_while_killing(command, folders) == 0
    assert report_of(out)['outcomes'] == {'done': 2}
    for folder in folders:
        with SceneMemory.inspect(folder) as memory:
            assert find_faults(memory) == ()
            assert memory.metadata.revision in (
                4,
                5,
            )  # killed after the transaction, before the record
