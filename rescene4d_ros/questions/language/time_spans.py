"""Days, weeks, months, times and visits as people write them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import partial
import re

from rescene4d_ros.questions.language.calendar import Calendar, PARTS_OF_DAY, SECOND_NS
from rescene4d_ros.questions.language.time_words import (
    Found,
    MONTHS,
    PREPOSITIONS,
    TimeWords,
    UNITS,
    WEEKDAYS,
)
from rescene4d_ros.questions.language.visit_spans import visit_at

BEFORE_DAYS = ('on', 'since', 'after', 'before', 'until', 'till', 'by')  # `the 22nd`
MOST_BACK = 62  # days; each day of the month is in the latest 62


def span_at(words: TimeWords, at: int) -> Found:
    """Read a day, week, month, time or visit."""
    at = words.after_article(at)
    for read in (
        visit_at,
        _ago,
        _recent,
        _night,
        _named_span,
        _day_with_time,
        _month,
        _clock_alone,
    ):
        found = read(words, at)
        if found is not None:
            return found
    return None


def _ago(words: TimeWords, at: int) -> Found:
    """Read `3 days ago`: that day; of hours and minutes, that moment."""
    is_couple = (words.word(at + 1), words.word(at + 2)) == ('couple', 'of')
    number = 2 if is_couple else words.number(at)
    at += 2 * is_couple  # `a couple of days ago`
    unit = words.word(at + 1).removesuffix('s')
    if number is None or unit not in UNITS or words.word(at + 2) != 'ago':
        return None
    calendar = words.calendar
    then = calendar.now - number * UNITS[unit]
    if unit in ('hour', 'minute'):
        ns = calendar.now_ns - round(number * UNITS[unit].total_seconds()) * SECOND_NS
        return calendar.instant(ns), at + 3
    if unit == 'month':
        months = calendar.now.year * 12 + calendar.now.month - 1 - number
        return calendar.month(months // 12, months % 12 + 1), at + 3
    return calendar.day(then.date()), at + 3


def _recent(words: TimeWords, at: int) -> Found:
    """Read `last 3 days` and `past week`: from then to now."""
    if words.word(at) not in ('last', 'past', 'previous'):
        return None
    is_one = words.word(at) == 'past' and words.word(at + 1) in UNITS
    number, end = (1, at + 1) if is_one else (words.number(at + 1), at + 2)
    unit = words.word(end).removesuffix('s')
    if number is None or unit not in UNITS:
        return None
    length = round(number * UNITS[unit].total_seconds()) * SECOND_NS
    return (words.calendar.now_ns - length, words.calendar.now_ns + 1), end + 1


def _night(words: TimeWords, at: int) -> Found:
    """Read `last night`, `the weekend` and `last weekend`, which is the latest that began."""
    calendar = words.calendar
    today = calendar.today
    if (words.word(at), words.word(at + 1)) == ('last', 'night'):
        evening = datetime.combine(today - timedelta(days=1), time(18))
        return calendar.between(evening, evening + timedelta(hours=12)), at + 2
    end = at + 1 if words.word(at) in ('last', 'this') else at
    if words.word(end) != 'weekend':
        return None
    saturday = today - timedelta(days=(today.weekday() - 5) % 7)
    return calendar.days(saturday, saturday + timedelta(days=2)), end + 1


def _named_span(words: TimeWords, at: int) -> Found:
    """Read `this week`, `last month` and the like."""
    which, unit = words.word(at), words.word(at + 1)
    if which not in ('this', 'last', 'previous') or unit not in ('week', 'month', 'year'):
        return None
    calendar, back = words.calendar, which != 'this'
    today = calendar.today
    if unit == 'week':
        monday = today - timedelta(days=today.weekday() + 7 * back)
        return calendar.days(monday, monday + timedelta(days=7)), at + 2
    if unit == 'year':
        year = today.year - back
        return calendar.days(date(year, 1, 1), date(year + 1, 1, 1)), at + 2
    months = today.year * 12 + today.month - 1 - back
    return calendar.month(months // 12, months % 12 + 1), at + 2


def _day_with_time(words: TimeWords, at: int) -> Found:
    """Read a day, and the part of the day or the time that follows it."""
    calendar = words.calendar
    if words.kind(at) == 'date' and 't' in words.word(at):
        return _moment(words, at)
    if words.word(at) == 'this' and words.word(at + 1) in PARTS_OF_DAY:
        return calendar.part_of(calendar.today, words.word(at + 1)), at + 2
    found = _day(words, at)
    if found is None:
        return None
    day, end = found
    after = end + 1 if words.word(end) in ('at', 'in') else end
    after = words.after_article(after)
    if words.word(after) in PARTS_OF_DAY:
        return calendar.part_of(day, words.word(after)), after + 1
    clock = _clock(words, after)
    if clock is not None:
        return calendar.minute(day, clock[0]), clock[1]
    return calendar.day(day), end


def _moment(words: TimeWords, at: int) -> Found:
    """Read an ISO date with time, and perhaps its offset from UTC."""
    moment = datetime.fromisoformat(words.word(at).upper())
    if moment.tzinfo is None:
        return words.calendar.minute(moment.date(), moment.time()), at + 1
    return words.calendar.instant(round(moment.timestamp()) * SECOND_NS), at + 1


def _day(words: TimeWords, at: int) -> tuple[date, int] | None:
    """Read a day: a date, a weekday, or one relative to today."""
    word, today = words.word(at), words.calendar.today
    if words.kind(at) == 'date':
        return date.fromisoformat(word), at + 1
    if (short := _short_date(words, at)) is not None:
        return short
    if word in ('today', 'yesterday'):
        return today - timedelta(days=word == 'yesterday'), at + 1
    if (word, words.word(at + 1), words.word(at + 2)) == ('day', 'before', 'yesterday'):
        return today - timedelta(days=2), at + 3
    is_last = word in ('last', 'previous')
    name = words.word(at + is_last)
    if name in WEEKDAYS and not is_last:
        week = _named_span(words, words.after_article(at + 1))
        if week is not None and words.word(week[1] - 1) == 'week':  # `Friday last week`
            monday = words.calendar.at(week[0][0]).date()
            return monday + timedelta(days=WEEKDAYS.index(name)), week[1]
    if name in WEEKDAYS:
        back = (today.weekday() - WEEKDAYS.index(name)) % 7
        return today - timedelta(days=back or 7 * is_last), at + is_last + 1
    return _day_of_month(words, at) or _day_alone(words, at)


def _short_date(words: TimeWords, at: int) -> tuple[date, int] | None:
    """Read `24.11`, and `11/24` or `24/11` where only one of both orders is a date."""
    dotted = re.fullmatch(r'(\d{1,2})\.(\d{1,2})', words.word(at))
    if dotted is not None:
        day_of = partial(date, month=int(dotted[2]), day=int(dotted[1]))
        return _latest(words.calendar, day_of), at + 1
    first, second = words.number(at), re.fullmatch(r'/(\d{1,2})', words.word(at + 1))
    if first is None or second is None:
        return None
    low, high = sorted((first, int(second[1])))
    if high <= 12 and low != high:  # two dates, one for each order
        return None
    return _latest(words.calendar, partial(date, month=low, day=high)), at + 2


def _day_of_month(words: TimeWords, at: int) -> tuple[date, int] | None:
    """Read `24 November`, `November 24th` and the like; without a year the latest such day."""
    for day_at, month_at in ((at, at + 1), (at + 1, at)):
        day = re.fullmatch(r'(\d{1,2})(?:st|nd|rd|th)?', words.word(day_at))
        if words.word(month_at) == 'of' and day_at < month_at:
            month_at += 1
        month = _month_number(words.word(month_at))
        if day is None or month is None:
            continue
        end = max(day_at, month_at) + 1
        year = words.number(end)
        if year is not None and year >= 1970:
            return date(year, month, int(day[1])), end + 1
        return _latest(words.calendar, partial(date, month=month, day=int(day[1]))), end
    return None


def _day_alone(words: TimeWords, at: int) -> tuple[date, int] | None:
    """Read `on the 22nd`: the latest such day that is not in the future."""
    day = re.fullmatch(r'(\d{1,2})(?:st|nd|rd|th)', words.word(at))
    is_time = words.word(at - 1) == 'the' and words.word(at - 2) in BEFORE_DAYS
    if day is None or not is_time:
        return None
    days = (words.calendar.today - timedelta(days=back) for back in range(MOST_BACK))
    found = next((one for one in days if one.day == int(day[1])), None)
    return None if found is None else (found, at + 1)


def day_before_month(words: TimeWords, at: int) -> Found:
    """Read the first day in `3 and 10 March`, which is of the month of the second one."""
    at = words.after_article(at)
    number = re.fullmatch(r'(\d{1,2})(?:st|nd|rd|th|\.)?', words.word(at))
    second = _day_of_month(words, words.after_article(at + 2))
    is_joined = words.word(at + 1) in ('and', 'to', 'until', 'till')
    if number is None or second is None or not is_joined:
        return None
    return words.calendar.day(second[0].replace(day=int(number[1]))), at + 1


def _month(words: TimeWords, at: int) -> Found:
    """Read the name of a month, perhaps with its year."""
    month = _month_number(words.word(at))
    is_verb = words.word(at) in ('may', 'march') and words.word(at - 1) not in PREPOSITIONS
    if month is None or (is_verb and words.number(at + 1) is None):
        return None
    year = words.number(at + 1)
    if year is not None and year >= 1970:
        return words.calendar.month(year, month), at + 2
    first = _latest(words.calendar, partial(date, month=month, day=1))
    return words.calendar.month(first.year, month), at + 1


def _latest(calendar: Calendar, day_of: Callable[[int], date]) -> date:
    """Return the latest of the days, one per year, that is not in the future."""
    this = day_of(calendar.today.year)
    return this if this <= calendar.today else day_of(calendar.today.year - 1)


def _month_number(word: str) -> int | None:
    """Return 1 to 12 for a name of a month or its first three letters."""
    short = word.removesuffix('.')
    for number, name in enumerate(MONTHS, 1):
        if short in (name, name[:3]) or (short, name) == ('sept', 'september'):
            return number
    return None


def _clock(words: TimeWords, at: int) -> tuple[time, int] | None:
    """Read a time of day: `15:30`, `3 pm` or `3pm`."""
    joined = words.word(at) + (words.word(at + 1) if words.word(at + 1) in ('am', 'pm') else '')
    end = at + 1 if joined == words.word(at) else at + 2
    match = re.fullmatch(r'(\d{1,2})(?::(\d{2}))?(?::\d{2})?(am|pm)?', joined)
    if match is None or (match[2] is None and match[3] is None):
        return None
    hour = int(match[1]) % 12 + 12 * (match[3] == 'pm') if match[3] else int(match[1])
    return time(hour, int(match[2] or 0)), end


def _clock_alone(words: TimeWords, at: int) -> Found:
    """Read a time of day without a day: the latest that has passed."""
    clock = _clock(words, at)
    if clock is None:
        return None
    calendar = words.calendar
    span = calendar.minute(calendar.today, clock[0])
    if span[0] > calendar.now_ns:
        span = calendar.minute(calendar.today - timedelta(days=1), clock[0])
    return span, clock[1]
