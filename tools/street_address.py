"""Compares street addresses of the United States, part by part.

House number, unit, direction, kind of street and numbers of streets are compared exactly, so that a
neighbour's address is another address. Only the street's name may be misspelled. Abbreviations and
designators of units follow USPS Publication 28.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from data.contracts.application import Address

_STREETS = {
    "aly": "alley",
    "av": "avenue",
    "ave": "avenue",
    "blvd": "boulevard",
    "cir": "circle",
    "ct": "court",
    "cv": "cove",
    "dr": "drive",
    "expy": "expressway",
    "hwy": "highway",
    "ln": "lane",
    "loop": "loop",
    "pike": "pike",
    "pkwy": "parkway",
    "pl": "place",
    "plz": "plaza",
    "rd": "road",
    "sq": "square",
    "st": "street",
    "str": "street",
    "ter": "terrace",
    "trl": "trail",
    "way": "way",
}
_DIRECTIONS = {
    "n": "north",
    "s": "south",
    "e": "east",
    "w": "west",
    "ne": "northeast",
    "nw": "northwest",
    "se": "southeast",
    "sw": "southwest",
}
_ORDINALS = {
    word: f"{number}"
    for number, word in enumerate(
        ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"), 1
    )
}
_UNITS = frozenset({"#", "apt", "apartment", "unit", "ste", "suite", "rm", "room", "no"})
"""Designators that mean the same: a `#` may stand for each of them."""

_OTHER_UNITS = {
    "bldg": "building",
    "building": "building",
    "fl": "floor",
    "floor": "floor",
    "lot": "lot",
    "spc": "space",
    "space": "space",
    "trlr": "trailer",
    "trailer": "trailer",
}
_WORD = re.compile(r"#|[^\W_]+(?:[-/'’][^\W_]+)*")
_NUMBERED = re.compile(r"([0-9]+)(?:st|nd|rd|th)?")


@dataclass(frozen=True)
class StreetAddress:
    """The parts of the first line of an address."""

    house: str
    units: frozenset[tuple[str, str]]
    """Designator and number; the designator is empty for apartments and the like."""
    directions: tuple[str, ...]
    kinds: tuple[str, ...]
    """Street, avenue and the like."""
    numbers: tuple[str, ...]
    """The numbers in the name of the street."""
    name: str


CLOSE_FROM = 85.0
"""From this likeness on, two addresses are one, with a slip in the name of the street."""


def same_address(first: Address, second: Address) -> bool:
    """Whether two addresses are one, however they are abbreviated."""
    return address_likeness(first, second) >= CLOSE_FROM


def address_likeness(first: Address, second: Address) -> float:
    """The similarity of two addresses from 0 to 100.

    0 when state, ZIP code, house number or unit differ, or when the streets cannot be the same.
    """
    if first.state != second.state or first.postal_code[:5] != second.postal_code[:5]:
        return 0.0
    one, other = street_address(first.line1), street_address(second.line1)
    if (one.house, one.units, one.numbers) != (other.house, other.units, other.numbers):
        return 0.0
    if _contradict(one.directions, other.directions) or _contradict(one.kinds, other.kinds):
        return 0.0
    if one.name == other.name:
        return 100.0
    is_slip = len(one.name) >= 5 and OSA.distance(one.name, other.name, score_cutoff=1) == 1
    return 90.0 if is_slip else fuzz.ratio(one.name, other.name)


def street_address(line: str) -> StreetAddress:
    """The parts of a line such as `410 N. Alder St., Apt 5`."""
    words = _WORD.findall(line.casefold())
    house = words.pop(0) if words and words[0][0].isdigit() else ""
    if words and re.fullmatch(r"[0-9]/[0-9]", words[0]):
        house += " " + words.pop(0)
    rest, units = _without_units(words)
    kinds = [_STREETS.get(word, word) for word in rest]
    plain = [_DIRECTIONS.get(word, _ORDINALS.get(word, word)) for word in kinds]
    numbers = tuple(found[1] for word in plain if (found := _NUMBERED.fullmatch(word)))
    names = [word for word in plain if not _NUMBERED.fullmatch(word)]
    return StreetAddress(
        house=house,
        units=units,
        directions=tuple(word for word in names if word in _DIRECTIONS.values()),
        kinds=tuple(word for word in names if word in _STREETS.values()),
        numbers=numbers,
        name=" ".join(word for word in names if word not in _SET_PHRASES),
    )


_SET_PHRASES = frozenset(_DIRECTIONS.values()) | frozenset(_STREETS.values())


def _without_units(words: list[str]) -> tuple[list[str], frozenset[tuple[str, str]]]:
    """The words of the street, and the units with their numbers.

    A number after the kind of street, without a designator, is a unit too: `410 Alder St 5`.
    """
    rest: list[str] = []
    units: set[tuple[str, str]] = set()
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        designated = word in _UNITS or word in _OTHER_UNITS
        if rest and designated and waiting:
            while waiting[0] in _UNITS and len(waiting) > 1:
                waiting.pop(0)
            units.add((_OTHER_UNITS.get(word, ""), _unit_number(waiting.pop(0))))
        elif rest and rest[-1] in _ANY_STREET and not waiting and word[0].isdigit():
            units.add(("", _unit_number(word)))
        else:
            rest.append(word)
    return rest, frozenset(units)


_ANY_STREET = frozenset(_STREETS) | frozenset(_STREETS.values())


def _unit_number(text: str) -> str:
    """The number of a unit: `5-B`, `5B` and `05b` are one."""
    return re.sub(r"[^0-9a-z]", "", text).lstrip("0") or "0"


def _contradict(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return bool(one and other and one != other)
