"""Letters of cases that went through the root flow: who gets one, and what it says and does not."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from data.contracts.application import ApplicantRole
from data.contracts.case import CaseFile
from data.contracts.decision import Outcome
from data.contracts.errors import AnswerRejectedError
from data.contracts.notices import Notice, NoticeKind
from data.contracts.policy import ReasonCode, Recommendation
from data.settings import settings
from data.synthetic.builder import inquiries
from tests.flows.cases import changed
from tests.flows.inline import Says, Silence, Step, Underwritten, persona, underwritten
from tools.notices import compose_notices, load_notice_terms

TODAY = date(2026, 11, 28)
DECLINES = Says("underwriter", "decline", more={"reason_code": "R09"})


def letters_of(done: Underwritten, today: date = TODAY) -> tuple[Notice, ...]:
    return compose_notices(done.content, load_notice_terms(settings().data_dir), today)


async def the_letter(case: CaseFile, *steps: Step) -> Notice:
    (letter,) = letters_of(await underwritten(case, *steps))
    return letter


async def test_each_of_two_applicants_gets_a_letter_with_their_own_score_alone() -> None:
    first, second = letters_of(await underwritten(persona("jo-kit-joint"), DECLINES))

    assert (first.applicant, second.applicant) == (ApplicantRole.PRIMARY, ApplicantRole.CO)
    for letter, own, others in ((first, "785", "604"), (second, "604", "785")):
        assert letter.kind is NoticeKind.ADVERSE_ACTION
        for words in (letter.text, letter.html):
            assert f"was {own} on" in words
            assert others not in words


async def test_a_score_that_was_not_used_is_not_disclosed() -> None:
    case = changed("jo-kit-joint", co_bureau_report__score__value=9003)

    done = await underwritten(case, DECLINES)

    assert done.content.recommendation is Recommendation.REFER
    for letter in letters_of(done):
        assert "consumer reporting agency listed below" in letter.text
        assert "Your score" not in letter.text


async def test_each_letter_names_the_bureau_that_reported_on_its_reader() -> None:
    case = changed("jo-kit-joint", co_bureau_report__bureau="Harbor Credit Files")

    first, second = letters_of(await underwritten(case, DECLINES))

    assert "Meridian Credit Bureau" in first.text
    assert "Harbor" not in first.text
    assert "Harbor Credit Files" in second.text
    assert "Meridian Credit Bureau" not in second.text


async def test_a_bureau_that_did_not_answer_is_not_named_and_the_other_one_is() -> None:
    case = changed(
        "jo-kit-joint",
        co_bureau_report__bureau="Harbor Credit Files",
        co_bureau_report__status="error",
    )
    declines = Says("underwriter", "decline", more={"reason_code": "R04"})

    first, second = letters_of(await underwritten(case, declines))

    assert "Meridian Credit Bureau" in first.text
    assert "Harbor" not in second.text
    assert "consumer reporting agency listed below" not in second.text


async def test_a_case_without_any_report_has_a_letter_without_a_bureau() -> None:
    letter = await the_letter(
        persona("tim-timeout"), Says("underwriter", "decline", more={"reason_code": "R04"})
    )

    assert "Bureau" not in letter.text
    assert "- Unable to verify credit references" in letter.text


async def test_the_letter_is_due_thirty_days_after_the_application_came_in() -> None:
    case = changed(
        "dee-debtor",
        application__received_at="2026-10-03T15:00:00Z",
        application__as_of_date="2026-11-02",
    )

    done = await underwritten(case)

    assert done.content.due_by == date(2026, 11, 2)
    assert {letter.due_by for letter in letters_of(done)} == {date(2026, 11, 2)}


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("max-missing", "Proof of income: a recent pay stub"),
        ("erin-expired", "the one that you sent has expired"),
        ("cora-corrupt", "we could not read the one that you sent"),
    ],
)
async def test_an_applicant_who_sent_no_documents_is_told_which_and_a_date_still_ahead(
    name: str, item: str
) -> None:
    done = await underwritten(persona(name), Silence("documents"))
    long_after = done.content.as_of_date + timedelta(days=45)

    (letter,) = letters_of(done, today=long_after)

    assert done.content.outcome is Outcome.INCOMPLETE
    assert letter.kind is NoticeKind.INCOMPLETENESS
    assert item in letter.text
    assert f"answer by {long_after + timedelta(days=30)}" in letter.text


@pytest.mark.parametrize(
    ("name", "steps"),
    [("sam-sanction", ()), ("pat-potential", (Says("compliance", "true_match"),))],
)
async def test_an_applicant_on_a_list_gets_the_statement_for_everybody_and_no_list(
    name: str, steps: tuple[Step, ...]
) -> None:
    letter = await the_letter(persona(name), *steps)

    assert "Equal Credit Opportunity Act" in letter.text
    assert "right to a statement of the specific reasons" in letter.text
    for silent in ("sanction", "list", "Treasury", "report", "score"):
        assert silent not in letter.text


async def test_signs_of_fraud_from_outside_give_the_right_to_ask_what_they_were() -> None:
    declined_by_signs = await the_letter(persona("syd-synthetic"))
    declined_by_debts = await the_letter(persona("dee-debtor"))

    assert "outside source other than a consumer reporting agency" in declined_by_signs.text
    assert "outside source" not in declined_by_debts.text


@pytest.mark.parametrize("with_score", [True, False])
async def test_terms_below_the_best_come_with_the_notice_on_risk_based_pricing(
    with_score: bool,
) -> None:
    case: CaseFile = persona("ben-midland")
    steps: tuple[Step, ...] = ()
    if not with_score:
        case = changed("ben-midland", bureau_report__score=None)
        steps = (Says("underwriter", "approve"),)

    text = (await the_letter(case, *steps)).text

    for required in (
        "information about whether you pay your bills on time",
        "to set the terms of the credit that we are offering you, such as the annual percentage",
        "may be less favorable than the terms offered to consumers who have better credit",
        "encourage you to check the information",
        "right to dispute any inaccurate information",
        "Meridian Credit Bureau",
        "without charge for 60 days after you receive this notice",
        "800-555-0199",
        "www.consumerfinance.gov/learnmore",
    ):
        assert required in text
    assert ("We used your credit score" in text) is with_score
    assert ("was 682 on" in text) is with_score


async def test_the_best_terms_come_without_that_notice() -> None:
    assert "less favorable" not in (await the_letter(persona("ada-prime"))).text


async def test_a_page_of_a_letter_loads_nothing_and_escapes_what_it_names() -> None:
    terms = load_notice_terms(settings().data_dir)
    creditor = terms.creditor.model_copy(update={"name": "Loans & <b>More</b>"})
    done = await underwritten(persona("dee-debtor"))

    (letter,) = compose_notices(
        done.content, terms.model_copy(update={"creditor": creditor}), TODAY
    )

    assert "Loans &amp; &lt;b&gt;More&lt;/b&gt;" in letter.html
    assert "@media print" in letter.html
    assert not [word for word in ("src=", "href=", "url(", "<script") if word in letter.html]


async def test_a_decline_by_the_probability_of_default_gives_the_reasons_of_the_blend() -> None:
    report = persona("bora-borderline").case.bureau_report
    assert report is not None
    accounts = [account.model_dump(mode="json") for account in report.tradelines]
    asked = [found.model_dump(mode="json") for found in inquiries(5)]
    done = await underwritten(
        changed(
            "bora-borderline",
            bureau_report__tradelines=[accounts[0], accounts[2]],
            bureau_report__inquiries=asked,
        )
    )

    # The scorecard alone would name the number of accounts before the utilization.
    assert done.content.principal_reasons == (
        ReasonCode.RECENT_INQUIRIES,
        ReasonCode.DELINQUENT_OBLIGATIONS,
        ReasonCode.REVOLVING_UTILIZATION_HIGH,
        ReasonCode.INSUFFICIENT_CREDIT_REFERENCES,
    )


@pytest.mark.parametrize(
    ("name", "steps", "reason"),
    [
        ("bora-borderline", (Silence("underwriter"),), "Balances on revolving accounts"),
        ("pat-potential", (Silence("compliance"),), "Unable to verify identity"),
        (
            "leo-large",
            (Says("underwriter", "approve"), Silence("second_approval")),
            "We do not grant credit on the terms and conditions requested",
        ),
    ],
)
async def test_silence_of_the_lender_leaves_a_complete_case_complete_and_decided(
    name: str, steps: tuple[Step, ...], reason: str
) -> None:
    letter = await the_letter(persona(name), *steps)

    assert letter.kind is NoticeKind.ADVERSE_ACTION
    assert f"- {reason}" in letter.text
    assert "incomplete" not in letter.text.replace("inaccurate or incomplete", "")


def with_a_condition() -> CaseFile:
    """Bora, who has not said whether she is a covered borrower: the desk asks her to."""
    return changed("bora-borderline", application__applicants__0__military_covered_borrower=None)


async def test_a_condition_of_an_approval_is_in_the_letter_and_a_waived_one_is_not() -> None:
    granted = Says("underwriter", "approve")
    waived = Says("underwriter", "approve", more={"waived": ["confirm_covered_borrower"]})

    asked = await underwritten(with_a_condition(), granted)
    let_off = await underwritten(with_a_condition(), waived)

    told = "Tell us whether you serve in the armed forces"
    assert told in letters_of(asked)[0].text
    assert told not in letters_of(let_off)[0].text
    for done, status, by in ((asked, "open", None), (let_off, "waived", "Una")):
        (condition,) = done.content.conditions
        assert (condition.code, condition.status) == ("confirm_covered_borrower", status)
        assert condition.waived_by == by


@pytest.mark.parametrize(
    ("decision", "more"),
    [
        ("approve", {"waived": ["no_such_condition"]}),
        ("decline", {"waived": ["confirm_covered_borrower"], "reason_code": "R09"}),
    ],
)
async def test_what_is_no_condition_and_what_is_not_granted_is_not_waived(
    decision: str, more: dict[str, Any]
) -> None:
    done = await underwritten(with_a_condition(), Says("underwriter", decision, more=more))

    assert isinstance(done.error, AnswerRejectedError)


async def test_the_underwriter_reads_which_conditions_may_be_waived() -> None:
    done = await underwritten(with_a_condition())

    ((_, request),) = done.script.asked
    assert "may be waived: confirm_covered_borrower" in request.summary
