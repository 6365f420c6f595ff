"""Compares names of people in one normal form, for every script and spelling.

Identity, bank holder, paystub and screening use this one form: plain letters, without case,
accents, titles and placeholders. The order of words does not matter. A word may be split, joined,
shortened to an initial or a common short form, or misspelled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from tools.name_words import (
    EQUAL,
    INITIAL,
    SAME_CONSONANTS,
    SAME_SOUND,
    SHORT_FORM,
    Word,
    joined,
    word_similarity,
    words_of,
)

MATCHES_FROM = 86.0
"""From this score on, two names can be of one person."""

_JOINTS = {ord(sign): None for sign in "'’ʼ`´‘"}
"""Characters that do not separate words: O'Neill equals ONeill."""

_SEPARATORS = re.compile(r"[\s.,;:/()<\"“”·・_‐-―-]+")

_TITLES = frozenset(
    {"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "shaikh", "sheikh", "shaykh", "sayyid"}
    | {"haji", "hajji", "mullah", "maulavi", "president", "general"}
)
_PLACEHOLDERS = frozenset({"fnu", "lnu", "nfn", "nln", "nmn", "nmi"})
"""`First name unknown` and the like, which government files write in place of a name."""
_SUFFIXES = {"jr": "jr", "junior": "jr", "sr": "sr", "senior": "sr"} | {
    generation: generation for generation in ("ii", "iii", "iv")
}
_PARTICLES = frozenset(
    {"de", "del", "la", "las", "los", "da", "do", "dos", "das", "di", "du", "van", "von", "der"}
    | {"den", "zu", "af", "y", "e", "bin", "ibn", "ben", "bint", "al", "el", "ul", "ur", "as", "ad"}
)
_LONGEST_JOIN = 4
_JOINED_FROM = 0.9
"""Words that are written as one have to agree nearly to the letter."""


class Run(NamedTuple):
    """A word of a name, or neighbouring words written as one."""

    places: tuple[int, ...]
    word: Word
    initials: str


@dataclass(frozen=True)
class NormalName:
    """A name in normal form."""

    words: tuple[Word, ...]
    """All words in their order, particles included."""
    core: frozenset[int]
    """The places of the words that count. Particles do not, beside two other words."""
    suffix: str

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Every word, and every group of neighbouring words as one word; single words first."""
        count = len(self.words)
        groups = sorted(
            (end - start, start, end)
            for start in range(count)
            for end in range(start + 1, min(count, start + _LONGEST_JOIN) + 1)
        )
        return tuple(
            Run(
                tuple(range(start, end)),
                joined(*self.words[start:end]),
                "".join(word.text[0] for word in self.words[start:end]),
            )
            for _, start, end in groups
        )

    @cached_property
    def weight(self) -> int:
        """The letters of the words that count."""
        return sum(self.weight_of(place) for place in range(len(self.words)))

    def weight_of(self, place: int) -> int:
        return len(self.words[place].text) if place in self.core else 0


class Likeness(NamedTuple):
    """How alike two names are."""

    score: float
    """From 0 to 100."""
    equal: bool
    """Whether the names have the same words, in any order, joined or split."""
    whole: float
    """The share of the letters of the longer name that agree, from 0 to 1."""
    why: tuple[str, ...]
    """Codes of what differs, in alphabetical order; `same_words` when nothing does."""


NOTHING_ALIKE = Likeness(0.0, False, 0.0, ())


@lru_cache(maxsize=1024)
def normal_name(name: str) -> NormalName:
    """A name in normal form. A name of titles and placeholders only keeps them."""
    every = _every_word(name)
    plain = [word for word in every if word.text not in _TITLES | _PLACEHOLDERS]
    words = [word for word in plain if word.text not in _SUFFIXES]
    suffix = next((_SUFFIXES[word.text] for word in plain if word.text in _SUFFIXES), "")
    if not words:
        words, suffix = every, ""
    core = [place for place, word in enumerate(words) if word.text not in _PARTICLES]
    counted = core if len(core) > 1 else range(len(words))
    return NormalName(tuple(words), frozenset(counted), suffix)


def name_tokens(name: str) -> tuple[str, ...]:
    """All words of the name of a firm or a country, in alphabetical order and in plain letters.

    What is a title or a suffix of a person belongs to such a name: General Motors, Senior Homes.
    """
    return tuple(sorted(word.text for word in _every_word(name)))


def _every_word(name: str) -> list[Word]:
    parts = _SEPARATORS.split(name.translate(_JOINTS))
    return [
        word
        for part in parts
        if any(map(str.isalnum, part))
        for word in words_of(part)
        if word.text
    ]


def likeness(first: str, second: str) -> Likeness:
    """Compare two names. One word never matches a part of a longer name."""
    return compare(normal_name(first), normal_name(second))


def same_person_by_name(first: str, second: str) -> bool:
    """Whether two names can be of one person. A middle name may be left out or be an initial."""
    return likeness(first, second).score >= MATCHES_FROM


def compare(first: NormalName, second: NormalName) -> Likeness:
    """Compare two names in normal form.

    The score is the share of letters in words that agree: of the shorter name for most of it, of
    the longer one for the rest.
    """
    if not first.core or not second.core:
        return NOTHING_ALIKE
    shorter, longer = sorted((first, second), key=lambda name: name.weight)
    agreed = _aligned(shorter, longer)
    of_short = sum(pair.similarity * pair.short_weight for pair in agreed) / shorter.weight
    of_long = sum(pair.similarity * pair.long_weight for pair in agreed) / longer.weight
    if _is_part_only(shorter, longer, agreed):
        return NOTHING_ALIKE
    differs_in_suffix = bool(first.suffix and second.suffix and first.suffix != second.suffix)
    score = 100 * (0.85 * of_short + 0.15 * of_long)
    return Likeness(
        score=min(score, MATCHES_FROM - 1) if differs_in_suffix else score,
        equal=of_short == of_long == 1.0 and not differs_in_suffix,
        whole=of_long,
        why=_why(longer, agreed, differs_in_suffix),
    )


def joined_runs(name: NormalName) -> list[Run]:
    """Every group of neighbouring words of a name, written as one word."""
    return list(name.runs[len(name.words) :])


def neighbours(name: NormalName) -> Iterator[tuple[Word, ...]]:
    """The words of every such group, not joined yet: that takes time."""
    count = len(name.words)
    for start in range(count):
        for end in range(start + 2, min(count, start + _LONGEST_JOIN) + 1):
            yield name.words[start:end]


class _Pair(NamedTuple):
    similarity: float
    short_weight: int
    long_weight: int
    is_joined: bool


def _aligned(shorter: NormalName, longer: NormalName) -> list[_Pair]:
    """The words of two names that agree, the best first; each word is used once.

    Words are compared as if they were joined only where single words leave something over.
    """
    singles = shorter.runs[: len(shorter.words)], longer.runs[: len(longer.words)]
    agreed = _best_pairs(shorter, longer, *singles)
    if sum(pair.short_weight for pair in agreed) == shorter.weight:
        return agreed
    return _best_pairs(shorter, longer, shorter.runs, longer.runs)


def _best_pairs(
    shorter: NormalName, longer: NormalName, runs: Sequence[Run], others: Sequence[Run]
) -> list[_Pair]:
    options = [
        (similarity, run.places, other.places)
        for run in runs
        for other in others
        if len(run.places) == 1 or len(other.places) == 1
        if (similarity := _run_similarity(run, other))
    ]
    options.sort(key=lambda option: (-option[0], -len(option[1]) - len(option[2])))
    used: set[int] = set()
    used_others: set[int] = set()
    agreed = []
    for similarity, places, other_places in options:
        if used.isdisjoint(places) and used_others.isdisjoint(other_places):
            used.update(places)
            used_others.update(other_places)
            weights = (
                sum(map(shorter.weight_of, places)),
                sum(map(longer.weight_of, other_places)),
            )
            agreed.append(_Pair(similarity, *weights, len(places) + len(other_places) > 2))
    return agreed


def _run_similarity(run: Run, other: Run) -> float:
    if len(run.places) == len(other.places):
        return word_similarity(run.word, other.word)
    if run.initials == other.word.text or other.initials == run.word.text:
        return INITIAL
    word, joint = run.word, other.word
    is_near = abs(len(word.text) - len(joint.text)) < 4 and len(word.text) > 2
    if not is_near and not word.from_consonants and not joint.from_consonants:
        return 0.0
    similarity = word_similarity(word, joint)
    return similarity if similarity >= _JOINED_FROM else 0.0


def _is_part_only(shorter: NormalName, longer: NormalName, agreed: list[_Pair]) -> bool:
    """Whether the names have one word in common, and one of them has more words."""
    whole = [pair for pair in agreed if pair.similarity != INITIAL]
    if not whole:
        return True
    if len(agreed) > 1 or any(pair.is_joined for pair in agreed):
        return False
    return len(shorter.core) > 1 or len(longer.core) > 1


_CODES = {
    EQUAL: "same_words",
    SAME_SOUND: "same_sound",
    SHORT_FORM: "short_form",
    SAME_CONSONANTS: "same_consonants",
    INITIAL: "initial",
}


def _why(longer: NormalName, agreed: list[_Pair], differs_in_suffix: bool) -> tuple[str, ...]:
    found = {_CODES.get(pair.similarity, "misspelled") for pair in agreed}
    found |= {"joined" for pair in agreed if pair.is_joined}
    if sum(pair.long_weight for pair in agreed) < longer.weight:
        found.add("words_left_out")
    if differs_in_suffix:
        found.add("other_suffix")
    return tuple(sorted(found - {"same_words"})) or ("same_words",)
