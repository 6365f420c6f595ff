"""A client of AG-UI on a desk: from the application over a gate to the decision."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from data.contracts.decision import Outcome
from data.contracts.runs import RunStatus
from tests.api.ag_ui.rules import RULES
from tests.desk import Desk, StartedRun
from tests.node import node_program

THREAD = "thread-1"
Frames = list[tuple[str, dict[str, Any]]]


async def asked(desk: Desk, seen: str = "", **input_: Any) -> Frames:
    """The frames of a run of AG-UI with their ids."""
    body = {"threadId": THREAD, "runId": uuid4().hex, "messages": [], **input_}
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": seen} if seen else {})
    async with desk.http.stream("POST", "/ag-ui", json=body, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = (await answer.aread()).decode()
    assert "\r" not in text
    frames = [
        dict(line.split(": ", 1) for line in part.split("\n"))
        for part in text.split("\n\n")
        if "data: " in part
    ]
    return [(frame["id"], json.loads(frame["data"])) for frame in frames]


async def refused(desk: Desk, **input_: Any) -> tuple[int, dict[str, Any]]:
    body = {"threadId": THREAD, "runId": uuid4().hex, "messages": [], **input_}
    answer = await desk.http.post("/ag-ui", json=body)
    return answer.status_code, answer.json()


def answers(interrupt: str, **payload: Any) -> list[dict[str, Any]]:
    given = {"reviewer": "Una", "reason": "seen and considered", **payload}
    return [{"interruptId": interrupt, "status": "resolved", "payload": given}]


def submits(persona: str) -> dict[str, Any]:
    return {"application_id": persona, "options": {"as": f"{persona}-{uuid4().hex[:12]}"}}


def interrupt_of(frames: Frames) -> dict[str, Any]:
    (interrupt,) = frames[-1][1]["outcome"]["interrupts"]
    found: dict[str, Any] = interrupt
    return found


def desk_run(desk: Desk, frames: Frames) -> StartedRun:
    state = frames[1][1]["snapshot"]
    return StartedRun(desk, state["run_id"], state["application_id"])


async def test_a_case_goes_over_its_gate_to_the_decision(desk: Desk) -> None:
    first = await asked(desk, forwardedProps=submits("bora-borderline"))
    interrupt = interrupt_of(first)
    assert interrupt["reason"] == "underwriter"
    assert set(interrupt["responseSchema"]["required"]) == {"decision", "reviewer", "reason"}
    assert interrupt["expiresAt"]

    second = await asked(desk, resume=answers(interrupt["id"], decision="approve"))

    assert second[-1][1]["outcome"] == {"type": "success"}
    assert (await desk_run(desk, first).decision()).outcome is Outcome.APPROVE
    for frames in (first, second):
        for rule in RULES:
            rule([frame for _, frame in frames])


async def test_a_broken_stream_goes_on_after_its_last_frame(desk: Desk) -> None:
    given = submits("ada-prime")
    whole = await asked(desk, runId="run-1", forwardedProps=given)

    for place in (0, len(whole) // 2, len(whole) - 2):
        rest = await asked(desk, whole[place][0], runId="run-1", forwardedProps=given)
        assert rest == whole[place + 1 :]


async def test_an_answer_against_a_rule_leaves_the_question_open(desk: Desk) -> None:
    first = await asked(desk, forwardedProps=submits("bora-borderline"))
    interrupt = interrupt_of(first)["id"]

    status, problem = await refused(desk, resume=answers(interrupt, decision="adjust", amount=1.0))

    assert (status, problem["errors"][0]["pointer"]) == (422, "/amount")
    assert (await desk_run(desk, first).summary()).status is RunStatus.WAITING


async def test_the_same_answer_again_is_the_same_run(desk: Desk) -> None:
    first = await asked(desk, forwardedProps=submits("bora-borderline"))
    given = answers(interrupt_of(first)["id"], decision="decline", reason_code="R08")

    once = await asked(desk, runId="run-2", resume=given)
    again = await asked(desk, runId="run-2", resume=given)

    assert again == once


async def test_a_question_that_is_given_up_stays_in_the_inbox(desk: Desk) -> None:
    first = await asked(desk, forwardedProps=submits("bora-borderline"))
    given_up = [{"interruptId": interrupt_of(first)["id"], "status": "cancelled"}]

    frames = await asked(desk, resume=given_up)

    assert frames[-1][1]["outcome"] == {"type": "cancelled"}
    assert (await desk_run(desk, first).summary()).status is RunStatus.WAITING


_WALK = """
import { HttpAgent } from '@ag-ui/client';
const agent = new HttpAgent({ url: `${process.argv[2]}/ag-ui`, threadId: 'thread-1' });
let last = null;
const heard = { onEvent: ({ event }) => { last = event; } };
await agent.runAgent({ runId: 'run-1', forwardedProps: JSON.parse(process.argv[3]) }, heard);
const [{ id }] = last.outcome.interrupts;
const payload = { decision: 'approve', reviewer: 'Una', reason: 'seen and considered' };
const resume = [{ interruptId: id, status: 'resolved', payload }];
await agent.runAgent({ runId: 'run-2', resume }, heard);
console.log(JSON.stringify({ outcome: last.outcome, state: agent.state }));
"""


@pytest.mark.soak
async def test_the_protocol_s_own_client_takes_a_case_to_its_decision(
    desk: Desk, tmp_path: Path
) -> None:
    what = "the client of AG-UI was not tried"
    node, npm = node_program("node", what), node_program("npm", what)
    install = [npm, "install", "--no-audit", "--no-fund", "@ag-ui/client@1"]
    await asyncio.to_thread(subprocess.run, install, cwd=tmp_path, check=True, capture_output=True)
    program = tmp_path / "walk.mjs"
    program.write_text(_WALK)
    given = json.dumps(submits("bora-borderline"))

    process = await asyncio.create_subprocess_exec(
        node, program, desk.api_url, given, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(process.communicate(), 90)

    ended = json.loads(told)
    assert ended["outcome"] == {"type": "success"}
    assert (ended["state"]["phase"], ended["state"]["progress"]) == ("decision", 1)


@pytest.mark.parametrize(
    ("input_", "pointer"),
    [
        ({}, "/forwardedProps"),
        ({"forwardedProps": {"application_id": "x", "unknown": 1}}, "/unknown"),
        ({"resume": answers("nonsense", decision="approve")}, "/resume/0/interruptId"),
        ({"messages": [{"role": "user"}]}, "/messages"),
    ],
)
async def test_an_input_that_cannot_be_used_is_refused_before_a_run(
    desk: Desk, input_: dict[str, Any], pointer: str
) -> None:
    status, problem = await refused(desk, **input_)

    assert status == 422
    assert any(error["pointer"].startswith(pointer) for error in problem["errors"])
