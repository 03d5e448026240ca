"""Since when changes are asked for, in the words of people and as visits."""

from __future__ import annotations

from bisect import bisect_left
from datetime import timedelta

from rescene4d_ros.questions.asking import period_of
from rescene4d_ros.questions.language.calendar import Calendar
from rescene4d_ros.questions.language.time_words import WEEKDAYS
from rescene4d_ros.view.browser.knowledge import Knowledge
from rescene4d_ros.view.report.local_time import LocalTime

DAYS_BY_NAME = range(2, 7)  # before today; nearer ones have words of their own
SPANS = ('this week', 'last week', 'this month', 'last month')


def since_choices(knowledge: Knowledge, clock: LocalTime, now_ns: int) -> dict[str, int]:
    """
    Return since when changes may be asked for: days, weeks and months as in questions, visits.

    Parameters
    ----------
    knowledge : Knowledge
    clock : LocalTime
        In whose zone days begin.
    now_ns : int, ns since the Unix epoch
        What the words refer to.

    Returns
    -------
    dict of str to int
        Position in `Knowledge.visits` of the last visit before that time, -1 = none; of a visit
        its own.

    """
    stamps = [visit.stamp_ns for visit in knowledge.visits]
    calendar = Calendar(now_ns, clock.zone, {v.visit_id: v.stamp_ns for v in knowledge.visits})
    found = {}
    for words in ('today', 'yesterday', *_names_of_days(calendar), *SPANS):
        period = period_of(f'since {words}', calendar)
        if period is not None and period.start_ns is not None:
            found[words] = bisect_left(stamps, period.start_ns) - 1
    visits = {f'{clock.text(v.stamp_ns)}, visit {v.visit_id}': v for v in knowledge.visits}
    return found | {text: k for k, text in enumerate(visits)}


def _names_of_days(calendar: Calendar) -> list[str]:
    """Return the names of the days of the last week, the latest first."""
    days = [calendar.today - timedelta(days=back) for back in DAYS_BY_NAME]
    return [WEEKDAYS[day.weekday()].capitalize() for day in days]
