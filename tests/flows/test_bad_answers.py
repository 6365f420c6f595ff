"""Answers that a real desk refuses: they change nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from data.contracts.decision import Outcome
from data.contracts.events import EventType
from data.settings import Settings
from tests.desk import Desk, StartedRun
from tests.flows.waiting_runs import OVERRIDE, at_gate, everything, typed_into_prefect
from tools.case_files import load_persona

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

    flow_run_id = await run.flow_run_id()
    await typed_into_prefect(desk.prefect_url, flow_run_id, decision="adjust", **fields)
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
