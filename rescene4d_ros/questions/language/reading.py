"""A question becomes a query; every word that has no meaning in it is kept and said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rescene4d_ros.questions.language.calendar import Calendar
from rescene4d_ros.questions.language.forms import (
    BACK,
    CHANGE_WORDS,
    Form,
    FORMS,
    PLACE,
    THING,
    TIME,
)
from rescene4d_ros.questions.language.pieces import ARTICLES, is_article, Lexicon, Piece, pieces_of
from rescene4d_ros.questions.language.vocabulary import Token
from rescene4d_ros.questions.query import Kind, Period, Place, Query, Subject
from rescene4d_ros.structures import ChangeKind

NEEDS_SUBJECT = (
    Kind.WHERE,
    Kind.LAST_SEEN,
    Kind.FIRST_SEEN,
    Kind.SINCE_WHEN_GONE,
    Kind.SINCE_WHEN_THERE,
    Kind.STILL_THERE,
    Kind.COLOR,
)
EXCLUDING = ('except', 'but', 'without', 'other')
BEING = ('is', 'are', 'was', 'were', 'but', 'and')  # `what is not a chair`
# Without them the answer would be to the opposite question.
REVERSING = (
    *EXCLUDING,
    'used',
    'formerly',
    'previously',
    'originally',
    'not',
    'no',
    'never',
    'nothing',
    'neither',
    'nor',
    'non',
    *('same', 'unchanged', 'unmoved', 'stay', 'stays', 'stayed', 'remain', 'remains', 'remained'),
)
# As above, to a question about one of many.
COMPARING = (
    *('biggest', 'largest', 'bigger', 'larger', 'smallest', 'smaller', 'tallest', 'taller'),
    *('nearest', 'nearer', 'closest', 'closer', 'furthest', 'farthest', 'newest', 'newer'),
    *('oldest', 'older', 'latest', 'last', 'recent', 'recently', 'most', 'more', 'less', 'than'),
    *('fewer', 'fewest', 'longest', 'longer', 'far', 'distance'),
)
BEYOND = ('who', 'whose', 'why')  # is asked
# What a person may tell a robot to do; here it is no question.
COMMANDS = (
    *('add', 'bring', 'call', 'clean', 'clear', 'delete', 'erase', 'fetch', 'forget', 'grab'),
    *('lock', 'merge', 'move', 'pick', 'push', 'put', 'remove', 'rename', 'reset', 'split'),
    *('take', 'throw', 'turn', 'undo', 'unlock'),
)
ASKING = ('please', 'can', 'could', 'would', 'will', 'you', 'i', 'want', 'to', 'robot')
# The word after one of these is a thing, if it has a meaning at all.
BEFORE_THINGS = (*ARTICLES, 'which', 'many', 'of', 'to', 'about', 'with', 'for')
MOST_UNKNOWN = 2  # words, where they are more than those that are understood
# As above, to a question about another time.
TIMES = (
    'visit',
    'since',
    'after',
    'before',
    'until',
    'till',
    'between',
    'ago',
    'tomorrow',
    'next',
    'while',
)
# As above, to a question about another place, where a thing or an unknown word follows.
RELATIONS = (
    'in',
    'on',
    'inside',
    'under',
    'below',
    'above',
    'over',
    'behind',
    'between',
    'opposite',
    'at',
    'near',
    'by',
    'around',
)


@dataclass(frozen=True)
class Reading:
    """
    Hold what was understood of a question.

    Attributes
    ----------
    query : Query or None
        None where it cannot be answered.
    not_understood : tuple of str
        Words without a meaning here, in the order of the question.
    reason : str
        Why it cannot be answered; empty where it can.

    """

    query: Query | None
    not_understood: tuple[str, ...]
    reason: str = ''


def read_question(tokens: Sequence[Token], lexicon: Lexicon, calendar: Calendar) -> Reading:
    """
    Find out what a question asks.

    Parameters
    ----------
    tokens : sequence of Token
        Plain English.
    lexicon : Lexicon
        Words that the memory gives a meaning.
    calendar : Calendar
        What its times refer to.

    Returns
    -------
    Reading

    """
    pieces, excluded = _without(pieces_of(tokens, lexicon, calendar))
    line = ' '.join(map(_mark, pieces))
    form = next((form for form in FORMS if _fits(form, line, pieces)), None)
    known = lexicon.vocabulary.filler | (form.known if form else frozenset())
    left = [p for p in pieces if isinstance(p, Token) and p.word not in known]
    subjects, others = _subjects([p for p in pieces if isinstance(p, tuple)])
    periods = [p for p in pieces if isinstance(p, Period)]
    places = [p for p in pieces if isinstance(p, Place)]
    # The first of each kind counts; what a question says twice is not understood.
    words = (*(token.text for token in left), *others, *(p.text for p in periods[1:]))
    reason = (
        _command(pieces)
        or _unknown_place(pieces, left)
        or _reason(form, left, subjects)
        or _unknown_thing(form, pieces, left, subjects)
    )
    if len(places) > 1 and not reason:
        reason = 'it names two places'
    if others and not reason:
        reason = f'how {", ".join(map(repr, others))} belongs to the rest is not known'
    if len(periods) > 1 and not reason:
        reason = f'{periods[0].text!r} and {periods[1].text!r} are two times'
    if form is None or reason:
        return Reading(None, words, reason)
    return Reading(
        Query(
            form.kind,
            () if any(s.is_anything for s in subjects) else subjects,
            periods[0] if periods else None,
            places[0] if places else None,
            _changes(pieces) if form.kind == Kind.CHANGES else frozenset(),
            excluded,
        ),
        words,
    )


def _without(pieces: list[Piece]) -> tuple[list[Piece], tuple[Subject, ...]]:
    """Take out what a question excludes: `not red`, `except chairs`; turn `not near the bed`."""
    kept: list[Piece] = []
    excluded: list[Subject] = []
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        word = piece.word if isinstance(piece, Token) else ''
        end = at + 1
        # Not `isn't the lamp gone?`, which begins with the verb.
        before = pieces[at - 1] if at > 1 else None
        is_not = word == 'not'
        follows = is_not and isinstance(before, Token) and before.word in BEING
        is_excluding = word in EXCLUDING or follows
        if is_excluding:
            while end < len(pieces) and (is_article(pieces[end]) or _is_for(pieces[end])):
                end += 1
        things = pieces[end] if end < len(pieces) else None
        is_color = isinstance(things, tuple) and all(s.is_color for s in things)
        if isinstance(things, tuple) and word == 'non':  # `non-red chairs`
            has_colors = any(s.colors for s in things)
            excluded += [
                replace(s, class_names=None if s.colors else s.class_names, is_plural=True)
                for s in things
            ]
            if has_colors and not is_color:
                kept.append(tuple(replace(s, colors=(), is_plural=True) for s in things))
            at = end + 1
        elif isinstance(things, tuple) and (is_excluding or (is_not and is_color)):
            excluded += [replace(subject, is_plural=True) for subject in things]
            at = end + 1
        elif isinstance(things, Place) and is_not:
            kept.append(replace(things, is_outside=True))
            at = end + 1
        else:
            kept.append(piece)
            at += 1
    return kept, tuple(excluded)


def _is_for(piece: Piece) -> bool:
    """Return whether a piece only connects: `except for`, `other than`."""
    return isinstance(piece, Token) and piece.word in ('for', 'than')


def _subjects(groups: list[tuple[Subject, ...]]) -> tuple[tuple[Subject, ...], tuple[str, ...]]:
    """Return what the first things are, with colors said apart, and the words of the others."""
    if not groups:
        return (), ()
    if all(s.is_anything for s in groups[0]) and len(groups) > 1:  # `everything about the chair`
        groups = groups[1:]
    first, others = groups[0], groups[1:]
    if len(groups) > 1 and all(s.is_color for s in first):  # `the blue folding chair`
        first = tuple(replace(s, colors=(*first[0].colors, *s.colors)) for s in groups[1])
        others = groups[2:]
    for group in [g for g in others if all(s.is_color for s in g)]:  # `which chairs are red`
        first = tuple(replace(s, colors=(*s.colors, *group[0].colors)) for s in first)
        others.remove(group)
    return first, tuple(s.words for group in others for s in group)


def _mark(piece: Piece) -> str:
    """Return what stands for a piece in the line that forms are compared with."""
    if isinstance(piece, Token):
        return piece.word
    return TIME if isinstance(piece, Period) else PLACE if isinstance(piece, Place) else THING


def _fits(form: Form, line: str, pieces: list[Piece]) -> bool:
    """Return whether a question has a form; `is anything missing` is not about one object."""
    is_general = any(s.is_anything for p in pieces if isinstance(p, tuple) for s in p)
    return form.fits(line) and not (form.kind == Kind.STILL_THERE and is_general)


def _reason(form: Form | None, left: list[Token], subjects: tuple[Subject, ...]) -> str:
    """Return why a question cannot be answered; empty where it can."""
    if form is None:
        return 'this has no form of question that is known'
    for token in left:
        if token.word in BEYOND:
            return f'the memory does not know {token.word}: it knows where objects are, and when'
        if token.word in REVERSING:
            return f'{token.text!r} would turn the question into another one'
    compared = [token.text for token in left if token.word in COMPARING]
    if compared and form.kind != Kind.VISITS:
        return f'{" ".join(compared)!r} compares, which this does not'
    times = [token.text for token in left if _is_time(token)]
    if times:
        return f'{" ".join(times)!r} is no time that is known'
    if form.kind in NEEDS_SUBJECT and not subjects:
        if left:
            unknown = ', '.join(repr(token.text) for token in left)
            return f'no name, class or color of this memory is called {unknown}'
        return 'it does not say which object is meant'
    return ''


def _command(pieces: list[Piece]) -> str:
    """Return that a sentence tells to do something; empty where it does not."""
    first = next((p for p in pieces if not isinstance(p, Token) or p.word not in ASKING), None)
    if not isinstance(first, Token) or first.word not in COMMANDS:
        return ''
    return f'{first.text!r} tells to do something, and this only answers questions'


def _unknown_thing(
    form: Form | None, pieces: list[Piece], left: list[Token], subjects: tuple[Subject, ...]
) -> str:
    """Return that a question is about a thing that is not known; empty where it is not."""
    if form is None or form.kind == Kind.VISITS or not left:
        return ''
    if len(left) > max(MOST_UNKNOWN, len(pieces) - len(left)):
        return 'most of its words are not understood; questions are in English'
    if any(not s.is_anything for s in subjects):
        return ''
    unknown = left
    if form.kind not in (Kind.LIST, Kind.COUNT):
        unknown = [
            token
            for before, token in zip(pieces, pieces[1:])
            if isinstance(before, Token) and before.word in BEFORE_THINGS and token in left
        ]
    names = ', '.join(repr(token.text) for token in unknown)
    return f'no name, class or color of this memory is called {names}' if unknown else ''


def _unknown_place(pieces: list[Piece], left: list[Token]) -> str:
    """Return that a question is about a place that is not known; empty where it is not."""
    for at, piece in enumerate(pieces):
        if not isinstance(piece, Token) or piece.word not in RELATIONS:
            continue
        after = [p for p in pieces[at + 1 : at + 3] if not is_article(p)][:1]
        is_time = after and isinstance(after[0], Token) and _is_time(after[0])
        if after and not is_time and (isinstance(after[0], tuple) or after[0] in left):
            return f'the place at {piece.text!r} is not one that is known'
    return ''


def _is_time(token: Token) -> bool:
    """Return whether a word without a meaning must have been part of a time."""
    return token.word in TIMES or token.kind in ('date', 'clock', 'number')


def _changes(pieces: list[Piece]) -> frozenset[ChangeKind]:
    """Return the kinds of changes that the words ask for; empty = all."""
    asked = [
        CHANGE_WORDS[p.word] for p in pieces if isinstance(p, Token) and p.word in CHANGE_WORDS
    ]
    kinds = frozenset(kind for kind in asked if kind is not None)
    is_back = any(isinstance(p, Token) and p.word == BACK for p in pieces)
    return kinds - {ChangeKind.ADDED} if is_back else kinds
