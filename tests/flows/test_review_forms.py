"""The four gates: which answers count, and what is said of those that do not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from data.contracts.decision import AdjustedTerms, Grade
from data.contracts.errors import (
    AnswerRejectedError,
    AuthorityError,
    GateNotFoundError,
    ReviewError,
)
from data.contracts.review import Answerer, Channel, ReviewRequest, Role
from data.contracts.underwriting import Evidence, ReviewFacts
from data.settings import settings
from flows.case import ReviewCase, with_overrides
from flows.review_forms import (
    GATES,
    DocumentsSupplied,
    SecondApproval,
    UnderwriterRuling,
    bound,
    form_at,
    is_within_one_authority,
)
from flows.rulebook import current_rulebook
from flows.runtime.execution.gate_form import filled_in
from tests.flows.inline import persona

BOOK = current_rulebook(settings().data_dir)
BORA = persona("bora-borderline").case

FACTS = ReviewFacts(
    amount=Decimal("12000.00"),
    term_months=36,
    grade=Grade.C,
    smallest_amount=Decimal("1000.00"),
    largest_amount=Decimal("50000.00"),
    shortest_term=12,
    longest_term=60,
    lowest_rate=Decimal("0.0599"),
    highest_rate=Decimal("0.2999"),
)
UNA = Answerer(reviewer="Una", roles=(Role.UNDERWRITER,), channel=Channel.HTTP, proven=True)
SVEN = Answerer(
    reviewer="Sven", roles=(Role.SENIOR_UNDERWRITER,), channel=Channel.HTTP, proven=True
)
COLIN = Answerer(reviewer="Colin", roles=(Role.COMPLIANCE,), channel=Channel.HTTP, proven=True)
INA = Answerer(reviewer="Ina", roles=(Role.INTAKE,), channel=Channel.HTTP)
VERA = Answerer(reviewer="Vera", roles=(Role.VIEWER,), channel=Channel.HTTP)
ROLES = {
    "documents": Role.INTAKE,
    "compliance": Role.COMPLIANCE,
    "underwriter": Role.UNDERWRITER,
    "second_approval": Role.SENIOR_UNDERWRITER,
}


def unproven(who: Answerer) -> Answerer:
    return who.model_copy(update={"proven": False})


def keyed(who: Answerer) -> Answerer:
    """The same person, answering while the desk has keys."""
    return who.model_copy(update={"keyed": True})


def check(gate: str, by: Answerer, facts: dict[str, Any] | None = None, **fields: Any) -> None:
    """Fill in a form about Bora, of whom little is known, and hold it to its rules."""
    known = FACTS.model_dump(mode="json") | (facts or {})
    case = with_overrides(BORA, {"amount_requested": known["amount"]})
    if gate == "documents":
        known = {"on_file": ["paystub"]}
    request = ReviewRequest(role=ROLES[gate], title="t", summary="s", facts=known)
    plain = {"reviewer": by.reviewer, "reason": "seen and considered"}
    form = bound(form_at(gate), ReviewCase(case, Evidence(), BOOK))
    filled_in(form, plain | fields).check(request, by)


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
        ("underwriter", UNA, {"decision": "adjust", "rate": 0.0599}),
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
def test_whoever_only_looks_answers_nowhere(gate: str) -> None:
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


# -- authority ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "amount", "grade", "alone"),
    [
        (UNA, "15000.00", Grade.A, True),
        (UNA, "15000.01", Grade.A, False),
        (UNA, "1000.00", Grade.F, False),
        (UNA, "15000.00", None, True),
        (SVEN, "35000.00", Grade.D, True),
        (SVEN, "35000.01", Grade.D, False),
        (SVEN, "25000.01", Grade.E, False),
        (INA, "1000.00", Grade.A, False),
    ],
)
def test_one_person_alone_grants_up_to_their_authority(
    by: Answerer, amount: str, grade: Grade | None, alone: bool
) -> None:
    facts = FACTS.model_copy(update={"grade": grade, "amount": Decimal(amount)})

    assert is_within_one_authority(BOOK.authority, facts, by) is alone


def test_an_override_always_needs_another_person() -> None:
    facts = FACTS.model_copy(update={"is_override": True, "amount": Decimal("1000.00")})

    assert not is_within_one_authority(BOOK.authority, facts, SVEN)


def test_authority_is_what_the_run_has_pinned_whatever_the_file_says_now() -> None:
    narrow = BOOK.authority.model_copy(update={"unproven": Decimal("100.00")})
    review_case = ReviewCase(BORA, Evidence(), BOOK.model_copy(update={"authority": narrow}))
    request = ReviewRequest(
        role=Role.UNDERWRITER, title="t", summary="s", facts=FACTS.model_dump(mode="json")
    )
    form = bound(UnderwriterRuling, review_case)
    answer = filled_in(form, {"decision": "approve", "reviewer": "Una", "reason": "tenure"})

    answer.check(request, UNA)
    with pytest.raises(AuthorityError, match=r"amounts up to 100\.00"):
        answer.check(request, unproven(UNA))


@pytest.mark.parametrize(
    "reviewer",
    ["Una", "una", "  UNA ", "\uff35\uff4e\uff41", "U\u200bna", "Un\u00ada", "\u2060Una"],
)
def test_nobody_is_their_own_second_pair_of_eyes(reviewer: str) -> None:
    una_again = SVEN.model_copy(update={"reviewer": reviewer})
    first = {"first_reviewer": "Una"}

    with pytest.raises(AuthorityError, match="must come from another person"):
        check("second_approval", una_again, first, decision="approve", reviewer="any")


def test_a_name_is_the_same_however_it_is_spaced() -> None:
    una = SVEN.model_copy(update={"reviewer": "Una \u00a0 Writer"})
    first = {"first_reviewer": "una writer"}

    with pytest.raises(AuthorityError, match="must come from another person"):
        check("second_approval", una, first, decision="approve")


def test_whoever_submitted_a_case_does_not_approve_it() -> None:
    with pytest.raises(AuthorityError, match="whoever submitted"):
        check("second_approval", SVEN, {"submitted_by": ["ina", "sven"]}, decision="approve")


@pytest.mark.parametrize(
    ("gate", "by"), [("compliance", COLIN), ("underwriter", UNA), ("second_approval", SVEN)]
)
def test_a_request_that_has_waited_since_an_earlier_version_can_be_answered(
    gate: str, by: Answerer
) -> None:
    facts = FACTS.model_dump(mode="json") | {"submitted_by": by.reviewer}
    del facts["shortest_term"], facts["rate"]
    request = ReviewRequest(role=ROLES[gate], title="t", summary="s", facts=facts)
    form = bound(form_at(gate), ReviewCase(BORA, Evidence(), BOOK))
    decision = "clear" if gate == "compliance" else "approve"
    fields = {"decision": decision, "reviewer": by.reviewer, "reason": "seen and considered"}
    answer = filled_in(form, fields)

    with pytest.raises(AuthorityError, match="whoever submitted"):
        answer.check(request, by)
    nobody = request.model_copy(update={"facts": facts | {"submitted_by": ""}})
    answer.check(nobody, by)


@pytest.mark.parametrize("gate", ["compliance", "underwriter", "second_approval"])
@pytest.mark.parametrize("facts", [{"longest_term": "many"}, {"mood": "good"}], ids=str)
def test_facts_that_nobody_can_read_any_more_reject_an_answer_and_fail_nothing(
    gate: str, facts: dict[str, Any]
) -> None:
    everybody = UNA.model_copy(update={"roles": tuple(Role)})
    decision = "clear" if gate == "compliance" else "approve"

    with pytest.raises(AnswerRejectedError, match="asked anew"):
        check(gate, everybody, facts, decision=decision)


def test_whoever_submitted_a_case_does_not_clear_it() -> None:
    submitted = {"submitted_by": ["colin"]}

    with pytest.raises(AuthorityError, match="cannot clear it"):
        check("compliance", COLIN, submitted, decision="clear")
    check("compliance", COLIN, submitted, decision="true_match")


@pytest.mark.parametrize(
    ("by", "amount", "grade", "override", "counts"),
    [
        (SVEN, "50000.00", "B", False, True),
        (SVEN, "50000.01", "B", False, False),
        (SVEN, "35000.01", "F", False, False),
        (SVEN, "35000.00", "E", True, True),
        (SVEN, "35000.01", "E", True, False),
        (UNA, "15000.00", "B", False, True),
        (UNA, "15000.01", "B", False, False),
        (UNA, "1000.00", "B", True, False),
    ],
)
def test_a_second_approval_is_bounded_too(
    by: Answerer, amount: str, grade: str, override: bool, counts: bool
) -> None:
    facts = {
        "amount": amount,
        "grade": grade,
        "is_override": override,
        "first_reviewer": "Ulla",
    }
    answer = {"decision": "approve", "reason_code": "compensating_income" if override else ""}

    if counts:
        check("second_approval", by, facts, **answer)
    else:
        with pytest.raises(AuthorityError, match="beyond this authority"):
            check("second_approval", by, facts, **answer)


@pytest.mark.parametrize("gate", ["underwriter", "second_approval"])
@pytest.mark.parametrize("reason_code", ["", "R09", "because"])
def test_an_override_needs_a_reason_of_its_own(gate: str, reason_code: str) -> None:
    with pytest.raises(AnswerRejectedError) as caught:
        check(gate, SVEN, {"is_override": True}, decision="approve", reason_code=reason_code)

    assert caught.value.field == "reason_code"


@pytest.mark.parametrize("gate", ["underwriter", "second_approval"])
def test_a_name_that_nobody_proved_counts_up_to_fifteen_thousand(gate: str) -> None:
    check(gate, unproven(SVEN), {"amount": "15000.00"}, decision="approve")

    with pytest.raises(AuthorityError, match=r"without a proven identity .* 15,000\.00"):
        check(gate, unproven(SVEN), {"amount": "15000.01"}, decision="approve")


def test_a_refusal_needs_no_authority_over_the_amount() -> None:
    huge = {"amount": "49000.00"}

    check("underwriter", unproven(UNA), huge, decision="decline", reason_code="R09")


def test_with_keys_compliance_has_to_prove_who_it_is() -> None:
    check("compliance", keyed(COLIN), decision="clear")

    with pytest.raises(AuthorityError, match="an identity that a key has proven"):
        check("compliance", keyed(unproven(COLIN)), decision="clear")


def test_without_keys_compliance_is_taken_at_its_word() -> None:
    check("compliance", unproven(COLIN), decision="clear")


@pytest.mark.parametrize("gate", ["underwriter", "second_approval"])
def test_with_keys_an_override_needs_a_proven_identity(gate: str) -> None:
    override = {"is_override": True}
    answer = {"decision": "approve", "reason_code": "error_in_file"}
    check(gate, keyed(SVEN), override, **answer)
    check(gate, unproven(SVEN), override, **answer)

    with pytest.raises(AuthorityError, match="an identity that a key has proven"):
        check(gate, keyed(unproven(SVEN)), override, **answer)


@pytest.mark.parametrize(
    ("gate", "asked", "held", "named"),
    [
        ("underwriter", Role.UNDERWRITER, (Role.INTAKE, Role.UNDERWRITER), Role.UNDERWRITER),
        ("underwriter", Role.UNDERWRITER, (Role.INTAKE, Role.SENIOR_UNDERWRITER),
         Role.SENIOR_UNDERWRITER),
        ("underwriter", Role.SENIOR_UNDERWRITER, tuple(Role), Role.SENIOR_UNDERWRITER),
        ("documents", Role.INTAKE, (Role.VIEWER, Role.UNDERWRITER), Role.UNDERWRITER),
        ("compliance", Role.COMPLIANCE, tuple(Role), Role.COMPLIANCE),
    ],
)  # fmt: skip
def test_the_record_names_the_role_in_which_somebody_may_answer_here(
    gate: str, asked: Role, held: tuple[Role, ...], named: Role
) -> None:
    request = ReviewRequest(role=asked, title="t", summary="s")

    acting = form_at(gate).acting_as(request, held)

    assert acting[0] is named
    assert set(acting) == set(held)


# -- what the forms say ------------------------------------------------------------------------


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


def test_papers_that_nobody_filed_are_rejected_by_number() -> None:
    answer = DocumentsSupplied(
        decision="supplied", document_ids=["paystub", "new", "mine"], reviewer="Ina", reason="here"
    )
    request = ReviewRequest(
        role=Role.INTAKE, title="t", summary="s", facts={"on_file": ["paystub"]}
    )

    answer.check_documents(request, {"new", "mine"})
    with pytest.raises(AnswerRejectedError, match="1 of the papers") as caught:
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
    with pytest.raises(GateNotFoundError, match="no gate of this name"):
        form_at("director")


def test_what_can_be_wrong_with_an_answer_is_an_error_of_the_review() -> None:
    assert issubclass(AuthorityError, ReviewError)
    assert issubclass(AnswerRejectedError, ReviewError)
    assert form_at("second_approval") is SecondApproval
