"""Documents that come in after the application: filed, refused, and named at the gate."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from data.contracts.decision import Outcome
from data.contracts.events import EventType
from data.settings import Settings
from tests.command_line import answered_from_the_command_line, credit_desk
from tests.desk import Desk, StartedRun
from tests.documents import file_later_documents
from tests.flows.waiting_runs import at_gate
from tools.case_files import load_persona


@pytest.mark.parametrize("persona", ["erin-expired", "max-missing", "cora-corrupt"])
async def test_papers_that_were_filed_let_a_case_go_on(desk: Desk, persona: str) -> None:
    run = await at_gate(desk, persona)
    documents = await file_later_documents(run, load_persona(Settings().data_dir, persona))

    answer = await run.answer(decision="supplied", document_ids=documents)

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
        desk, "document", run.application_id, str(file), "--kind", "w2", "--json"
    )
    assert code == 0, errors
    await answered_from_the_command_line(
        run, "--decision", "supplied", "--document", json.loads(printed)["document_id"]
    )

    assert json.loads(printed)["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (await run.decision()).outcome is Outcome.APPROVE


async def test_an_applicant_may_withdraw_and_gets_no_letter(desk: Desk) -> None:
    run = await at_gate(desk, "max-missing")

    await answered_from_the_command_line(run, "--decision", "withdraw")

    assert (await run.decision()).outcome is Outcome.WITHDRAWN
    letter = await desk.http.get(f"{run.url}/notice")
    assert (letter.status_code, letter.json()["code"]) == (404, "record_not_found")


@pytest.fixture(scope="module")
async def waiting(desk: Desk) -> AsyncIterator[StartedRun]:
    """Max's run, which waits for his proof of income."""
    run = await at_gate(desk, "max-missing")
    yield run
    await desk.http.post(f"{run.url}/cancel")


async def test_a_document_is_filed_once_and_no_other_takes_its_place(
    desk: Desk, waiting: StartedRun
) -> None:
    url = f"/applications/{waiting.application_id}/documents"
    document = {"document_id": "late", "kind": "w2", "content_base64": "e30="}

    first = await desk.http.post(url, json=document)
    again = await desk.http.post(url, json=document)
    other = await desk.http.post(url, json=document | {"content_base64": "W10="})
    taken = await desk.http.post(url, json=document | {"document_id": "licence-primary"})

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
async def test_a_document_that_cannot_be_filed_is_refused(
    waiting: StartedRun, change: dict[str, Any], status: int, pointer: str | None
) -> None:
    document = {"document_id": "odd", "kind": "w2", "content_base64": "e30="}

    refused = await waiting.desk.http.post(
        f"/applications/{waiting.application_id}/documents", json=document | change
    )

    assert refused.status_code == status
    if pointer is not None:
        assert refused.json()["errors"][0]["pointer"] == pointer


async def test_documents_of_an_unknown_application_are_404(desk: Desk) -> None:
    document = {"document_id": "late", "kind": "w2", "content_base64": "e30="}

    assert (
        await desk.http.post("/applications/nobody/documents", json=document)
    ).status_code == 404
