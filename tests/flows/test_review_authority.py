"""Who may answer at a gate, up to which amount, and whose answer does not count."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from data.contracts.decision import Grade
from data.contracts.errors import (
    AnswerRejectedError,
    AuthorityError,
)
from data.contracts.review import Answerer, ReviewRequest, Role
from data.contracts.underwriting import Evidence
from flows.case import ReviewCase
from flows.review_forms import (
    GATES,
    UnderwriterRuling,
    bound,
    form_at,
    is_within_one_authority,
)
from flows.runtime.execution.gate_form import filled_in
from tests.flows.reviewers import (
    BOOK,
    BORA,
    COLIN,
    COMPOSED,
    DECOMPOSED,
    FACTS,
    INA,
    ROLES,
    SVEN,
    UNA,
    check,
    keyed,
    unproven,
)


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
    with pytest.raises(AuthorityError, match=r"you may approve up to 100\.00"):
        answer.check(request, unproven(UNA))


@pytest.mark.parametrize(
    "reviewer",
    ["Una", "una", "  UNA ", "\uff35\uff4e\uff41", "U\u200bna", "Un\u00ada", "\u2060Una"],
)
def test_the_second_approval_comes_from_another_person(reviewer: str) -> None:
    una_again = SVEN.model_copy(update={"reviewer": reviewer})
    first = {"first_reviewer": "Una"}

    with pytest.raises(AuthorityError, match="must come from another person"):
        check("second_approval", una_again, first, decision="approve", reviewer="any")


@pytest.mark.parametrize(("first", "second"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_a_name_is_the_same_however_its_letters_are_composed(first: str, second: str) -> None:
    agnes = SVEN.model_copy(update={"reviewer": second})

    with pytest.raises(AuthorityError, match="must come from another person"):
        check("second_approval", agnes, {"first_reviewer": first}, decision="approve")
    with pytest.raises(AuthorityError, match="cannot approve it"):
        check("underwriter", agnes, {"submitted_by": [first]}, decision="approve")
    clears = agnes.model_copy(update={"roles": (Role.COMPLIANCE,)})
    with pytest.raises(AuthorityError, match="cannot clear it"):
        check("compliance", clears, {"submitted_by": [first]}, decision="clear")


@pytest.mark.parametrize("gate", GATES)
def test_a_form_keeps_a_name_in_its_composed_spelling(gate: str) -> None:
    decision = {"documents": "withdraw", "compliance": "clear"}.get(gate, "approve")

    form = filled_in(
        form_at(gate), {"decision": decision, "reviewer": DECOMPOSED, "reason": "seen"}
    )

    assert form.reviewer == COMPOSED


def test_a_name_is_the_same_however_it_is_spaced() -> None:
    una = SVEN.model_copy(update={"reviewer": "Una \u00a0 Writer"})
    first = {"first_reviewer": "una writer"}

    with pytest.raises(AuthorityError, match="must come from another person"):
        check("second_approval", una, first, decision="approve")


def test_two_principals_with_one_name_are_two_people() -> None:
    una = SVEN.model_copy(update={"reviewer": "Una", "principal": "e-2"})
    first = {"first_reviewer": "Una", "first_principal": "e-1"}
    submitted = {"submitted_by": [{"name": "Una", "principal": "e-3"}]}

    check("second_approval", una, first | submitted, decision="approve")


@pytest.mark.parametrize(
    "facts",
    [
        {"first_reviewer": "Una", "first_principal": "e-1"},
        {"submitted_by": [{"name": "Una", "principal": "e-1"}]},
    ],
    ids=["approved-first", "submitted"],
)
def test_one_principal_under_two_names_is_one_person(facts: dict[str, Any]) -> None:
    married = SVEN.model_copy(update={"reviewer": "Una Writer", "principal": "e-1"})

    with pytest.raises(AuthorityError):
        check("second_approval", married, facts, decision="approve")


@pytest.mark.parametrize("name", ["una", "E-1"], ids=["by-name", "by-principal"])
def test_a_name_without_a_principal_is_compared_with_both(name: str) -> None:
    typed = SVEN.model_copy(update={"reviewer": name})

    first = {"first_reviewer": "Una", "first_principal": "e-1"}

    with pytest.raises(AuthorityError, match="must come from another person"):
        check("second_approval", typed, first, decision="approve")


def test_the_submitter_of_a_case_does_not_approve_it() -> None:
    with pytest.raises(AuthorityError, match="cannot approve it"):
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

    with pytest.raises(AuthorityError, match="the person who submitted an application cannot"):
        answer.check(request, by)
    without_submitter = request.model_copy(update={"facts": facts | {"submitted_by": ""}})
    answer.check(without_submitter, by)


@pytest.mark.parametrize("gate", ["compliance", "underwriter", "second_approval"])
@pytest.mark.parametrize("facts", [{"longest_term": "many"}, {"mood": "good"}], ids=str)
def test_unreadable_facts_reject_an_answer_and_do_not_fail_the_run(
    gate: str, facts: dict[str, Any]
) -> None:
    everybody = UNA.model_copy(update={"roles": tuple(Role)})
    decision = "clear" if gate == "compliance" else "approve"

    with pytest.raises(AnswerRejectedError, match="asks again"):
        check(gate, everybody, facts, decision=decision)


def test_the_submitter_of_a_case_does_not_clear_it() -> None:
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
        with pytest.raises(AuthorityError, match=r"above the .* that the two of you may grant"):
            check("second_approval", by, facts, **answer)


@pytest.mark.parametrize("gate", ["underwriter", "second_approval"])
@pytest.mark.parametrize("reason_code", ["", "R09", "because"])
def test_an_override_needs_a_reason_of_its_own(gate: str, reason_code: str) -> None:
    with pytest.raises(AnswerRejectedError) as caught:
        check(gate, SVEN, {"is_override": True}, decision="approve", reason_code=reason_code)

    assert caught.value.field == "reason_code"


@pytest.mark.parametrize("gate", ["underwriter", "second_approval"])
def test_an_unproven_name_counts_up_to_fifteen_thousand(gate: str) -> None:
    check(gate, unproven(SVEN), {"amount": "15000.00"}, decision="approve")

    with pytest.raises(AuthorityError, match=r"without a proven identity .* 15,000\.00"):
        check(gate, unproven(SVEN), {"amount": "15000.01"}, decision="approve")


def test_a_refusal_needs_no_authority_over_the_amount() -> None:
    huge = {"amount": "49000.00"}

    check("underwriter", unproven(UNA), huge, decision="decline", reason_code="R09")


def test_with_keys_compliance_has_to_prove_who_it_is() -> None:
    check("compliance", keyed(COLIN), decision="clear")

    with pytest.raises(AuthorityError, match="answer with an API key"):
        check("compliance", keyed(unproven(COLIN)), decision="clear")


def test_without_keys_compliance_is_taken_at_its_word() -> None:
    check("compliance", unproven(COLIN), decision="clear")


@pytest.mark.parametrize("gate", ["underwriter", "second_approval"])
def test_with_keys_an_override_needs_a_proven_identity(gate: str) -> None:
    override = {"is_override": True}
    answer = {"decision": "approve", "reason_code": "error_in_file"}
    check(gate, keyed(SVEN), override, **answer)
    check(gate, unproven(SVEN), override, **answer)

    with pytest.raises(AuthorityError, match="answer with an API key"):
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
def test_the_record_names_the_role_in_which_a_person_answers(
    gate: str, asked: Role, held: tuple[Role, ...], named: Role
) -> None:
    request = ReviewRequest(role=asked, title="t", summary="s")

    acting = form_at(gate).acting_as(request, held)

    assert acting[0] is named
    assert set(acting) == set(held)
