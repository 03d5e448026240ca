"""What the commands print of a memory: names as they are, and no traceback into a closed pipe."""

from __future__ import annotations

import os
import sys

import pytest
from rescene4d_ros.cli.main import main

STRANGE = ('[/b]', '[red]x', ':smile:')


@pytest.fixture
def url():
    """Keep the database in the folder: what is printed does not depend on it."""


@pytest.fixture
def strange(open_memory, make_scan, make_facts, tmp_path):
    """Return the folder of a memory with visits and objects whose names look like markup."""
    with open_memory(map_id='[/b]', class_names=('[bold]chair', '[/table]')) as memory:
        for day, name in enumerate(STRANGE, 1):
            visit = memory.add_visit(make_scan(day, name=name))
            memory.commit(make_facts(memory, visit, births=1))
    folder = str(tmp_path / 'memory')
    for number, name in enumerate(STRANGE, 1):
        assert main(['memory', 'rename', folder, str(number), name]) == 0
    return folder


def test_names_that_look_like_markup_are_text(strange, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '250')
    capsys.readouterr()
    assert main(['memory', 'list', strange]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in (*STRANGE, '[/table]'))
    assert main(['memory', 'show', strange]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in (*STRANGE, '[/table]', "map '[/b]'"))
    for arguments in (['changes', strange], ['journal', strange], ['where', strange, '2']):
        assert main(['memory', *arguments]) == 0
    assert '[red]x' in capsys.readouterr().out


@pytest.mark.parametrize(
    'arguments',
    [
        ['--help'],
        ['memory', '--help'],
        ['memory', 'list'],
        ['memory', 'show'],
        ['memory', 'journal'],
        ['memory', 'check'],
        ['ask', 'what is here?'],
    ],
    ids=' '.join,
)
def test_closed_pipe_ends_a_command_quietly(strange, arguments, monkeypatch, capsys):
    """As `rescene4d ... | head -1` does: the status of a process ended by SIGPIPE, and no word."""
    reader, writer = os.pipe()
    os.close(reader)
    command = arguments if arguments[-1] == '--help' else [*arguments[:2], strange]
    if arguments[0] == 'ask':
        command = ['ask', strange, arguments[1]]
    capsys.readouterr()
    with os.fdopen(writer, 'w') as closed:
        monkeypatch.setattr(sys, 'stdout', closed)
        assert main(command) == 141
        monkeypatch.undo()
    assert not capsys.readouterr().err
