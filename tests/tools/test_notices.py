"""Letters: the required text of each kind, and text that no letter may have."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from data.contracts.bureau import ScoreFactor
from data.contracts.decision import (
    Condition,
    DecisionContent,
    Grade,
    Outcome,
    RequestedTerms,
    ScoreDisclosure,
    Versions,
)
from data.contracts.notices import Notice, NoticeKind
from data.contracts.policy import (
    ReasonCode,
    Recommendation,
    RuleOutcome,
    RuleResult,
    RuleStatus,
    Severity,
)
from data.settings import Settings
from tools.notices import compose_notices, load_notice_terms
from tools.pricing import load_prices, price_offer

DATA = Settings().data_dir
TERMS = load_notice_terms(DATA)
AS_OF = date(2026, 11, 2)
OFFER = price_offer(
    load_prices(DATA),
    amount=Decimal("12500.00"),
    term_months=48,
    grade=Grade.C,
    state="IL",
    covered_borrower=False,
    as_of=AS_OF,
)
SCORE = ScoreDisclosure(
    value=612,
    model="Meridian Score 9",
    range_min=300,
    range_max=850,
    scored_on=date(2026, 11, 1),
    provider="Meridian Credit Bureau",
    factors=(ScoreFactor(code="F1", text="Balances are high"),),
)
REPORT_USED = RuleResult(
    rule_id="no-credit-file",
    rule_version=1,
    status=RuleStatus.NOT_HIT,
    outcome=RuleOutcome.REFER,
    severity=Severity.SOFT,
    reason=ReasonCode.NO_CREDIT_FILE,
    inputs={"bureau_status": "hit"},
)


def _content(outcome: Outcome, **changes: Any) -> DecisionContent:
    return DecisionContent.model_validate(
        {
            "inputs_sha256": "0" * 64,
            "as_of_date": AS_OF,
            "versions": Versions(code="test"),
            "requested": RequestedTerms.model_validate(
                {"product": "personal_loan", "amount": "25000", "term_months": 48}
            ),
            "recommendation": Recommendation.REFER,
            "outcome": outcome,
            "rule_results": (REPORT_USED,),
        }
        | changes
    )


def _letter(outcome: Outcome, **changes: Any) -> Notice:
    (notice,) = compose_notices(_content(outcome, **changes), TERMS, AS_OF)
    return notice


def test_a_decline_gives_reasons_in_words_and_all_rights() -> None:
    notice = _letter(
        Outcome.DECLINE,
        principal_reasons=(ReasonCode.BANKRUPTCY, ReasonCode.DELINQUENT_OBLIGATIONS),
        score_disclosure=SCORE,
    )

    assert notice.kind is NoticeKind.ADVERSE_ACTION
    assert notice.due_by == date(2026, 12, 2)
    assert "- Bankruptcy\n- Delinquent past or present credit obligations" in notice.text
    assert "Equal Credit Opportunity Act" in notice.text
    assert TERMS.agency.name in notice.text
    assert TERMS.creditor.name in notice.text
    assert "no later than 60 days" in notice.text
    assert "dispute the matter" in notice.text
    assert "played no part in our decision" in notice.text
    assert "800-555-0199" in notice.text
    assert "was 612 on 2026-11-01, on a scale from 300 to 850" in notice.text
    assert "- Balances are high" in notice.text


def test_without_a_consumer_report_its_rights_are_left_out() -> None:
    notice = _letter(
        Outcome.DECLINE, principal_reasons=(ReasonCode.BELOW_LEGAL_AGE,), rule_results=()
    )

    assert "Fair Credit Reporting Act" not in notice.text
    assert "Equal Credit Opportunity Act" in notice.text


def test_a_decline_for_compliance_gives_no_credit_reason() -> None:
    text = _letter(Outcome.DECLINE, score_disclosure=SCORE).text

    assert "unable to grant" in text
    assert "reasons" not in text.replace("specific reasons", "")
    assert "612" not in text
    assert "sanction" not in text.casefold()


def test_a_counter_offer_is_an_offer_and_a_notice_in_one() -> None:
    notice = _letter(
        Outcome.COUNTER_OFFER,
        principal_reasons=(ReasonCode.EXCESSIVE_OBLIGATIONS,),
        offer=OFFER,
        alternatives=(OFFER.model_copy(update={"amount": Decimal("14600.00"), "term_months": 60}),),
    )

    assert notice.kind is NoticeKind.COUNTER_OFFER
    assert "a personal loan of $25,000.00 over 48 months" in notice.text
    assert "Amount of the loan: $12,500.00" in notice.text
    assert "Amount of the loan: $14,600.00" in notice.text
    assert "notify us by 2026-12-02" in notice.text
    assert "- Excessive obligations in relation to income" in notice.text


def test_an_approval_states_the_cost_of_credit() -> None:
    text = _letter(Outcome.APPROVE, offer=OFFER, grade=Grade.A, score_disclosure=SCORE).text

    assert "Annual percentage rate: 14.65 %" in text
    assert f"Finance charge: ${OFFER.finance_charge:,.2f}" in text
    assert f"48 monthly payments of ${OFFER.payment}" in text
    assert "credit report" not in text


def test_an_approval_at_worse_terms_discloses_the_score() -> None:
    text = _letter(Outcome.APPROVE, offer=OFFER, grade=Grade.C, score_disclosure=SCORE).text

    assert "used information from your credit report to set the terms" in text
    assert "was 612" in text


def test_an_incomplete_application_is_told_what_to_send_and_by_when() -> None:
    notice = _letter(
        Outcome.INCOMPLETE,
        principal_reasons=(ReasonCode.APPLICATION_INCOMPLETE,),
        conditions=(Condition(code="lift_freeze", text="Ask the bureau to lift the freeze."),),
    )

    assert notice.kind is NoticeKind.INCOMPLETENESS
    assert "- Ask the bureau to lift the freeze." in notice.text
    assert "answer by 2026-12-02" in notice.text


def test_a_withdrawn_application_gets_no_letter() -> None:
    assert compose_notices(_content(Outcome.WITHDRAWN), TERMS, AS_OF) == ()


@pytest.mark.parametrize("reason", [code for code in ReasonCode if code.printable])
def test_no_letter_prints_a_code(reason: ReasonCode) -> None:
    text = _letter(Outcome.DECLINE, principal_reasons=(reason,)).text

    assert reason.value not in text
    assert not re.search(r"\b(R\d\d|X_|[A-Z]+_[A-Z]+)\b", text)
    assert "fraud" not in text.casefold()
    assert reason.notice_text in text
