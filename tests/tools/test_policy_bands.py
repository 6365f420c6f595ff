"""The bands of a pack, compared with the rule engine at every value of the axis."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.contracts.facts import PolicyFacts, axis_of
from data.contracts.policy import Expression, ReasonCode, Rule, RuleOutcome
from tools.policy_bands import band_problems, covered, uncovered
from tools.policy_expressions import holds

BEYOND = 24
"""The comparisons stop at 20, so every value from here on gets the same answer."""
FACTS = {"inquiries_6m": "low", "trades_open": "high", "term_months": None}

numbers = st.integers(0, 40).map(lambda halves: halves / 2)
signs = st.sampled_from(["lt", "le", "gt", "ge", "eq", "ne"])


def expressions(fact: str) -> st.SearchStrategy[dict[str, Any]]:
    about_fact = st.builds(
        lambda op, value: {"fact": fact, "op": op, "value": value}, signs, numbers
    )
    others: list[dict[str, Any]] = [
        {"fact": "thin_file", "op": "eq", "value": True},
        {"fact": fact, "op": "missing"},
        {"fact": "state", "op": "missing"},
    ]
    about_others = st.sampled_from(others)
    return st.recursive(
        about_fact | about_fact | about_others,
        lambda parts: st.builds(
            lambda join, those: {join: those},
            st.sampled_from(["all", "any"]),
            st.lists(parts, min_size=1, max_size=3),
        ),
        max_leaves=6,
    )


def rule(number: int, when: dict[str, Any], **changes: Any) -> Rule:
    given = {
        "id": f"rule-{number}",
        "label": "any",
        "when": when,
        "outcome": RuleOutcome.REFER,
        "reason": ReasonCode.NO_CREDIT_FILE,
        "owner": "credit-risk",
        "effective_from": "2026-01-01",
    }
    return Rule.model_validate(given | changes)


def engine_says(when: Expression, fact: str) -> list[bool]:
    """Whether an expression is true by this fact alone, for each value of the axis."""
    unknown: dict[str, Any] = dict.fromkeys(PolicyFacts.model_fields)
    return [
        holds(when, PolicyFacts.model_construct(None, **known)) is True
        for known in (unknown | {fact: at, "state": "IL"} for at in range(BEYOND + 1))
    ]


@given(st.data())
def test_what_a_rule_covers_is_where_the_engine_says_that_it_hits(data: st.DataObject) -> None:
    fact = data.draw(st.sampled_from(sorted(FACTS)))
    when = rule(1, data.draw(expressions(fact))).when
    axis = axis_of(fact)
    assert axis is not None

    intervals = covered(when, fact, axis)

    found = [any(low <= value <= high for low, high in intervals) for value in range(BEYOND + 1)]
    assert found == engine_says(when, fact)
    free = uncovered(intervals, axis)
    assert found == [not any(low <= at <= high for low, high in free) for at in range(BEYOND + 1)]


@given(st.data())
def test_gaps_and_overlaps_are_those_that_the_engine_shows(data: st.DataObject) -> None:
    fact = data.draw(st.sampled_from(sorted(FACTS)))
    parts = data.draw(st.lists(expressions(fact), min_size=1, max_size=4))
    rules = [rule(number, when) for number, when in enumerate(parts)]

    messages = [problem.message for problem in band_problems(rules) if problem.field == fact]

    hits = [sum(column) for column in zip(*(engine_says(r.when, fact) for r in rules), strict=True)]
    assert any(message.startswith("overlaps") for message in messages) == (max(hits) > 1)
    assert any(message.startswith("gap") for message in messages) == has_gap(fact, hits)


def has_gap(fact: str, hits: list[int]) -> bool:
    """The definition, value by value: something is approved although a better value is not."""
    if not any(hits):
        return False
    runs = [bool(covering) for covering, _ in groupby(map(bool, hits))]
    if FACTS[fact] is None:
        return runs.count(False) > 1
    from_best = runs if FACTS[fact] == "low" else runs[::-1]
    return False in from_best[1:]


@pytest.mark.parametrize(
    ("until", "since", "problems"),
    [
        ("2026-06-30", "2026-07-01", 0),
        ("2026-07-01", "2026-07-01", 1),
        ("2026-06-29", "2026-07-01", 0),
    ],
)
def test_only_rules_of_the_same_day_can_overlap(until: str, since: str, problems: int) -> None:
    when = {"fact": "pd", "op": "gt", "value": 0.12}
    rules = [rule(1, when, effective_to=until), rule(2, when, effective_from=since)]

    assert len(list(band_problems(rules))) == problems


def test_facts_with_an_order_have_an_axis() -> None:
    without = {"state", "thin_file", "bureau_alerts", "bureau_status", "product"}

    assert all(axis_of(fact) is None for fact in without)
    assert {fact: axis_of(fact).better for fact in FACTS} == FACTS  # type: ignore[union-attr]
    pd = axis_of("pd")
    assert pd is not None
    band = axis_of("fraud_band")
    assert band is not None
    assert band.words == ("low", "medium", "high", "critical")
    assert pd == (Decimal("0.000001"), Decimal(0), Decimal(1), "low", ())
