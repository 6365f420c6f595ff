"""Income and debts through the real flow: what changes the answer, and what must not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from data.contracts.bureau import EcoaDesignator, Tradeline, TradelineType
from data.contracts.case import CaseFile
from data.contracts.decision import Outcome
from data.contracts.documents import BankStatement, Document, DocumentKind, Paystub
from data.contracts.findings import IncomeFinding
from data.synthetic.builder import json_document
from tests.flows.inline import Underwritten, persona, underwritten
from tools.documents import content_of


def _ada(*documents: Document, **differs: Any) -> CaseFile:
    """Ada with her own papers and more of them, and with changes to the applicant."""
    content = persona("ada-prime").case.model_dump(mode="json")
    content["documents"] += [document.model_dump(mode="json") for document in documents]
    content["application"]["applicants"][0].update(differs)
    return CaseFile.model_validate(content)


def _paper(kind: DocumentKind) -> Any:
    found = (content_of(document) for document in _ada().documents if document.kind is kind)
    return next(found)


def _stub(document_id: str, **differs: Any) -> Document:
    stub: Paystub = _paper(DocumentKind.PAYSTUB)
    return json_document(document_id, DocumentKind.PAYSTUB, stub.model_copy(update=differs))


def _income(done: Underwritten) -> IncomeFinding:
    verification = done.run.state.verification
    assert verification is not None
    assert verification.income is not None
    return verification.income


def _asked(done: Underwritten) -> list[str]:
    return [condition.code for condition in done.content.conditions]


async def test_a_paystub_of_another_person_is_a_condition_of_the_approval() -> None:
    done = await underwritten(_ada(_stub("strange", employee_name="Otto Fremd")))

    assert done.content.outcome is Outcome.APPROVE
    assert "explain_papers_of_others" in _asked(done)
    assert _income(done).verified_monthly == Decimal("7200.00")


async def test_where_only_a_paystub_of_another_person_is_sent_its_pay_does_not_count() -> None:
    case = _ada()
    papers = [paper for paper in case.documents if paper.kind is not DocumentKind.PAYSTUB]
    strange = _stub("strange", employee_name="Otto Fremd")

    done = await underwritten(case.model_copy(update={"documents": (*papers, strange)}))

    found = _income(done)
    assert found.verified_monthly is not None
    assert found.verified_monthly < Decimal("7200.00"), "the deposits, as they arrived"
    assert "explain_papers_of_others" in [asked.code for asked in found.stipulations]
    assert done.content.outcome is not Outcome.APPROVE or _asked(done)


async def test_two_paystubs_of_one_pay_date_give_one_answer_in_either_order() -> None:
    lower = _stub("lower", gross=Decimal("3100.00"), net=Decimal("2400.00"))
    case = _ada(lower)
    swapped = case.model_copy(update={"documents": case.documents[::-1]})

    first, second = await underwritten(case), await underwritten(swapped)

    assert _income(first) == _income(second)
    kept = {"inputs_sha256"}
    assert first.content.model_dump(exclude=kept) == second.content.model_dump(exclude=kept)


async def test_a_paper_that_was_sent_twice_changes_nothing() -> None:
    copies = tuple(
        paper.model_copy(update={"document_id": f"z-{paper.document_id}"})
        for paper in _ada().documents
    )

    once, twice = await underwritten(_ada()), await underwritten(_ada(*copies))

    kept = {"inputs_sha256"}
    assert once.content.model_dump(exclude=kept) == twice.content.model_dump(exclude=kept)


async def test_the_order_of_papers_changes_no_answer() -> None:
    papers = persona("ada-prime").case.documents
    answers = [
        (await underwritten(_ada().model_copy(update={"documents": order}))).content.model_dump(
            exclude={"inputs_sha256"}
        )
        for order in permutations(papers)
    ]

    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize(("months", "verified"), [(None, "7900.00"), (35, "7200.00")])
async def test_support_beside_wages_counts_if_it_lasts_as_long_as_the_loan(
    months: int | None, verified: str
) -> None:
    statement: BankStatement = _paper(DocumentKind.BANK_STATEMENT)
    support = tuple(
        statement.transactions[0].model_copy(
            update={
                "posted_on": date(2026, month, 20),
                "amount": Decimal("700.00"),
                "description": "Court",
                "category": "child_support",
            }
        )
        for month in (8, 9, 10)
    )
    shown = statement.model_copy(
        update={
            "account_last4": "7777",
            "transactions": support,
            "closing_balance": statement.opening_balance + 2100,
        }
    )
    case = _ada(
        json_document("support", DocumentKind.BANK_STATEMENT, shown),
        other_income=[{"type": "child_support", "monthly": "700", "continues_months": months}],
    )

    done = await underwritten(case)

    assert _income(done).verified_monthly == Decimal(verified)
    assert done.content.outcome is Outcome.APPROVE


async def test_support_beside_wages_without_proof_is_asked_for() -> None:
    done = await underwritten(_ada(other_income=[{"type": "alimony", "monthly": "700"}]))

    assert "prove_other_income" in _asked(done)


def _owing(name: str, file: str, trade: Tradeline) -> CaseFile:
    """A persona with one more account in one bureau file."""
    case = persona(name).case
    report = getattr(case, file)
    longer = report.model_copy(update={"tradelines": (*report.tradelines, trade)})
    return CaseFile.model_validate(case.model_dump() | {file: longer.model_dump()})


async def test_a_deferred_student_loan_is_a_debt() -> None:
    loan = Tradeline(
        type=TradelineType.STUDENT, opened_on=date(2022, 9, 1), balance=Decimal("90000.00")
    )

    done = await underwritten(_owing("ada-prime", "bureau_report", loan))

    assert done.content.dti_after == Decimal("0.36606")


async def test_a_joint_debt_in_the_co_applicants_file_only_is_a_debt() -> None:
    car = Tradeline(
        type=TradelineType.AUTO,
        opened_on=date(2024, 9, 1),
        limit=Decimal("42000.00"),
        balance=Decimal("30000.00"),
        payment_monthly=Decimal("900.00"),
        designator=EcoaDesignator.JOINT,
    )

    done = await underwritten(_owing("jo-kit-joint", "co_bureau_report", car))

    risk = done.run.state.risk_ensemble
    assert risk is not None
    assert risk.ability is not None
    assert risk.ability.dti_after == Decimal("0.350628")
