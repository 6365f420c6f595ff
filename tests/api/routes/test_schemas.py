"""Published schemas: what the desk sends fits them, and they are read without a key."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jsonschema
import pytest

from api.routes.schemas import PATHS
from data.contracts.events import EventType
from flows.runtime.ledger import journal
from flows.runtime.ledger.database import Ledger
from tests.api.desks import DECISION, RUN_ID
from tests.api.journals import a_run, tell

GATES = ("documents", "compliance", "underwriter", "second-approval")


async def schema(client: httpx.AsyncClient, name: str) -> jsonschema.Draft202012Validator:
    answer = await client.get(f"/schemas/{name}.json")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/schema+json"
    jsonschema.Draft202012Validator.check_schema(answer.json())
    return jsonschema.Draft202012Validator(answer.json())


async def test_every_event_of_a_journal_fits_the_schema_of_events(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, *EventType)
    fits = await schema(client, "run-event")

    entries = [json.loads(body) for body in await ledger.read(journal.read, RUN_ID)]

    assert len(entries) == len(EventType)
    for entry in entries:
        fits.validate(entry)
    assert not fits.is_valid(entries[0] | {"type": "made.up"})
    assert not fits.is_valid({name: entries[0][name] for name in entries[0] if name != "id"})


async def test_a_decision_as_it_is_sent_names_what_its_schema_asks_for(
    client: httpx.AsyncClient,
) -> None:
    found: dict[str, Any] = (await client.get("/schemas/decision.json")).json()

    await schema(client, "decision")
    assert set(DECISION) <= set(found["properties"])


@pytest.mark.parametrize("gate", GATES)
async def test_each_gate_has_the_schema_of_its_form(client: httpx.AsyncClient, gate: str) -> None:
    form = await schema(client, f"form-{gate}")

    assert not form.is_valid({"reviewer": "una", "reason": "without a decision"})
    assert not form.is_valid({"reviewer": "una", "reason": "seen", "decision": "made-up"})


async def test_an_answer_that_a_gate_takes_fits_its_form(client: httpx.AsyncClient) -> None:
    form = await schema(client, "form-compliance")

    form.validate({"decision": "clear", "reviewer": "una", "reason": "another birthday"})


def test_all_gates_are_published() -> None:
    assert {f"/schemas/form-{gate}.json" for gate in GATES} <= PATHS


async def test_another_name_is_no_schema(client: httpx.AsyncClient) -> None:
    assert (await client.get("/schemas/made-up.json")).status_code == 404
