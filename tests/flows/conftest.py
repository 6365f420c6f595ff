"""A hasty desk: gates that wait for seconds, a job that takes long, and a webhook."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.chat_server import running, server
from tests.desk import ROOT, Desk, desk_in
from tests.otlp import Receiver

__all__ = ["running", "server"]

TIMEOUT_SECONDS = 21
"""A reminder comes after 6 seconds then, the next role after 12; a sweep comes every 5."""

CHUNK_ROWS = 5
"""A small portfolio has several chunks on this desk."""
OPEN_REVIEWS = 3


@dataclass
class Inbox:
    """The notifications that a webhook has received."""

    url: str
    received: list[dict[str, Any]] = field(default_factory=list)

    def about(self, run_id: str) -> list[dict[str, Any]]:
        """The notifications of one run, each once: a sender may repeat one after a crash."""
        mine = [body for body in self.received if body["run_id"] == run_id]
        return list({body["id"]: body for body in mine}.values())


@pytest.fixture(scope="session")
def webhook() -> Iterator[Inbox]:
    """A server that keeps the notifications it receives."""

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            notification = json.loads(body)
            assert self.headers["Idempotency-Key"] == notification["id"]
            inbox.received.append(notification)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    inbox = Inbox(f"http://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield inbox
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
async def hasty_desk(
    tmp_path_factory: pytest.TempPathFactory, webhook: Inbox, otlp: Receiver
) -> AsyncIterator[Desk]:
    """A desk with settings of its own, whose processes tests may kill."""
    folder = tmp_path_factory.mktemp("hasty")
    shipped = (ROOT / "prefect.yaml").read_text()
    (folder / "prefect.yaml").write_text(
        shipped + "  - name: slow\n"
        "    entrypoint: tests.flows.slow_job.linger\n"
        "    work_pool:\n"
        "      name: credit-desk-jobs\n"
    )
    async with desk_in(
        folder,
        CREDIT_DESK_PREFECT_YAML=str(folder / "prefect.yaml"),
        CREDIT_DESK_HITL_TIMEOUT_SECONDS=str(TIMEOUT_SECONDS),
        CREDIT_DESK_HITL_ON_TIMEOUT="decline",
        CREDIT_DESK_NOTIFY_URL=webhook.url,
        CREDIT_DESK_BATCH_CHUNK_SIZE=str(CHUNK_ROWS),
        CREDIT_DESK_BATCH_OPEN_REVIEWS=str(OPEN_REVIEWS),
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url,
    ) as running:
        yield running
