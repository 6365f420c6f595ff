"""Every gate of a real desk, answered by HTTP and from the command line."""

from __future__ import annotations

import pytest

from data.contracts.decision import Outcome
from data.contracts.events import EventType
from data.contracts.preview import RulingPreview
from data.settings import Settings
from tests.command_line import answered_from_the_command_line, credit_desk
from tests.desk import Desk
from tests.documents import as_posted
from tests.flows.waiting_runs import OVERRIDE, at_gate, at_rest, everything
from tools.case_files import load_persona


@pytest.mark.parametrize(
    ("finding", "outcome"), [("clear", Outcome.APPROVE), ("true_match", Outcome.DECLINE)]
)
async def test_compliance_has_the_say_about_a_list(
    desk: Desk, finding: str, outcome: Outcome
) -> None:
    run = await at_gate(desk, "pat-potential")

    await answered_from_the_command_line(run, "--decision", finding)

    decision = await run.decision()
    assert decision.outcome is outcome
    assert [ruling.gate for ruling in decision.rulings] == ["compliance"]
    if outcome is Outcome.DECLINE:
        assert decision.principal_reasons == ()


async def test_an_underwriter_declines_with_a_reason_for_the_letter(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")

    await answered_from_the_command_line(run, "--decision", "decline", "--reason-code", "R09")

    assert (await run.decision()).outcome is Outcome.DECLINE
    code, letter, errors = await credit_desk(desk, "notice", run.run_id)
    assert code == 0, errors
    assert "regret that we are unable to grant a personal loan of $12,000.00" in letter
    assert "Equal Credit Opportunity Act" in letter
    as_json = (await desk.http.get(f"{run.url}/notice")).json()
    assert (as_json["kind"], as_json["text"]) == ("adverse_action", letter)
    (entry,) = (await desk.http.get(f"{run.url}/decision")).json()["notices"]
    assert (entry["applicant"], entry["sha256"]) == ("primary", as_json["sha256"])
    assert entry["due_by"] == "2026-12-02"
    page = await desk.http.get(f"{run.url}/notice", headers={"Accept": "text/html"})
    assert page.text == as_json["html"]


async def test_what_was_previewed_on_the_command_line_is_what_the_answer_brings(
    desk: Desk,
) -> None:
    run = await at_gate(desk, "bora-borderline")
    ruling = ("--decision", "adjust", "--amount", "9000", "--reviewer", "una", "--reason", "seen")
    before = await everything(run)

    code, printed, errors = await credit_desk(
        desk, "answer", run.run_id, *ruling, "--preview", "--json"
    )

    assert code == 0, errors
    assert await everything(run) == before
    await answered_from_the_command_line(run, "--decision", "adjust", "--amount", "9000")
    decision, shown = await run.decision(), RulingPreview.model_validate_json(printed)
    assert (shown.outcome, shown.offer) == (decision.outcome, decision.offer)
    assert (shown.conditions, shown.alternatives) == (decision.conditions, decision.alternatives)


async def test_an_underwriter_s_other_terms_are_a_counter_offer(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    undecided = await desk.http.get(f"{run.url}/notice")

    await answered_from_the_command_line(
        run, *("--decision", "adjust", "--amount", "9000", "--term", "36", "--rate", "0.2199")
    )

    decision = await run.decision()
    assert undecided.status_code == 404
    assert decision.outcome is Outcome.COUNTER_OFFER
    assert decision.offer is not None
    accepted = await credit_desk(desk, "offer", run.run_id, "--accept")
    assert accepted[:2] == (0, "The offer is accepted.\n")
    again = await desk.http.post(f"{run.url}/offer", json={"accept": False})
    assert (again.status_code, again.json()["code"]) == (409, "offer_closed")
    assert (await desk.http.get(f"{run.url}/decision")).json()["offer"]["status"] == "accepted"
    terms = decision.offer
    assert (str(terms.amount), terms.term_months, str(terms.rate)) == ("9000.00", 36, "0.2199")


async def test_an_underwriter_may_send_a_case_back_for_papers(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    proof = load_persona(Settings().data_dir, "max-missing").later_documents[0]
    assert (await run.answer(decision="request_documents")).status_code == 202
    await run.until(EventType.WAITING)
    filed = await desk.http.post(
        f"/applications/{run.application_id}/documents", json=as_posted(proof)
    )
    assert filed.status_code == 201

    answer = await run.answer(decision="supplied", document_ids=[proof.document_id])
    assert answer.status_code == 202, answer.text
    await run.until(EventType.WAITING)
    assert (await run.answer(decision="approve")).status_code == 202

    assert (await run.decision()).outcome is Outcome.APPROVE


async def test_an_override_takes_two_people(desk: Desk) -> None:
    run = await at_gate(desk, "uma-override")
    first = await run.answer(decision="approve", reviewer="una", reason_code=OVERRIDE)
    assert first.status_code == 202
    await run.until(EventType.WAITING)

    before = await at_rest(run)
    for name in (" Una ", "U\u00adna"):
        same = await run.answer(decision="approve", reviewer=name, reason_code=OVERRIDE)
        assert (same.status_code, same.json()["code"]) == (403, "beyond_authority")
    assert await everything(run) == before
    await answered_from_the_command_line(run, "--decision", "approve", "--reason-code", OVERRIDE)

    decision = await run.decision()
    assert decision.outcome is Outcome.APPROVE
    assert [(ruling.gate, ruling.reviewer, ruling.override) for ruling in decision.rulings] == [
        ("underwriter", "una", True),
        ("second_approval", "somebody", True),
    ]


async def test_adjusted_terms_may_be_an_override_and_take_two_people(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    first = await run.answer(decision="adjust", term_months=12, reason_code=OVERRIDE)
    assert first.status_code == 202, first.text
    await run.until(EventType.WAITING)

    review = (await desk.http.get(f"{run.url}/hitl")).json()["review"]
    agreed = await run.answer(decision="approve", reviewer="sven", reason_code=OVERRIDE)

    assert agreed.status_code == 202, agreed.text
    facts = review["request"]["facts"]
    assert (facts["amount"], facts["term_months"], facts["rate"]) == ("12000.00", 12, "0.2099")
    assert "over 12 months at 20.99%" in review["request"]["summary"]
    assert "Debt to income with the new payment exceeds 50 %" in review["request"]["summary"]
    decision = await run.decision()
    assert decision.outcome is Outcome.COUNTER_OFFER
    assert [ruling.override for ruling in decision.rulings] == [True, True]
    assert decision.versions.authority == "credit-authority/2026-11-01"


async def test_the_past_of_a_run_is_told_on_the_command_line(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    await run.answer(decision="approve")
    await run.decision()

    _, listed, _ = await credit_desk(desk, "checkpoints", run.run_id)
    _, differs, _ = await credit_desk(desk, "diff", run.run_id, "policy", "decision")
    _, said, _ = await credit_desk(desk, "memory", run.run_id, "--stage", "review")
    refused = await credit_desk(desk, "cancel", run.run_id)

    labels = [line.split("\t")[0] for line in listed.splitlines()]
    assert labels[0] == "intake/1"
    assert labels[-1] == "decision/1"
    assert "undecided → approve" in differs.splitlines()[-1]
    assert "underwriter: approve" in said
    assert refused[0] == 1
    assert "has ended" in refused[2]
