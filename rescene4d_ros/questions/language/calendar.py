"""Days, weeks, months and times of day of a time zone as spans of nanoseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo, UTC
from functools import cached_property

SECOND_NS = 10**9
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Span = tuple[int, int]  # first moment and first moment after it, ns since the Unix epoch
PARTS_OF_DAY = {
    'morning': (time(5), time(12)),
    'afternoon': (time(12), time(18)),
    'evening': (time(18), time.max),
    'noon': (time(12), time(12, 1)),
}


@dataclass(frozen=True)
class Calendar:
    """
    Hold what times in a question refer to.

    Attributes
    ----------
    now_ns : int, ns since the Unix epoch
    zone : tzinfo or None
        Days begin and end at its midnight; None = the zone of this machine.
    visits : mapping of int to int
        Stamp of each processed visit by visit id, ns since the Unix epoch; in stamp order.

    """

    now_ns: int
    zone: tzinfo | None
    visits: Mapping[int, int]

    @cached_property
    def now(self) -> datetime:
        """Return the present time of the zone."""
        return self.at(self.now_ns)

    @property
    def today(self) -> date:
        """Return the present day of the zone."""
        return self.now.date()

    def days(self, first: date, after: date) -> Span:
        """Return the span from the midnight that begins a day to that which begins a later one."""
        return self.between(datetime.combine(first, time()), datetime.combine(after, time()))

    def day(self, day: date) -> Span:
        """Return the span of a day, which has 23 or 25 hours where clocks change."""
        return self.days(day, day + timedelta(days=1))

    def part_of(self, day: date, part: str) -> Span:
        """Return the span of a part of a day, a key of `PARTS_OF_DAY`."""
        start, end = (datetime.combine(day, at) for at in PARTS_OF_DAY[part])
        return self.between(start, end)

    def minute(self, day: date, at: time) -> Span:
        """Return the minute of a wall clock; both, where clocks show it twice that day."""
        start = datetime.combine(day, at)
        return self.between(start, start + MINUTE)

    def month(self, year: int, month: int) -> Span:
        """Return the span of a month."""
        first = date(year, month, 1)
        return self.days(first, (first + timedelta(days=31)).replace(day=1))

    def instant(self, ns: int) -> Span:
        """Return the shortest span that holds a moment."""
        return ns, ns + 1

    def between(self, start: datetime, end: datetime) -> Span:
        """Return the span between two times of a wall clock without zone."""
        start_ns = _nanoseconds(start.replace(tzinfo=self.zone, fold=0))
        end_ns = _nanoseconds(end.replace(tzinfo=self.zone, fold=1))
        if end_ns <= start_ns:  # clocks never showed it: they were set forward
            end_ns = start_ns + round((end - start).total_seconds()) * SECOND_NS
        return start_ns, end_ns

    def at(self, ns: int) -> datetime:
        """Return a moment (ns since the Unix epoch) in the zone, to the second."""
        return (EPOCH + timedelta(seconds=ns // SECOND_NS)).astimezone(self.zone)

    def text_of(self, ns: int) -> str:
        """Return a moment as people read it: day, minute and zone."""
        return self.at(ns).strftime('%Y-%m-%d %H:%M %Z')


def _nanoseconds(at: datetime) -> int:
    """Return a time, without zone of this machine, as ns since the Unix epoch."""
    return round(((at if at.tzinfo else at.astimezone()) - EPOCH).total_seconds()) * SECOND_NS
