"""Which of a target's two values is bad: from their words, the name of the column, or a guess.

The first of these that tells is taken:

1. The words of the values: bad, default, charged off, rejected; good, paid, approved.
2. The name of the column, where one value affirms it: 1, yes, true, t, y, +. With `default` or
   `delinquent` yes is bad, with `approved` or `repaid` yes is good.
3. The usual reading of the pair: of 0 and 1 the 1, of 1 and 2 the 2, of + and - the -, of b and
   g the b, and otherwise yes. Where that class has most of the rows, the other one.
4. The rarer class.

The last two are guesses. The fit and its report say so, and how to turn it round.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MOST = 0.6
"""Above this share of the rows a class is not taken for the bad one without a word that says so."""

_AFFIRMED = {
    frozenset({"0", "1"}): "1",
    frozenset({"-1", "1"}): "1",
    frozenset({"no", "yes"}): "yes",
    frozenset({"n", "y"}): "y",
    frozenset({"false", "true"}): "true",
    frozenset({"f", "t"}): "t",
    frozenset({"-", "+"}): "+",
}
_USUAL = _AFFIRMED | {
    frozenset({"1", "2"}): "2",
    frozenset({"-", "+"}): "-",
    frozenset({"b", "g"}): "b",
}
"""The usual reading of a pair. `+` is an accepted applicant, and `2` is bad in credit data."""

_BAD = re.compile(
    r"bad|default|charge|writ|delinq|dlq|late$|overdue|arrears|fraud|loss|bankrupt|insolv|npl"
    r"|reject|denied|deny|declin|refus|collect|past$"
)
_GOOD = re.compile(
    r"good|paid|repa[iy]|full|current|perform|approv|accept|grant|creditab|creditworth|solvent"
)
_NOT = re.compile(r"not?$|non$|never$|without$|fail")
_JOINED_NOT = re.compile(
    r"(?:non|not|no|un)(?=bad|default|delinq|fraud|paid|perform|approv|accept)"
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


@dataclass(frozen=True)
class BadValue:
    """The value of a bad row, and why it is taken for it."""

    value: str
    why: str


def bad_value_of(name: str, rows_of: dict[str, int]) -> BadValue:
    """The bad value of a target with this name, of two values with their numbers of rows."""
    return (
        _by_words(list(rows_of))
        or _by_name(name, frozenset(rows_of))
        or _by_convention(rows_of)
        or _rarer(rows_of, "neither the values nor the column's name say which is bad")
    )


def _by_words(values: list[str]) -> BadValue | None:
    says = {value: _says_bad(value) for value in values}
    is_bad = [value for value in values if says[value]]
    is_good = [value for value in values if says[value] is False]
    if len(is_bad) == 1:
        return BadValue(is_bad[0], "its words say so")
    if len(is_good) == 1 and not is_bad:
        (other,) = (value for value in values if value not in is_good)
        return BadValue(other, f"{is_good[0]!r} is good")
    return None


def _by_name(name: str, values: frozenset[str]) -> BadValue | None:
    says_bad, affirmed = _says_bad(name), _AFFIRMED.get(values)
    if says_bad is None or affirmed is None:
        return None
    (denied,) = values - {affirmed}
    bad = affirmed if says_bad else denied
    return BadValue(bad, f"by the column's name {affirmed!r} is {'bad' if says_bad else 'good'}")


def _by_convention(rows_of: dict[str, int]) -> BadValue | None:
    usual = _USUAL.get(frozenset(rows_of))
    if usual is None:
        return None
    share = rows_of[usual] / sum(rows_of.values())
    if share > _MOST:
        return _rarer(rows_of, f"{usual!r} would make {share:.0%} of the rows bad")
    (other,) = rows_of.keys() - {usual}
    return BadValue(usual, f"a guess: the usual reading of {other!r} and {usual!r}")


def _rarer(rows_of: dict[str, int], because: str) -> BadValue:
    rarer = min(sorted(rows_of), key=lambda value: rows_of[value])
    return BadValue(rarer, f"a guess: the rarer value, because {because}")


def _says_bad(text: str) -> bool | None:
    """Whether words stand for a bad outcome or a good one; None when they say neither."""
    words = [word.lower() for word in _WORD.findall(text)]
    denied = sum(bool(_NOT.match(word)) for word in words)
    denied += sum(bool(_JOINED_NOT.match(word)) for word in words)
    bare = [_JOINED_NOT.sub("", word) for word in words]
    bad = any(map(_BAD.match, bare))
    if bad == any(map(_GOOD.match, bare)):
        return None
    return bad != bool(denied % 2)
