"""
Time phrases of a question, such as `since Tuesday` or `between 2026-11-20 and yesterday`.

Libraries that read dates return a moment. A question means the whole day, week or month, in the
past, and has to be told which of its words were no time at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from rescene4d_ros.questions.language.calendar import Calendar
from rescene4d_ros.questions.language.time_spans import day_before_month, span_at
from rescene4d_ros.questions.language.time_words import Found, LATEST, TimeWords, WEEKDAYS
from rescene4d_ros.questions.language.vocabulary import Token
from rescene4d_ros.questions.query import Period


def period_at(
    tokens: Sequence[Token], start: int, calendar: Calendar
) -> tuple[Period, int] | None:
    """
    Read the time phrase that begins at a word.

    Parameters
    ----------
    tokens : sequence of Token
    start : int
    calendar : Calendar

    Returns
    -------
    tuple of (Period, int) or None
        And the position after it; None where no phrase begins there.

    """
    words = TimeWords(tokens, calendar)
    try:
        found = _period(words, start)
    except (ValueError, OverflowError):  # no such day, or none that Python knows
        return None
    if found is None:
        return None
    (first, last), end = found
    return Period(first, last, ' '.join(token.text for token in tokens[start:end])), end


def _period(words: TimeWords, at: int) -> tuple[tuple[int | None, int | None], int] | None:
    """Read a preposition with its spans, or a span alone."""
    word = words.word(at)
    if word == 'from' and words.word(at - 1) in ('different', 'differs', 'difference'):
        word = 'since'
    if word in ('between', 'from'):
        both = _between(words, at)
        return both if both is not None or word == 'between' else span_at(words, at + 1)
    if word in ('on', 'at', 'in', 'during', 'within', 'over'):
        return span_at(words, at + 1)
    if word not in ('since', 'after', 'before', 'until', 'till', 'by'):
        return span_at(words, at)
    found = span_at(words, at + 1)
    if found is None:
        return None
    (start, after), end = found
    if word == 'since':
        return (_first_moment(words, at + 1, start), None), end
    if word == 'after':
        return (after, None), end
    return (None, start if word == 'before' else after), end


def _between(words: TimeWords, at: int) -> tuple[tuple[int | None, int | None], int] | None:
    """Read two spans with a word between them."""
    found = span_at(words, at + 1) or day_before_month(words, at + 1)
    if found is not None and words.word(found[1] - 1) == 'visits':  # `between the last two visits`
        return (found[0][0] + 1, found[0][1]), found[1]
    if found is None or words.word(found[1]) not in ('and', 'to', 'until', 'till'):
        return None
    until = span_at(words, found[1] + 1) or _second_visit(words, at + 1, found[1] + 1)
    if until is None:
        return None
    first = _first_moment(words, at + 1, found[0][0])
    if until[0][1] <= first and words.word(words.after_article(at + 1)) in WEEKDAYS:
        first = _a_week_before(words, first)  # `between Friday and Sunday`, asked on a Friday
    return (first, until[0][1]), until[1]


def _a_week_before(words: TimeWords, moment: int) -> int:
    """Return the first moment of the day a week before a moment."""
    day = words.calendar.at(moment).date() - timedelta(days=7)
    return words.calendar.day(day)[0]


def _second_visit(words: TimeWords, first: int, at: int) -> Found:
    """Read the number after `and` in `visit 2 and 3`."""
    stamps, number = words.calendar.visits, words.number(at)
    is_visit = words.word(first).removesuffix('s') == 'visit' and number in stamps
    return (words.calendar.instant(stamps[number or 0]), at + 1) if is_visit else None


def _first_moment(words: TimeWords, at: int, start: int) -> int:
    """Return where `since` begins: after a visit that is counted, because later ones differ."""
    at = words.after_article(at)
    is_counted = words.word(at) in ('visit', 'visits') or words.word(at + 1) in ('visit', 'visits')
    return start + 1 if is_counted and words.word(at) not in LATEST else start
