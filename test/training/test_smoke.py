"""The smoke recipe with the commands of docs/guide/training.md: loss falls, t-AP rises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rescene4d_ros.cli.main import main

RECIPE = Path(__file__).parents[2] / 'config' / 'training' / 'smoke.yaml'


@pytest.mark.slow
def test_smoke_training_learns_two_rooms(tmp_path):
    """Real rooms, a real training of about a minute, scored as every training is."""
    rooms, run = str(tmp_path / 'rooms'), tmp_path / 'run'
    assert (
        main(
            [
                'rooms',
                'make',
                '--out',
                rooms,
                '--count',
                '2',
                '--seed',
                '77',
                '--visits',
                '2',
                '--min-objects',
                '4',
                '--max-objects',
                '6',
                '--no-superpoints',
            ]
        )
        == 0
    )
    assert (
        main(
            [
                'train',
                str(RECIPE),
                '--data',
                rooms,
                '--val',
                rooms,
                '--out',
                str(run),
                '--threads',
                '1',
                '--workers',
                '0',
            ]
        )
        == 0
    )
    log = [json.loads(line) for line in (run / 'metrics.jsonl').open()]
    assert log[-1]['total'] < log[0]['total'] / 4
    first, last = (line for line in log if 't_ap50' in line)
    assert last['t_ap50'] > first['t_ap50']
    assert last['t_ap50'] > 0.5
