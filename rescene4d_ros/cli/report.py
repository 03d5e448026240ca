"""`rescene4d report`: write what changed as one page of HTML that needs no network."""

from __future__ import annotations

import argparse
from pathlib import Path
import time

from rescene4d_ros.cli.flags import add_flags, made
from rescene4d_ros.cli.memory.query_actions import add_memory, add_zone, stamp_of
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.questions.asking import calendar_of, period_of
from rescene4d_ros.view.report.local_time import LocalTime
from rescene4d_ros.view.report.page import ReportConfig, write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the memory, the time and the output."""
    add_memory(parser)
    parser.add_argument(
        '--since',
        metavar='MOMENT',
        help='visit number, date as 2026-11-22 or 2026-11-22T15:30 in the time zone of the '
        'report, or words as yesterday, Tuesday or "last week"; changes after it are reported; '
        'default: the visit before the newest one',
    )
    parser.add_argument(
        '--out', type=Path, default=Path('report.html'), metavar='FILE', help='page to write'
    )
    add_zone(parser)
    add_flags(parser, ReportConfig)


def run(options: argparse.Namespace) -> int:
    """Write the report; also works while a node writes to the memory."""
    clock = LocalTime.named(options.zone)
    with SceneMemory.inspect(options.memory, options.url) as memory:
        now_ns = time.time_ns()
        since_ns = _since_ns(memory, options.since, now_ns, clock)
        try:
            contents = write_report(
                memory, options.out, since_ns, now_ns, clock, made(ReportConfig, options)
            )
        except OSError as error:
            raise ConfigError(
                f'{options.out}: cannot write the report ({error.strerror}); choose another file'
            ) from error
    print(
        f'{options.out}: {len(contents.changes)} changes after {clock.text(contents.since_ns)}, '
        f'{len(contents.objects)} objects, {len(contents.visits)} visits'
    )
    return 0


def _since_ns(
    memory: SceneMemory, moment: str | None, now_ns: int, clock: LocalTime
) -> int | None:
    """Return the time (ns since the Unix epoch) of a visit, a date or words; None for None."""
    if moment is None:
        return None
    try:
        return stamp_of(memory, moment, clock.zone)
    except ConfigError as error:
        try:
            period = period_of(f'since {moment}', calendar_of(memory, now_ns, clock.zone))
        except ConfigError:
            raise ConfigError(f'{error}; or words such as yesterday or Tuesday') from error
        return None if period is None else period.start_ns
