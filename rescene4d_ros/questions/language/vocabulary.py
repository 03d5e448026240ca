"""The words of questions: how a text is cut, and which classes, objects and colors words mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from importlib import resources
import re

import numpy as np
from PIL import Image, ImageCms
import yaml

MOST_CHARACTERS = 500  # of a question
_TOKEN = re.compile(
    r'"(?P<double>[^"]*)"|“(?P<curly>[^”]*)”|(?<!\w)\'(?P<single>[^\']*)\'(?!\w)'
    r'|(?P<date>\d{4}-\d{2}-\d{2}(?:T\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?)'
    r'|(?P<slashed>\d{4}/\d{1,2}/\d{1,2}|\d{1,2}/\d{1,2}/\d{4})(?!\d)'
    r'|(?P<dotted>\d{1,2}\.\s?\d{1,2}\.\s?\d{4}|\d{1,2}\.\d{1,2}\.\d{2})(?!\d)'
    r'|(?P<id>#\d+)|(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)|(?P<number>[-+]?\d+(?:\.\d+)?)(?!\w)'
    r'|(?P<word>[^\W_]+(?:[-_\'’&/.][^\W_]+)*)|(?P<other>[^\s,.;:?!()]+)'
)
_CONTRACTED = {'can': 'can', 'wo': 'will', 'sha': 'shall'}
_JOINED_IS = ('whats', 'wheres', 'whens', 'theres')  # without their apostrophe
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
        elif kind in ('slashed', 'dotted'):
            found.append(Token(value, *_iso_date(value)))
        else:
            found.append(Token(value, value.casefold(), kind or 'other'))
    return tuple(found)


def _iso_date(written: str) -> tuple[str, str]:
    """Return a date as ISO 8601 with its kind; a number where it is none, or two dates."""
    first, middle, last = map(int, re.split(r'[./]\s?', written))
    year, month, day = (first, middle, last) if first > 31 else (last, middle, first)
    is_american = '/' in written and middle > 12 >= first
    if is_american:
        month, day = day, month
    is_either = '/' in written and first <= 12 and middle <= 12 and first != middle
    try:
        found = date(year if year > 99 else 2000 + year, month, day)
    except ValueError:
        return written, 'number'
    return (written, 'number') if is_either else (found.isoformat(), 'date')


def key_of(text: str) -> str:
    """Return a name as it is compared: its words in lower case, whatever stands between them."""
    return ' '.join(words_of(text))


def words_of(text: str) -> tuple[str, ...]:
    """Return a phrase by its words, as they are compared."""
    return tuple(token.word for token in tokens_of(text))


def _expanded(word: str) -> list[str]:
    """Return the words that a contracted one stands for."""
    straight = word.replace('’', "'")
    if straight.casefold() in _JOINED_IS:
        return [straight[:-1], 'is']
    if straight.casefold().startswith('non-'):  # `non-red chairs`
        return ['non', straight[4:]]
    head, apostrophe, tail = straight.rpartition("'")
    if apostrophe and tail.casefold() == 't' and head.casefold().endswith('n'):
        stem = head[:-1]
        return [_CONTRACTED.get(stem.casefold(), stem), 'not']
    if apostrophe and tail.casefold() == 's' and head.casefold() in _BEFORE_IS:
        return [head, 'is']
    if apostrophe and tail.casefold() in ('re', 've', 'll', 'm', 'd'):
        return [head]
    return [straight]


@dataclass(frozen=True)
class ColorName:
    """
    Hold the part of CIELAB that a name stands for.

    Attributes
    ----------
    name : str
    lightness : tuple of 2 float, 0..100
    chroma : tuple of 2 float
    hue : tuple of 2 float, deg
        From the first counter-clockwise to the second, which may lie beyond 360.
    words : tuple of str
        Other words for it.

    """

    name: str
    lightness: tuple[float, float]
    chroma: tuple[float, float]
    hue: tuple[float, float] = (0.0, 360.0)
    words: tuple[str, ...] = ()

    def holds(self, lightness: float, chroma: float, hue: float) -> bool:
        """Return whether the name stands for a color."""
        return (
            self.lightness[0] <= lightness <= self.lightness[1]
            and self.chroma[0] <= chroma <= self.chroma[1]
            and (hue - self.hue[0]) % 360 <= (self.hue[1] - self.hue[0]) % 360.001
        )


def names_of_color(rgb: np.ndarray, table: Sequence[ColorName]) -> tuple[str, ...]:
    """
    Name a color.

    Parameters
    ----------
    rgb : ndarray (3,)
        sRGB, 0..255.
    table : sequence of ColorName

    Returns
    -------
    tuple of str
        Every name that stands for it, in the order of the table.

    """
    lightness, a, b = lab_of(rgb)
    chroma, hue = float(np.hypot(a, b)), float(np.rad2deg(np.arctan2(b, a)) % 360)
    return tuple(entry.name for entry in table if entry.holds(lightness, chroma, hue))


def lab_of(rgb: np.ndarray) -> tuple[float, float, float]:
    """Return L* (0..100), a* and b* (about 1 exact) of an sRGB color (3,) of 0..255."""
    pixel = np.clip(np.rint(rgb), 0, 255).astype(np.uint8).reshape(1, 1, 3)
    values = np.asarray(ImageCms.applyTransform(Image.fromarray(pixel), _srgb_to_lab()))
    lightness, a, b = (int(value) for value in values.reshape(3))
    # Pillow stores L* in 0..255, and a* and b* as signed bytes.
    return lightness / 2.55, float((a + 128) % 256 - 128), float((b + 128) % 256 - 128)


@lru_cache
def _srgb_to_lab() -> ImageCms.ImageCmsTransform:
    """Return the conversion, which takes longer to make than to use."""
    return ImageCms.buildTransform(
        ImageCms.createProfile('sRGB'), ImageCms.createProfile('LAB'), 'RGB', 'LAB'
    )


FILE_NAME = 'vocabulary.yaml'
Words = tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """
    Hold the words of questions.

    Attributes
    ----------
    classes : dict of str to tuple of str
        Class to other words for it.
    anything : tuple of str
        Words for any object.
    colors : tuple of ColorName
    filler : frozenset of str
        Words without a meaning of their own.

    """

    classes: dict[str, tuple[str, ...]]
    anything: tuple[str, ...]
    colors: tuple[ColorName, ...]
    filler: frozenset[str]

    @cached_property
    def color_words(self) -> dict[str, str]:
        """Return each word for a color with its basic name."""
        return {word: c.name for c in self.colors for word in (c.name, *c.words)}

    def nouns(self, class_names: Sequence[str]) -> dict[Words, tuple[str, ...] | None]:
        """
        Return which classes of a memory each noun means.

        Parameters
        ----------
        class_names : sequence of str
            Classes of the memory. Each is its own noun, whatever else the table says of it.

        Returns
        -------
        dict of words to tuple of str or None
            Empty where the memory has no such class; None for words that mean any object.

        """
        found: dict[Words, tuple[str, ...] | None] = dict.fromkeys(map(words_of, self.anything))
        there = {words_of(name): name for name in class_names}
        for name, others in self.classes.items():
            mine = (there[words_of(name)],) if words_of(name) in there else ()
            for words in map(words_of, (name, *others)):
                found[words] = tuple(dict.fromkeys((*(found.get(words) or ()), *mine)))
        return found | {words: (name,) for words, name in there.items()}


@lru_cache
def vocabulary() -> Vocabulary:
    """Return the words of the package."""
    text = resources.files(__package__).joinpath(FILE_NAME).read_text('utf-8')
    document = yaml.safe_load(text)
    return Vocabulary(
        {name: tuple(words) for name, words in document['classes'].items()},
        tuple(document['anything']),
        tuple(
            ColorName(
                name,
                tuple(entry['lightness']),
                tuple(entry['chroma']),
                tuple(entry.get('hue', (0.0, 360.0))),
                tuple(entry.get('words', ())),
            )
            for name, entry in document['colors'].items()
        ),
        frozenset(document['filler']),
    )


def longest_match(
    tokens: Sequence[Token], start: int, known: Iterable[Words]
) -> tuple[Words, int, bool] | None:
    """
    Find the longest known phrase that begins at a word; its last word may be a plural.

    Returns
    -------
    tuple of (words, int, bool) or None
        The phrase, the position after it, and whether it is a plural.

    """
    best = None
    for words in known:
        end = start + len(words)
        if end > len(tokens) or (best is not None and len(words) < len(best[0])):
            continue
        here = [token.word for token in tokens[start:end]]
        if any(token.kind == 'quote' for token in tokens[start:end]):
            continue
        if tuple(here) == words:
            best = (words, end, False)
        elif here[:-1] == list(words[:-1]) and here[-1] in plurals_of(words[-1]):
            best = best if best and len(best[0]) == len(words) else (words, end, True)
    return best


def plurals_of(word: str) -> set[str]:
    """Return how the plural of a word may be written."""
    found = {word + 's'}
    if word.endswith(('s', 'x', 'z', 'ch', 'sh')):
        found = {word + 'es'}
    if word.endswith('y') and word[-2:-1] not in tuple('aeiou'):
        found = {word[:-1] + 'ies'}
    if word.endswith('f'):
        found.add(word[:-1] + 'ves')
    return found
