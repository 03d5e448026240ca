"""Words that are one slip away from a word that a question can have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import difflib

from rescene4d_ros.questions.language.calendar import PARTS_OF_DAY
from rescene4d_ros.questions.language.forms import FORM_WORDS
from rescene4d_ros.questions.language.pieces import INSIDE, Lexicon, NEAR_PHRASES
from rescene4d_ros.questions.language.pieces import UNITS as LENGTHS
from rescene4d_ros.questions.language.reading import COMPARING, RELATIONS, REVERSING, TIMES
from rescene4d_ros.questions.language.time_words import (
    LATEST,
    MONTHS,
    NUMBERS,
    PREPOSITIONS,
    UNITS,
    WEEKDAYS,
)
from rescene4d_ros.questions.language.vocabulary import plurals_of, Token

SHORTEST = 4  # letters; shorter words are like too many others
ALIKE = 0.8  # share of letters that stand in the same order, as difflib counts it
OF_TIMES = (
    *(*WEEKDAYS, *MONTHS, *NUMBERS, *UNITS, *LATEST, *PREPOSITIONS, *PARTS_OF_DAY, *TIMES),
    *(f'{unit}s' for unit in UNITS),
    *('today', 'yesterday', 'visits', 'first', 'oldest', 'past', 'weekend', 'night'),
)
OTHERS = (*RELATIONS, *REVERSING, *COMPARING, *LENGTHS, *INSIDE)


def spelled(tokens: Sequence[Token], lexicon: Lexicon) -> tuple[tuple[Token, ...], dict[str, str]]:
    """
    Replace words that nothing knows by the one known word that is like them.

    Parameters
    ----------
    tokens : sequence of Token
    lexicon : Lexicon

    Returns
    -------
    tuple of Token
    dict of str to str
        What was replaced, by what.

    """
    known = _known(lexicon)
    found, corrected = [], {}
    for token in tokens:
        right = _like(token, known)
        if right is not None:
            corrected[token.text] = right
            token = replace(token, text=right, word=right)
        found.append(token)
    return tuple(found), corrected


def _like(token: Token, known: frozenset[str]) -> str | None:
    """Return the known word that a word was meant to be; None for a known or another one."""
    word = token.word
    is_plain = token.kind == 'word' and word.isalpha() and len(word) >= SHORTEST
    if not is_plain or word in known:
        return None
    words = sorted(other for other in known if len(other) >= SHORTEST)
    near = difflib.get_close_matches(word, words, n=2, cutoff=ALIKE) + _slips(word, known)
    # The first letter is rarely wrong; `other` stays another word than `mother`.
    return next((other for other in near if other[0] == word[0]), None)


def _slips(word: str, known: frozenset[str]) -> list[str]:
    """Return the known words that a word is where two letters change places, by the alphabet."""
    swaps = {word[:k] + word[k + 1] + word[k] + word[k + 2 :] for k in range(len(word) - 1)}
    return sorted(swaps & known)


def _known(lexicon: Lexicon) -> frozenset[str]:
    """Return all words that a question to a memory can have."""
    vocabulary = lexicon.vocabulary
    phrases = (*lexicon.nouns, *lexicon.names, *lexicon.zones, *NEAR_PHRASES)
    words = {word for phrase in phrases for word in phrase}
    return frozenset(words).union(
        *map(plurals_of, words),
        vocabulary.filler,
        vocabulary.color_words,
        FORM_WORDS,
        OF_TIMES,
        OTHERS,
    )
