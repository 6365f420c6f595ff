"""Rows of the table about answers, resumption, and the same application twice at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.problems import status_of
from data.contracts.errors import CreditDeskError
from data.contracts.review import Channel, Role
from flows.service.requests import Answer, Caller, ResumeRun
from tests.flows.bad_input.place import Attempt, Place
from tests.flows.inline import Says, persona
from tests.flows.service.fork_parents import a_parent, saved
from tests.flows.waiting_desk import RUN, waiting

EVERY_ROLE = tuple(Role)
BEYOND = persona("leo-large")
OVERRIDE = {"reason_code": "compensating_income"}


def _answer(decision: str, **fields: Any) -> Answer:
    plain = {"gate": "underwriter", "reviewer": "Una", "reason": "seen and considered"}
    return Answer.model_validate(plain | {"decision": decision} | fields)


def answered(
    status: int,
    answer: Answer,
    name: str = "bora-borderline",
    *steps: Says,
    roles: tuple[Role, ...] = EVERY_ROLE,
    before: str = "",
) -> Attempt:
    """An answer at the gate where a persona's run waits: refused, and nothing is recorded."""

    async def attempt(place: Place) -> None:
        await waiting(place.desk.ledger, persona(name), *steps)
        if before:
            await place.desk.ledger.write(lambda c: c.exec_driver_sql(before))
        caller = Caller("", roles, proven=False, channel=Channel.HTTP)
        with pytest.raises(CreditDeskError) as refused:
            await place.desk.answer(RUN, answer, caller)
        assert status_of(refused.value) == status, refused.value

    return attempt


async def _second_answer(place: Place) -> None:
    await waiting(place.desk.ledger, persona("bora-borderline"))
    url = f"/runs/{RUN}/hitl"
    body = {"gate": "underwriter", "reviewer": "Una", "reason": "seen", "decision": "approve"}

    first = await asyncio.gather(*(place.client.post(url, json=body) for _ in range(4)))
    later = await place.client.post(url, json=body)

    assert sorted(found.status_code for found in first) == [202, 409, 409, 409]
    assert later.status_code == 409


ANSWERS: dict[str, Attempt] = {
    "unknown gate": answered(404, _answer("approve", gate="tribunal")),
    "wrong role": answered(403, _answer("approve"), roles=(Role.VIEWER,)),
    "second answer": _second_answer,
    "after the timeout": answered(
        410, _answer("approve"), before="update reviews set due_at = '2026-01-01T00:00:00.000000Z'"
    ),
    "beyond authority": answered(403, _answer("approve"), "leo-large"),
    "adjusted above the policy's cap": answered(422, _answer("adjust", amount=18900.01)),
    "empty comment on an override": answered(
        422, _answer("approve", reason="  ", **OVERRIDE), "uma-override"
    ),
    "same person twice": answered(
        403,
        _answer("approve", gate="second_approval"),
        "leo-large",
        Says("underwriter", "approve"),
    ),
}


def resumed(
    status: int,
    body: ResumeRun,
    run_id: str = "parent",
    *,
    under_way: bool = False,
    schema: int = 1,
) -> Attempt:
    """A resumption of Ada's run, which has saved one checkpoint: refused."""

    async def attempt(place: Place) -> None:
        kept = "running" if under_way else "completed"
        await a_parent(place.desk.ledger, saved(schema_version=schema), status=kept)
        caller = Caller("Una", EVERY_ROLE, proven=True, channel=Channel.HTTP)
        with pytest.raises(CreditDeskError) as refused:
            await place.desk.resume(run_id, body, caller)
        assert status_of(refused.value) == status, refused.value

    return attempt


_FROM_INTAKE = ResumeRun(checkpoint="intake")

RESUMPTIONS: dict[str, Attempt] = {
    "unknown checkpoint": resumed(404, ResumeRun(checkpoint="offer")),
    "of a foreign run": resumed(404, _FROM_INTAKE, "of-another-desk"),
    "of a newer schema": resumed(409, _FROM_INTAKE, schema=99),
    "while the run goes on": resumed(409, ResumeRun(), under_way=True),
}


async def _at_once(place: Place) -> None:
    body = {"application": persona("ada-prime").case.model_dump(mode="json")}
    answers = await asyncio.gather(*(place.client.post("/runs", json=body) for _ in range(4)))

    assert sorted(found.status_code for found in answers) == [200, 200, 200, 202]
    assert len({found.json()["run_id"] for found in answers}) == 1


async def _other_content(place: Place) -> None:
    body = persona("dora-duplicate").case.model_dump(mode="json")
    first = await place.client.post("/runs", json={"application": body})
    body["application"]["amount_requested"] = "9999.00"
    second = await place.client.post("/runs", json={"application": body})

    assert (first.status_code, second.status_code) == (202, 409)


DUPLICATES: dict[str, Attempt] = {
    "same bytes": _at_once,
    "other bytes": _other_content,
}
