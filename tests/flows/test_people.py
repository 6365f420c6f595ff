"""People at the gates of a real desk: every gate by HTTP and from the command line, every bad
answer, two at once, claims, papers, and who may do what once there are keys."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.security.keys import KeyFile
from data.contracts.decision import Outcome
from data.contracts.events import EventType
from data.contracts.review import Role
from data.contracts.runs import RunStatus
from data.settings import Settings
from tests.command_line import answered_from_the_command_line, credit_desk
from tests.desk import PATIENCE_SECONDS, Desk, StartedRun, desk_in
from tests.documents import file_later_papers, order_of
from tools.case_files import load_persona

OVERRIDE = "compensating_income"


async def at_gate(desk: Desk, persona: str, **options: Any) -> StartedRun:
    """A run that waits for somebody."""
    run = await desk.start(persona, **options)
    await run.until(EventType.WAITING)
    return run


# -- each gate, by HTTP and from the command line --------------------------------------------


@pytest.mark.parametrize("persona", ["erin-expired", "max-missing", "cora-corrupt"])
async def test_papers_that_were_filed_let_a_case_go_on(desk: Desk, persona: str) -> None:
    run = await at_gate(desk, persona)
    papers = await file_later_papers(run, load_persona(Settings().data_dir, persona))

    answer = await run.answer(decision="supplied", document_ids=papers)

    assert answer.status_code == 202
    assert (await run.decision()).outcome is Outcome.APPROVE
    waited = [event for event in await run.events() if event.type is EventType.WAITING]
    assert len(waited) == 1


async def test_papers_are_filed_and_named_from_the_command_line(desk: Desk, tmp_path: Path) -> None:
    run = await at_gate(desk, "max-missing")
    proof = load_persona(Settings().data_dir, "max-missing").later_documents[0]
    file = tmp_path / "w2-of-2025.json"
    file.write_bytes(base64.b64decode(proof.content_base64))

    code, printed, errors = await credit_desk(
        desk, "paper", run.application_id, str(file), "--kind", "w2", "--json"
    )
    assert code == 0, errors
    await answered_from_the_command_line(
        run, "--decision", "supplied", "--paper", json.loads(printed)["document_id"]
    )

    assert json.loads(printed)["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (await run.decision()).outcome is Outcome.APPROVE


async def test_an_applicant_may_withdraw_and_gets_no_letter(desk: Desk) -> None:
    run = await at_gate(desk, "max-missing")

    await answered_from_the_command_line(run, "--decision", "withdraw")

    assert (await run.decision()).outcome is Outcome.WITHDRAWN
    letter = await desk.http.get(f"{run.url}/notice")
    assert (letter.status_code, letter.json()["code"]) == (404, "record_not_found")


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
    assert [one.gate for one in decision.rulings] == ["compliance"]
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
    terms = decision.offer
    assert (str(terms.amount), terms.term_months, str(terms.rate)) == ("9000.00", 36, "0.2199")


async def test_an_underwriter_may_send_a_case_back_for_papers(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    proof = load_persona(Settings().data_dir, "max-missing").later_documents[0]
    assert (await run.answer(decision="request_documents")).status_code == 202
    await run.until(EventType.WAITING)
    filed = await desk.http.post(
        f"/applications/{run.application_id}/documents", json=order_of(proof)
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
    assert [(one.gate, one.reviewer, one.override) for one in decision.rulings] == [
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
    assert "**dti-above-limit** (decline)" in review["request"]["summary"]
    decision = await run.decision()
    assert decision.outcome is Outcome.COUNTER_OFFER
    assert [one.override for one in decision.rulings] == [True, True]
    assert decision.versions.authority == "credit-authority/2026-11-01"


# -- answers that cannot count ---------------------------------------------------------------

GREEDY = "bora-borderline, for 19,000"
"""More than the 35 % of her yearly income that she could have."""

BAD: list[tuple[str, dict[str, Any], int, str, str]] = [
    ("bora-borderline", {"gate": "compliance", "decision": "clear"}, 404, "gate_not_found", ""),
    ("bora-borderline", {"gate": "tribunal", "decision": "clear"}, 404, "gate_not_found", ""),
    ("bora-borderline", {"decision": "maybe"}, 422, "answer_rejected", "/decision"),
    ("bora-borderline", {"decision": "decline"}, 422, "answer_rejected", "/reason_code"),
    (
        "bora-borderline",
        {"decision": "decline", "reason_code": "X01"},
        422,
        "answer_rejected",
        "/reason_code",
    ),
    ("bora-borderline", {"decision": "adjust"}, 422, "answer_rejected", ""),
    ("bora-borderline", {"decision": "adjust", "amount": 18901}, 422, "answer_rejected", "/amount"),
    (
        "bora-borderline",
        {"decision": "adjust", "amount": "x"},
        422,
        "answer_rejected",
        "/amount",
    ),
    *(
        (
            "bora-borderline",
            {"decision": "adjust", "amount": bad},
            422,
            "answer_rejected",
            "/amount",
        )
        for bad in ("1e4", "9000", 9000.005, True, 999.99)
    ),
    *(
        (GREEDY, {"decision": "adjust", **terms}, 422, "answer_rejected", "/amount")
        for terms in ({"rate": 0.2249}, {"term_months": 60}, {"amount": 18900.01})
    ),
    (GREEDY, {"decision": "approve"}, 422, "answer_rejected", "/decision"),
    ("bora-borderline", {"decision": "adjust", "rate": 0.5}, 422, "answer_rejected", "/rate"),
    ("bora-borderline", {"decision": "adjust", "rate": 0.2000001}, 422, "answer_rejected", "/rate"),
    (
        "bora-borderline",
        {"decision": "adjust", "rate": 0.2999, "term_months": 12},
        422,
        "answer_rejected",
        "/rate",
    ),
    *(
        (
            "bora-borderline",
            {"decision": "adjust", "term_months": bad},
            422,
            "answer_rejected",
            "/term_months",
        )
        for bad in (1, 11, 12.5, True, "36")
    ),
    (
        "bora-borderline",
        {"decision": "adjust", "term_months": 12},
        422,
        "answer_rejected",
        "/reason_code",
    ),
    (
        "bora-borderline",
        {"decision": "adjust", "term_months": 61},
        422,
        "answer_rejected",
        "/term_months",
    ),
    (
        "bora-borderline",
        {"decision": "adjust", "amount": 15001},
        403,
        "beyond_authority",
        "",
    ),
    ("bora-borderline", {"decision": "approve", "amount": 9000}, 422, "answer_rejected", ""),
    ("bora-borderline", {"decision": "approve", "note": "x"}, 422, "answer_rejected", "/note"),
    (
        "bora-borderline",
        {"decision": "approve", "reason": " a"},
        422,
        "answer_rejected",
        "/reason",
    ),
    ("bora-borderline", {"decision": "approve", "reason": ""}, 422, "answer_rejected", "/reason"),
    (
        "bora-borderline",
        {"decision": "approve", "reviewer": "  "},
        422,
        "answer_rejected",
        "/reviewer",
    ),
    (
        "bora-borderline",
        {"decision": "approve", "reviewer": "x" * 150},
        422,
        "answer_rejected",
        "/reviewer",
    ),
    ("leo-large", {"decision": "approve"}, 403, "beyond_authority", ""),
    ("uma-override", {"decision": "approve"}, 422, "answer_rejected", "/reason_code"),
    (
        "uma-override",
        {"decision": "approve", "reason_code": OVERRIDE, "reason": "  "},
        422,
        "answer_rejected",
        "/reason",
    ),
    ("max-missing", {"decision": "supplied"}, 422, "answer_rejected", "/document_ids"),
    (
        "max-missing",
        {"decision": "supplied", "document_ids": ["w2-primary"]},
        422,
        "answer_rejected",
        "/document_ids",
    ),
    (
        "max-missing",
        {"decision": "supplied", "document_ids": ["statement-primary"]},
        422,
        "answer_rejected",
        "/document_ids",
    ),
    ("pat-potential", {"decision": "approve"}, 422, "answer_rejected", "/decision"),
]


@pytest.fixture(scope="module")
async def waiting(desk: Desk) -> AsyncIterator[dict[str, StartedRun]]:
    """One run per persona of the table, all waiting; cancelled when the table is through."""
    runs = {GREEDY: await greedy(desk)}
    for persona in {row[0] for row in BAD} - {GREEDY}:
        runs[persona] = await at_gate(desk, persona)
    yield runs
    for run in runs.values():
        await desk.http.post(f"{run.url}/cancel")


async def greedy(desk: Desk) -> StartedRun:
    case = load_persona(Settings().data_dir, "bora-borderline").case.model_dump(mode="json")
    case["application"] |= {"amount_requested": "19000.00"}
    order = {"application": case, "options": {"as": f"greedy-{uuid4().hex[:12]}"}}
    accepted = (await desk.http.post("/runs", json=order)).raise_for_status().json()
    run = StartedRun(desk, accepted["run_id"], accepted["application_id"])
    await run.until(EventType.WAITING)
    return run


@pytest.mark.parametrize(("persona", "fields", "status", "code", "pointer"), BAD)
async def test_a_bad_answer_is_refused_and_changes_nothing(
    waiting: dict[str, StartedRun],
    persona: str,
    fields: dict[str, Any],
    status: int,
    code: str,
    pointer: str,
) -> None:
    run = waiting[persona]
    before = await everything(run)

    refused = await run.answer(**fields)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    if status == 422:
        assert refused.json()["errors"][0]["pointer"] == pointer
    assert await everything(run) == before


async def everything(run: StartedRun) -> tuple[Any, ...]:
    """What there is to be changed about a waiting run."""
    state = (await run.desk.http.get(f"{run.url}/state")).json()
    request = (await run.desk.http.get(f"{run.url}/hitl")).json()
    summary = await run.summary()
    return state, request, summary.status, summary.progress, summary.updated_at


async def at_rest(run: StartedRun) -> tuple[Any, ...]:
    """The same, once the run has fallen asleep."""
    before = None
    while (now := await everything(run)) != before:
        before = now
        await asyncio.sleep(0.5)
    return now


async def typed_into_prefect(run: StartedRun, **fields: Any) -> None:
    """Fill in the form that the Prefect UI draws, as soon as the run is asleep."""
    form = {"reviewer": "somebody", "reason": "seen and considered"} | fields
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        httpx.AsyncClient(base_url=f"{run.desk.prefect_url}/api") as prefect,
    ):
        resume = f"/flow_runs/{run.run_id}/resume"
        while True:
            answer = await prefect.post(resume, json={"run_input": form})
            if answer.is_success and answer.json()["status"] == "ACCEPT":
                return
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"term_months": 1}, "from 12 to 60 months"),
        ({"rate": 0.2999, "term_months": 12}, "above its ceiling"),
        ({"term_months": 12}, "give one of the override reasons"),
        ({"amount": 9000.005}, "at most 2 decimal places"),
    ],
)
async def test_what_is_typed_into_prefect_is_held_to_the_same_rules_and_asked_again(
    desk: Desk, fields: dict[str, Any], why: str
) -> None:
    run = await at_gate(desk, "bora-borderline")
    asked = (await desk.http.get(f"{run.url}/hitl")).json()["review"]

    await typed_into_prefect(run, decision="adjust", **fields)
    rejected = await run.until(EventType.HITL_REJECTED)
    await run.until(EventType.WAITING)

    assert why in rejected.message
    again = (await desk.http.get(f"{run.url}/hitl")).json()["review"]
    assert (again["attempt"], again["opened_at"]) == (2, asked["opened_at"])
    assert why in again["request"]["remark"]
    assert (await run.answer(decision="adjust", amount=9000, rate=0.2249)).status_code == 202
    assert (await run.decision()).outcome is Outcome.COUNTER_OFFER


async def test_a_fork_is_judged_at_its_first_gate_by_what_it_shares(desk: Desk) -> None:
    parent = await at_gate(desk, "bora-borderline")
    forked = await desk.http.post(
        f"{parent.url}/resume", json={"checkpoint": "policy", "decide": True}
    )
    assert forked.status_code == 202, forked.text
    run = StartedRun(desk, forked.json()["run_id"], parent.application_id)
    await run.until(EventType.WAITING)

    greedy = await run.answer(decision="adjust", amount=18900.01)
    against = await run.answer(decision="adjust", term_months=12)

    assert greedy.json()["errors"][0]["pointer"] == "/amount"
    assert against.json()["errors"][0]["pointer"] == "/reason_code"
    for waiting in (run, parent):
        await desk.http.post(f"{waiting.url}/cancel")


async def test_an_answer_that_is_no_json_is_400(waiting: dict[str, StartedRun]) -> None:
    run = waiting["bora-borderline"]
    before = await everything(run)

    refused = await run.desk.http.post(
        f"{run.url}/hitl", content=b"{oops", headers={"Content-Type": "application/json"}
    )

    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_json")
    assert await everything(run) == before


async def test_a_second_answer_is_409_while_the_run_goes_on_and_after_its_end(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    assert (await run.answer(gate="underwriter", decision="approve")).status_code == 202

    at_once = await run.answer(gate="underwriter", decision="decline", reason_code="R09")
    decided = await run.decision()
    before = await everything(run)
    after_the_end = await run.answer(gate="underwriter", decision="decline", reason_code="R09")

    assert await everything(run) == before
    assert (at_once.status_code, after_the_end.status_code) == (409, 409)
    assert decided.outcome is Outcome.APPROVE
    assert (await run.summary()).status is RunStatus.COMPLETED


async def test_a_late_answer_is_410(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    with closing(sqlite3.connect(desk.home / "ledger.db", timeout=30)) as ledger, ledger:
        ledger.execute(
            "update reviews set due_at = '2026-01-01T00:00:00.000000Z' where run_id = ?",
            (run.run_id,),
        )

    late = await run.answer(gate="underwriter", decision="approve")

    assert (late.status_code, late.json()["code"]) == (410, "review_expired")
    decision = await run.decision()
    assert (decision.outcome, decision.rulings) == (Outcome.INCOMPLETE, ())


async def test_a_run_that_was_cancelled_takes_no_answer(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    assert (await desk.http.post(f"{run.url}/cancel")).status_code == 202
    await run.events()
    before = await everything(run)

    late = await run.answer(gate="underwriter", decision="approve")

    assert late.status_code == 409
    assert await everything(run) == before


async def test_of_two_answers_at_once_one_wins(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")

    answers = await asyncio.gather(
        run.answer(gate="underwriter", decision="approve", reviewer="one"),
        run.answer(gate="underwriter", decision="decline", reason_code="R09", reviewer="other"),
    )

    assert sorted(answer.status_code for answer in answers) == [202, 409]
    winner = ["one", "other"][[answer.status_code for answer in answers].index(202)]
    assert [ruling.reviewer for ruling in (await run.decision()).rulings] == [winner]


async def test_the_same_answer_twice_under_one_key_is_harmless(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    body = {
        "gate": "underwriter",
        "decision": "approve",
        "reviewer": "underwriter-1",
        "reason": "seen and considered",
    }

    async def give() -> httpx.Response:
        return await desk.http.post(
            f"{run.url}/hitl", json=body, headers={"Idempotency-Key": run.run_id}
        )

    given = await asyncio.gather(give(), give())
    await run.events()

    assert [answer.status_code for answer in [*given, await give()]] == [202, 202, 202]
    assert len((await run.decision()).rulings) == 1


# -- claims ----------------------------------------------------------------------------------


async def claim(run: StartedRun, reviewer: str) -> httpx.Response:
    return await run.desk.http.post(f"{run.url}/claim", json={"reviewer": reviewer})


async def release(run: StartedRun, reviewer: str) -> httpx.Response:
    return await run.desk.http.delete(f"{run.url}/claim", params={"reviewer": reviewer})


async def test_whoever_claims_a_case_has_it_alone_until_it_is_released(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")

    mine, again, theirs = await claim(run, "una"), await claim(run, "una"), await claim(run, "tom")
    meddling = await run.answer(decision="approve", reviewer="tom")
    listed = {item["run_id"]: item for item in (await desk.http.get("/inbox")).json()}

    assert (mine.status_code, again.status_code) == (200, 200)
    assert again.json()["until"] > mine.json()["until"]
    for refused in (theirs, meddling, await release(run, "tom")):
        assert (refused.status_code, refused.json()["code"]) == (409, "claimed")
        assert "una works on this request until" in refused.json()["detail"]
    assert listed[run.run_id]["claim"] == again.json()
    assert (await release(run, "una")).status_code == 204
    assert (await claim(run, "tom")).status_code == 200
    assert (await run.answer(decision="approve", reviewer="tom")).status_code == 202
    assert (await claim(run, "una")).status_code == 404


async def test_a_claim_ends_by_itself(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")
    await claim(run, "una")
    with closing(sqlite3.connect(desk.home / "ledger.db", timeout=30)) as ledger, ledger:
        ledger.execute(
            "update reviews set claimed_until = '2026-01-01T00:00:00.000000Z' where run_id = ?",
            (run.run_id,),
        )

    listed = {item["run_id"]: item for item in (await desk.http.get("/inbox")).json()}

    assert listed[run.run_id]["claim"] is None
    assert (await run.answer(decision="approve", reviewer="tom")).status_code == 202


async def test_claims_are_made_and_given_back_from_the_command_line(desk: Desk) -> None:
    run = await at_gate(desk, "bora-borderline")

    kept = await credit_desk(desk, "claim", run.run_id, "--reviewer", "una")
    refused = await credit_desk(desk, "claim", run.run_id, "--reviewer", "tom")
    _, inbox, _ = await credit_desk(desk, "inbox")
    back = await credit_desk(desk, "release", run.run_id, "--reviewer", "una")
    await run.answer(decision="approve", reviewer="tom")

    assert (kept[0], back[0]) == (0, 0)
    assert kept[1].startswith("Kept for una until")
    assert refused[0] == 1
    assert "una works on this request until" in refused[2]
    row = next(line for line in inbox.splitlines() if line.startswith(run.run_id)).split("\t")
    assert row[3:] == [
        "underwriter",
        "underwriter",
        run.application_id,
        "$12,000",
        "E",
        "pd-elevated",
        "una",
    ]


@pytest.mark.parametrize("body", [{}, {"reviewer": "  "}, {"reviewer": "x" * 101}])
async def test_a_claim_is_somebody_s(waiting: dict[str, StartedRun], body: dict[str, str]) -> None:
    run = waiting["bora-borderline"]

    assert (await run.desk.http.post(f"{run.url}/claim", json=body)).status_code == 422


# -- papers ----------------------------------------------------------------------------------


async def test_a_paper_is_filed_once_and_no_other_takes_its_place(
    desk: Desk, waiting: dict[str, StartedRun]
) -> None:
    run = waiting["max-missing"]
    url = f"/applications/{run.application_id}/documents"
    paper = {"document_id": "late", "kind": "w2", "content_base64": "e30="}

    first = await desk.http.post(url, json=paper)
    again = await desk.http.post(url, json=paper)
    other = await desk.http.post(url, json=paper | {"content_base64": "W10="})
    taken = await desk.http.post(url, json=paper | {"document_id": "licence-primary"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.json()["size_bytes"], "content_base64" in first.json()) == (2, False)
    assert first.json()["sha256"] == hashlib.sha256(b"{}").hexdigest()
    assert (other.status_code, taken.status_code) == (409, 409)


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"kind": "poem"}, 422, "/kind"),
        ({"content_base64": "%%%"}, 422, "/content_base64"),
        ({"content_base64": ""}, 422, "/content_base64"),
        ({"sha256": "0" * 64}, 422, "/sha256"),
        ({"size_bytes": 3}, 422, "/size_bytes"),
        ({"media_type": "json"}, 422, "/media_type"),
        ({"document_id": "../vault"}, 422, "/document_id"),
        ({"applicant": "co"}, 422, ""),
        ({"verified": True}, 422, "/verified"),
        ({"content_base64": "A" * (2 * 1024 * 1024)}, 413, None),
    ],
)
async def test_a_paper_that_cannot_be_filed_is_refused(
    waiting: dict[str, StartedRun], change: dict[str, Any], status: int, pointer: str | None
) -> None:
    run = waiting["max-missing"]
    paper = {"document_id": "odd", "kind": "w2", "content_base64": "e30="}

    refused = await run.desk.http.post(
        f"/applications/{run.application_id}/documents", json=paper | change
    )

    assert refused.status_code == status
    if pointer is not None:
        assert refused.json()["errors"][0]["pointer"] == pointer


async def test_papers_of_an_unknown_application_are_404(desk: Desk) -> None:
    paper = {"document_id": "late", "kind": "w2", "content_base64": "e30="}

    assert (await desk.http.post("/applications/nobody/documents", json=paper)).status_code == 404


# -- a run's past, from the command line -----------------------------------------------------


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


# -- keys ------------------------------------------------------------------------------------


@pytest.mark.timeout(400)  # a desk of its own, and five people
async def test_with_keys_everybody_is_who_the_key_says_and_may_do_what_the_roles_allow(
    tmp_path: Path,
) -> None:
    async with desk_in(tmp_path) as desk:
        keys = KeyFile(desk.home / "keys.json")
        made = {
            name: keys.create(name, [role.value for role in roles])[1]
            for name, roles in {
                "ines": (Role.INTAKE,),
                "una": (Role.UNDERWRITER,),
                "both": (Role.INTAKE, Role.SENIOR_UNDERWRITER),
                "sara": (Role.SENIOR_UNDERWRITER,),
                "carl": (Role.COMPLIANCE,),
                "cora": (Role.INTAKE, Role.COMPLIANCE),
                "vera": (Role.VIEWER,),
            }.items()
        }

        def as_(name: str) -> None:
            desk.http.headers["Authorization"] = f"Bearer {made[name]}"

        async def answered(run: StartedRun, name: str, **fields: Any) -> int:
            as_(name)
            return (await run.answer(reviewer="somebody else", **fields)).status_code

        as_("both")
        leo = await at_gate(desk, "leo-large")
        uma = await at_gate(desk, "uma-override")
        pat = await at_gate(desk, "pat-potential")
        bora = await at_gate(desk, "bora-borderline")
        del desk.http.headers["Authorization"]
        nobody = await desk.http.post(f"{leo.url}/hitl", json={})
        as_("una")
        not_intake = await desk.http.post("/runs", json={"application_id": "ada-prime"})
        assert (nobody.status_code, not_intake.status_code) == (401, 403)

        as_("vera")
        before = await at_rest(leo)
        wrong_role = [await answered(leo, name, decision="approve") for name in ("carl", "vera")]
        assert wrong_role == [403, 403]
        assert await everything(leo) == before
        assert await answered(leo, "una", decision="approve") == 202
        await leo.until(EventType.WAITING)
        before = await at_rest(leo)
        wrong_person = [await answered(leo, name, decision="approve") for name in ("una", "both")]
        assert wrong_person == [403, 403]
        assert await everything(leo) == before
        assert await answered(leo, "sara", decision="approve") == 202
        large = await leo.decision()
        assert large.outcome is Outcome.APPROVE
        assert [(one.reviewer, one.proven) for one in large.rulings] == [
            ("una", True),
            ("sara", True),
        ]

        assert await answered(uma, "una", decision="approve", reason_code=OVERRIDE) == 202
        await uma.until(EventType.WAITING)
        assert await answered(uma, "sara", decision="approve", reason_code=OVERRIDE) == 202
        assert [one.override for one in (await uma.decision()).rulings] == [True, True]

        shorter = {"decision": "adjust", "term_months": 12}
        assert await answered(bora, "una", **shorter) == 422
        await typed_into_prefect(bora, **shorter, reason_code=OVERRIDE)
        rejected = await bora.until(EventType.HITL_REJECTED)
        assert rejected.meta["code"] == "beyond_authority"
        await bora.until(EventType.WAITING)
        assert await answered(bora, "una", **shorter, reason_code=OVERRIDE) == 202
        await bora.until(EventType.WAITING)
        assert await answered(bora, "sara", decision="approve", reason_code=OVERRIDE) == 202
        assert [one.override for one in (await bora.decision()).rulings] == [True, True]

        paper = {"document_id": "late", "kind": "w2", "content_base64": "e30="}
        as_("vera")
        filed = await desk.http.post(f"/applications/{pat.application_id}/documents", json=paper)
        assert filed.status_code == 403
        assert await answered(pat, "sara", decision="clear") == 403
        assert (await desk.http.post(f"{pat.url}/claim", json={"reviewer": "x"})).status_code == 403
        as_("cora")
        own = await at_gate(desk, "pat-potential")
        before = await at_rest(own)
        assert await answered(own, "cora", decision="clear") == 403
        assert await everything(own) == before
        as_("carl")
        claimed = await desk.http.post(f"{pat.url}/claim", json={"reviewer": "somebody else"})
        assert claimed.json()["reviewer"] == "carl"
        assert await answered(pat, "carl", decision="clear") == 202
        assert (await pat.decision()).rulings[0].reviewer == "carl"
