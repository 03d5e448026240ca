"""A question cut into words, quotations, numbers and dates."""

from __future__ import annotations

from dataclasses import dataclass
import re

MOST_CHARACTERS = 500  # of a question
_TOKEN = re.compile(
    r'"(?P<double>[^"]*)"|“(?P<curly>[^”]*)”|(?<!\w)\'(?P<single>[^\']*)\'(?!\w)'
    r'|(?P<date>\d{4}-\d{2}-\d{2}(?:T\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?)'
    r'|(?P<id>#\d+)|(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)|(?P<number>[-+]?\d+(?:\.\d+)?)(?!\w)'
    r'|(?P<word>[^\W_]+(?:[-_\'’&/.][^\W_]+)*)|(?P<other>[^\s,.;:?!()]+)'
)
_CONTRACTED = {'can': 'can', 'wo': 'will', 'sha': 'shall'}
_BEFORE_IS = ('what', 'where', 'when', 'who', 'which', 'how', 'that', 'there', 'it', 'here')


@dataclass(frozen=True)
class Token:
    """
    Hold one word of a question.

    Attributes
    ----------
    text : str
        As it was written; a quotation without its marks.
    word : str
        The same to compare, in lower case.
    kind : str
        'word', 'quote', 'date', 'id', 'clock', 'number' or 'other'.

    """

    text: str
    word: str
    kind: str


def tokens_of(text: str) -> tuple[Token, ...]:
    """Return the words of a text; `isn't` is `is not`, and `what's` is `what is`."""
    found: list[Token] = []
    for match in _TOKEN.finditer(text[:MOST_CHARACTERS]):
        kind, value = match.lastgroup, match[match.lastgroup or 0]
        if kind in ('double', 'curly', 'single'):
            found += [Token(value, key_of(value), 'quote')] if value.strip() else []
        elif kind == 'word':
            found += [Token(part, part.casefold(), 'word') for part in _expanded(value)]
        else:
            found.append(Token(value, value.casefold(), kind or 'other'))
    return tuple(found)


def key_of(text: str) -> str:
    """Return a name as it is compared: its words in lower case, whatever stands between them."""
    return ' '.join(token.word for token in tokens_of(text))


def _expanded(word: str) -> list[str]:
    """Return the words that a contracted one stands for."""
    straight = word.replace('’', "'")
    head, apostrophe, tail = straight.rpartition("'")
    if apostrophe and tail.casefold() == 't' and head.casefold().endswith('n'):
        stem = head[:-1]
        return [_CONTRACTED.get(stem.casefold(), stem), 'not']
    if apostrophe and tail.casefold() == 's' and head.casefold() in _BEFORE_IS:
        return [head, 'is']
    if apostrophe and tail.casefold() in ('re', 've', 'll', 'm', 'd'):
        return [head]
    return [straight]
