"""What the law demands of every policy and scorecard, and what it forbids.

Forbidden are the bases of Regulation B (12 CFR 1002.4 and 1002.6(b)) and what stands for them.
Age may decide about the capacity to contract, and it may give points where people of 62 and older
lose none (12 CFR 1002.6(b)(2)). A place may stand for race, so it needs the sign-off of a person.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from data.contracts.errors import PackProblem
from data.contracts.facts import axis_of
from data.contracts.policy import ReasonCode, Rule, RuleOutcome, RulePack, Severity
from data.contracts.scorecard import CardAttribute, Scorecard
from data.contracts.tree_card import TreeCard
from tools.name_words import ICAO_LETTERS
from tools.policy_bands import Interval, covered, days_of_change, is_in_force
from tools.policy_expressions import comparisons, holds_by

ELDERLY = 62


class Ground(Enum):
    """Why an attribute may not simply be used."""

    PROHIBITED = "a prohibited basis, or what stands for one (12 CFR 1002.4)"
    AGE = "age is for the capacity to contract alone (12 CFR 1002.6(b)(2))"
    PLACE = "a place may stand for a prohibited basis: it needs a sign_off"


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_PROHIBITED = _words(
    """
    race racial color colour ethnic ethnicity hispanic latino religion religious creed faith
    national nationality ancestry birthplace immigrant immigration alien foreign foreigner
    foreigners sex sexual gender male female pregnancy pregnant childbearing marital marriage
    married spouse divorced widowed welfare assistance ssi tanf ccpa surname language
    geschlecht familienstand zivilstand staatsangehoerigkeit staatsbuergerschaft nationalitaet
    auslaender muttersprache konfession geburtsort geburtsland herkunft hautfarbe
    """
)
_PROHIBITED_TOGETHER = tuple(
    map(
        _words,
        (
            "country birth", "birth place", "residency status", "visa type", "visa status",
            "green card", "mother tongue", "civil status", "food stamps", "food stamp",
            "benefits recipient", "benefit recipient", "public benefits", "social benefits",
        ),
    )
)  # fmt: skip
"""Words that are free alone, and together name a prohibited basis."""
_PLACES = _words(
    "zip zipcode zip3 zip5 zip9 postal postcode tract census county neighborhood neighbourhood"
)
_AGES = _words("age dob birth birthdate birthday born alter geburtsdatum")
_OF_THINGS = _words(
    """
    report file account accounts trade trades device email mail phone document credit list vehicle
    employment job address
    """
)
"""With one of these words an age is not the age of a person."""
_OF_LOANS = _words("mortgage mortgages loan loans average avg oldest")
_PERSONS = _words(
    """
    applicant applicants borrower borrowers coborrower customer customers client clients person
    people member members household holder owner guarantor debtor dependent dependents child
    children
    """
)
"""With one of these words an age of loans is the age of a person all the same."""
_CAPITALS = {letter.upper(): plain.upper() for letter, plain in ICAO_LETTERS.items()}
_LETTERS = str.maketrans(
    ICAO_LETTERS | {big: two for big, two in _CAPITALS.items() if len(big) == 1}
)


@lru_cache(maxsize=512)
def ground_against(name: str) -> Ground | None:
    """Why the law looks at an attribute of this name; None for an attribute that it leaves free."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", without_accents(name))
    words = set(re.findall(r"[a-z]+[0-9]*", parted.lower()))
    if words & _PROHIBITED or any(words >= together for together in _PROHIBITED_TOGETHER):
        return Ground.PROHIBITED
    if _is_age_of_a_person(words):
        return Ground.AGE
    return Ground.PLACE if words & _PLACES else None


def without_accents(name: str) -> str:
    """A name in plain letters, as passports write them: `ö` is `oe`."""
    plain = unicodedata.normalize("NFKC", name).translate(_LETTERS)
    return "".join(
        sign for sign in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(sign)
    )


def _is_age_of_a_person(words: set[str]) -> bool:
    ages = words & _AGES
    if not ages or words & _OF_THINGS:
        return False
    return ages != {"age"} or not words & _OF_LOANS or bool(words & _PERSONS)


def forbidden_in_rule(rule: Rule) -> Iterator[PackProblem]:
    """The prohibited attributes that a rule compares. A rule has no sign-off for a place."""
    for fact in dict.fromkeys(comparison.fact for comparison in comparisons(rule.when)):
        ground = ground_against(fact)
        if ground is not None:
            yield PackProblem(rule.id, fact, ground.value)


def forbidden_in_card(card: Scorecard) -> Iterator[PackProblem]:
    """The attributes of a scorecard that the law forbids, and reasons that say nothing."""
    yield from _forbidden(card.scored)


def forbidden_in_trees(card: TreeCard) -> Iterator[PackProblem]:
    """The same for boosted trees. They have no bins that would show what age does: none may."""
    yield from _forbidden(card.overlay)
    for found in card.inputs:
        if (ground := ground_against(found.name)) is not None:
            yield PackProblem(found.name, "name", ground.value)
        if found.reason is ReasonCode.OTHER:
            yield PackProblem(found.name, "reason", TEXTLESS)


def _forbidden(attributes: Sequence[CardAttribute]) -> Iterator[PackProblem]:
    for attribute in attributes:
        ground = ground_against(attribute.name)
        if ground is Ground.PROHIBITED:
            yield PackProblem(attribute.name, "name", ground.value)
        if ground is Ground.AGE and _penalises_the_elderly(attribute):
            message = f"people of {ELDERLY} and older must get the most points of all ages"
            yield PackProblem(attribute.name, "bins", message)
        if ground is Ground.PLACE and attribute.sign_off is None:
            yield PackProblem(attribute.name, "sign_off", ground.value)
        if attribute.reason is ReasonCode.OTHER:
            yield PackProblem(attribute.name, "reason", TEXTLESS)


TEXTLESS = "'Other' tells an applicant nothing: use a reason with a text of its own"


def _penalises_the_elderly(attribute: CardAttribute) -> bool:
    if attribute.is_categorical:
        return True
    reaching = [part for part in attribute.bins if part.below is None or part.below > ELDERLY]
    return any(part.points < attribute.best for part in reaching)


class Demand(NamedTuple):
    """A situation in which the law wants an answer, whatever else is known of the case."""

    rule: str
    """The usual id of the rule."""
    fact: str
    value: object
    outcomes: frozenset[RuleOutcome]
    is_hard: bool
    why: str
    gate: str = ""
    """The gate that a referral has to name."""


_DECLINES = frozenset({RuleOutcome.DECLINE})
_STOPS = frozenset({RuleOutcome.DECLINE, RuleOutcome.INCOMPLETE})
_NO_STATE = "??"
"""A state that no list names."""

DEMANDS = (
    Demand(
        "sanctions-true-match",
        "watchlist_status",
        "true_match",
        _DECLINES,
        True,
        "a person on a sanctions list gets no loan (31 CFR 501)",
    ),
    Demand(
        "watchlist-potential-match",
        "watchlist_status",
        "potential",
        _STOPS | {RuleOutcome.REFER},
        True,
        "compliance answers a possible match before there is a loan (31 CFR 501)",
        gate="compliance",
    ),
    Demand(
        "identity-not-checked",
        "watchlist_status",
        None,
        _STOPS,
        True,
        "an applicant who was not screened gets no loan (31 CFR 501)",
    ),
    Demand(
        "identity-not-checked",
        "identity_status",
        None,
        _STOPS,
        True,
        "an applicant whose identity was not checked gets no loan (31 CFR 1020.220)",
    ),
    Demand(
        "no-street-address",
        "street_address",
        False,
        _STOPS,
        True,
        "an applicant without a street address gets no loan (31 CFR 1020.220(a)(2))",
    ),
    Demand(
        "outside-lending-area",
        "state",
        _NO_STATE,
        _DECLINES,
        True,
        "a state that is not listed gets no loan",
    ),
    Demand(
        "covered-borrower-unknown",
        "covered_borrower",
        None,
        _STOPS | {RuleOutcome.REFER},
        False,
        "a loan waits until the status of a covered borrower is known (32 CFR 232.5)",
    ),
)


def missing_by_law(pack: RulePack) -> Iterator[PackProblem]:
    """The answers that the law demands and that the pack does not give on every day."""
    if pack.capacity is None:
        yield PackProblem("", "capacity", "the ages of legal capacity are missing")
    for day in days_of_change(pack.rules):
        rules = [rule for rule in pack.rules if is_in_force(rule, day)]
        if not rules:
            continue
        since = f"from {day} on"
        for demand in DEMANDS:
            if not any(_answers(rule, demand) for rule in rules):
                kind = "hard rule" if demand.is_hard else "rule"
                message = f"no {kind} {since}: {demand.why}"
                yield PackProblem(demand.rule, demand.fact, message)
        if not _declines_minors(rules):
            message = f"no hard rule {since}: a person without legal capacity gets no loan"
            yield PackProblem("below-legal-age", "years_below_capacity", message)


def _answers(rule: Rule, demand: Demand) -> bool:
    return (
        rule.outcome in demand.outcomes
        and (rule.severity is Severity.HARD or not demand.is_hard)
        and (rule.outcome is not RuleOutcome.REFER or demand.gate in {"", rule.gate})
        and holds_by(rule.when, demand.fact, demand.value)
    )


def _declines_minors(rules: Sequence[Rule]) -> bool:
    axis = axis_of("years_below_capacity")
    return axis is not None and any(
        rule.outcome is RuleOutcome.DECLINE
        and rule.severity is Severity.HARD
        and covered(rule.when, "years_below_capacity", axis) == (Interval(1, math.inf),)
        for rule in rules
    )
