"""The application as a whole: its spans, its address, its limits, its end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import uvicorn
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sse_starlette.sse import SendTimeoutError
from starlette.types import Message, Receive, Scope, Send

from api.app import serve_api
from api.own_trace import OwnTrace
from api.problems import Unexpected
from data.settings import Settings
from tests.api.desks import RUN_ID, FakeDesk, app_of, client_of

ROOT = Path(__file__).parents[2]


async def test_a_request_is_one_span_named_by_method_and_route(
    spans: InMemorySpanExporter, desk: FakeDesk
) -> None:
    async with client_of(app_of(desk)) as client:
        await client.post("/runs", json={"application_id": "ada-prime"})
        await client.get(f"/runs/{RUN_ID}")

    assert [span.name for span in spans.get_finished_spans()] == [
        "POST /runs",
        "GET /runs/{run_id}",
    ]


async def test_streams_and_probes_leave_no_span(
    spans: InMemorySpanExporter, desk: FakeDesk
) -> None:
    async with client_of(app_of(desk)) as client:
        await client.get(f"/runs/{RUN_ID}/events")
        await client.get("/health/live")
        await client.get("/health/ready")

    assert spans.get_finished_spans() == ()


async def test_a_caller_s_trace_is_continued(spans: InMemorySpanExporter, desk: FakeDesk) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with client_of(app_of(desk)) as client:
        await client.get("/inbox", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})

    [span] = spans.get_finished_spans()
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == trace_id


async def test_a_request_begins_outside_of_the_trace_of_an_earlier_one_of_its_connection(
    spans: InMemorySpanExporter, desk: FakeDesk
) -> None:
    app = app_of(desk)
    transport = httpx.ASGITransport(OwnTrace(app))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        with trace.get_tracer("test").start_as_current_span("an earlier request"):
            await client.get("/inbox")

    request, _ = spans.get_finished_spans()
    assert (request.name, request.parent) == ("GET /inbox", None)


async def test_the_page_for_people_names_no_other_host_and_loads_what_it_names(
    client: httpx.AsyncClient,
) -> None:
    page = await client.get("/docs")
    named = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)["']""", page.text)

    assert "//" not in "".join(named)
    assert len(named) == 4
    for address in named:
        loaded = await client.get(address)
        assert loaded.status_code == 200, address
        assert len(loaded.content) > 1_000, address


EVERYWHERE = "0.0.0.0"  # noqa: S104 - to be refused


def test_the_api_role_refuses_an_open_address_with_exit_code_2(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "api.cli", "api"],
        cwd=ROOT,
        env={
            **os.environ,
            "CREDIT_DESK_HOME": str(tmp_path),
            "CREDIT_DESK_API_HOST": EVERYWHERE,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.strip().endswith("set CREDIT_DESK_API_HOST to 127.0.0.1")


def test_the_server_holds_as_many_connections_as_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[uvicorn.Config] = []
    monkeypatch.setattr("api.app.parent_pipe.exit_with_parent", lambda: None)
    monkeypatch.setattr("api.app.telemetry.setup", lambda **_: None)
    monkeypatch.setattr("api.app._Server.run", lambda server: served.append(server.config))

    serve_api(Settings(home=tmp_path, api_max_connections=7, api_backlog=3))

    [config] = served
    assert (config.limit_concurrency, config.backlog, config.access_log) == (7, 3, False)


def test_the_default_leaves_room_beside_the_streams() -> None:
    assert Settings().api_max_connections > Settings().streams_per_process


SERVE = """
import asyncio, contextlib, sys
from api import app
from data.settings import Settings
from flows.runtime.ledger.database import Ledger
from tests.api.desks import FakeDesk, RUN_ID
from tests.api.journals import a_run

ledger = Ledger(f"sqlite:///{sys.argv[1]}/ledger.db")
ledger.migrate()
asyncio.run(a_run(ledger))

@contextlib.asynccontextmanager
async def open_desk(settings):
    yield FakeDesk(ledger)

create_app = app.create_app
app.create_app = lambda settings: create_app(settings, open_desk)
app.serve_api(Settings(api_port=int(sys.argv[2])))
"""


def test_the_api_ends_its_streams_and_waits_upon_sigterm_and_logs_no_error(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path), str(port)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        env={**os.environ, "OTEL_SDK_DISABLED": "true"},
    )
    try:
        _wait_until_alive(port)
        url = f"http://127.0.0.1:{port}"
        with (
            ThreadPoolExecutor() as beside,
            httpx.stream("GET", f"{url}/runs/{RUN_ID}/events", timeout=10) as run,
            httpx.stream("GET", f"{url}/inbox/events", timeout=10) as inbox,
        ):
            decision = f"{url}/runs/{RUN_ID}/decision"
            waiting = beside.submit(httpx.get, decision, params={"wait": 20}, timeout=30)
            followed = [stream.iter_bytes() for stream in (run, inbox)]
            assert [next(frames) for frames in followed] == [b"retry: 1000\n\n"] * 2
            time.sleep(0.5)  # the third one only waits: nothing shows that it has arrived
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=10)
            rest = [b"".join(frames) for frames in followed]  # raises if one is not complete
            assert waiting.result().is_success
    finally:
        server.kill()
        server.wait()

    assert server.returncode == 0
    assert b"event: inbox" in rest[1]
    assert b"ERROR" not in log, log.decode()
    assert b"Traceback" not in log


def test_the_api_serves_more_streams_than_the_system_allows_files_by_default(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    few_files = ["sh", "-c", 'ulimit -Sn 64 && exec "$@"', "sh"]
    server = subprocess.Popen(
        [*few_files, sys.executable, "-c", SERVE, str(tmp_path), str(port)],
        cwd=ROOT,
        env={**os.environ, "OTEL_SDK_DISABLED": "true"},
    )
    request = f"GET /runs/{RUN_ID}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    try:
        _wait_until_alive(port)
        with ExitStack() as opened:
            streams = [
                opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
                for _ in range(100)
            ]
            for stream in streams:
                stream.sendall(request)
            answers = {stream.recv(15) for stream in streams}
    finally:
        server.kill()
        server.wait()

    assert answers == {b"HTTP/1.1 200 OK"}


async def test_a_client_that_does_not_read_is_cut_off_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise SendTimeoutError

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/runs/1/events"}
    with caplog.at_level("INFO", logger="api.problems"):
        await Unexpected(stream)(scope, receive, send)

    assert [message["type"] for message in sent] == ["http.response.start"]
    assert caplog.messages == ["/runs/1/events: a client that does not read was cut off"]


def _wait_until_alive(port: int) -> None:
    for _ in range(200):
        try:
            httpx.get(f"http://127.0.0.1:{port}/health/live")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the API did not come up within twenty seconds")
