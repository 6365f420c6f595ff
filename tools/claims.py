"""Holds a text to its evidence: every number, date, code and result in it must be there.

The check is strict in one direction. It may refuse a true text, and then the desk uses its own
words. It must not pass a text that says something else than the evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from data.contracts.ssn import has_shape_of_ssn
from data.contracts.wording import ModelText
from tools.plain_english import folded, foreign_faults

LONGEST = 1500
"""The most characters of a text."""

_PIECE = re.compile(r"[A-Za-z0-9_$€£%+./,:-]*[0-9][A-Za-z0-9_%+./,:-]*(?: (?=%))?%?")
"""Everything that contains a digit: a number, a date, a code, an id."""
_NUMBER = re.compile(r"[+-]?[$€£]?(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?%?")
_SPELLED = re.compile(
    r"\b(zero|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(thir|four|fif|six|seven|eigh"
    r"|nine)teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|(hundred|thousand"
    r"|million|billion|dozen)s?|half|double|twice|triple)\b",
    re.IGNORECASE,
)
"""A number in words cannot be compared with the evidence."""

_RESULTS: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = tuple(
    (re.compile(rf"\b(?:{pattern})", re.IGNORECASE), frozenset(values.split()))
    for pattern, values in (
        (r"approv|grant|accept(?!able)", "approve"),
        (r"qualif|eligib|disburs|releas|green[- ]light|good to go", "approve counter_offer"),
        (r"pa(?:y|id) out|payout|funds? (?:will|can|may|are)", "approve counter_offer"),
        (r"declin|den(?:y|ied|ial)|reject|turn(?:ed)? down", "decline"),
        (r"refer(?!ence)", "refer"),
        (r"counter-?\s?offer", "counter_offer"),
        (r"incomplete", "incomplete"),
        (r"withdr[ae]w", "withdrawn withdraw"),
        (r"(?:verified(?! (?:monthly|income|amount|share))|proven|confirmed)", "verified exact"),
        (r"unverifi", "unverifiable"),
        (r"discrepan", "discrepant"),
        (r"expired", "expired document_expired"),
        (r"tamper|forge", "tampered"),
        (r"(?:true|potential)[- ]match", "true_match potential"),
        (r"frozen|freeze", "frozen"),
        (r"critical", "critical"),
    )
)
"""Words that state a result, with the values of the evidence of which one must be there."""


CHOSEN_IDS = frozenset({"document_id", "document_ids", "evidence"})
"""Fields with ids that an applicant may have chosen: one can be named `approve` or `99999`."""

_NEGATED = re.compile(
    r"\b(?:not|never|no longer|without being|\w+n't)\s+(?:\w+\s+){0,2}(?:"
    + "|".join(pattern.pattern.removeprefix(r"\b") for pattern, _ in _RESULTS)
    + ")",
    re.IGNORECASE,
)
"""A result in its negation states the opposite with a word that the evidence has."""


def contradictions(answer: ModelText, evidence: Any) -> tuple[str, ...]:
    """Where a model's answer says something else than the evidence; nothing if it agrees.

    The texts tell the model what to mend. They repeat its own words, which no log gets to see.
    """
    leaves = list(_leaves(evidence))
    named: dict[str, set[str]] = {}
    for name, value in leaves:
        named.setdefault(name, set()).add(_normal(value))
    return (
        *text_contradictions(answer.text, plain_values(evidence), chosen_values(evidence)),
        *(
            f"the evidence has no {statement.name} of {statement.value}"
            for statement in answer.statements
            if _normal(statement.value) not in named.get(_last(statement.name), set())
        ),
    )


def text_contradictions(
    text: str, values: Iterable[str], chosen: Iterable[str] = ()
) -> tuple[str, ...]:
    """The same for a text alone. `values` are the plain values of the evidence.

    `chosen` are ids that applicants have chosen: the text may name them, and they prove no number
    and no result.
    """
    if not text.strip() or len(text) > LONGEST:
        # No further look: the patterns take long on a long text.
        return (f"the text must have from 1 to {LONGEST} characters",)
    known = tuple(values)
    found = list(foreign_faults(text))
    text = folded(text)
    if has_shape_of_ssn(text):
        found.append("the text contains what looks like a tax number")
    numbers, words = (
        _numbers(known),
        {piece for value in (*known, *chosen) for piece in _words(value)},
    )
    for match in _PIECE.finditer(text):
        piece = match[0].replace(" ", "").strip(".,:+/").rstrip("-")
        if not _is_known(piece, numbers, words):
            found.append(f"{piece} is not in the evidence")
    if spelled := _SPELLED.search(text):
        found.append(f"write numbers in digits, not as '{spelled[0]}'")
    if negated := _NEGATED.search(text):
        found.append(f"state the result itself, not '{negated[0]}'")
    results = {value.casefold() for value in known}
    found += [
        f"'{said[0]}' is no result of the evidence"
        for pattern, allowed in _RESULTS
        if (said := pattern.search(text)) and results.isdisjoint(allowed)
    ]
    return tuple(found)


def plain_values(evidence: Any) -> tuple[str, ...]:
    """Every value of a JSON document as a text, and the lengths of its lists.

    Ids that applicants have chosen are left out.
    """
    return tuple(value for name, value in _leaves(evidence) if name not in CHOSEN_IDS)


def chosen_values(evidence: Any) -> tuple[str, ...]:
    """The ids in a JSON document that applicants have chosen."""
    return tuple(value for name, value in _leaves(evidence) if name in CHOSEN_IDS)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from _leaves(inner, str(key))
        case list() | tuple():
            yield f"{name}_count", str(len(value))
            for inner in value:
                yield from _leaves(inner, name)
        case None:
            yield name, "none"
        case _:
            yield name, str(value).lower() if isinstance(value, bool) else str(value)


def _last(name: str) -> str:
    """The field of a dotted name: `risk.members[0].pd` is `pd`."""
    return re.sub(r"\[\d*\]", "", name).rpartition(".")[2]


def _normal(value: str) -> str:
    number = _as_number(value.strip())
    return value.strip().casefold() if number is None else f"{number:f}"


def _as_number(piece: str) -> Decimal | None:
    if not _NUMBER.fullmatch(piece):
        return None
    try:
        return Decimal(re.sub(r"[$€£,%]", "", piece)).normalize() + 0
    except InvalidOperation:  # pragma: no cover, the pattern allows only numbers
        return None


def _numbers(values: Iterable[str]) -> set[tuple[Decimal, bool]]:
    """The numbers of the evidence, plain and as the percentages that fractions make.

    A text may leave out the sign of a number, and add none.
    """
    found: set[tuple[Decimal, bool]] = set()
    for value in values:
        for piece in (part.replace(" ", "").strip(".,:+/") for part in _PIECE.findall(value)):
            signed = _as_number(piece.rstrip("-"))
            if signed is None:
                continue
            for number in (signed, abs(signed)):
                found.add((number, piece.endswith("%")))
                if "." in piece:
                    places = (0, 1, 2, 4)
                    found |= {(round(number * 100, n).normalize() + 0, True) for n in places}
    return found


def _words(value: str) -> Iterator[str]:
    for piece in _PIECE.findall(value):
        if _as_number(bare := piece.strip(".,:-+/")) is None:
            yield bare.casefold()


def _is_known(piece: str, numbers: set[tuple[Decimal, bool]], words: set[str]) -> bool:
    number = _as_number(piece)
    if number is None:
        return piece.casefold() in words
    return (number, piece.endswith("%")) in numbers
