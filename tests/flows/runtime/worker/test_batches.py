"""Batches in the sweep: a driver for each that needs one, and reviews a few at a time."""

from __future__ import annotations

import json
import zlib
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Crashed, Failed, Pending, Running

from data.contracts.events import EventType
from data.contracts.review import Person
from data.contracts.runs import RunStatus
from data.settings import Settings
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import (
    batch_driver,
    batches,
    checkpoint_index,
    chunks,
    journal,
    messages,
    referrals,
    restricted,
    run_requests,
    runs,
    tables,
)
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.chunks import FinishedChunk
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.referrals import Referral
from flows.runtime.ledger.run_requests import RunRequest
from flows.runtime.prefect_api import deployments
from flows.runtime.worker import batches as sweep
from tests.flows.runtime.prefect_server import PrefectServer

OLA = Person(name="Ola", principal="ola")
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
DEPLOYMENT = uuid4()


@pytest.fixture
def known_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is registered: the fake server does not know deployments by name."""

    async def find(*_: Any) -> UUID:
        return DEPLOYMENT

    monkeypatch.setattr(deployments, "find", find)


async def a_batch(ledger: Ledger, **row: Any) -> Batch:
    batch, _ = await ledger.write(
        batches.register,
        "a" * 64,
        {"as_of_date": "2026-11-22", "fan_out_policy": None},
        path="/inbox/p.jsonl",
        file_name="p.jsonl",
        is_copy=False,
        submitted_by=OLA,
        traceparent=TRACE,
    )
    with ledger.writing() as connection:
        this = tables.batches.c.batch_id == batch.batch_id
        connection.execute(tables.batches.update().where(this).values(**{"starts": 0} | row))
        return batches.find(connection, batch.batch_id)


async def find_drivers(server: PrefectServer, ledger: Ledger, settings: Settings) -> None:
    await sweep.find_drivers(server.client, ledger, settings)


@pytest.mark.usefixtures("known_deployment")
async def test_a_batch_without_a_driver_gets_one_however_often_the_sweep_comes(
    ledger: Ledger, settings_: Settings
) -> None:
    batch = await a_batch(ledger)
    server = PrefectServer()

    for _ in range(2):
        await find_drivers(server, ledger, settings_)

    (made,) = server.made.values()
    assert made.parameters == {"batch_id": batch.batch_id}
    assert made.labels == {"__OTEL_TRACEPARENT": TRACE}
    assert (await ledger.read(batches.find, batch.batch_id)).flow_run_id == str(made.id)


@pytest.mark.usefixtures("known_deployment")
@pytest.mark.parametrize(
    ("state", "gets_another"),
    [(Running(), False), (Pending(), False), (Crashed(), True), (Failed(), True)],
)
async def test_a_driver_that_ended_before_its_batch_is_replaced(
    ledger: Ledger, settings_: Settings, state: State[Any], gets_another: bool
) -> None:
    flow_run_id = uuid4()
    await a_batch(ledger, flow_run_id=str(flow_run_id), status=RunStatus.RUNNING, starts=1)
    left_behind = uuid4()
    server = PrefectServer({flow_run_id: state}, task_runs=[left_behind])

    await find_drivers(server, ledger, settings_)

    assert bool(server.made) is gets_another
    ended = {task_run_id: state.is_crashed() for task_run_id, state in server.ended_tasks.items()}
    assert ended == ({left_behind: True} if gets_another else {})


@pytest.mark.usefixtures("known_deployment")
async def test_a_driver_that_ended_before_it_began_is_replaced_until_the_batch_is_given_up(
    ledger: Ledger, settings_: Settings
) -> None:
    batch, server = await a_batch(ledger), PrefectServer()

    for _ in range(sweep.MAX_STARTS + 2):
        await find_drivers(server, ledger, settings_)
        for flow_run_id in server.states:
            server.states[flow_run_id] = Crashed()

    assert len(server.states) == sweep.MAX_STARTS
    given_up = await ledger.read(batches.find, batch.batch_id)
    assert (given_up.status, given_up.starts) == (RunStatus.FAILED, 0)


@pytest.mark.parametrize(
    ("row", "state", "status"),
    [
        ({}, Cancelled(), RunStatus.CANCELLED),
        ({"status": RunStatus.QUEUED}, Cancelled(), RunStatus.CANCELLED),
        ({"cancel_requested": True}, Crashed(), RunStatus.CANCELLED),
        ({"starts": sweep.MAX_STARTS}, Crashed(), RunStatus.FAILED),
    ],
)
async def test_a_batch_that_shall_have_no_driver_ends(
    ledger: Ledger,
    settings_: Settings,
    row: dict[str, Any],
    state: State[Any],
    status: RunStatus,
) -> None:
    flow_run_id = uuid4()
    batch = await a_batch(
        ledger, flow_run_id=str(flow_run_id), **{"status": RunStatus.RUNNING} | row
    )
    server = PrefectServer({flow_run_id: state})

    await find_drivers(server, ledger, settings_)

    assert (await ledger.read(batches.find, batch.batch_id)).status is status
    assert not server.made
    told = [json.loads(body) for body in await ledger.read(journal.read, batch.batch_id)]
    was_driven = row.get("status", RunStatus.RUNNING) is RunStatus.RUNNING
    assert [event["meta"].get("code") for event in told][:-1] == ["worker_lost"] * was_driven
    assert told[-1]["type"] == f"run.{status.value}"


# -- reviews ---------------------------------------------------------------------------------------


def saved(name: str) -> Checkpoint:
    """What a batch knows of a case when it comes to a gate."""
    return Checkpoint(
        workflow="w",
        workflow_version="1",
        run_id=name,
        label="policy",
        version=1,
        ordinal=5,
        versions={"pinned": "d" * 64},
        state={"policy": {"gates": ["underwriter"]}},
        memory=({"n": 1, "stage": "policy", "author": "policy", "text": "refer"},),
        outputs={},
        walk={},
        progress={},
        fingerprints={},
    )


async def waiting_batch(ledger: Ledger, *names: str) -> Batch:
    """A batch whose rows are done, with these referred cases."""
    batch = await a_batch(ledger)
    started = await ledger.write(batch_driver.begin, batch.batch_id, "flow-run", 0)
    referred = [
        Referral(
            line=line,
            application_id=name,
            inputs_sha256="e" * 64,
            application=b"{}",
            is_filed=False,
            checkpoint=saved(name).model_dump(mode="json"),
            restricted={"list": {"of": name}},
        )
        for line, name in enumerate(names, start=1)
    ]
    chunk = FinishedChunk(
        number=0,
        rows=len(names),
        lines=[],
        rejects=[],
        restricted=[],
        totals={},
        claims=[],
        referrals=referred,
        chain="c" * 64,
        decided_at="2026-11-22T08:23:14.123000Z",
    )
    await ledger.write(chunks.finish, batch.batch_id, chunk)
    await ledger.write(batch_driver.wait, batch.batch_id, started.starts, len(names))
    return started


async def look(ledger: Ledger, settings: Settings, server: PrefectServer | None = None) -> None:
    async def find_deployment() -> UUID:
        return DEPLOYMENT

    client = (server or PrefectServer()).client
    await sweep.look_after_reviews(client, ledger, settings, find_deployment)


def end(ledger: Ledger, run_id: str) -> None:
    with ledger.writing() as connection:
        journal.append(connection, run_id, [], status=RunStatus.COMPLETED)


async def test_the_first_cases_of_the_file_are_opened_up_to_the_cap(
    ledger: Ledger, settings_: Settings
) -> None:
    batch, server = await waiting_batch(ledger, "a", "b", "c", "d"), PrefectServer()

    for _ in range(2):
        await look(ledger, settings_, server)

    opened = await ledger.read(referrals.run_ids, batch.batch_id)
    assert list(opened) == [1, 2]
    asked = {made.parameters["application_id"] for made in server.made.values()}
    assert asked == {"a", "b"}

    end(ledger, opened[1])
    await look(ledger, settings_, server)
    assert list(await ledger.read(referrals.run_ids, batch.batch_id)) == [1, 2, 3]


async def test_an_opened_case_begins_at_the_checkpoint_of_the_batch(
    ledger: Ledger, settings_: Settings
) -> None:
    batch = await waiting_batch(ledger, "a")

    await look(ledger, settings_)

    run_id = (await ledger.read(referrals.run_ids, batch.batch_id))[1]
    run = await ledger.read(runs.find, run_id)
    assert (run.application_id, run.origin) == ("a", "application:a")
    assert run.options == batch.options
    assert (run.submitted_by, run.submitted_by_principal) == (OLA.name, OLA.principal)
    assert run.versions == {"pinned": "d" * 64}
    assert run.state == saved("a").state
    assert run.trace_id != batch.trace_id
    place = await ledger.read(checkpoint_index.locate, run_id)
    assert place is not None
    begins_with = await checkpoints.load(CheckpointStore(settings_.checkpoint_storage), *place)
    assert (begins_with.run_id, begins_with.ordinal) == (run_id, 1)
    assert (await ledger.read(messages.of_run, run_id))[0].text == "refer"
    assert await ledger.read(restricted.find, run_id, "list") == {"of": "a"}
    (event,) = await ledger.read(journal.read, run_id)
    assert batch.batch_id in event
    assert (await ledger.read(referrals.batches_of_runs, [run_id])) == {run_id: batch.batch_id}


async def test_a_case_that_was_submitted_by_itself_meanwhile_is_asked_about_once(
    ledger: Ledger, settings_: Settings
) -> None:
    batch = await waiting_batch(ledger, "a")
    own, _ = await ledger.write(run_requests.submit, "a", "e" * 64, b"{}", RunRequest())

    await look(ledger, settings_)

    assert await ledger.read(referrals.run_ids, batch.batch_id) == {1: own.run_id}
    assert list(await ledger.read(runs.own_runs, ["a"])) == ["a"]


async def test_a_batch_about_which_nothing_is_new_is_not_written(
    ledger: Ledger, settings_: Settings
) -> None:
    batch = await waiting_batch(ledger, "a", "b")
    assert not await ledger.read(referrals.is_one_over, batch.batch_id)

    await look(ledger, settings_)
    opened = await ledger.read(referrals.run_ids, batch.batch_id)
    assert not await ledger.read(referrals.is_one_over, batch.batch_id)

    end(ledger, opened[1])
    assert await ledger.read(referrals.is_one_over, batch.batch_id)


async def test_a_case_that_cannot_be_opened_keeps_no_other_batch_waiting(
    ledger: Ledger, settings_: Settings
) -> None:
    batch = await waiting_batch(ledger, "a", "b")
    with ledger.writing() as connection:
        broken = zlib.compress(b'[{"workflow_version": 1}, {}]')
        first = tables.batch_referrals.c.line == 1
        connection.execute(tables.batch_referrals.update().where(first).values(body=broken))

    await look(ledger, settings_)

    assert list(await ledger.read(referrals.run_ids, batch.batch_id)) == [2]


async def test_a_batch_is_completed_when_people_have_ruled_on_every_case(
    ledger: Ledger, settings_: Settings
) -> None:
    batch = await waiting_batch(ledger, "a")
    await look(ledger, settings_)
    assert (await ledger.read(batches.find, batch.batch_id)).status is RunStatus.WAITING

    end(ledger, (await ledger.read(referrals.run_ids, batch.batch_id))[1])
    for _ in range(2):
        await look(ledger, settings_)

    assert (await ledger.read(batches.find, batch.batch_id)).status is RunStatus.COMPLETED
    events = await ledger.read(journal.read, batch.batch_id)
    assert sum(EventType.RUN_COMPLETED.value in event for event in events) == 1


@pytest.fixture
def settings_(ledger: Ledger) -> Settings:
    """Two open reviews at a time."""
    return Settings(batch_open_reviews=2)
