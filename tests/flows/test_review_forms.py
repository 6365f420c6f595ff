"""The forms at the four gates: which answers count, and why the desk refuses the others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from data.contracts.decision import AdjustedTerms
from data.contracts.errors import (
    AnswerRejectedError,
    AuthorityError,
    GateNotFoundError,
    ReviewError,
)
from data.contracts.review import Answerer, ReviewRequest, Role
from flows.review_forms import (
    GATES,
    DocumentsSupplied,
    SecondApproval,
    UnderwriterRuling,
    form_at,
)
from flows.runtime.execution.gate_form import prefilled
from tests.flows.reviewers import COLIN, INA, SVEN, UNA, VERA, check


@pytest.mark.parametrize(
    ("gate", "by", "fields"),
    [
        ("documents", INA, {"decision": "supplied", "document_ids": ["paystub", "w2"]}),
        ("documents", UNA, {"decision": "withdraw"}),
        ("compliance", COLIN, {"decision": "clear"}),
        ("compliance", COLIN, {"decision": "true_match"}),
        ("underwriter", UNA, {"decision": "approve"}),
        ("underwriter", SVEN, {"decision": "approve"}),
        ("underwriter", UNA, {"decision": "decline", "reason_code": "R09"}),
        ("underwriter", UNA, {"decision": "request_documents"}),
        ("underwriter", UNA, {"decision": "adjust", "amount": 1000}),
        ("underwriter", UNA, {"decision": "adjust", "amount": 14999.99, "term_months": 60}),
        ("underwriter", UNA, {"decision": "adjust", "rate": 0.1299}),
        ("second_approval", SVEN, {"decision": "approve"}),
        ("second_approval", SVEN, {"decision": "decline", "reason_code": "R17"}),
    ],
)
def test_a_good_answer_counts(gate: str, by: Answerer, fields: dict[str, Any]) -> None:
    check(gate, by, **fields)


@pytest.mark.parametrize(
    ("gate", "fields", "field"),
    [
        ("documents", {"decision": "supplied"}, "document_ids"),
        ("documents", {"decision": "supplied", "document_ids": ["paystub"]}, "document_ids"),
        ("documents", {"decision": "supplied", "document_ids": ["x"] * 21}, "document_ids"),
        ("documents", {"decision": "approve"}, "decision"),
        ("compliance", {"decision": "approve"}, "decision"),
        ("compliance", {}, "decision"),
        ("underwriter", {"decision": "clear"}, "decision"),
        ("underwriter", {"decision": "decline"}, "reason_code"),
        ("underwriter", {"decision": "decline", "reason_code": "R77"}, "reason_code"),
        ("underwriter", {"decision": "decline", "reason_code": "SANCTIONS_MATCH"}, "reason_code"),
        ("underwriter", {"decision": "decline", "reason_code": "FRAUD_SUSPECTED"}, "reason_code"),
        ("underwriter", {"decision": "adjust"}, ""),
        ("underwriter", {"decision": "approve", "amount": 9000}, ""),
        ("underwriter", {"decision": "adjust", "amount": 0}, "amount"),
        ("underwriter", {"decision": "adjust", "amount": -1}, "amount"),
        ("underwriter", {"decision": "adjust", "amount": 999.99}, "amount"),
        ("underwriter", {"decision": "adjust", "amount": 50000.01}, "amount"),
        ("underwriter", {"decision": "adjust", "amount": "1e4"}, "amount"),
        ("underwriter", {"decision": "adjust", "amount": "9000"}, "amount"),
        ("underwriter", {"decision": "adjust", "amount": 9000.005}, "amount"),
        ("underwriter", {"decision": "adjust", "amount": True}, "amount"),
        ("underwriter", {"decision": "adjust", "amount": "much"}, "amount"),
        ("underwriter", {"decision": "adjust", "amount": float("nan")}, "amount"),
        ("underwriter", {"decision": "adjust", "amount": float("inf")}, "amount"),
        ("underwriter", {"decision": "adjust", "term_months": 61}, "term_months"),
        ("underwriter", {"decision": "adjust", "term_months": 0}, "term_months"),
        ("underwriter", {"decision": "adjust", "term_months": 11}, "term_months"),
        ("underwriter", {"decision": "adjust", "term_months": 12.5}, "term_months"),
        ("underwriter", {"decision": "adjust", "term_months": True}, "term_months"),
        ("underwriter", {"decision": "adjust", "term_months": "36"}, "term_months"),
        ("underwriter", {"decision": "adjust", "rate": 0.05}, "rate"),
        ("underwriter", {"decision": "adjust", "rate": 0.30}, "rate"),
        ("underwriter", {"decision": "adjust", "rate": 12.99}, "rate"),
        ("underwriter", {"decision": "adjust", "rate": 0.1299001}, "rate"),
        ("underwriter", {"decision": "adjust", "rate": "0.1299"}, "rate"),
        ("underwriter", {"decision": "adjust", "rate": 0.2999, "term_months": 12}, "rate"),
        ("second_approval", {"decision": "adjust"}, "decision"),
        ("second_approval", {"decision": "decline"}, "reason_code"),
    ],
)
def test_a_bad_answer_is_rejected_and_its_field_named(
    gate: str, fields: dict[str, Any], field: str
) -> None:
    everybody = UNA.model_copy(update={"roles": tuple(Role)})

    with pytest.raises(AnswerRejectedError) as caught:
        check(gate, everybody, **fields)

    assert caught.value.field == field
    assert caught.value.code == "answer_rejected"


@pytest.mark.parametrize("gate", GATES)
def test_a_viewer_answers_at_no_gate(gate: str) -> None:
    decision = {"documents": "withdraw", "compliance": "clear"}.get(gate, "approve")

    with pytest.raises(AuthorityError, match="this gate is answered by"):
        check(gate, VERA, decision=decision)


@pytest.mark.parametrize("by", [UNA, SVEN, INA], ids=lambda by: by.reviewer)
def test_credit_does_not_answer_for_compliance(by: Answerer) -> None:
    with pytest.raises(AuthorityError, match="answered by compliance"):
        check("compliance", by, decision="clear")


def test_compliance_does_not_answer_for_credit() -> None:
    with pytest.raises(AuthorityError, match="answered by underwriter"):
        check("underwriter", COLIN, decision="approve")


def test_an_amount_above_the_product_has_to_be_adjusted() -> None:
    beyond = {"amount": "50000.01"}

    with pytest.raises(AnswerRejectedError, match=r"to 50,000\.00") as caught:
        check("underwriter", UNA, beyond, decision="approve")
    assert caught.value.field == "decision"

    with pytest.raises(AnswerRejectedError, match=r"to 50,000\.00") as caught:
        check("underwriter", UNA, beyond, decision="adjust", rate=0.1299)
    assert caught.value.field == "amount"


def test_adjusted_terms_are_exactly_what_was_typed() -> None:
    ruling = UnderwriterRuling(
        decision="adjust",
        amount=9000.1,
        term_months=24,
        rate=0.1299,
        reviewer="Una",
        reason="fits better",
    )

    assert ruling.adjusted == AdjustedTerms(
        amount=Decimal("9000.10"), term_months=24, rate=Decimal("0.129900")
    )


def test_documents_that_are_not_on_file_are_rejected_by_number() -> None:
    answer = DocumentsSupplied(
        decision="supplied", document_ids=["paystub", "new", "mine"], reviewer="Ina", reason="here"
    )
    request = ReviewRequest(
        role=Role.INTAKE, title="t", summary="s", facts={"on_file": ["paystub"]}
    )

    answer.check_documents(request, {"new", "mine"})
    with pytest.raises(AnswerRejectedError, match="1 of the named documents") as caught:
        answer.check_documents(request, {"new"})
    assert caught.value.field == "document_ids"


@pytest.mark.parametrize("gate", GATES)
def test_every_form_is_flat_and_its_decision_has_no_default(gate: str) -> None:
    schema = form_at(gate).model_json_schema()

    assert "$defs" not in schema
    assert {"decision", "reviewer", "reason"} <= set(schema["required"])
    assert next(iter(schema["properties"])) == "decision"
    assert "default" not in schema["properties"]["decision"]
    for field in schema["properties"].values():
        assert field.get("title")
        assert field.get("type") != "object"


def test_there_is_no_other_gate() -> None:
    with pytest.raises(GateNotFoundError, match="unknown gate"):
        form_at("director")


def test_what_can_be_wrong_with_an_answer_is_an_error_of_the_review() -> None:
    assert issubclass(AuthorityError, ReviewError)
    assert issubclass(AnswerRejectedError, ReviewError)
    assert form_at("second_approval") is SecondApproval


@pytest.mark.parametrize("gate", ["underwriter", "second_approval"])
def test_a_bare_other_is_no_reason_to_decline(gate: str) -> None:
    by = UNA if gate == "underwriter" else SVEN

    with pytest.raises(AnswerRejectedError, match="tells the applicant no reason"):
        check(gate, by, decision="decline", reason_code="R99")
    check(gate, by, decision="decline", reason_code="R99_TAX_LIEN")


def test_a_list_that_was_typed_comes_back_too() -> None:
    request = ReviewRequest(
        role=Role.INTAKE, title="t", summary="s", prefill={"document_ids": ["w2-primary"]}
    )

    form = prefilled(DocumentsSupplied, request).model_json_schema()

    assert form["properties"]["document_ids"]["default"] == ["w2-primary"]
    assert form["properties"]["document_ids"]["maxItems"] == 20
