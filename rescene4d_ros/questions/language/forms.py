"""
The forms that questions have.

A question is brought to a line in which things, times and places are marks: `since when is THING
gone`. The first form whose pattern is found in that line says what is asked; the words of the form
are understood wherever they stand.
"""

from __future__ import annotations

from dataclasses import dataclass
import re

from rescene4d_ros.questions.query import Kind
from rescene4d_ros.structures import ChangeKind

THING, TIME, PLACE = 'THING', 'TIME', 'PLACE'
GONE = (
    'gone|missing|away|absent|lost|disappeared|disappear|vanished|vanish|left|leave|taken|removed'
    '|not there|not here|no longer there|no longer here'
)
THERE = (
    'there|here|standing|stand|arrive|arrived|appear|appeared|come|came|been|added|put|placed'
    '|brought|in place|at its place|PLACE|(?:we|you|i) (?:have|had)'
)
BACK = 'back'  # what came back is not new
CHANGE_WORDS: dict[str, ChangeKind | None] = dict.fromkeys(
    ('change', 'changes', 'changed', 'changing', 'different', 'difference', 'differences')
    + ('happened', 'happen', 'history', 'news')
) | {
    word: kind
    for kind, words in (
        (ChangeKind.ADDED, ('new', 'added', 'appeared', 'arrived', 'brought', 'came', 'entered')),
        (ChangeKind.REMOVED, ('removed', 'disappeared', 'vanished', 'taken', 'lost', 'left')),
        (ChangeKind.MOVED, ('moved', 'move', 'moves', 'shifted', 'displaced')),
        (ChangeKind.DEFORMED, ('deformed', 'bent', 'reshaped')),
        (ChangeKind.REAPPEARED, ('reappeared', 'returned', 'reappear', 'return', BACK)),
        (ChangeKind.MERGED, ('merged',)),
    )
    for word in words
}
CHANGE = '|'.join(CHANGE_WORDS)


@dataclass(frozen=True)
class Form:
    """
    Hold one form of questions.

    Attributes
    ----------
    kind : Kind
    pattern : str
        Regular expression over the line.
    words : str
        Words of the form, apart from those of the pattern that are plain words.
    example : str
        For people; empty where another form of the kind has one.

    """

    kind: Kind
    pattern: str
    words: str
    example: str = ''

    def fits(self, line: str) -> bool:
        """Return whether a question has this form."""
        return re.search(rf'\b(?:{self.pattern})\b', line) is not None

    @property
    def known(self) -> frozenset[str]:
        """Return the words that the form understands."""
        return frozenset(re.findall(r'[a-z]+', self.words))


_UNSURE = 'sure|certain|confident|likely|reliable'
_DOUBTFUL = 'uncertain|unsure|doubtful|unlikely'
_HAVE_THING = r'^(?:do|did|have) (?:we|you|i)(?: still)? (?:have|got|see|know)\b.*THING'
_SURE_THING = r'^are you (?:sure|certain)\b.*THING'
_IS_THING = r'^(?:is|are|was|were) (?:there )?(?:(?!not )\w+ ){0,2}THING'
FORMS = (
    Form(
        Kind.LEAST_SURE,
        rf'least (?:{_UNSURE})|{_DOUBTFUL}|lowest confidence|(?:un|not )sure about$',
        f'which what change changes least most lowest confidence {_UNSURE} {_DOUBTFUL} about not',
        'which change is least sure?',
    ),
    Form(
        Kind.NOT_OBSERVED,
        r'(?:not|never|nothing)(?: \w+)? (?:observed?|seen?|visited|scanned)|unobserved|unseen'
        r'|missed|you miss',
        'which what not never nothing observed observe seen see visited scanned unobserved unseen '
        'missed miss part parts last time',
        'what was not seen at the last visit?',
    ),
    Form(
        Kind.VISITS,
        r'^when (?:was|were) TIME$|how many(?: \w+)? visits|(?:list|show|which)\b.* visits'
        r'|you last here',
        'when how many list show which visits last often TIME made processed',
        'how many visits were there?',
    ),
    Form(
        Kind.LAST_SEEN,
        r'last (?:seen|observed|see|saw|there|time)|seen last',
        'when where last seen observed see saw time at what day on',
        'when was the lamp last seen?',
    ),
    Form(
        Kind.FIRST_SEEN,
        r'first (?:seen|observed|see|saw|appear|appeared|time)|seen first',
        'when where first seen observed see saw appear appeared time at what day on',
        'when was the sofa first seen?',
    ),
    Form(
        Kind.SINCE_WHEN_GONE,
        rf'(?:when|how long)\b.*\b(?:{GONE})',
        f'since for when how long go going {GONE} what time',
        'since when is the lamp gone?',
    ),
    Form(
        Kind.CHANGES, r'when\b.*\b(?:moved?|change[sd]?|shifted)', f'when {CHANGE} time times last'
    ),
    Form(
        Kind.SINCE_WHEN_THERE,
        rf'(?:since when|how long|when|always)\b.*(?:{THERE})',
        f'since for when how long its always {THERE}',
        'since when is the bed there?',
    ),
    Form(
        Kind.SIZE,
        r'how (?:big|large|tall|high|wide|deep|long|small)|size|dimensions?|height|width',
        'how what which big large tall high wide deep long small size dimensions dimension height '
        'width',
        'how big is the table?',
    ),
    Form(Kind.COLOR, r'^(?:is|are|was|were) (?:\w+ )?THING THING$', ''),
    Form(
        Kind.COLOR,
        'colors?|colours?',
        'what which color colour colors colours',
        'what color is the table?',
    ),
    Form(
        Kind.CHANGES,
        r'where\b.*\b(?:before|previously|earlier|originally|(?:used?|used) to)(?: (?:be|stand|it'
        r'|moved|was))*$',
        f'where before previously earlier originally use used stand {CHANGE}',
    ),
    Form(
        Kind.WHERE,
        r'where|find|locate|(?:position|location|place) of',
        'where what find locate position location place located moved move stand standing go put '
        'left leave know see went take about',
        'where is the red chair?',
    ),
    Form(
        Kind.STILL_THERE,
        rf'{_IS_THING}\b.*\b(?:{GONE}|still|there|here|present)|{_HAVE_THING}|{_SURE_THING}',
        f'got get sure certain see still there here present not no longer anymore more not {GONE}',
        'is the refrigerator still there?',
    ),
    Form(
        Kind.GONE,
        r'not there|not here|no longer (?:there|here)',
        'not no longer there here anymore any more which what how many number count list',
    ),
    Form(
        Kind.GONE,
        r'gone|missing|absent|away',
        'gone missing absent away went taken which what how many number count list',
        'what is gone?',
    ),
    Form(
        Kind.CHANGES,
        CHANGE,
        f'which what {CHANGE} were else how many number count list times often show with to far '
        'out come comes',
        'what changed since Tuesday?',
    ),
    Form(
        Kind.COUNT,
        r'how many|number of|count',
        'how many number count exist present seen see know knows robot pieces piece',
        'how many chairs are there?',
    ),
    Form(
        Kind.WHERE,
        r'about (?:\w+ )?THING|^how (?:sure|certain)\b.*THING',
        'what tell about how sure certain know',
    ),
    Form(Kind.STILL_THERE, _IS_THING, 'still there here present'),
    Form(Kind.STILL_THERE, '^(?:is|are|was|were) there', 'there'),
    Form(
        Kind.LIST,
        r'which|what|list|show|name|THING PLACE',
        'which what list show name kinds kind exist present stands standing stand lies see seen '
        'saw observed know knows remember robot give contents content pieces piece about',
        'what is next to the bed?',
    ),
    Form(Kind.WHERE, 'THING', ''),
)
FORM_WORDS = frozenset().union(*(form.known for form in FORMS), CHANGE_WORDS)
