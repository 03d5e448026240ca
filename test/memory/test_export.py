"""The JSON documents: complete, plain, in the same order every time; and the command."""

from __future__ import annotations

from dataclasses import replace
import json
import random

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.memory.export import changes_document, objects_document


@pytest.fixture
def filled(open_memory, make_scan, make_facts):
    """Return a memory of three visits and five objects."""
    memory = open_memory()
    for day, births in ((1, 2), (2, 2), (3, 1)):
        memory.commit(make_facts(memory, memory.add_visit(make_scan(day)), births))
    return memory


def test_documents_are_plain_json_and_say_everything(filled):
    snapshot = filled.snapshot()
    objects = json.loads(json.dumps(objects_document(snapshot)))
    changes = json.loads(json.dumps(changes_document(snapshot, filled.changes())))
    assert (objects['map_id'], objects['frame_id'], objects['revision']) == ('hall', 'map', 3)
    assert objects['classes'] == ['chair', 'table']
    assert [v['status'] for v in objects['visits']] == ['DONE'] * 3
    assert [o['object_id'] for o in objects['objects']] == [1, 2, 3, 4, 5]
    first = objects['objects'][0]
    assert first['class'] == objects['classes'][first['class_id']] == 'table'
    assert [s['visit_id'] for s in first['states']] == [1, 2, 3]
    assert first['state'] == first['states'][-1]['state'] == 'PRESENT'
    assert np.linalg.norm(first['box']['quaternion_xyzw']) == pytest.approx(1)
    assert first['moved_m'] == 0.75
    assert len(changes['changes']) == 6
    assert np.array(changes['changes'][0]['after_T_before']).shape == (4, 4)
    assert changes['changes'][0]['kind'] == 'MOVED'


def test_documents_do_not_depend_on_the_order_they_are_given(filled):
    snapshot, changes = filled.snapshot(), list(filled.changes())
    rng = random.Random(0)
    mixed = [list(snapshot.objects), list(snapshot.visits), changes[:]]
    for items in mixed:
        rng.shuffle(items)
    other = replace(snapshot, objects=tuple(mixed[0]), visits=tuple(mixed[1]))
    assert objects_document(other) == objects_document(snapshot)
    assert changes_document(other, mixed[2]) == changes_document(snapshot, changes)


def test_command_shows_checks_and_exports_while_a_writer_works(filled, tmp_path, capsys):
    folder = str(filled.path)
    assert main(['memory', 'show', folder]) == 0
    shown = capsys.readouterr().out
    assert 'day 2' in shown
    assert 'MOVED' in shown
    assert main(['memory', 'check', folder]) == 0
    assert 'all is well' in capsys.readouterr().out
    assert main(['memory', 'export', folder, '--out', str(tmp_path / 'out')]) == 0
    written = json.loads((tmp_path / 'out' / 'objects.json').read_text())
    assert written == json.loads(json.dumps(objects_document(filled.snapshot())))
    assert (tmp_path / 'out' / 'changes.json').is_file()


def test_command_finds_damage(filled, capsys):
    next((filled.path / 'visits').glob('*.npz')).unlink()
    assert main(['memory', 'check', str(filled.path)]) == 1
    assert 'restore the file from a backup' in capsys.readouterr().out


def test_command_on_a_wrong_folder_says_so(tmp_path, capsys):
    assert main(['memory', 'show', str(tmp_path)]) == 2
    assert 'expected a scene memory' in capsys.readouterr().err
