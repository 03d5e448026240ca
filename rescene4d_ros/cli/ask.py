"""`rescene4d ask`: answer a question in plain English from a memory."""

from __future__ import annotations

import argparse
import json
import time

from rescene4d_ros.cli.memory.query_actions import add_memory
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.questions.answer import answer_document, Outcome
from rescene4d_ros.questions.asking import ask, zone_of

NO_ANSWER = 1  # exit status where the question was not understood


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the memory, the question and how to answer it."""
    add_memory(parser)
    parser.add_argument(
        'question', nargs='+', help='in plain English, such as "where is the red chair?"'
    )
    parser.add_argument('--json', action='store_true', help='print facts for programs')
    add_time_zone(parser)


def add_time_zone(parser: argparse.ArgumentParser) -> None:
    """Declare the time zone of questions and answers."""
    parser.add_argument(
        '--time-zone',
        default='UTC',
        metavar='NAME',
        help='in which days begin and dates are written, such as Europe/Berlin; default: UTC',
    )


def run(options: argparse.Namespace) -> int:
    """Print the answer; 1 = the question was not understood."""
    zone = zone_of(options.time_zone)
    with SceneMemory.inspect(options.memory, options.url) as memory:
        answer = ask(memory, ' '.join(options.question), time.time_ns(), zone)
    if options.json:
        print(json.dumps(answer_document(answer), indent=1))
    else:
        print(answer.text)
    return NO_ANSWER if answer.outcome == Outcome.NOT_UNDERSTOOD else 0
