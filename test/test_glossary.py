"""Parameter texts, message comments and command-line help use the words of the glossary."""

import argparse
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
import re

import pytest
from rescene4d_ros.cli.main import command_module, COMMANDS
from rescene4d_ros.config import settings

ROOT = Path(__file__).resolve().parent.parent


def other_words():
    """Return the words that the glossary replaces, each with the term to use."""
    rows = re.findall(
        r'^\| (.+?) \| .+ \| (.*)\|$', (ROOT / 'docs/reference/glossary.md').read_text(), re.M
    )
    words = {
        word: re.sub(r'<.*?>', '', term)
        for term, others in rows
        for word in map(str.strip, others.split(','))
        if word and word != 'not' and not word.startswith('-')
    }
    assert len(words) > 8
    return words


def config_texts():
    """Yield name and text of every setting of every config dataclass."""
    for path in sorted((ROOT / 'rescene4d_ros').rglob('*.py')):
        if '= param(' not in path.read_text() or path.parent == ROOT / 'rescene4d_ros':
            continue
        name = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
        for item in vars(import_module(name)).values():
            is_own = isinstance(item, type) and is_dataclass(item) and item.__module__ == name
            if is_own and all('text' in field.metadata for field in fields(item)):
                for setting in settings(item):
                    yield f'{item.__name__}.{setting.name}', setting.text


def help_texts():
    """Yield name and help of every command, action and flag."""
    for command, text in COMMANDS.items():
        yield command, text
        parser = argparse.ArgumentParser(prog=command)
        command_module(command).add_arguments(parser)
        yield from flags_of(parser)


def flags_of(parser):
    """Yield name and help of every flag of a parser, and of the actions below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                yield f'{parser.prog} {choice.dest}', choice.help or ''
            for child in action.choices.values():
                yield from flags_of(child)
        elif action.help and action.help != argparse.SUPPRESS:
            yield f'{parser.prog} {action.dest}', action.help


def interface_texts():
    """Yield place and text of every comment of a message or service."""
    for path in sorted(path for k in ('msg', 'srv', 'action') for path in (ROOT / k).iterdir()):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if '#' in line:
                yield f'{path.name}:{number}', line.partition('#')[2]


@pytest.mark.parametrize(
    ('texts', 'least'), [(config_texts, 100), (help_texts, 100), (interface_texts, 50)]
)
def test_texts_use_the_words_of_the_glossary(texts, least):
    """One concept has one word wherever a user reads about it."""
    pairs, others = list(texts()), other_words()
    assert len(pairs) >= least
    wrong = [
        f'{place}: {word!r} in {text!r}; the glossary says {term!r}'
        for place, text in pairs
        for word, term in others.items()
        if re.search(rf'(?<!~/)\b{word}s?\b', text, re.IGNORECASE)  # a topic has its own name
    ]
    assert wrong == []
