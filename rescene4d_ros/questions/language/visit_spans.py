"""Visits of a memory as people count them."""

from __future__ import annotations

from rescene4d_ros.questions.language.time_words import Found, LATEST, TimeWords


def visit_at(words: TimeWords, at: int) -> Found:
    """Read `visit 3`, `last visit`, `the last two visits` or `two visits ago`."""
    stamps = words.calendar.visits
    if words.word(at) in ('visit', 'visits'):  # `visits 2 and 3`
        number = words.number(at + 1)
        if number is not None and number in stamps:
            return words.calendar.instant(stamps[number]), at + 2
    ordered = sorted(stamps.values())
    return _last(words, at, ordered) or _back(words, at, ordered)


def _last(words: TimeWords, at: int, ordered: list[int]) -> Found:
    """Read `last visit`, `first visit` or `the last two visits`."""
    word, number = words.word(at), words.number(at + 1)
    is_first = word in ('first', 'oldest')
    if not ordered or not (is_first or word in LATEST):
        return None
    if words.word(at + 1) == 'visit':
        return words.calendar.instant(ordered[0 if is_first else -1]), at + 2
    if words.word(at + 2) != 'visits' or not number:
        return None
    chosen = ordered[:number] if is_first else ordered[-number:]
    return (chosen[0], chosen[-1] + 1), at + 3


def _back(words: TimeWords, at: int, ordered: list[int]) -> Found:
    """Read `two visits ago`: one ago is the one before the last."""
    number, unit = words.number(at), words.word(at + 1)
    if number is None or unit not in ('visit', 'visits') or words.word(at + 2) not in BACK:
        return None
    if not 0 <= number < len(ordered):
        return None
    return words.calendar.instant(ordered[-1 - number]), at + 3


BACK = ('ago', 'back', 'earlier', 'before')
