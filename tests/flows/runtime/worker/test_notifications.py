"""Notifications: at least once, under an id, whatever the receiver does meanwhile."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import sqlalchemy as sa

from data.contracts.events import EventType
from data.settings import Settings
from flows.runtime.ledger import journal, outbox
from flows.runtime.ledger.database import Ledger, moment
from flows.runtime.ledger.tables import outbox as table
from flows.runtime.worker import notifications
from flows.runtime.worker.notifications import send_notifications
from tests.flows.runtime.entries import RUN, a_run, draft

META = {
    "gate": "underwriter",
    "role": "underwriter",
    "title": "Rule on a referred case",
    "due_at": "2026-11-29T10:00:00+00:00",
    "application_id": "bora",
    "links": {"prefect": "http://prefect/1", "request": "http://desk/1/hitl"},
}


@dataclass
class Receiver:
    """A webhook that answers with these statuses, one after another, then with 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


@contextmanager
def receiving(*statuses: int) -> Iterator[Receiver]:
    receiver = Receiver(statuses=list(statuses))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.told.append(json.loads(body))
            receiver.keys.append(self.headers["Idempotency-Key"])
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def waits(ledger: Ledger, type: EventType = EventType.WAITING, **more: Any) -> None:
    await a_run(ledger)
    told = replace(draft("waiting/1", type=type), meta=META | more)
    await ledger.write(journal.append, RUN, [told])


async def hurry(ledger: Ledger) -> None:
    """Let the time for the next try come."""

    def now_due(connection: sa.Connection) -> None:
        connection.execute(table.update().values(next_try_at=moment(-1)))

    await ledger.write(now_due)


async def test_a_request_is_told_with_what_a_person_and_a_program_need(ledger: Ledger) -> None:
    await waits(ledger)

    with receiving() as receiver:
        await send_notifications(ledger, Settings(notify_url=receiver.url))

    (told,) = receiver.told
    assert told["text"].startswith(
        "Rule on a referred case\nApplication bora waits for underwriter"
    )
    assert "until 2026-11-29 10:00 UTC" in told["text"]
    assert (told["run_id"], told["gate"], told["type"]) == (RUN, "underwriter", "waiting")
    assert receiver.keys == [told["id"]]


async def test_a_reminder_and_an_escalation_say_what_they_are(ledger: Ledger) -> None:
    await waits(ledger, EventType.HITL_ESCALATED, from_role="underwriter")

    with receiving() as receiver:
        await send_notifications(ledger, Settings(notify_url=receiver.url))

    assert receiver.told[0]["text"].startswith("Escalated from underwriter: ")


async def test_a_receiver_that_fails_is_told_again_under_the_same_id(ledger: Ledger) -> None:
    await waits(ledger)

    with receiving(503) as receiver:
        settings = Settings(notify_url=receiver.url)
        await send_notifications(ledger, settings)
        await send_notifications(ledger, settings)  # too early
        await hurry(ledger)
        await send_notifications(ledger, settings)
        await hurry(ledger)
        await send_notifications(ledger, settings)

    assert len(receiver.told) == 2
    assert len(set(receiver.keys)) == 1


async def test_a_receiver_that_is_away_loses_nothing(ledger: Ledger) -> None:
    await waits(ledger)
    await send_notifications(ledger, Settings(notify_url="http://127.0.0.1:9/nothing"))
    await hurry(ledger)

    with receiving() as receiver:
        await send_notifications(ledger, Settings(notify_url=receiver.url))

    assert len(receiver.told) == 1


async def test_a_receiver_that_answers_byte_by_byte_does_not_hold_the_sweep_up_for_ever(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "_TIMEOUT_SECONDS", 0.5)
    await waits(ledger)

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
        with suppress(ConnectionError):
            while True:
                writer.write(b"y")
                await writer.drain()
                await asyncio.sleep(0.1)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        async with asyncio.timeout(30):
            await send_notifications(ledger, Settings(notify_url=f"http://127.0.0.1:{port}/"))

    await hurry(ledger)
    assert len(await ledger.read(outbox.due, 10)) == 1


async def test_without_a_webhook_nothing_is_kept_for_one(ledger: Ledger) -> None:
    await waits(ledger)

    await send_notifications(ledger, Settings(notify_url=""))
    await hurry(ledger)

    assert await ledger.read(outbox.due, 10) == []
