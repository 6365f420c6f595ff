"""Signs of fraud through the real flow: what refers, and what people found when they checked."""

from __future__ import annotations

from typing import Any

import pytest

from data.contracts.case import CaseFile
from data.contracts.decision import FraudOutcome, Outcome
from data.contracts.documents import BankStatement, DocumentKind
from data.contracts.errors import AnswerRejectedError
from data.contracts.policy import Recommendation
from data.synthetic.builder import json_document
from tests.flows.inline import Says, persona, underwritten
from tools.documents import content_of


def _ada(**signals: Any) -> CaseFile:
    content = persona("ada-prime").case.model_dump(mode="json")
    content["fraud_signals"] |= signals
    return CaseFile.model_validate(content)


def _with_account_of_another_person() -> CaseFile:
    case = _ada()
    papers = [paper for paper in case.documents if paper.kind is DocumentKind.BANK_STATEMENT]
    statement = content_of(papers[0])
    assert isinstance(statement, BankStatement)
    strange = statement.model_copy(update={"holder_name": "Otto Fremd", "account_last4": "9999"})
    return case.with_document(json_document("strange", DocumentKind.BANK_STATEMENT, strange))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(_with_account_of_another_person(), id="foreign account"),
        pytest.param(_ada(ip_country="BR", ip_distance_km=8000), id="abroad"),
        pytest.param(_ada(velocity={"ssn": {"days_1": 3}}), id="velocity"),
    ],
)
async def test_an_underwriter_checks_the_signs_and_says_what_was_found(case: CaseFile) -> None:
    checked = Says("underwriter", "approve", more={"fraud_outcome": "false_positive"})

    done = await underwritten(case, checked)

    assert done.content.recommendation is Recommendation.REFER
    assert done.content.outcome is Outcome.APPROVE
    assert done.content.rulings[0].fraud_outcome is FraudOutcome.FALSE_POSITIVE
    named = next(rule for rule in done.content.rule_results if rule.rule_id == "fraud-elevated")
    assert named.inputs == {"fraud_band": "medium"}


async def test_no_loan_is_granted_where_fraud_is_confirmed() -> None:
    granted = Says("underwriter", "approve", more={"fraud_outcome": "confirmed"})

    done = await underwritten(_with_account_of_another_person(), granted)

    assert isinstance(done.error, AnswerRejectedError)
    assert not done.is_decided


async def test_a_ruling_that_checked_no_signs_has_the_form_that_it_had() -> None:
    done = await underwritten(persona("bora-borderline"), Says("underwriter", "approve"))

    assert "fraud_outcome" not in done.content.rulings[0].model_dump()
