"""Questions to a memory that the tracker made, each with its right answer."""

from __future__ import annotations

from datetime import datetime, UTC
import json
import shutil
import sys

from hypothesis import given, strategies
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory.editing import corrections
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.questions.answer import answer_document, Outcome
from rescene4d_ros.questions.asking import ask, zone_of
from rescene4d_ros.structures import ChangeKind, ObjectState

SECOND_NS = 10**9
BED, TABLE, RED, BLUE, LAMP, SOFA = range(1, 7)
REMOVED, MOVED, ADDED = ChangeKind.REMOVED, ChangeKind.MOVED, ChangeKind.ADDED
NOW = round(datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp()) * SECOND_NS  # a Friday
YES, NO_SUCH, WHICH = Outcome.ANSWERED, Outcome.NOT_FOUND, Outcome.AMBIGUOUS
NO_VISIT, WHAT = Outcome.NOTHING_KNOWN, Outcome.NOT_UNDERSTOOD


@pytest.fixture(scope='module')
def memory(home):
    """Return the memory, open for reading."""
    with SceneMemory.inspect(home) as opened:
        yield opened


@pytest.fixture
def own(home, tmp_path):
    """Return a copy of the memory, open for corrections."""
    shutil.copytree(home, tmp_path / 'copy')
    with SceneMemory.edit(tmp_path / 'copy') as opened:
        yield opened


def answer_to(memory, question, zone='UTC', now=NOW):
    """Return the answer to a question."""
    return ask(memory, question, now, zone_of(zone))


# Question, outcome, objects, kinds of changes, and what the sentences say.
QUESTIONS = [
    # Where.
    ('where is the red chair?', YES, [RED], [], 'Chair 3 is at (5.25, 2.4'),
    ('Where is the RED chair since Tuesday?', YES, [RED], [MOVED], 'since Tuesday (from'),
    ('where was the red chair on Monday', YES, [RED], [], 'at (3.25, 1.25'),
    ('where was the red chair on 2026-11-20', YES, [RED], [], 'observed at visit 1'),
    ('where was the red chair at visit 2', YES, [RED], [], 'observed at visit 2'),
    ('where was the red chair before Tuesday?', YES, [RED], [], 'observed at visit 2'),
    ('where was the red chair 3 days ago', YES, [RED], [MOVED], 'observed at visit 3'),
    ('where was the chair 3 on Nov 22', YES, [RED], [], 'at (3.25, 1.25'),
    ('where is object 3', YES, [RED], [], '(5.25'),
    ('find #4', YES, [BLUE], [], '"reading chair" (chair 4)'),
    ('where is the reading chair?', YES, [BLUE], [], 'at (4.05'),
    ('where is "Reading Chair"?', YES, [BLUE], [], 'at (4.05'),
    ('where is the chair?', WHICH, [RED, BLUE], [], '2 objects may be meant by "chair"'),
    ('where are the chairs?', YES, [RED, BLUE], [], '2 objects'),
    ('where is the red or blue chair', YES, [RED, BLUE], [], '2 objects'),
    ("where's the couch?", YES, [SOFA], [], 'since 2026-11-24 09:00 UTC'),
    ('where is the red chair and the lamp', YES, [RED, LAMP], [], 'Lamp 5 is gone'),
    ('where is the bed?', YES, [BED], [], 'not observed at the last visit, visit 4'),
    ('where was the bed on Tuesday', YES, [BED], [], 'Bed 1 was at'),
    ('where is the lamp?', YES, [LAMP], [], 'observed empty on 2026-11-22 09:00 UTC'),
    ('where was the lamp on 20 November 2026?', YES, [LAMP], [], 'Lamp 5 was at'),
    ('where is the fridge', NO_SUCH, [], [], 'no refrigerator is known'),
    ('where is the green chair', NO_SUCH, [], [], 'none has the color green: chair 3 is red'),
    ('where is the tv', NO_SUCH, [], [], 'no class for "tv"'),
    ('where is object 99', NO_SUCH, [], [], 'no object 99'),
    ('where is bed 3', NO_SUCH, [], [], 'object 3 is a chair'),
    ('where is "the throne"', NO_SUCH, [], [], 'no object is called "the throne"'),
    ('where was the sofa on Sunday', NO_SUCH, [], [], 'no sofa was known by then'),
    ('where was the sofa before 2020-01-01', NO_VISIT, [], [], 'the first was 2026-11-20'),
    # Seen, gone, there.
    ('when was the bed last seen?', YES, [BED], [], 'last seen 2026-11-24 09:00 UTC'),
    ('when did you last see the lamp', YES, [LAMP], [], 'gone'),
    ('when was the sofa first seen?', YES, [SOFA], [], 'first seen 2026-11-24'),
    ('since when is the lamp gone?', YES, [LAMP], [], 'between 2026-11-20 09:00 UTC'),
    ('when did the lamp disappear?', YES, [LAMP], [], 'and 2026-11-22 09:00 UTC'),
    ('since when is the table gone?', YES, [TABLE], [], 'not known to be gone'),
    ('how long has the sofa been there?', YES, [SOFA], [], 'since 2026-11-24 09:00 UTC'),
    ('is the table still there?', YES, [TABLE], [], 'There: table 2'),
    ('is the table gone?', YES, [TABLE], [], 'There: table 2'),
    ("isn't the lamp gone?", WHAT, [], [], "'not' would turn the question"),
    ('is the lamp gone?', YES, [LAMP], [], 'Gone: lamp 5 is gone'),
    ('is the lamp no longer there', YES, [LAMP], [], 'Gone: lamp 5 is gone'),
    ('is the bed still there?', YES, [BED], [], 'Not known: bed 1'),
    ('is there a chair near the table?', YES, [RED, BLUE], [], 'There: chair 3'),
    ('is there a unicorn?', WHAT, [], [], "called 'unicorn'"),
    ('what is gone?', YES, [LAMP], [], '1 gone'),
    ('is anything missing since Tuesday?', YES, [], [], 'Nothing is gone since Tuesday'),
    ('what was not seen?', YES, [BED], [], 'not observed at visit 4'),
    ("what wasn't observed at visit 3", YES, [], [], 'was observed at visit 3'),
    # How many, which.
    ('how many chairs are there?', YES, [RED, BLUE], [], '2, as of visit 4'),
    ('how many lamps are there', YES, [], [], '0, as of visit 4'),
    ('how many lamps were there on Friday last week', YES, [LAMP], [], '1, as of visit 1'),
    ('how many lamps were there last Friday', YES, [LAMP], [], '1, as of visit 1'),
    ('list all tables', YES, [TABLE], [], 'Table 2'),
    ('what is there?', YES, [BED, TABLE, RED, BLUE, SOFA], [], '5 objects'),
    ('which chairs are red', YES, [RED], [], '1 object'),
    ('what is next to the table?', YES, [RED, BLUE], [], '2 objects'),
    (
        'what is within 10 cm of the table',
        NO_SUCH,
        [],
        [],
        'no such object is known within 0.1 m of table',
    ),
    ('what is near the lamp', NO_SUCH, [], [], 'lamp: gone'),
    ('what is in the box 0 0 0 to 3 3 3', YES, [BED], [], '1 object'),
    ('what color is the sofa?', YES, [SOFA], [], 'Sofa 6 is green'),
    # Changes.
    ('what changed?', YES, [], [REMOVED, MOVED, ADDED], '3 changes'),
    ('what changed since Tuesday?', YES, [], [MOVED, ADDED], '2 changes since Tuesday'),
    ('what has changed since visit 2', YES, [], [MOVED, ADDED], '2 changes'),
    ('what changed since the last visit?', YES, [], [], 'No change was found'),
    ('what changed between 2026-11-21 and 2026-11-22', YES, [], [REMOVED], '1 change between'),
    ('what changed last week?', YES, [], [REMOVED], 'from 2026-11-16 00:00 UTC'),
    ('what moved this week?', YES, [], [MOVED], '1 change this week'),
    ('what was added in the last 4 days', YES, [], [ADDED], 'sofa 6'),
    ('what is new since Sunday', YES, [], [ADDED], 'sofa 6'),
    ('what happened to the lamp?', YES, [], [REMOVED], 'removed from'),
    ('has the reading chair moved?', YES, [], [], 'No such change was found'),
    ('what changed near the sofa', YES, [], [], 'No such change'),
    ('what changed in the kitchen', WHAT, [], [], "place at 'in' is not one"),
    ('what is on the table', WHAT, [], [], "place at 'on' is not one"),
    # The region where the lamp was makes its removal surer than the sofa is new.
    ('which change is least sure?', YES, [], [ADDED], 'Least sure of 3 changes'),
    ('what changed yesterday evening', NO_VISIT, [], [], 'No visit was made yesterday evening'),
    # Not understood.
    ('where is the unicorn?', WHAT, [], [], "called 'unicorn'"),
    ('where is it?', WHAT, [], [], 'does not say which object'),
    ('which chairs are not red', YES, [BLUE], [], '1 object'),
    ('what is not a chair', YES, [BED, TABLE, SOFA], [], '3 objects'),
    ('chairs not within 0.35 m of the table', YES, [RED], [], '1 object'),
    ('what is not in the box 2 2 0 to 6 6 3', YES, [BED, SOFA], [], '2 objects'),
    ('what did not move', WHAT, [], [], "'not' would turn"),
    ('everything but the table and the bed', YES, [RED, BLUE, LAMP, SOFA], [], 'Lamp 5 is gone'),
    ('what changed except chairs', YES, [], [REMOVED, ADDED], 'was removed'),
    ('what is no longer there?', YES, [LAMP], [], '1 gone'),
    ("what haven't you seen at the last visit", YES, [BED], [], 'not observed at visit 4'),
    ('do we still have a lamp', YES, [LAMP], [], 'Gone: '),
    ('since when do we have the sofa', YES, [SOFA], [], 'since 2026-11-24'),
    ('where was the red chair before it moved', YES, [], [MOVED], 'from (3.25, 1.25, 0.45) m'),
    ('is the sofa red', NO_SUCH, [], [], 'sofa 6 is green'),
    ('is the sofa green', YES, [SOFA], [], 'Sofa 6 is green'),
    ('how big is the table', YES, [TABLE], [], '1.20 m long, 0.80 m wide and 0.75 m high'),
    ('how many visits were there', YES, [], [], '4 visits'),
    ('what changed in the last two visits', YES, [], [MOVED, ADDED], '2 changes'),
    ('whats new since two visits ago', YES, [], [ADDED], 'was added'),
    ('what are you unsure about', YES, [], [ADDED], 'Least sure of 3'),
    ('who moved the chair', WHAT, [], [], 'does not know who'),
    ('tell me about the lamp', YES, [LAMP], [], 'Lamp 5 is gone'),
    ('wher is the tabel', YES, [TABLE], [], "Read 'wher' as 'where', 'tabel' as 'table'."),
    ('where is the readng chair', YES, [BLUE], [], 'reading chair'),
    ('where is the dog', WHAT, [], [], "is called 'dog'"),
    ('where was the bed before 2026-02-30', WHAT, [], [], "'before 2026-02-30' is no time"),
    ('where was the bed on Sunday on Tuesday', WHAT, [], [], 'are two times'),
    ('where was the bed at visit 99', WHAT, [], [], "'visit 99' is no time"),
    ('what changed on 24.11.2026', YES, [], [MOVED, ADDED], 'from 2026-11-24 00:00'),
    ('what changed since 23.11.26', YES, [], [MOVED, ADDED], 'from 2026-11-23 00:00'),
    ('what changed since 2026/11/23', YES, [], [MOVED, ADDED], 'from 2026-11-23 00:00'),
    ('what changed before 22/11/2026', YES, [], [], 'until 2026-11-21 23:59'),
    ('what changed before 11/22/2026', YES, [], [], 'until 2026-11-21 23:59'),
    ('what changed since 10/11/2026', WHAT, [], [], 'is no time'),  # October or November
    ('what changed since 31.2.2026', WHAT, [], [], 'is no time'),
    ('what changed between 20 and 23 November', YES, [], [REMOVED], 'until 2026-11-23 23:59'),
    ('what changed from the 20th to the 23rd of November', YES, [], [REMOVED], '1 change'),
    ('what changed between 3 and 10 March', NO_VISIT, [], [], 'the first was 2026-11-20'),
    ('what changed between visits 2 and 3', YES, [], [MOVED, ADDED], '2 changes'),
    ('what is different from last week', YES, [], [REMOVED, MOVED, ADDED], '3 changes'),
    ('where was the bed two weeks ago', NO_VISIT, [], [], 'the first was 2026-11-20'),
    ('has the sofa always been there', YES, [SOFA], [], 'since 2026-11-24'),
    ('which changes are uncertain', YES, [], [ADDED], 'Least sure of 3'),
    ('which chair is nearest to the sofa', WHAT, [], [], "'nearest' compares"),
    ('what is the biggest object', WHAT, [], [], "'biggest' compares"),
    ('what was the last change', WHAT, [], [], "'last' compares"),
    ('how far is the table from the sofa', WHAT, [], [], "'far' compares"),
    ('is the table like the sofa', WHAT, [], [], "'sofa' belongs to the rest is not known"),
    ('what disappeared between Friday and Sunday', YES, [], [REMOVED], 'from 2026-11-20 00:00'),
    ('when was the red chair last moved', YES, [], [MOVED], '1 change'),
    ('what came back', YES, [], [], 'No such change was found'),
    ('did the lamp come back', YES, [], [], 'No such change was found'),
    ('what used to be near the table', WHAT, [], [], "'used' would turn"),
    ('what is near the table and near the sofa', WHAT, [], [], 'it names two places'),
    ('what will change tomorrow', WHAT, [], [], "'tomorrow' is no time"),
    # Commands are no questions.
    ('delete the lamp', WHAT, [], [], "'delete' tells to do something"),
    ('could you please move the chair to the sofa', WHAT, [], [], "'move' tells to do something"),
    ('rename object 3 to throne', WHAT, [], [], "'rename' tells to do something"),
    ('did the red chair move', YES, [], [MOVED], '1 change'),
    # An unknown thing is not all things.
    ("what's the weather like", WHAT, [], [], "called 'weather'"),
    ('how many unicorns are there', WHAT, [], [], "called 'unicorns'"),
    ('which unicorns are gone', WHAT, [], [], "called 'unicorns'"),
    ('which objects are broken', WHAT, [], [], "called 'broken'"),
    ('what happened to the unicorn', WHAT, [], [], "called 'unicorn'"),
    ('is the weather gone', WHAT, [], [], "called 'weather'"),
    ('what changed since Tuesday, dude', YES, [], [MOVED, ADDED], "Not understood: 'dude'"),
    ('what objects do you know about', YES, [BED, TABLE, RED, BLUE, SOFA], [], '5 objects'),
    ('what happened while I was away', WHAT, [], [], "'while' is no time"),
    # Other languages, also where a word is like an English one.
    ('Wo ist die Lampe?', WHAT, [], [], 'questions are in English'),
    ('où est la chaise rouge', WHAT, [], [], 'questions are in English'),
    # What did not change, and `not` as a part of a word.
    ('what stayed the same since Tuesday', WHAT, [], [], "'stayed' would turn"),
    ('which objects are unchanged', WHAT, [], [], "'unchanged' would turn"),
    ('list all non-red chairs', YES, [BLUE], [], '1 object'),
    ('list all non-chairs', YES, [BED, TABLE, SOFA], [], '3 objects'),
    ('where is chair number 4', YES, [BLUE], [], '"reading chair" (chair 4)'),
    ("what's changed in the past week", YES, [], [REMOVED, MOVED, ADDED], 'in the past week'),
    ('what changed on the 22nd', YES, [], [REMOVED], 'from 2026-11-22 00:00'),
    ('what changed since the 23rd', YES, [], [MOVED, ADDED], 'from 2026-11-23 00:00'),
    ('where was the bed on the 31st', NO_VISIT, [], [], 'the first was 2026-11-20'),
    ('good morning', WHAT, [], [], 'what was not seen at the last visit?'),
    ('', WHAT, [], [], 'What can be asked'),
]


@pytest.mark.parametrize(
    ('question', 'outcome', 'ids', 'kinds', 'says'), QUESTIONS, ids=[q[0] for q in QUESTIONS]
)
def test_answers(memory, question, outcome, ids, kinds, says):
    answer = answer_to(memory, question)
    assert (answer.outcome, [o.object_id for o in answer.objects]) == (outcome, ids), answer.text
    assert sorted(c.kind for c in answer.changes) == sorted(kinds), answer.text
    assert says in answer.text
    json.dumps(answer_document(answer))  # plain values throughout


def test_facts_carry_place_time_and_certainty(memory):
    (lamp,) = answer_to(memory, 'where is the lamp').objects
    assert lamp.is_gone
    assert lamp.since_ns is None
    assert 0 < lamp.gone_confidence < 1
    document = answer_document(answer_to(memory, 'where is the bed?', 'Europe/Berlin'))
    assert document['time_zone'] == 'Europe/Berlin'
    assert document['frame_id'] == 'map'
    (bed,) = document['objects']
    assert bed['state'] == 'NOT_OBSERVED'
    assert bed['last_seen'] == '2026-11-24T10:00:00+01:00'
    assert bed['box']['center'] == pytest.approx([1.2, 1.0, 0.25], abs=0.05)
    assert bed['score'] == pytest.approx(0.9, abs=0.01)


def test_words_that_were_ignored_are_said(memory):
    answer = answer_to(memory, 'where is the squeaky red chair, dude')
    assert answer.outcome == YES
    assert answer.not_understood == ('squeaky', 'dude')
    assert answer.text.endswith("Not understood: 'squeaky', 'dude'.")


def test_the_day_begins_at_the_midnight_of_the_zone(memory):
    """Visit 3 is at 09:00 UTC of Tuesday: Monday evening in Honolulu."""
    assert 'No visit' not in answer_to(memory, 'where was the red chair on Tuesday').text
    there = answer_to(memory, 'where was the red chair on Monday', 'Pacific/Honolulu')
    assert '2026-11-23 23:00 HST' in there.text
    assert [c.kind for c in there.changes] == [MOVED]


def test_no_visit_is_no_knowledge(tmp_path):
    path = tmp_path / 'empty'
    SceneMemory.open(path, 'home', 'map', ('chair',)).close()
    with SceneMemory.inspect(path) as empty:
        for question in ('where is the chair', 'what changed since the last visit', 'hello'):
            answer = answer_to(empty, question)
            assert answer.outcome == Outcome.NOTHING_KNOWN
            assert 'No visit is processed yet' in answer.text


@pytest.mark.parametrize(
    'name',
    [
        "'; DROP TABLE objects; --",
        '[bold red]where is[/bold red]',
        'what changed since yesterday',
        'Tuesday',
        'where is the red chair',
        '"quoted" name',
        'Sessel für Oma',
        '\U0001fa91',
        'a',
        'x' * 200,
    ],
)
def test_any_name_is_only_a_name(own, name):
    """Names answer to themselves, and no question about something else changes its meaning."""
    some = [question for question, *_ in QUESTIONS[::5]]
    before = [answer_to(own, question).outcome for question in some]
    corrections.rename(own, LAMP, name)
    quoted = f'where is “{name}”?'
    assert [o.object_id for o in answer_to(own, quoted).objects] == [LAMP]
    assert json.dumps(name, ensure_ascii=False) in answer_to(own, 'where is #5').text
    assert [answer_to(own, question).outcome for question in some] == before


def test_a_name_comes_before_a_class(own):
    corrections.rename(own, SOFA, 'table')
    assert [o.object_id for o in answer_to(own, 'where is the table').objects] == [SOFA]
    corrections.rename(own, TABLE, 'table')
    assert answer_to(own, 'where is the table').outcome == WHICH


def test_an_alias_is_answered_with_the_object(own):
    corrections.merge(own, RED, BLUE)
    (chair,) = answer_to(own, f'where is #{BLUE}').objects
    assert chair.object_id == RED
    assert chair.state == ObjectState.PRESENT
    assert answer_to(own, 'how many chairs').text.startswith('1, as of')


def test_damaged_points_leave_an_object_without_color(own):
    for file in (own.path / 'visits').glob('*.npz'):
        file.write_bytes(b'damaged')
    answer = answer_to(own, 'what color is the sofa')
    assert 'no measured color' in answer.text
    assert answer_to(own, 'where is the sofa').outcome == YES


WORDS = strategies.sampled_from(
    'where is was the red chair lamp object 7 #3 since when gone last seen what changed between '
    'and Tuesday 2026-11-24 24:99 99999-99-99 9999-12-31 visit 2 near next to within m of box '
    "'a' \" not how many years ago month 12 may 3pm -5 0 \u0000 ½ 1e9".split(' ')
)


@given(strategies.one_of(strategies.text(max_size=40), strategies.lists(WORDS, max_size=12)))
def test_every_text_has_an_answer(memory, text):
    question = text if isinstance(text, str) else ' '.join(text)
    answer = answer_to(memory, question)
    assert answer.text
    json.dumps(answer_document(answer))


def test_long_questions_are_refused(memory):
    with pytest.raises(ConfigError, match='at most 500 characters, got 600'):
        answer_to(memory, 'a' * 600)


def test_command(home, capsys):
    """Prints sentences or facts; a question that is not understood is an exit status."""
    assert main(['ask', str(home), 'where', 'is', 'the', 'lamp?']) == 0
    assert 'Lamp 5 is gone' in capsys.readouterr().out
    assert main(['ask', '--json', '--time-zone', 'Asia/Tokyo', str(home), 'what changed?']) == 0
    document = json.loads(capsys.readouterr().out)
    assert [c['kind'] for c in document['changes']] == ['REMOVED', 'MOVED', 'ADDED']
    assert document['changes'][0]['new_state_first_observed'] == '2026-11-22T18:00:00+09:00'
    assert main(['ask', str(home), 'good morning']) == 1
    assert 'What can be asked' in capsys.readouterr().out
    assert main(['ask', '--time-zone', 'Mars/Olympus', str(home), 'what changed?']) == 2
    assert 'expected a time zone' in capsys.readouterr().err


def test_command_says_what_is_missing(home, tmp_path, capsys, monkeypatch):
    """No memory, and no package for assistants."""
    assert main(['ask', str(tmp_path / 'none'), 'what changed?']) == 2
    assert 'expected a scene memory' in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, 'mcp', None)
    for name in ('query_tools', 'correction_tools'):
        monkeypatch.delitem(sys.modules, f'rescene4d_ros.cli.mcp_server.{name}', raising=False)
    monkeypatch.setitem(sys.modules, 'mcp.server.mcpserver', None)
    assert main(['mcp', str(home)]) == 2
    assert "pip install 'rescene4d_ros[mcp]'" in capsys.readouterr().err


def test_zones_are_places(own):
    """Zones of the memory's file are asked for by name; an unknown one is refused as before."""
    (own.path / 'zones.yaml').write_text(
        'kitchen: {polygon: [[2.5, 2.5], [6, 2.5], [6, 6], [2.5, 6]]}\n'
        'Office 3: {polygon: [[0, 0], [2.4, 0], [2.4, 2.4], [0, 2.4]]}\n'
    )
    for question, ids in (
        ('what is in the kitchen?', [TABLE, BLUE]),
        ('which chairs are in the kitchen', [BLUE]),
        ('how many objects are in office 3?', [BED]),
        ('list everything in "Office 3"', [BED]),
        ('where is the table in the kitchen', [TABLE]),
    ):
        answer = answer_to(own, question)
        assert [o.object_id for o in answer.objects] == ids, answer.text
    assert answer_document(answer)['asked']['zone'] == 'kitchen'
    changed = answer_to(own, 'what changed in office 3')
    assert not changed.changes
    outside = answer_to(own, 'which chairs are not in the kitchen?')
    assert [o.object_id for o in outside.objects] == [RED]
    assert answer_to(own, 'what is in the bath?').outcome == WHAT
    assert 'in zone "kitchen"' in answer_to(own, 'which lamps are in the kitchen?').text


ZONES = """
kitchen: {polygon: [[2.6, 2.6], [6, 2.6], [6, 6], [2.6, 6]]}
office 3: {polygon: [[2.6, 0], [6, 0], [6, 2.6], [2.6, 2.6]]}
Meeting Room A: {polygon: [[0, 0], [2.6, 0], [2.6, 2.6], [0, 2.6]]}
lounge: {polygon: [[0, 2.6], [2.6, 2.6], [2.6, 6], [0, 6]]}
"""
IN_ZONES = (
    ('is the table still in the kitchen', YES, [TABLE], [], 'There: table 2'),
    ('is the table still in office 3', YES, [TABLE], [], 'Not in zone "office 3"'),
    ('which room is the sofa in', YES, [SOFA], [], 'm in "lounge"'),
    ('what is missing in office 3', YES, [LAMP], [], '1 gone'),
    ('what is missing in the lounge', YES, [], [], 'Nothing is gone in zone "lounge"'),
    ('is the lamp still in office 3', YES, [LAMP], [], 'Gone: '),
    ('is there a lamp in the kitchen', YES, [LAMP], [], 'Not in zone "kitchen"'),
    ('how many chairs in the kitchen', YES, [BLUE], [], '1, as of visit 4'),
    ('chairs kitchen', YES, [BLUE], [], '1 object'),
    ('list chairs and tables in the kitchen', YES, [TABLE, BLUE], [], '2 objects'),
    ("what's in meeting room a?", YES, [BED], [], '1 object'),
    ('what is new in the lounge', YES, [], [ADDED], 'sofa 6'),
    ('what came into the lounge', YES, [], [ADDED], 'sofa 6'),
    ('what was taken out of office 3 last week', YES, [], [REMOVED], 'lamp 5'),
    ('what left office 3', YES, [], [REMOVED], 'lamp 5'),
    ('what changed in the basement', WHAT, [], [], "place at 'in' is not one"),
)


def test_answers_in_zones(own):
    """A place narrows what is there, what came and what is gone from it; answers name it."""
    (own.path / 'zones.yaml').write_text(ZONES)
    for question, outcome, ids, kinds, says in IN_ZONES:
        answer = answer_to(own, question)
        assert (answer.outcome, [o.object_id for o in answer.objects]) == (outcome, ids), question
        assert [c.kind for c in answer.changes] == kinds, question
        assert says in answer.text, question
    (lounge,) = answer_document(answer_to(own, 'where is the sofa'))['objects']
    assert lounge['zones'] == ['lounge']
