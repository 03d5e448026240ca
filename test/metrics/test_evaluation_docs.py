"""The pages on evaluation: the example is scored; keys, rules and pictures exist."""

import argparse
import json
from pathlib import Path
import re
import runpy
import sys

import numpy as np
from PIL import Image
import pytest
from rescene4d_ros.cli.main import command_module, main

ROOT = Path(__file__).resolve().parents[2]
PAGES = ('guide/evaluation.md', 'reference/score_card.md', 'experiments/results.md')
TEXT = '\n'.join((ROOT / 'docs' / page).read_text() for page in PAGES)


@pytest.fixture(scope='module')
def scores(tmp_path_factory):
    """Run the example of the guide, then the command on what it wrote."""
    folder = tmp_path_factory.mktemp('hand')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(re.search(r'```python\n(.*?)```', TEXT, re.DOTALL)[1], {})
        assert main(['score', '--pred', 'pred', '--truth', 'truth', '--json', 'out.json']) == 0
    return json.loads((folder / 'out.json').read_text())['methods']['prediction']


def test_example_is_perfect(scores):
    """The chair of the example is found, kept, and its move is right."""
    assert (scores['t_map'], scores['id_switch_rate'], scores['change_f1']) == (1.0, 0.0, 1.0)
    assert scores['t_mrec_by_change']['rigid'] == 1.0


def test_every_key_and_rule_is_explained(scores):
    """Every score is described, and every flag that is named exists."""
    for key in scores:
        documented = re.sub(r'^visit_\d_map.*', 'visit_0_map', key)
        assert f'`{documented}`' in TEXT, key
    flags = set()
    for name in ('score', 'evaluate', 'rooms', 'prepare'):
        flags |= flags_of(name)
    assert set(re.findall(r'(?<!-)--[a-z][a-z-]+', TEXT)) <= flags
    assert set(re.findall(r'(?<!-)--[a-z][a-z-]+', TEXT)) >= {
        '--data',
        '--weights',
        '--methods',
        '--limit',
        '--json',
        '--out',
        '--compare',
        '--window',
    }


def flags_of(command):
    """Return the flags of a command, and of its own commands."""
    parser = argparse.ArgumentParser()
    command_module(command).add_arguments(parser)
    own = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    parsers = [parser, *(p for a in own for p in a.choices.values())]
    return {flag for p in parsers for a in p._actions for flag in a.option_strings}


def test_pictures_can_be_made(tmp_path, monkeypatch):
    """The script writes both pictures that the pages show."""
    monkeypatch.setattr(sys, 'argv', ['draw_score_rules.py', '--out', str(tmp_path)])
    runpy.run_path(str(ROOT / 'scripts' / 'draw_score_rules.py'), run_name='__main__')
    shown = re.findall(r'\(\.\./images/(.*?)\)', TEXT)
    assert len(shown) == 2
    for name in shown:
        assert np.unique(np.array(Image.open(tmp_path / name).convert('L'))).size > 20
        assert (ROOT / 'docs' / 'images' / name).is_file()
