"""The memo of a decision and its important sentences."""

from datetime import date
from decimal import Decimal
from typing import Any

from data.contracts.decision import (
    DecisionContent,
    HumanRuling,
    Outcome,
    RequestedTerms,
    Versions,
)
from data.contracts.policy import (
    ReasonCode,
    Recommendation,
    RuleOutcome,
    RuleResult,
    RuleStatus,
    Severity,
)
from tools.memo import compose_memo, dollars, percent, with_article


def _result(rule_id: str, status: RuleStatus) -> RuleResult:
    return RuleResult(
        rule_id=rule_id,
        rule_version=1,
        status=status,
        outcome=RuleOutcome.DECLINE,
        severity=Severity.SOFT,
        reason=ReasonCode.EXCESSIVE_OBLIGATIONS,
        inputs={"dti_after": "0.56" if status is RuleStatus.HIT else None},
    )


def _content(**changes: Any) -> DecisionContent:
    return DecisionContent.model_validate(
        {
            "inputs_sha256": "0" * 64,
            "as_of_date": date(2026, 11, 2),
            "versions": Versions(policy="1.0", code="test"),
            "requested": RequestedTerms.model_validate(
                {"product": "personal_loan", "amount": "12000", "term_months": 48}
            ),
            "recommendation": Recommendation.DECLINE,
            "outcome": Outcome.DECLINE,
            "principal_reasons": (ReasonCode.EXCESSIVE_OBLIGATIONS,),
        }
        | changes
    )


def test_the_memo_opens_with_what_was_asked_and_what_came_of_it() -> None:
    memo = compose_memo(_content(), None)

    assert memo.startswith(
        "## Decision\n\nAsked for, and judged as of 2026-11-02: "
        "a personal loan of $12,000.00 over 48 months.\n"
    )
    assert "Outcome: **decline**." in memo
    assert "- Excessive obligations in relation to income" in memo


def test_rules_that_did_not_hit_are_counted_and_not_listed() -> None:
    results = (
        _result("dti-above-limit", RuleStatus.HIT),
        _result("thin-file", RuleStatus.NOT_HIT),
        _result("no-credit-file", RuleStatus.NOT_EVALUABLE),
    )

    memo = compose_memo(_content(rule_results=results), None)

    assert "3 rules evaluated, 2 to be named." in memo
    assert "| dti-above-limit | hit | decline | dti_after 0.56 |" in memo
    assert "| no-credit-file | not evaluable | decline | dti_after unknown |" in memo
    assert "thin-file" not in memo


def test_a_section_without_content_is_left_out() -> None:
    memo = compose_memo(_content(), None)

    assert [line for line in memo.splitlines() if line.startswith("## ")] == [
        "## Decision",
        "## Versions",
    ]


def test_an_override_is_named() -> None:
    ruling = HumanRuling(
        gate="second_approval",
        decision="approve",
        role="senior_underwriter",
        reviewer="reviewer-7",
        proven=True,
        reason_code="collection_disputed",
        override=True,
    )

    memo = compose_memo(_content(rulings=(ruling,)), None)

    assert (
        "- second approval: approve by a senior underwriter (proven), "
        "reason collection_disputed, against the policy"
    ) in memo


def test_amounts_and_rates_are_written_for_people() -> None:
    assert dollars(Decimal("1234567.5")) == "$1,234,567.50"
    assert percent(Decimal("0.146472")) == "14.65 %"
    assert with_article("auto_loan") == "an auto loan"
    assert with_article("credit_card") == "a credit card"
