"""Printable and internal reasons, and the content of a decision without person, time and run."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from data.contracts.application import Product
from data.contracts.base import canonical_json
from data.contracts.decision import (
    Decision,
    DecisionContent,
    Outcome,
    RequestedTerms,
    Versions,
)
from data.contracts.policy import Comparison, Operator, ReasonCode, Recommendation

INTERNAL = ["SANCTIONS_MATCH", "FRAUD_SUSPECTED", "SYNTHETIC_IDENTITY", "VELOCITY"]


@pytest.mark.parametrize("reason", list(ReasonCode))
def test_every_printable_reason_has_a_text_and_a_denial_code(reason: ReasonCode) -> None:
    if reason.printable:
        assert len(reason.notice_text) >= 5
        assert reason.lar_code in range(1, 10)
        assert reason.on_notice is reason
    else:
        assert reason.name in INTERNAL
        assert reason.lar_code is None


def test_reasons_follow_the_sample_form() -> None:
    assert ReasonCode("R09") is ReasonCode.EXCESSIVE_OBLIGATIONS
    assert ReasonCode("R14") is ReasonCode.NO_CREDIT_FILE
    assert ReasonCode("R21") is ReasonCode.BANKRUPTCY
    assert ReasonCode.EXCESSIVE_OBLIGATIONS.lar_code == 1
    assert ReasonCode.LENGTH_OF_EMPLOYMENT.lar_code == 2
    assert ReasonCode.APPLICATION_INCOMPLETE.lar_code == 7
    assert len([code for code in ReasonCode if code.value[1:].isdigit()]) == 24


@pytest.mark.parametrize("name", INTERNAL)
def test_an_internal_reason_can_never_be_printed(name: str) -> None:
    with pytest.raises(ValueError, match="internal"):
        _ = ReasonCode[name].notice_text


def test_fraud_is_called_unverifiable_identity_and_sanctions_are_not_mentioned() -> None:
    assert ReasonCode.FRAUD_SUSPECTED.on_notice is ReasonCode.IDENTITY_UNVERIFIABLE
    assert ReasonCode.SYNTHETIC_IDENTITY.on_notice is ReasonCode.IDENTITY_UNVERIFIABLE
    assert ReasonCode.SANCTIONS_MATCH.on_notice is None


def test_no_text_gives_a_score_or_a_policy_as_the_reason() -> None:
    texts = [code.notice_text.lower() for code in ReasonCode if code.printable]

    assert not [text for text in texts if "score" in text or "policy" in text or "fraud" in text]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (0.43, Decimal("0.43")),
        (640, Decimal(640)),
        (True, True),
        ("critical", "critical"),
        (["TX", "IL"], ("TX", "IL")),
        (None, None),
    ],
)
def test_a_comparison_keeps_the_type_of_its_value(value: object, kept: object) -> None:
    comparison = Comparison.model_validate({"fact": "dti_after", "op": "gt", "value": value})

    assert comparison.op is Operator.GT
    assert comparison.value == kept
    assert type(comparison.value) is type(kept)


def _content(**differs: Any) -> DecisionContent:
    found: dict[str, Any] = {
        "inputs_sha256": "a" * 64,
        "as_of_date": date(2026, 11, 2),
        "versions": Versions(code="0.1.0", policy="p"),
        "requested": RequestedTerms(
            product=Product.PERSONAL_LOAN, amount=Decimal("9000.00"), term_months=36
        ),
        "recommendation": Recommendation.APPROVE,
        "outcome": Outcome.APPROVE,
    }
    return DecisionContent(**(found | differs))


def _decision(**differs: Any) -> Decision:
    envelope: dict[str, Any] = {
        "decision_id": "d-1",
        "run_id": "r-1",
        "application_id": "ada-prime",
        "decided_at": datetime(2026, 11, 2, 15, 0, tzinfo=UTC),
    }
    return Decision.of(_content(), **(envelope | differs))


def test_two_runs_on_equal_inputs_have_equal_content() -> None:
    first = _decision()
    second = _decision(run_id="r-2", application_id="copy", copy_of="ada-prime")

    assert first.content_sha256 == second.content_sha256
    assert canonical_json(first.content) == canonical_json(second.content)
    assert b"ada-prime" not in canonical_json(first.content)


def test_a_decision_whose_content_was_changed_is_refused() -> None:
    stored = _decision().model_dump(mode="json")
    stored["content"]["outcome"] = "decline"

    with pytest.raises(ValidationError, match="content_sha256"):
        Decision.model_validate(stored)


def test_a_decision_survives_its_json_form() -> None:
    decision = _decision()

    assert Decision.model_validate_json(decision.model_dump_json()) == decision


def test_an_internal_reason_cannot_become_a_principal_one() -> None:
    with pytest.raises(ValidationError, match="internal"):
        _content(principal_reasons=(ReasonCode.FRAUD_SUSPECTED,))


def test_a_notice_names_four_reasons_at_most() -> None:
    with pytest.raises(ValidationError, match="at most 4"):
        _content(principal_reasons=tuple(ReasonCode)[:5])
