"""Words of times, with the calendar that they refer to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
import re

from rescene4d_ros.questions.language.calendar import Calendar, Span
from rescene4d_ros.questions.language.vocabulary import Token

WEEKDAYS = ('monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday')
MONTHS = (
    'january',
    'february',
    'march',
    'april',
    'may',
    'june',
    'july',
    'august',
    'september',
    'october',
    'november',
    'december',
)
NUMBERS = ('zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten')
UNITS = {
    'minute': timedelta(minutes=1),
    'hour': timedelta(hours=1),
    'day': timedelta(days=1),
    'week': timedelta(weeks=1),
    'month': timedelta(days=30),
    'year': timedelta(days=365),
}
LATEST = ('last', 'latest', 'newest', 'previous')
PREPOSITIONS = ('since', 'after', 'before', 'until', 'till', 'by', 'in', 'during', 'from', 'to')
Found = tuple[Span, int] | None  # and the position after the phrase


class TimeWords:
    """Hold the words of a question and the calendar."""

    def __init__(self, tokens: Sequence[Token], calendar: Calendar):
        self.tokens = tokens
        self.calendar = calendar

    def word(self, at: int) -> str:
        """Return a word; empty beyond the end and for a quotation."""
        is_word = 0 <= at < len(self.tokens) and self.tokens[at].kind != 'quote'
        return self.tokens[at].word if is_word else ''

    def kind(self, at: int) -> str:
        """Return the kind of a word; empty beyond the end."""
        return self.tokens[at].kind if at < len(self.tokens) else ''

    def number(self, at: int) -> int | None:
        """Return the whole number that a word stands for, by digits or letters."""
        word = self.word(at)
        if re.fullmatch(r'\d{1,4}', word):
            return int(word)
        if word in ('a', 'an'):
            return 1
        return NUMBERS.index(word) if word in NUMBERS else None

    def after_article(self, at: int) -> int:
        """Return the position after an article, where there is one."""
        return at + 1 if self.word(at) == 'the' else at
