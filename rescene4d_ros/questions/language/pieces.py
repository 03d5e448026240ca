"""A question cut into things, times, places and the words between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
import re
from typing import Self

from rescene4d_ros.memory.zones import Zone
from rescene4d_ros.questions.language.calendar import Calendar
from rescene4d_ros.questions.language.forms import FORM_WORDS
from rescene4d_ros.questions.language.time_phrases import period_at
from rescene4d_ros.questions.language.vocabulary import (
    longest_match,
    Token,
    Vocabulary,
    Words,
    words_of,
)
from rescene4d_ros.questions.query import Period, Place, Subject

NEAR = 1.0  # m; gap between the boxes of objects that are `near` each other
NEXT_TO = 0.5  # m; as above, `next to`
NEAR_PHRASES: Mapping[Words, float] = {
    ('near',): NEAR,
    ('nearby',): NEAR,
    ('around',): NEAR,
    ('close', 'to'): NEAR,
    ('by',): NEXT_TO,
    ('beside',): NEXT_TO,
    ('next', 'to'): NEXT_TO,
    ('adjacent', 'to'): NEXT_TO,
}
UNITS = {'m': 1.0, 'meter': 1.0, 'metre': 1.0, 'cm': 0.01, 'centimeter': 0.01, 'centimetre': 0.01}
ARTICLES = ('the', 'a', 'an', 'my', 'our', 'your', 'any', 'some', 'all', 'that', 'this', 'every')
INDEFINITE = ('a', 'an', 'any', 'some', 'all', 'every')  # such objects, however many
INSIDE = ('in', 'inside', 'into', 'within', 'at', 'from', 'of')  # a zone
JOINING = ('and', 'or')
Piece = Token | Period | Place | tuple[Subject, ...]


@dataclass(frozen=True)
class Lexicon:
    """
    Hold the words that one memory gives a meaning.

    Attributes
    ----------
    vocabulary : Vocabulary
    class_names : tuple of str
        Classes of the memory.
    names : frozenset of words
        Names that people gave to objects, cut into words.
    zones : mapping of words to Zone
        Parts of the map.

    """

    vocabulary: Vocabulary
    class_names: tuple[str, ...]
    names: frozenset[Words]
    zones: Mapping[Words, Zone] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        vocabulary: Vocabulary,
        class_names: Sequence[str],
        names: Sequence[str],
        zones: Sequence[Zone] = (),
    ) -> Self:
        """Return the lexicon of a memory with some classes, given names and zones."""
        places = {words: zone for zone in zones if (words := words_of(zone.name))}
        cut = frozenset(words for words in map(words_of, names) if words)
        return cls(vocabulary, tuple(class_names), cut, places)

    @cached_property
    def nouns(self) -> dict[Words, tuple[str, ...] | None]:
        """Return which classes of the memory each noun means; see `Vocabulary.nouns`."""
        return self.vocabulary.nouns(self.class_names)


def pieces_of(tokens: Sequence[Token], lexicon: Lexicon, calendar: Calendar) -> list[Piece]:
    """Return what a question consists of, in its order."""
    pieces: list[Piece] = []
    at = 0
    while at < len(tokens):
        place = _box(tokens, at) or _zone(tokens, at, lexicon)
        time = period_at(tokens, at, calendar)
        thing = _thing(tokens, at, lexicon, calendar)
        # The longer reading wins, and a time before an object that somebody named like one.
        found = max((f for f in (place, time, thing) if f is not None), key=_end, default=None)
        found = found or _named_zone(tokens, at, lexicon)  # `chairs kitchen`
        if found is None:
            pieces.append(tokens[at])
            at += 1
            continue
        if isinstance(found[0], Subject):
            is_any = at > 0 and tokens[at - 1].word in INDEFINITE
            subject = replace(found[0], is_plural=found[0].is_plural or is_any)
            pieces.append((subject,))
        else:
            pieces.append(found[0])
        at = found[1]
    return _with_places(_joined(pieces))


def _end(found: tuple[object, int]) -> int:
    """Return the position after a piece."""
    return found[1]


def _thing(
    tokens: Sequence[Token], at: int, lexicon: Lexicon, calendar: Calendar
) -> tuple[Subject, int] | None:
    """Read colors, then a name, an id or a noun, which a number may follow."""
    start, colors = at, []
    while at < len(tokens) and tokens[at].word in lexicon.vocabulary.color_words:
        if _name(tokens, at, lexicon) is not None:
            break
        colors.append(lexicon.vocabulary.color_words[tokens[at].word])
        at += 1
    for read in (_name, _id):
        found = read(tokens, at, lexicon)
        if found is not None:
            return _subject(tokens, start, found[1], replace(found[0], colors=tuple(colors)))
    noun = longest_match(tokens, at, lexicon.nouns)
    if noun is not None:
        words, end, is_plural = noun
        if not is_plural and _id(tokens, end, lexicon) is not None and tokens[end].kind != 'id':
            end += 1  # `chair number 4`
        has_number = (
            end < len(tokens)
            and not is_plural
            and re.fullmatch(r'#?\d+', tokens[end].word)
            and period_at(tokens, end, calendar) is None  # `chair 3 days ago`
        )
        known = Subject(
            '',
            object_id=int(tokens[end].word.lstrip('#')) if has_number else None,
            class_names=lexicon.nouns[words],
            colors=tuple(colors),
            is_plural=is_plural or words in (('everything',), ('anything',), ('furniture',)),
        )
        return _subject(tokens, start, end + bool(has_number), known)
    if colors:
        return _subject(tokens, start, at, Subject('', colors=tuple(colors)))
    return None


def _subject(
    tokens: Sequence[Token], start: int, end: int, subject: Subject
) -> tuple[Subject, int]:
    """Return a subject with its words, and the position after it."""
    words = ' '.join(token.text for token in tokens[start:end])
    return replace(subject, words=words), end


def _name(tokens: Sequence[Token], at: int, lexicon: Lexicon) -> tuple[Subject, int] | None:
    """Read a quotation, or a name that does not consist of the words of questions alone."""
    if at < len(tokens) and tokens[at].kind == 'quote':
        return Subject('', name=tokens[at].word), at + 1
    best = None
    for words in lexicon.names:
        here = tuple(token.word for token in tokens[at : at + len(words)])
        is_longer = best is None or len(words) > len(best)
        if here == words and is_longer and not _is_grammar(words, lexicon.vocabulary):
            best = words
    return None if best is None else (Subject('', name=' '.join(best)), at + len(best))


def _is_grammar(words: Words, vocabulary: Vocabulary) -> bool:
    """Return whether questions could not be asked any more if these words were a name."""
    return all(word in vocabulary.filler or word in FORM_WORDS for word in words)


def _id(tokens: Sequence[Token], at: int, lexicon: Lexicon) -> tuple[Subject, int] | None:
    """Read `#7` or `id 7`; `object 7` is a noun with a number."""
    if at >= len(tokens):
        return None
    if tokens[at].kind == 'id':
        return Subject('', object_id=int(tokens[at].word[1:])), at + 1
    is_number = at + 1 < len(tokens) and re.fullmatch(r'\d+', tokens[at + 1].word)
    if tokens[at].word in ('id', 'obj', 'number', 'no') and is_number:
        return Subject('', object_id=int(tokens[at + 1].word)), at + 2
    return None


def _box(tokens: Sequence[Token], at: int) -> tuple[Place, int] | None:
    """Read `box` with six numbers: the lowest and the highest corner, m."""
    if tokens[at].word in INSIDE:
        at = _after_articles(tokens, at + 1)
    if at == len(tokens) or tokens[at].word != 'box':
        return None
    numbers: list[float] = []
    at += 1
    while at < len(tokens) and len(numbers) < 6:
        if re.fullmatch(r'[-+]?\d+(\.\d+)?', tokens[at].word):
            numbers.append(float(tokens[at].word))
        elif tokens[at].word not in ('from', 'to', 'and', 'm'):
            return None
        at += 1
    if len(numbers) < 6:
        return None
    low, high = zip(*(sorted(pair) for pair in zip(numbers[:3], numbers[3:])))
    return Place(low=low, high=high), at


def _zone(tokens: Sequence[Token], at: int, lexicon: Lexicon) -> tuple[Place, int] | None:
    """Read a preposition with the name of a zone; a quotation can be one, too."""
    if tokens[at].word not in INSIDE:
        return None
    return _named_zone(tokens, _after_articles(tokens, at + 1), lexicon)


def _named_zone(tokens: Sequence[Token], at: int, lexicon: Lexicon) -> tuple[Place, int] | None:
    """Read the name of a zone, also as a quotation."""
    best = None
    for words, zone in lexicon.zones.items():
        here = tuple(token.word for token in tokens[at : at + len(words)])
        is_quoted = at < len(tokens) and tokens[at].word == ' '.join(words)
        if (here == words or is_quoted) and (best is None or len(words) > len(best[1])):
            best = zone, words, at + (1 if is_quoted else len(words))
    return None if best is None else (Place(zone=best[0]), best[2])


def _after_articles(tokens: Sequence[Token], at: int) -> int:
    """Return the position of the first token from a position on that is no article."""
    while at < len(tokens) and tokens[at].word in ARTICLES:
        at += 1
    return at


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Put things together that `and` or `or` joins; `red or blue chairs` are chairs."""
    joined: list[Piece] = []
    for piece in pieces:
        joined.append(piece)
        # `the door and window`, `the door and the window`
        for words in (1, 2):
            before = joined[-2 - words] if len(joined) > 1 + words else None
            between = [p.word if isinstance(p, Token) else '' for p in joined[-1 - words : -1]]
            if not isinstance(before, tuple) or not isinstance(piece, tuple):
                continue
            if between[0] in JOINING and set(between[1:]) <= set(ARTICLES):
                joined[-2 - words :] = [(*(_with_noun(s, piece[0]) for s in before), *piece)]
                break
    return joined


def _with_noun(subject: Subject, other: Subject) -> Subject:
    """Return colors without a noun with that of the thing that follows."""
    if not subject.is_color:
        return subject
    return replace(subject, class_names=other.class_names, is_plural=other.is_plural)


def _with_places(pieces: Sequence[Piece]) -> list[Piece]:
    """Make `next to` with the thing after it a place."""
    found: list[Piece] = []
    at = 0
    while at < len(pieces):
        near = _near(pieces, at)
        if near is None:
            found.append(pieces[at])
            at += 1
        else:
            found.append(near[0])
            at = near[1]
    return found


def _near(pieces: Sequence[Piece], at: int) -> tuple[Place, int] | None:
    """Read a place that other objects describe."""
    words = [piece.word if isinstance(piece, Token) else '' for piece in pieces[at : at + 4]]
    distance, end = None, at
    for phrase, gap in NEAR_PHRASES.items():
        if tuple(words[: len(phrase)]) == phrase:
            distance, end = gap, at + len(phrase)
    if len(words) == 4 and (words[0], words[3]) == ('within', 'of'):
        unit = UNITS.get(words[2].removesuffix('s') if len(words[2]) > 2 else words[2])
        if unit is not None and re.fullmatch(r'\d+(\.\d+)?', words[1]):
            distance, end = float(words[1]) * unit, at + 4
    while end < len(pieces) and is_article(pieces[end]):
        end += 1
    things = pieces[end] if end < len(pieces) else None
    if distance is None or not isinstance(things, tuple):
        return None
    return Place(near=things, distance=distance), end + 1


def is_article(piece: Piece) -> bool:
    """Return whether a piece is an article."""
    return isinstance(piece, Token) and piece.word in ARTICLES
