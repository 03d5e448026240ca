"""Lines of the self test, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
import json

from rescene4d_ros.cli.console import TextConsole
from rich.table import Table


class Verdict(StrEnum):
    """Say how serious a line is; the order is that of the values below."""

    OK = 'ok'
    WARN = 'warn'
    FAIL = 'fail'


COLORS = {Verdict.OK: 'green', Verdict.WARN: 'yellow', Verdict.FAIL: 'red'}
MIB = 1 << 20


@dataclass(frozen=True)
class Line:
    """
    Hold one check.

    Attributes
    ----------
    check : str
        What was looked at.
    verdict : Verdict
    measured, expected : str
    remedy : str
        What to do; empty where all is well.

    """

    check: str
    verdict: Verdict
    measured: str
    expected: str
    remedy: str = ''


def judged(
    check: str, measured: str, expected: str, problem: str = '', verdict: Verdict = Verdict.WARN
) -> Line:
    """Return a line that is OK unless `problem`, its remedy, says what to do."""
    return Line(check, verdict if problem else Verdict.OK, measured, expected, problem)


def worst(lines: Sequence[Line]) -> Verdict:
    """Return the most serious verdict."""
    return max((line.verdict for line in lines), key=list(Verdict).index, default=Verdict.OK)


def print_lines(lines: Sequence[Line], as_json: bool) -> None:
    """Print the lines for people or for programs."""
    if as_json:
        print(json.dumps({'verdict': worst(lines), 'lines': [*map(asdict, lines)]}, indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for title in ('check', '', 'measured', 'expected'):
        table.add_column(title, overflow='fold')
    for line in lines:
        style = COLORS[line.verdict]
        table.add_row(line.check, line.verdict.value, line.measured, line.expected, style=style)
    console = TextConsole()
    console.print(table)
    for line in lines:
        if line.remedy:
            console.print(f'{line.check}: {line.remedy}', style=COLORS[line.verdict])
