"""Answer a question in plain English from a memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import tzinfo
import math
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.zones import read_zones
from rescene4d_ros.questions.answer import Answer, Outcome
from rescene4d_ros.questions.answers_by_kind import answer_objects
from rescene4d_ros.questions.answers_of_changes import answer_changes, answer_visits
from rescene4d_ros.questions.facts import Asked, Found, KnownFacts
from rescene4d_ros.questions.language.calendar import Calendar
from rescene4d_ros.questions.language.forms import FORMS
from rescene4d_ros.questions.language.pieces import Lexicon
from rescene4d_ros.questions.language.reading import read_question, Reading
from rescene4d_ros.questions.language.spelling import spelled
from rescene4d_ros.questions.language.time_phrases import period_at
from rescene4d_ros.questions.language.vocabulary import MOST_CHARACTERS, tokens_of, vocabulary
from rescene4d_ros.questions.query import Kind, Period, Query
from rescene4d_ros.structures import VisitStatus

ANSWERS = {
    Kind.CHANGES: answer_changes,
    Kind.LEAST_SURE: answer_changes,
    Kind.VISITS: answer_visits,
}


def ask(memory: SceneMemory, question: str, now_ns: int, zone: tzinfo) -> Answer:
    """
    Answer a question in plain English, without a language model.

    Parameters
    ----------
    memory : SceneMemory
        Open for reading or writing; nothing is written.
    question : str
        Such as `where is the red chair since Tuesday?`.
    now_ns : int, ns since the Unix epoch
        What `yesterday` and the like refer to.
    zone : tzinfo
        In which days begin and end, and in which dates are told.

    Returns
    -------
    Answer
        Also where the question is not understood: then it says what can be asked.

    Raises
    ------
    ConfigError
        The question is too long.
    FileFormatError
        The file of the zones is not as expected.
    MemoryDamagedError, StorageError
        The memory cannot be read.

    """
    if len(question) > MOST_CHARACTERS:
        raise ConfigError(
            f'expected a question of at most {MOST_CHARACTERS} characters, got {len(question)}; '
            'ask one thing at a time'
        )
    calendar = calendar_of(memory, now_ns, zone)
    names = tuple(memory.names().values())
    zones = read_zones(memory.path)
    lexicon = Lexicon.of(vocabulary(), memory.metadata.class_names, names, zones)
    tokens, corrected = spelled(tokens_of(question), lexicon)
    reading = read_question(tokens, lexicon, calendar)
    answer = _answer(memory, question, reading, calendar)
    if not corrected:
        return answer
    told = ', '.join(f'{wrong!r} as {right!r}' for wrong, right in corrected.items())
    return replace(answer, text=f'{answer.text}\nRead {told}.')


def answer_query(memory: SceneMemory, query: Query, calendar: Calendar) -> Answer:
    """Answer a query that a program made; see `ask`."""
    return _answer(memory, '', Reading(query, ()), calendar)


def calendar_of(memory: SceneMemory, now_ns: int, zone: tzinfo | None) -> Calendar:
    """Return what times refer to: now, a zone, and the processed visits of a memory."""
    visits = memory.visits(VisitStatus.DONE)
    return Calendar(now_ns, zone, {visit.visit_id: visit.stamp_ns for visit in visits})


def period_of(text: str, calendar: Calendar) -> Period | None:
    """
    Return the time that a phrase such as `since Tuesday` means; None for an empty one.

    Raises
    ------
    ConfigError
        It is no time.

    """
    tokens = tokens_of(text)  # of its first characters
    found = period_at(tokens, 0, calendar) if tokens and len(text) <= MOST_CHARACTERS else None
    if tokens and (found is None or found[1] < len(tokens)):
        raise ConfigError(
            'expected a time such as 2026-11-24, yesterday, since Tuesday or visit 3, '
            f'got {text[:80]!r}'
        )
    return found[0] if found else None


def zone_of(name: str) -> ZoneInfo:
    """
    Return a time zone by its name.

    Raises
    ------
    ConfigError
        This machine knows no such zone.

    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f'expected a time zone such as Europe/Berlin or UTC, got {name!r}; where the system '
            'has no time zones, `pip install tzdata` brings them'
        ) from error


def _answer(memory: SceneMemory, question: str, reading: Reading, calendar: Calendar) -> Answer:
    """Return the answer to a question with what it was made of."""
    revision, frame_id = memory.metadata.revision, memory.metadata.frame_id
    found = _found(memory, reading, calendar)
    return Answer(
        question,
        found.outcome,
        found.text + _ignored(reading),
        reading.query,
        found.objects,
        found.changes,
        reading.not_understood,
        revision,
        frame_id,
        calendar,
    )


def _found(memory: SceneMemory, reading: Reading, calendar: Calendar) -> Found:
    """Return the answer to what was understood of a question."""
    if not calendar.visits:
        return Found(Outcome.NOTHING_KNOWN, 'No visit is processed yet, so nothing is known.')
    if reading.query is None:
        return Found(Outcome.NOT_UNDERSTOOD, _what_can_be_asked(reading.reason))
    known = KnownFacts(memory, _until(reading.query, calendar))
    if not known.visits:
        first = calendar.text_of(min(calendar.visits.values()))
        return Found(Outcome.NOTHING_KNOWN, f'No visit was made by then; the first was {first}.')
    asked = Asked(reading.query, known, calendar)
    found = ANSWERS.get(reading.query.kind, answer_objects)(asked)
    period = reading.query.period
    if period is not None and (period.start_ns or -math.inf) > calendar.now_ns:
        return Found(
            found.outcome,
            f'"{period.text}" is in the future; this is what is known now.\n{found.text}',
            found.objects,
            found.changes,
        )
    return found


def _until(query: Query, calendar: Calendar) -> int | None:
    """Return the time up to which visits count; None = now."""
    end_ns = query.period.end_ns if query.period else None
    return None if end_ns is None or end_ns > calendar.now_ns else end_ns - 1


def _ignored(reading: Reading) -> str:
    """Return which words had no meaning."""
    if not reading.not_understood:
        return ''
    return '\nNot understood: ' + ', '.join(map(repr, reading.not_understood)) + '.'


def _what_can_be_asked(reason: str) -> str:
    """Return why a question has no answer, and examples of questions that have one."""
    examples = [form.example for form in FORMS if form.example]
    return f'Not answered: {reason}. What can be asked, for example:\n' + '\n'.join(
        f'- {example}' for example in examples
    )
