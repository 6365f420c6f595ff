"""Finds the entries of a list whose names resemble a name, without comparing it with all of them.

The index knows every word of every listed name under several keys: its spelling, its sound, both
without one letter, its consonants, the names of which it is a short form. Two words that can agree
share a key. Only names that share two words with the sought name are compared in full. So 20,000
entries cost less than a millisecond for a name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from data.contracts.watchlist import EntryKind, Watchlist, WatchlistEntry
from tools.name_words import Word, word_similarity
from tools.names import (
    MATCHES_FROM,
    Likeness,
    NormalName,
    compare,
    joined_runs,
    neighbours,
    normal_name,
)
from tools.short_names import short_name_groups

_WHOLE_FROM = 0.9
"""An organisation has to share so much of its name: a person's name is often a part of one."""
_SHARED_FROM = 0.75
"""Words that agree may have other lengths, so this is less than what a match takes."""

_VOWELS = frozenset("aeiou")


@dataclass(frozen=True)
class Hit:
    """An entry with a name that resembles the sought one."""

    entry: WatchlistEntry
    name: str
    likeness: Likeness


class ScreeningIndex:
    """One edition of a list with all its names in normal form."""

    def __init__(self, watchlist: Watchlist) -> None:
        self.watchlist = watchlist
        self._listed = [
            (entry, name, normal_name(name))
            for entry in watchlist.entries
            for name in (*entry.names, *entry.aliases)
        ]
        self.entries = {entry.entry_id: entry for entry in watchlist.entries}
        self._vocabulary: list[Word] = []
        self._names_with: list[set[int]] = []
        self._words_under: dict[str, list[int]] = defaultdict(list)
        self._names_joined: dict[str, set[int]] = defaultdict(set)
        self._enter_all()
        self._alike = lru_cache(maxsize=65536)(self._names_alike)

    def hits(self, name: str) -> list[Hit]:
        """Every entry that a name resembles, with the entry's nearest name."""
        sought = normal_name(name)
        best: dict[str, Hit] = {}
        for place in self._near(sought):
            entry, spelled, listed = self._listed[place]
            likeness = compare(sought, listed)
            if not _counts(entry, likeness):
                continue
            known = best.get(entry.entry_id)
            if known is None or _rank(likeness) > _rank(known.likeness):
                best[entry.entry_id] = Hit(entry, spelled, likeness)
        return list(best.values())

    def _near(self, sought: NormalName) -> set[int]:
        """The listed names that are worth a full comparison."""
        alike = {word: self._alike(word) for word in (sought.words[place] for place in sought.core)}
        shared: Counter[int] = Counter()
        for places in alike.values():
            shared.update(places)
        whole_words = sum(not word.is_initial for word in alike)
        needed = min(2, max(whole_words, 1))
        return self._written_as_one(sought) | {
            place
            for place, count in shared.items()
            if count >= needed and self._shares_enough(sought, place, alike)
        }

    def _shares_enough(
        self, sought: NormalName, place: int, alike: dict[Word, frozenset[int]]
    ) -> bool:
        """Whether the words in common can make up nearly all of the shorter name."""
        listed = self._listed[place][2]
        if len(alike) == 1:
            return len(listed.core) == 1
        letters = sum(len(word.text) for word, places in alike.items() if place in places)
        return letters >= _SHARED_FROM * min(sought.weight, listed.weight)

    def _written_as_one(self, sought: NormalName) -> set[int]:
        """Names that join words which the sought name splits, or the other way round."""
        found: set[int] = set()
        for word in sought.words:
            shortest = 3 if word.from_consonants else 5
            for key in _keys_as_one(word, word.text, shortest):
                found |= self._names_joined.get(key, set())
        for run in joined_runs(sought):
            for key in _keys_as_one(run.word, run.initials):
                for number in self._words_under.get(key, ()):
                    if word_similarity(run.word, self._vocabulary[number]) or key[0] == "!":
                        found |= self._names_with[number]
        return found

    def _names_alike(self, word: Word) -> frozenset[int]:
        keys = _keys(word) | {_initial_of(word)}
        numbers = {number for key in keys for number in self._words_under.get(key, ())}
        alike = [number for number in numbers if word_similarity(word, self._vocabulary[number])]
        return frozenset().union(*(self._names_with[number] for number in alike))

    def _enter_all(self) -> None:
        numbers: dict[Word, int] = {}
        for place, (_, _, name) in enumerate(self._listed):
            for word in name.words:
                if word not in numbers:
                    numbers[word] = len(self._vocabulary)
                    self._vocabulary.append(word)
                    self._names_with.append(set())
                    for key in _keys(word):
                        self._words_under[key].append(numbers[word])
                self._names_with[numbers[word]].add(place)
            for words in neighbours(name):
                for key in _keys_joined(words):
                    self._names_joined[key].add(place)


def _counts(entry: WatchlistEntry, likeness: Likeness) -> bool:
    if likeness.score < MATCHES_FROM:
        return False
    return entry.kind is EntryKind.INDIVIDUAL or likeness.whole >= _WHOLE_FROM


def _rank(likeness: Likeness) -> tuple[bool, float]:
    return likeness.equal, likeness.score


def _spellings(word: Word) -> set[str]:
    return {word.text, word.icao, word.sound}


def _keys_as_one(word: Word, initials: str, shortest: int = 3) -> set[str]:
    """What words that are written as one have in common with one word, or with their initials.

    Many words share a short skeleton: `shortest` says how many consonants are enough.
    """
    keys = _spellings(word)
    if len(word.skeleton) >= shortest:
        keys.add(f"~{word.skeleton}")
    if 1 < len(initials) < 4 and not set(initials) & _VOWELS:
        keys.add(f"!{initials}")
    return keys


def _keys_joined(words: tuple[Word, ...]) -> set[str]:
    """The keys of words as if they were written as one, without working out the joined word."""
    keys = {
        "".join(word.text for word in words),
        "".join(word.icao for word in words),
        _run_together(word.sound for word in words),
        "~" + _run_together(word.skeleton for word in words),
    }
    if len(words) < 4:
        keys.add("!" + "".join(word.text[0] for word in words))
    return keys


def _run_together(parts: Iterable[str]) -> str:
    """Parts in which no letter is doubled, as one that has no doubled letter either."""
    whole = ""
    for part in parts:
        whole += part[1:] if whole[-1:] == part[:1] else part
    return whole


def _initial_of(word: Word) -> str:
    return f"{word.text[0]}."


def _keys(word: Word) -> set[str]:
    """What a word has in common with every word that can agree with it."""
    if word.is_initial:
        return {_initial_of(word)}
    keys = _spellings(word) | {f"~{word.skeleton}", f"!{word.text}"}
    keys |= {f"#{group}" for group in short_name_groups(word.text)}
    for letters in {word.text, word.sound}:
        if len(letters) >= 4:
            keys |= {letters[:cut] + letters[cut + 1 :] for cut in range(len(letters))}
    if len(word.sound) >= 9:
        keys |= {f"<{word.sound[:4]}", f">{word.sound[-4:]}"}
    return keys
