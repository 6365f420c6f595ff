"""Every gate in the Prefect UI, as a person sees it: read, fill in, submit, be asked again."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from data.contracts.decision import Outcome
from data.contracts.events import EventType
from data.settings import Settings
from tests.browser.approver import Approver
from tests.desk import Desk
from tests.documents import file_later_documents
from tools.case_files import load_persona

pytestmark = pytest.mark.timeout(400)  # a browser and a desk share the machine


async def test_the_underwriter_s_form_begins_with_the_case_and_the_decision(
    desk: Desk, approver: Approver
) -> None:
    run = await desk.start("bora-borderline")
    await approver.open(run)

    assert await approver.titles() == [
        "Decision",
        "Adjusted amount (Optional)",
        "Adjusted term (Optional)",
        "Adjusted rate (Optional)",
        "Signs of fraud (Optional)",
        "Waived conditions (Optional)",
        "Reason code (Optional)",
        "Your name",
        "Reason",
    ]
    await expect(approver.form.get_by_text("$12,000.00 over 48 months")).to_be_visible()
    await expect(approver.form.get_by_text("Terms may be adjusted from $1,000")).to_be_visible()
    link = approver.form.get_by_role("link", name="Everything about this case")
    assert await link.get_attribute("href") == f"{desk.api_url}/case/{run.run_id}"
    await run.answer(decision="approve")


async def test_a_bad_answer_is_asked_again_with_the_reason_and_other_terms_are_what_is_offered(
    desk: Desk, approver: Approver
) -> None:
    run = await desk.start("bora-borderline")
    await approver.open(run)
    await approver.sign("underwriter-1", "less is affordable")
    await approver.submit()
    await approver.is_told("'decision' is a required property")
    await approver.choose("Decision", "decline")
    await approver.submit()
    await approver.is_taken()

    rejected = await run.until(EventType.HITL_REJECTED)
    await approver.open(run)

    assert rejected.meta["code"] == "answer_rejected"
    told = approver.form.get_by_text("a decline needs a reason code of a notice")
    await expect(told).to_be_visible()
    await approver.choose("Decision", "adjust")
    await approver.set_number("Adjusted amount", "9000")
    await approver.set_number("Adjusted term", "36")
    await approver.sign("underwriter-1", "less is affordable")
    await approver.submit()
    decision = await run.decision()
    assert decision.outcome is Outcome.COUNTER_OFFER
    assert decision.offer is not None
    assert (str(decision.offer.amount), decision.offer.term_months) == ("9000.00", 36)
    assert [(ruling.reviewer, ruling.proven) for ruling in decision.rulings] == [
        ("underwriter-1", False)
    ]
    resolved = next(event for event in await run.events() if event.type is EventType.HITL_RESOLVED)
    assert resolved.meta["channel"] == "prefect_ui"


async def test_intake_names_a_document_that_came_in(desk: Desk, approver: Approver) -> None:
    run = await desk.start("max-missing")
    await approver.open(run)
    await approver.choose("What happened", "supplied")
    await approver.add("Documents", "w2-primary")
    await approver.sign("intake-1", "came by mail")
    await approver.submit()
    await run.until(EventType.HITL_REJECTED)
    await approver.open(run)
    await expect(approver.form.get_by_text("are not on file")).to_be_visible()

    await file_later_documents(run, load_persona(Settings().data_dir, "max-missing"))
    await approver.choose("What happened", "supplied")  # the document's id has come back
    await approver.sign("intake-1", "now it is filed")
    await approver.submit()

    assert (await run.decision()).outcome is Outcome.APPROVE


@pytest.mark.soak
async def test_a_second_person_agrees_to_an_override(desk: Desk, approver: Approver) -> None:
    run = await desk.start("uma-override")
    await approver.open(run)
    await expect(approver.form.get_by_text("an override and needs its reason code")).to_be_visible()
    await approver.choose("Decision", "approve")
    await approver.write("Reason code (Optional)", "compensating_income")
    await approver.sign("underwriter-1", "the collection is disputed")
    await approver.submit()
    await approver.is_taken()

    await run.until(EventType.HITL_RESOLVED)
    await run.until(EventType.WAITING)
    await approver.open(run)
    waiting_for = (await run.summary()).waiting_for
    assert waiting_for is not None
    assert waiting_for.gate == "second_approval"
    await approver.choose("Decision", "approve")
    await approver.write("Reason code (Optional)", "compensating_income")
    await approver.sign("underwriter-1", "I agree with myself")
    await approver.submit()
    await run.until(EventType.HITL_REJECTED)
    await approver.open(run)
    await expect(approver.form.get_by_text("must come from another person")).to_be_visible()
    await approver.choose("Decision", "approve")
    await approver.write("Reason code (Optional)", "compensating_income")
    await approver.sign("senior-1", "seen the letters")
    await approver.submit()

    decision = await run.decision()
    assert decision.outcome is Outcome.APPROVE
    assert [ruling.reviewer for ruling in decision.rulings] == ["underwriter-1", "senior-1"]
