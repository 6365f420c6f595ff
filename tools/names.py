"""Names of people as they can be compared: one normal form for every script and spelling."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from rapidfuzz import fuzz

_JOINED_BY = "'’ʼ`´"
"""O'Neill is one word, and so is ONeill."""

_TITLES = frozenset({"mr", "mrs", "ms", "dr", "jr", "sr", "ii", "iii", "iv"})


class Likeness(NamedTuple):
    """How alike two names are, from 0 to 100, by two measures."""

    token_set: float
    """High when one name is contained in the other; 0 when either has a single word."""
    sorted_ratio: float
    """High when the same letters stand in the sorted words."""

    @property
    def best(self) -> float:
        return max(self.token_set, self.sorted_ratio)


def name_tokens(name: str) -> tuple[str, ...]:
    """The words of a name in alphabetical order, without case, accents, marks and titles.

    A name that consists of titles only keeps them.
    """
    letters = unicodedata.normalize("NFKD", name.casefold())
    spaced = "".join(
        sign if sign.isalnum() else " "
        for sign in letters
        if not unicodedata.combining(sign) and sign not in _JOINED_BY
    )
    words = spaced.split()
    return tuple(sorted([word for word in words if word not in _TITLES] or words))


def likeness(one: str, other: str) -> Likeness:
    """Compare two names in normal form, whatever the order of their words."""
    mine, theirs = name_tokens(one), name_tokens(other)
    several = len(mine) >= 2 and len(theirs) >= 2
    left, right = " ".join(mine), " ".join(theirs)
    if not left or not right:
        return Likeness(0.0, 0.0)
    return Likeness(
        token_set=fuzz.token_set_ratio(left, right) if several else 0.0,
        sorted_ratio=fuzz.ratio(left, right),
    )


def same_person_by_name(one: str, other: str) -> bool:
    """Whether a name on a paper can be the applicant's: an initial or a middle name may differ."""
    alike = likeness(one, other)
    return alike.token_set >= 90 or alike.sorted_ratio >= 85
