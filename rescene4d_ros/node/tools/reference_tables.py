"""
Tables of topics, services and parameters for the reference, made from the code.

python -m rescene4d_ros.node.tools.reference_tables --write docs/reference/parameters.md
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
import re
import sys

from rescene4d_ros.config import Setting
from rescene4d_ros.errors import FileFormatError, RescenError
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.parameters import named_settings, SECTIONS
from rescene4d_ros.node.visit_builder import settings

END = '<!-- end -->'


def topics() -> str:
    """Return the table of topics."""
    rows = [
        (
            f'`{t.name}`',
            f'`{interfaces.type_name(t.type)}`',
            t.direction,
            f'{t.reliability}, {t.durability}, {t.depth}',
            t.text,
        )
        for t in interfaces.TOPICS
    ]
    return _table(
        ('topic', 'type', 'direction', 'reliability, durability, depth', 'carries'), rows
    )


def services() -> str:
    """Return the table of services."""
    rows = [
        (f'`{s.name}`', f'`{interfaces.type_name(s.type)}`', s.text) for s in interfaces.SERVICES
    ]
    return _table(('service', 'type', 'does'), rows)


def parameters(sections: Mapping[str, type] = SECTIONS) -> str:
    """Return the table of parameters of some sections."""
    rows = [
        (
            f'`{name}`',
            setting.type.__name__,
            _value(setting.default),
            setting.unit,
            _bounds(setting),
            'yes' if setting.live else 'no',
            setting.text,
        )
        for name, setting in named_settings(sections)
    ]
    return _table(('parameter', 'type', 'default', 'unit', 'allowed', 'live', 'meaning'), rows)


TABLES: dict[str, Callable[[], str]] = {
    'topics': topics,
    'services': services,
    'parameters': parameters,
    'builder_parameters': partial(parameters, settings.SECTIONS),
}


def write_tables(text: str) -> str:
    """
    Return a document with the tables between its marks made anew.

    Raises
    ------
    FileFormatError
        A mark `<!-- table:NAME -->` names no table, or has no end.

    """
    for name in re.findall(r'<!-- table:(\w+) -->', text):
        if name not in TABLES:
            raise FileFormatError(f'expected a table of {", ".join(TABLES)}; got {name!r}')
    for name, make in TABLES.items():
        mark = f'<!-- table:{name} -->'
        before, found, rest = text.partition(mark)
        if not found:
            continue
        _, found, after = rest.partition(END)
        if not found:
            raise FileFormatError(f'expected {END} after {mark}, found none; add it')
        text = f'{before}{mark}\n{make()}\n{END}{after}'
    return text


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ('---',) * len(head), *rows]
    return '\n'.join(
        '| ' + ' | '.join(cell.replace('|', '\\|') for cell in line) + ' |' for line in lines
    )


def _value(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'`{value}`' if value != '' else '(empty)'


def _bounds(setting: Setting) -> str:
    if setting.one_of is not None:
        return ', '.join(f'`{choice}`' for choice in setting.one_of)
    if setting.ge is None and setting.le is None:
        return setting.form.text if setting.form else ''
    if setting.le is None:
        return f'at least {setting.ge}'
    if setting.ge is None:
        return f'at most {setting.le}'
    return f'{setting.ge} to {setting.le}'


def main(args: list[str] | None = None) -> int:
    """Print all tables, or write them into a document."""
    parser = argparse.ArgumentParser(
        prog='tables', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--write',
        type=Path,
        metavar='FILE',
        help='document with marks <!-- table:NAME --> ... <!-- end -->',
    )
    options = parser.parse_args(args)
    if options.write is None:
        print('\n\n'.join(make() for make in TABLES.values()))
        return 0
    try:
        options.write.write_text(write_tables(options.write.read_text()))
    except (RescenError, OSError) as error:
        print(f'tables: {options.write}: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
