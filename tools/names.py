"""Compares names of people in a normal form, for every script and spelling."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from rapidfuzz import fuzz

_JOINED_BY = "'’ʼ`´"
"""Characters that do not separate words: O'Neill equals ONeill."""

_JOINTS = {ord(sign): None for sign in _JOINED_BY}
_ASCII_WORD = re.compile(r"[a-z0-9]+")

_TITLES = frozenset({"mr", "mrs", "ms", "dr", "jr", "sr", "ii", "iii", "iv"})


class Likeness(NamedTuple):
    """The similarity of two names from 0 to 100, by two measures."""

    token_set: float
    """High when one name contains the other; 0 when either name has a single word."""
    sorted_ratio: float
    """High when the sorted words have the same letters."""

    @property
    def best(self) -> float:
        return max(self.token_set, self.sorted_ratio)


def name_tokens(name: str) -> tuple[str, ...]:
    """The words of a name in alphabetical order, without case, accents, punctuation and titles.

    A name that has only titles keeps them.
    """
    letters = name.casefold()
    if letters.isascii():
        words = _ASCII_WORD.findall(letters.translate(_JOINTS))
    else:
        words = _words_of(unicodedata.normalize("NFKD", letters))
    return tuple(sorted([word for word in words if word not in _TITLES] or words))


def _words_of(letters: str) -> list[str]:
    spaced = "".join(
        letter if letter.isalnum() else " "
        for letter in letters
        if not unicodedata.combining(letter) and letter not in _JOINED_BY
    )
    return spaced.split()


def likeness(first: str, second: str) -> Likeness:
    """Compare two names in normal form. The order of their words does not matter."""
    left_words, right_words = name_tokens(first), name_tokens(second)
    several = len(left_words) >= 2 and len(right_words) >= 2
    left, right = " ".join(left_words), " ".join(right_words)
    if not left or not right:
        return Likeness(0.0, 0.0)
    return Likeness(
        token_set=fuzz.token_set_ratio(left, right) if several else 0.0,
        sorted_ratio=fuzz.ratio(left, right),
    )


def same_person_by_name(first: str, second: str) -> bool:
    """Whether two names can be of one person. An initial or a middle name may differ."""
    similarity = likeness(first, second)
    return similarity.token_set >= 90 or similarity.sorted_ratio >= 85
