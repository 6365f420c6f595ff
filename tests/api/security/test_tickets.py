"""Tickets: the events of one run, for a minute, in the name of one key."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.problems import UnauthenticatedError
from api.security.keys import KeyFile
from api.security.signatures import FILE
from api.security.tickets import VALID_SECONDS, Tickets
from data.contracts.errors import UnavailableError
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from data.settings import Settings
from flows.runtime.ledger.database import Ledger
from tests.api.cli.conftest import serving
from tests.api.desks import RUN_ID, FakeDesk, app_of, client_of
from tests.api.journals import a_run, ids_in, tell

OTHER_RUN = "1f0e6f0c-2f1d-4a55-9d0a-0d6f1f1b2c3d"
EVENTS = f"/runs/{RUN_ID}/events"


@dataclass
class Guarded:
    """A desk with one key and an ended run, and a client of it."""

    keys: KeyFile
    key_id: str
    headers: dict[str, str]
    client: httpx.AsyncClient

    async def ticket(self) -> str:
        answer = await self.client.post(f"{EVENTS}/ticket", headers=self.headers)
        assert answer.status_code == 200
        ticket: str = answer.json()["ticket"]
        return ticket

    async def follow(self, ticket: str, path: str = EVENTS) -> httpx.Response:
        return await self.client.get(path, params={"ticket": ticket})


@pytest.fixture
async def guarded(desk: FakeDesk, ledger: Ledger, tmp_path: Path) -> AsyncIterator[Guarded]:
    await a_run(ledger)
    await tell(ledger, RUN_ID, EventType.RUN_COMPLETED, status=RunStatus.COMPLETED)
    keys = KeyFile(tmp_path / "home" / "keys.json")
    key, token = keys.create("vera", ["viewer"])
    async with client_of(app_of(desk, Settings(home=tmp_path / "home"))) as client:
        yield Guarded(keys, key.id, {"X-API-Key": token}, client)


# -- tickets themselves ------------------------------------------------------------------------


def test_a_ticket_names_its_key_and_expires_after_a_minute(tmp_path: Path) -> None:
    now = 1_000.0
    tickets = Tickets(tmp_path, clock=lambda: now)
    issued = tickets.issue(RUN_ID, "0a1b2c3d")
    assert issued.expires_at.timestamp() == now + VALID_SECONDS

    now += VALID_SECONDS - 1
    assert tickets.key_id(issued.ticket, RUN_ID) == "0a1b2c3d"

    now += 1
    with pytest.raises(UnauthenticatedError):
        tickets.key_id(issued.ticket, RUN_ID)


def test_every_ticket_is_another_one(tmp_path: Path) -> None:
    tickets = Tickets(tmp_path, clock=lambda: 0.0)

    assert len({tickets.issue(RUN_ID, "0a1b2c3d").ticket for _ in range(50)}) == 50


def test_another_process_of_the_desk_accepts_a_ticket_and_another_desk_does_not(
    tmp_path: Path,
) -> None:
    ticket = Tickets(tmp_path / "one").issue(RUN_ID, "0a1b2c3d").ticket

    assert Tickets(tmp_path / "one").key_id(ticket, RUN_ID) == "0a1b2c3d"
    with pytest.raises(UnauthenticatedError):
        Tickets(tmp_path / "two").key_id(ticket, RUN_ID)


async def test_processes_that_make_the_secret_at_once_agree_on_it(tmp_path: Path) -> None:
    def issue() -> str:
        return Tickets(tmp_path).issue(RUN_ID, "0a1b2c3d").ticket

    issued = await asyncio.gather(*(asyncio.to_thread(issue) for _ in range(12)))

    reader = Tickets(tmp_path)
    assert {reader.key_id(ticket, RUN_ID) for ticket in issued} == {"0a1b2c3d"}
    assert os.listdir(tmp_path) == [FILE]


def test_only_its_owner_may_read_the_secret(tmp_path: Path) -> None:
    Tickets(tmp_path).issue(RUN_ID, "0a1b2c3d")

    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_secret_that_cannot_be_read_issues_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("short")

    with pytest.raises(UnavailableError):
        Tickets(tmp_path).issue(RUN_ID, "0a1b2c3d")


@pytest.mark.parametrize(
    "alter",
    [
        lambda ticket: "",
        lambda ticket: ".",
        lambda ticket: ticket.partition(".")[0],
        lambda ticket: ticket[:-1] + ("A" if ticket[-1] != "A" else "Q"),
        lambda ticket: "A" + ticket,
        lambda ticket: ticket.swapcase(),
        lambda ticket: f"{ticket}.{ticket}",
        lambda ticket: "é" + ticket,
        lambda ticket: "A" * 100_000,
    ],
)
def test_an_altered_ticket_is_refused(tmp_path: Path, alter: object) -> None:
    tickets = Tickets(tmp_path)
    ticket = tickets.issue(RUN_ID, "0a1b2c3d").ticket

    assert callable(alter)
    with pytest.raises(UnauthenticatedError):
        tickets.key_id(alter(ticket), RUN_ID)


# -- over HTTP ---------------------------------------------------------------------------------


async def test_a_ticket_opens_the_events_of_its_run_without_a_key(guarded: Guarded) -> None:
    answer = await guarded.follow(await guarded.ticket())

    assert answer.status_code == 200
    assert ids_in(answer.content) == [1]


async def test_a_ticket_and_a_last_event_id_go_together(guarded: Guarded) -> None:
    ticket = await guarded.ticket()

    answer = await guarded.client.get(
        EVENTS, params={"ticket": ticket}, headers={"Last-Event-ID": "1"}
    )

    assert answer.status_code == 204


async def test_a_ticket_opens_nothing_else(guarded: Guarded) -> None:
    ticket = await guarded.ticket()

    for path in (f"/runs/{OTHER_RUN}/events", f"/runs/{RUN_ID}", "/runs", "/inbox"):
        assert (await guarded.follow(ticket, path)).status_code == 401, path
    posted = await guarded.client.post(f"{EVENTS}/ticket", params={"ticket": ticket})
    assert posted.status_code == 401


async def test_a_ticket_needs_a_key_and_a_run(guarded: Guarded) -> None:
    without_key = await guarded.client.post(f"{EVENTS}/ticket")
    no_run = await guarded.client.post(f"/runs/{OTHER_RUN}/events/ticket", headers=guarded.headers)

    assert (without_key.status_code, no_run.status_code) == (401, 404)


async def test_a_ticket_of_a_revoked_key_opens_nothing(guarded: Guarded) -> None:
    ticket = await guarded.ticket()
    guarded.keys.revoke(guarded.key_id)

    assert (await guarded.follow(ticket)).status_code == 401


async def test_a_stream_with_a_ticket_ends_when_the_key_is_revoked(
    guarded: Guarded, ledger: Ledger
) -> None:
    await a_run(ledger, OTHER_RUN)
    ticket = Tickets(guarded.keys.path.parent).issue(OTHER_RUN, guarded.key_id).ticket
    stream = asyncio.create_task(guarded.follow(ticket, f"/runs/{OTHER_RUN}/events"))
    await asyncio.sleep(0.2)
    assert not stream.done()

    guarded.keys.revoke(guarded.key_id)

    assert (await asyncio.wait_for(stream, 5)).status_code == 200


async def test_a_wrong_ticket_is_refused_without_repeating_it(guarded: Guarded) -> None:
    refused = await guarded.follow("made-up-ticket")

    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert "made-up" not in refused.text


async def test_a_desk_without_keys_issues_tickets_too(
    client: httpx.AsyncClient, desk: FakeDesk, ledger: Ledger
) -> None:
    await a_run(ledger)
    await tell(ledger, RUN_ID, EventType.RUN_COMPLETED, status=RunStatus.COMPLETED)

    issued = (await client.post(f"{EVENTS}/ticket")).json()
    answer = await client.get(EVENTS, params={"ticket": issued["ticket"]})

    assert set(issued) == {"ticket", "expires_at"}
    assert ids_in(answer.content) == [1]


def test_a_ticket_is_in_no_span_and_no_log(
    spans: InMemorySpanExporter,
    desk: FakeDesk,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    home = tmp_path / "home"
    key, _ = KeyFile(home / "keys.json").create("vera", ["viewer"])
    ticket = Tickets(home).issue(RUN_ID, key.id).ticket
    desk.error = RuntimeError("unexpected")
    with caplog.at_level(logging.DEBUG), serving(desk, Settings(home=home)) as url:
        for path in (EVENTS, f"/runs/{RUN_ID}", "/runs", "/nowhere"):
            httpx.get(f"{url}{path}", params={"ticket": ticket})

    # The test's own client logs its requests; the server must not.
    said = [
        f"{record.getMessage()} {record.exc_text}"
        for record in caplog.records
        if not record.name.startswith(("httpx", "httpcore"))
    ]
    told = [f"{span.name} {dict(span.attributes or {})}" for span in spans.get_finished_spans()]
    assert told
    assert ticket not in "\n".join(said + told)
    assert ticket.partition(".")[2] not in "\n".join(said + told)
