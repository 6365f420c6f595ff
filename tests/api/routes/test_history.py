"""The history of a run over HTTP: checkpoints, messages, and checkpoints that cannot be used.

The real service on a real ledger. None of it needs Prefect.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest
import sqlalchemy as sa
from prefect.client.orchestration import PrefectClient

from api.app import create_app
from data.contracts.runs import Message
from data.settings import Settings, settings
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.checkpoint import SCHEMA_VERSION, Checkpoint
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import blobs, messages
from flows.service.desk import DeskService
from flows.workflow import WORKFLOW
from tests.api.desks import RUN_ID, client_of

SAID = (
    Message(n=1, stage="verification", author="kyc", text="Identity confirmed"),
    Message(n=2, stage="verification", author="fraud", text="Nothing seen"),
    Message(n=3, stage="bureau", author="credit_risk.bureau", text="One file found"),
)


@pytest.fixture
async def client(settings_ledger: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    @asynccontextmanager
    async def open_desk(chosen: Settings) -> AsyncIterator[DeskService]:
        yield DeskService(chosen, settings_ledger, cast(PrefectClient, None))

    async with client_of(create_app(settings(), open_desk)) as opened:
        yield opened


async def a_run(ledger: Ledger, status: str = "completed", **changed: Any) -> None:
    """A run with three messages, two of them before its one checkpoint."""
    saved = Checkpoint(
        workflow=WORKFLOW.name,
        workflow_version=WORKFLOW.version,
        run_id=RUN_ID,
        label="verification",
        version=1,
        ordinal=1,
        versions={},
        state={},
        memory=SAID[:2],
        outputs={},
        walk={},
        progress={},
        fingerprints={},
    )
    body = saved.model_dump(mode="json") | changed
    stored = await CheckpointStore().put("key", body)

    def enter(connection: sa.Connection) -> None:
        runs.register(connection, *(RUN_ID, "application:a"), application_id="a", status=status)
        checkpoints.index(connection, saved, "key", stored)
        for message in SAID:
            connection.execute(messages.insert().values(run_id=RUN_ID, **message.model_dump()))

    await ledger.write(enter)


def spoil(connection: sa.Connection) -> None:
    connection.execute(blobs.update().where(blobs.c.path == "key").values(body=b"spoilt"))


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({}, [1, 2, 3]),
        ({"agent": "fraud"}, [2]),
        ({"stage": "verification"}, [1, 2]),
        ({"text": "FOUND"}, [3]),
        ({"stage": "verification", "text": "identity"}, [1]),
        ({"agent": "nobody"}, []),
        ({"checkpoint": "verification"}, [1, 2]),
        ({"checkpoint": "verification/1", "agent": "kyc"}, [1]),
        ({"checkpoint": "verification", "stage": "bureau"}, []),
    ],
)
async def test_memory_is_asked_by_agent_stage_and_text_now_or_at_a_checkpoint(
    settings_ledger: Ledger, client: httpx.AsyncClient, asked: dict[str, str], numbers: list[int]
) -> None:
    await a_run(settings_ledger)

    answer = await client.get(f"/runs/{RUN_ID}/memory", params=asked)

    assert answer.status_code == 200
    assert answer.json() == [SAID[n - 1].model_dump(mode="json") for n in numbers]


READERS = (
    "checkpoints/verification",
    "checkpoints/verification/1",
    "diff?from=verification&to=verification",
    "memory?checkpoint=verification",
)


@pytest.mark.parametrize("path", READERS)
async def test_a_checkpoint_that_was_tampered_with_is_a_conflict_and_no_fault_of_ours(
    settings_ledger: Ledger, client: httpx.AsyncClient, path: str
) -> None:
    await a_run(settings_ledger)
    await settings_ledger.write(spoil)

    answer = await client.get(f"/runs/{RUN_ID}/{path}")

    assert (answer.status_code, answer.json()["code"]) == (409, "checkpoint_corrupt")
    assert "cannot be decompressed" in answer.json()["detail"]


@pytest.mark.parametrize("path", READERS)
async def test_a_checkpoint_of_a_newer_desk_is_refused_with_both_schemas(
    settings_ledger: Ledger, client: httpx.AsyncClient, path: str
) -> None:
    await a_run(settings_ledger, schema_version=SCHEMA_VERSION + 6)

    answer = await client.get(f"/runs/{RUN_ID}/{path}")

    assert (answer.status_code, answer.json()["code"]) == (409, "checkpoint_schema")
    assert f"has schema {SCHEMA_VERSION + 6}" in answer.json()["detail"]
    assert f"reads up to {SCHEMA_VERSION}" in answer.json()["detail"]


@pytest.mark.parametrize("more", [{}, {"schema_version": SCHEMA_VERSION + 6}])
async def test_a_fork_from_a_checkpoint_that_cannot_be_read_is_a_conflict(
    settings_ledger: Ledger, client: httpx.AsyncClient, more: dict[str, Any]
) -> None:
    await a_run(settings_ledger, **more)
    if not more:
        await settings_ledger.write(spoil)

    answer = await client.post(f"/runs/{RUN_ID}/resume", json={"checkpoint": "verification"})

    assert answer.status_code == 409
    assert answer.json()["code"] in {"checkpoint_corrupt", "checkpoint_schema"}


@pytest.mark.parametrize(
    "path",
    [
        "checkpoints/verification/2",
        f"checkpoints/verification/{10**30}",
        "checkpoints/verification/-1",
        "memory?checkpoint=verification/²",
        f"memory?checkpoint=verification/{10**30}",
        "diff?from=verification&to=verification/99999999999",
    ],
)
async def test_a_version_that_does_not_exist_is_not_found_however_it_is_written(
    settings_ledger: Ledger, client: httpx.AsyncClient, path: str
) -> None:
    await a_run(settings_ledger)

    answer = await client.get(f"/runs/{RUN_ID}/{path}")

    assert (answer.status_code, answer.json()["code"]) == (404, "checkpoint_not_found")


async def test_the_other_run_of_a_comparison_is_named_in_any_form_of_its_id(
    client: httpx.AsyncClient, settings_ledger: Ledger
) -> None:
    await a_run(settings_ledger)
    named = {"from": "verification", "to": "verification"}

    same = await client.get(f"/runs/{RUN_ID}/diff", params=named | {"other": RUN_ID.upper()})
    none = await client.get(f"/runs/{RUN_ID}/diff", params=named | {"other": "no-id"})

    assert same.status_code == 200
    assert (none.status_code, none.json()["code"]) == (404, "record_not_found")


@pytest.mark.parametrize("body", [{}, {"checkpoint": "verification"}, {"checkpoint": "start"}])
async def test_a_run_that_is_under_way_is_neither_resumed_nor_forked(
    settings_ledger: Ledger, client: httpx.AsyncClient, body: dict[str, str]
) -> None:
    await a_run(settings_ledger, "running")

    answer = await client.post(f"/runs/{RUN_ID}/resume", json=body)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "running" in answer.json()["detail"]
