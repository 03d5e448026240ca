"""What questions mean: times in zones with clock changes, colors, other words for classes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import product
import time
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from rescene4d_ros.questions.language.calendar import Calendar
from rescene4d_ros.questions.language.forms import FORMS
from rescene4d_ros.questions.language.pieces import Lexicon
from rescene4d_ros.questions.language.reading import read_question
from rescene4d_ros.questions.language.time_phrases import period_at
from rescene4d_ros.questions.language.vocabulary import (
    lab_of,
    names_of_color,
    tokens_of,
    vocabulary,
)
from rescene4d_ros.questions.query import Kind
from rescene4d_ros.structures import INSTANCE_CLASSES

BERLIN, NEW_YORK = ZoneInfo('Europe/Berlin'), ZoneInfo('America/New_York')
SECOND_NS = 10**9
HOUR_NS = 3600 * SECOND_NS


def ns(text: str, zone=BERLIN) -> int:
    """Return a local time as ns since the Unix epoch."""
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * SECOND_NS


def period(text, zone=BERLIN, now='2026-11-26T12:00', visits=()):
    """Return the span of a phrase that is a time as a whole."""
    tokens = tokens_of(text)
    found = period_at(tokens, 0, Calendar(ns(now, zone), zone, dict(visits)))
    if found is None or found[1] != len(tokens):
        return None
    return found[0].start_ns, found[0].end_ns


@pytest.mark.parametrize(
    ('text', 'start', 'end'),
    [
        ('yesterday', '2026-11-25', '2026-11-26'),
        ('today', '2026-11-26', '2026-11-27'),
        ('the day before yesterday', '2026-11-24', '2026-11-25'),
        ('Thursday', '2026-11-26', '2026-11-27'),
        ('last Thursday', '2026-11-19', '2026-11-20'),
        ('on Tuesday', '2026-11-24', '2026-11-25'),
        ('Monday this week', '2026-11-23', '2026-11-24'),
        ('on Sunday of last week', None, None),
        ('last week', '2026-11-16', '2026-11-23'),
        ('this month', '2026-11-01', '2026-12-01'),
        ('last year', '2025-01-01', '2026-01-01'),
        ('in November', '2026-11-01', '2026-12-01'),
        ('in December', '2025-12-01', '2026-01-01'),
        ('24 November', '2026-11-24', '2026-11-25'),
        ('the 24th of November 2025', '2025-11-24', '2025-11-25'),
        ('Nov 30', '2025-11-30', '2025-12-01'),
        ('March 1st', '2026-03-01', '2026-03-02'),
        ('2 days ago', '2026-11-24', '2026-11-25'),
        ('a week ago', '2026-11-19', '2026-11-20'),
        ('2 months ago', '2026-09-01', '2026-10-01'),
        ('2026-11-24', '2026-11-24', '2026-11-25'),
        ('yesterday morning', '2026-11-25T05:00', '2026-11-25T12:00'),
        ('yesterday at 15:30', '2026-11-25T15:30', '2026-11-25T15:31'),
        ('Tuesday 3pm', '2026-11-24T15:00', '2026-11-24T15:01'),
        ('at 11:00', '2026-11-26T11:00', '2026-11-26T11:01'),
        ('at 13:00', '2026-11-25T13:00', '2026-11-25T13:01'),
        ('12 am', '2026-11-26T00:00', '2026-11-26T00:01'),
        ('2026-11-24T15:30', '2026-11-24T15:30', '2026-11-24T15:31'),
        ('between 2026-11-20 and yesterday', '2026-11-20', '2026-11-26'),
        ('from Monday to Tuesday', '2026-11-23', '2026-11-25'),
        ('24.11.', '2026-11-24', '2026-11-25'),
        ('11/24', '2026-11-24', '2026-11-25'),
        ('24/11', '2026-11-24', '2026-11-25'),
        ('5/6', None, None),
        ('a couple of days ago', '2026-11-24', '2026-11-25'),
        ('over the weekend', '2026-11-21', '2026-11-23'),
        ('last night', '2026-11-25T18:00', '2026-11-26T06:00'),
        ('2026-02-30', None, None),
        ('0 November', None, None),
        ('25:10', None, None),
        ('9999-12-31', None, None),
        ('may', None, None),
        ('tomorrow', None, None),
        ('999999 years ago', None, None),
    ],
)
def test_times(text, start, end):
    expected = None if start is None else (ns(start), ns(end))
    assert period(text) == expected


def test_open_ends():
    assert period('since Tuesday') == (ns('2026-11-24'), None)
    assert period('after Tuesday') == (ns('2026-11-25'), None)
    assert period('before Tuesday') == (None, ns('2026-11-24'))
    assert period('until Tuesday') == (None, ns('2026-11-25'))
    now = ns('2026-11-26T12:00')
    assert period('in the last 3 hours') == (now - 3 * HOUR_NS, now + 1)
    assert period('2026-11-24T15:30+05:00')[0] == ns('2026-11-24T11:30')


def test_visits():
    """Changes since a numbered visit are those of later visits; the last one is meant itself."""
    visits = {7: 100, 9: 200}
    assert period('at visit 7', visits=visits) == (100, 101)
    assert period('since visit 7', visits=visits) == (101, None)
    assert period('between visit 7 and visit 9', visits=visits) == (101, 201)
    assert period('since the last visit', visits=visits) == (200, None)
    assert period('at the first visit', visits=visits) == (100, 101)
    assert period('two visits ago', visits={**visits, 10: 300}) == (100, 101)
    assert period('since 1 visit ago', visits=visits) == (101, None)
    assert period('in the last two visits', visits={5: 50, **visits}) == (100, 201)
    assert period('between the last two visits', visits=visits) == (101, 201)
    assert period('nine visits ago', visits=visits) is None
    assert period('at visit 8', visits=visits) is None
    assert period('since the last visit') is None


def test_days_where_clocks_change():
    """A day has 25 or 23 hours; a time that clocks show twice is both, one they skip is there."""
    for day, hours in (('2026-10-25', 25), ('2026-03-29', 23), ('2026-10-26', 24)):
        start, end = period(day)
        assert end - start == hours * HOUR_NS
    start, end = period('2026-10-25 02:30')
    assert end - start == HOUR_NS + 60 * SECOND_NS
    start, end = period('2026-03-29 02:30')
    assert end - start == 60 * SECOND_NS
    assert start == ns('2026-03-29T03:30')
    week = period('last week', NEW_YORK, '2026-11-04T12:00')
    assert week == (ns('2026-10-26', NEW_YORK), ns('2026-11-02', NEW_YORK))
    assert week[1] - week[0] == (7 * 24 + 1) * HOUR_NS


def test_a_day_is_that_of_the_zone():
    """At 23:30 in New York it is tomorrow in Berlin."""
    now = datetime(2026, 11, 26, 23, 30, tzinfo=NEW_YORK)
    calendar = Calendar(round(now.timestamp()) * SECOND_NS, BERLIN, {})
    assert calendar.today - now.date() == timedelta(days=1)


def test_days_of_this_machine_are_those_of_its_zone(monkeypatch):
    """Without a zone days are those of the machine, the longer one of October, too."""
    monkeypatch.setenv('TZ', 'Europe/Berlin')
    time.tzset()
    try:
        of_machine, of_berlin = Calendar(0, None, {}), Calendar(0, BERLIN, {})
        for day in (date(2026, 10, 25), date(2026, 3, 29), date(2026, 7, 1)):
            assert of_machine.day(day) == of_berlin.day(day)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.fixture
def read():
    """Return a function that reads a question with the classes of the shipped weights."""
    lexicon = Lexicon.of(vocabulary(), INSTANCE_CLASSES, ["Anna's desk", 'fridge', 'is'])
    return lambda text: read_question(tokens_of(text), lexicon, Calendar(0, BERLIN, {1: 0}))


@pytest.mark.parametrize(
    ('words', 'classes'),
    [
        ('couches', ('sofa',)),
        ('shelves', ('bookshelf',)),
        ('shower curtains', ('shower curtain',)),
        ('curtain', ('curtain',)),
        ('chests of drawers', None),
        ('chest of drawers', ('cabinet',)),
        ('lamps', ()),
        ('paintings', ('picture',)),
    ],
)
def test_other_words_for_classes(read, words, classes):
    reading = read(f'where is the {words}')
    found = reading.query.subjects[0].class_names if reading.query else None
    assert found == classes


def test_names_come_first_but_not_those_that_are_grammar(read):
    assert read("where is Anna's desk").query.subjects[0].name == "anna's desk"
    assert read('where is the fridge').query.subjects[0].name == 'fridge'
    assert read('where is the chair').query.subjects[0].class_names == ('chair',)


def test_every_example_is_understood(read):
    """What an answer proposes to ask can be asked."""
    examples = [form.example for form in FORMS if form.example]
    assert {read(text).query.kind for text in examples} == set(Kind)
    assert all(read(text).not_understood == () for text in examples)


def test_every_color_has_a_name():
    """No measured color lies between the ranges of the table."""
    table = vocabulary().colors
    unnamed = [
        rgb
        for rgb in product(range(0, 256, 15), repeat=3)
        if not names_of_color(np.array(rgb), table)
    ]
    assert unnamed == []


@pytest.mark.parametrize(
    ('rgb', 'name'),
    [
        ((190, 50, 45), 'red'),
        ((100, 30, 30), 'red'),
        ((139, 69, 19), 'brown'),
        ((160, 120, 80), 'brown'),
        ((245, 245, 220), 'beige'),
        ((255, 165, 0), 'orange'),
        ((230, 220, 60), 'yellow'),
        ((60, 110, 70), 'green'),
        ((0, 160, 160), 'turquoise'),
        ((60, 70, 120), 'blue'),
        ((128, 0, 128), 'purple'),
        ((255, 192, 203), 'pink'),
        ((250, 250, 250), 'white'),
        ((128, 128, 128), 'gray'),
        ((15, 15, 15), 'black'),
    ],
)
def test_colors_have_the_names_that_people_give(rgb, name):
    assert names_of_color(np.array(rgb), vocabulary().colors)[0] == name


def test_lab_is_that_of_the_standard():
    """CIELAB (D50) of sRGB red, green and blue, as Lindbloom's calculator gives them."""
    for rgb, expected in (
        ((255, 0, 0), (54.29, 80.80, 69.89)),
        ((0, 255, 0), (87.82, -79.27, 80.99)),
        ((0, 0, 255), (29.57, 68.30, -112.03)),
    ):
        assert lab_of(np.array(rgb)) == pytest.approx(expected, abs=1.2)
