"""
Pages of the documentation that are made from the code while the site is built.

MkDocs calls the functions named `on_...`. A line `<!-- generated:NAME -->` of a page becomes the
text that `GENERATED[NAME]` returns.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import re
import sys

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

# Pages that are files of the repository outside docs/, by their place in the site.
OUTSIDE = {
    'contributing.md': 'CONTRIBUTING.md',
    'experiments/model_card.md': 'rescene4d_ros/inference/pretrained/rooms-s.md',
}


def on_files(files, config):
    """Add the pages that lie outside the folder of the documentation."""
    for page, source in OUTSIDE.items():
        text = (ROOT / source).read_text()
        up = '../' * page.count('/')
        text = text.replace('](docs/', f']({up}')
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown, **_):
    """Replace the marks of generated text."""
    return re.sub(r'<!-- generated:(\w+) -->', lambda match: GENERATED[match[1]](), markdown)


def commands() -> str:
    """Return the help text of every command and of its actions."""
    from rescene4d_ros.cli.main import command_module, COMMANDS

    parts = []
    for name, text in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f'rescene4d {name}', description=text)
        command_module(name).add_arguments(parser)
        parts += [f'## {name}', _help(parser)]
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for key, child in action.choices.items():
                    parts += [f'### {name} {key}', _help(child)]
    return '\n\n'.join(parts)


def _help(parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=96)
    return f'```text\n{parser.format_help().strip()}\n```'


def interfaces() -> str:
    """Return every message and service definition, whose comments are its documentation."""
    parts = []
    for folder, title in (('msg', 'Messages'), ('srv', 'Services'), ('action', 'Actions')):
        parts.append(f'## {title}')
        for path in sorted((ROOT / folder).iterdir()):
            parts += [f'### {path.stem}', f'```text\n{path.read_text().strip()}\n```']
    return '\n\n'.join(parts)


GENERATED = {'commands': commands, 'interfaces': interfaces}
