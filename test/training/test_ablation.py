"""The ablation of the strategies from end to end at toy size, and that it goes on."""

from __future__ import annotations

from dataclasses import replace
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from rescene4d_ros.data.sequences.sequence_file import write_sequence
from rescene4d_ros.structures import Box, ObjectState
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject

SCRIPT = Path(__file__).parents[2] / 'benchmarks' / 'ablation.py'


@pytest.fixture
def ablation():
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location('ablation', SCRIPT)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def with_objects(sequence, truth) -> SequenceTruth:
    """Return the truth with what is scored: every object at every visit."""
    ids = np.unique(np.concatenate([v.instance for v in truth.visits]))[1:]
    visits = []
    for scan, visit in zip(sequence.scans, truth.visits):
        objects = []
        for i in ids.tolist():
            own = visit.instance == i
            state = ObjectState.PRESENT if own.any() else ObjectState.ABSENT
            middle = scan.xyz[own].mean(0, dtype=float) if own.any() else np.zeros(3)
            objects.append(
                TrueObject(
                    i,
                    2 if i % 2 else 4,
                    state,
                    bool(own.any()),
                    np.eye(4),
                    Box(middle, (0.5, 0.5, 0.5)),
                )
            )
        visits.append(replace(visit, objects=tuple(objects)))
    return SequenceTruth(tuple(visits))


@pytest.mark.slow
def test_all_variants_are_trained_scored_and_told(tmp_path, toy_room, tiny_recipe, ablation):
    rooms = tmp_path / 'rooms'
    rooms.mkdir()
    sequence, truth = toy_room(0)
    write_sequence(rooms / 'a.npz', sequence, with_objects(sequence, truth))
    (tmp_path / 'recipe.yaml').write_text(tiny_recipe.to_yaml())
    out = tmp_path / 'out'

    def run(*more):
        ablation.main(
            [
                str(tmp_path / 'recipe.yaml'),
                '--set',
                'train.steps=1',
                '--data',
                str(rooms),
                '--test',
                str(rooms),
                '--out',
                str(out),
                '--workers',
                '0',
                *more,
            ]
        )

    run()
    rows = [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in (out / 'ablation.md').read_text().splitlines()
    ]
    # The toy network is a U-Net: two strategies.
    variants = ['none', 'contrastive', 'mask pooling', 'all', 'per visit']
    assert [row[:2] for row in rows[2:]] == [[v, m] for v in variants for m in ablation.METHODS]
    assert {len(row) for row in rows} == {len(rows[0])}
    assert rows[0][2:5] == ['t_map', 't_map50', 't_map25']
    document = json.loads((out / 'ablation.json').read_text())
    assert set(document['runs']) == set(variants)
    config = (out / 'none-0' / 'config.yaml').read_text()
    assert 'contrastive_weight: 0.0' in config
    assert "temporal_mask_pooling: 'off'" in config
    config = (out / 'per_visit-0' / 'config.yaml').read_text()
    assert 'p_single: 1.0' in config
    assert 'batch: 4' in config  # two sequences of two visits each
    stamps = {p: p.stat().st_mtime_ns for p in out.glob('*/metrics.jsonl')}
    assert len(stamps) == 5

    scores = document['runs']['all'][0]
    (out / 'all-0' / 'evaluate' / 'metrics.json').unlink()  # stopped before its end
    run()
    assert json.loads((out / 'ablation.json').read_text())['runs']['all'][0] == scores
    assert {p: p.stat().st_mtime_ns for p in out.glob('*/metrics.jsonl')} == stamps
    with pytest.raises(SystemExit, match='take another --out'):
        run('--set', 'train.lr=0.5')
    with pytest.raises(SystemExit, match='expected a recipe with contrastive'):
        run('--set', 'losses.contrastive_weight=0')
    with pytest.raises(SystemExit, match='expected some of none, contrastive'):
        run('--variants', 'nothing')
