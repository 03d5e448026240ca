"""The words that mean classes, colors and objects, read from `vocabulary.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources

from rescene4d_ros.questions.color_names import ColorName
from rescene4d_ros.questions.language.words import Token, tokens_of
import yaml

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
        found: dict[Words, tuple[str, ...] | None] = dict.fromkeys(map(_key, self.anything))
        there = {_key(name): name for name in class_names}
        for name, others in self.classes.items():
            mine = (there[_key(name)],) if _key(name) in there else ()
            for word in (name, *others):
                found[_key(word)] = tuple(dict.fromkeys((*(found.get(_key(word)) or ()), *mine)))
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
        elif here[:-1] == list(words[:-1]) and here[-1] in _plurals(words[-1]):
            best = best if best and len(best[0]) == len(words) else (words, end, True)
    return best


def _key(words: str) -> Words:
    """Return a phrase by its words."""
    return tuple(token.word for token in tokens_of(words))


def _plurals(word: str) -> set[str]:
    """Return how the plural of a word may be written."""
    found = {word + 's'}
    if word.endswith(('s', 'x', 'z', 'ch', 'sh')):
        found = {word + 'es'}
    if word.endswith('y') and word[-2:-1] not in tuple('aeiou'):
        found = {word[:-1] + 'ies'}
    if word.endswith('f'):
        found.add(word[:-1] + 'ves')
    return found
