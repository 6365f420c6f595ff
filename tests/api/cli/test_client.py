"""Finding the desk, and following a run over connections that break."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.cli import client as client_module
from api.cli.answered import AnsweredError
from api.cli.client import DeskClient, find_desk
from data.contracts.errors import UnavailableError
from data.contracts.events import Event, EventType
from flows.runtime.host.desk_lock import DeskLock
from tests.api.desks import RUN_ID, summary
from tests.api.journals import SPAN, TRACE


def frame(number: int) -> bytes:
    event = Event.model_validate(
        {
            "id": number,
            "run_id": RUN_ID,
            "ts": "2026-11-22T08:23:14Z",
            "type": "progress",
            "phase": "bureau",
            "status": "running",
            "message": "on its way",
            "progress": 0.5,
            "step_progress": 0.5,
            "trace_id": TRACE,
            "span_id": SPAN,
        }
    )
    return f"id: {number}\nevent: progress\ndata: {event.model_dump_json()}\n\n".encode()


class BrokenStream(httpx.AsyncByteStream):
    """Some frames, and then a connection that breaks."""

    def __init__(self, frames: list[bytes]) -> None:
        self._frames = frames

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._frames:
            yield piece
        raise httpx.ReadError("broken")


class Script:
    """Answers the streams of one run one after the other, as a test wrote them down."""

    def __init__(self, *streams: httpx.Response | Exception) -> None:
        self._streams = list(streams)
        self.resumed_after: list[str | None] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/events"):
            status = "running" if self._streams else "completed"
            shown = summary().model_dump(mode="json") | {"status": status}
            return httpx.Response(200, json=shown)
        self.resumed_after.append(request.headers.get("last-event-id"))
        answer = self._streams.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def asking(script: Script) -> DeskClient:
    return DeskClient("http://desk", transport=httpx.MockTransport(script))


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAUSE_SECONDS", 0.001)


async def test_a_stream_that_breaks_goes_on_after_the_last_event() -> None:
    script = Script(
        httpx.Response(200, stream=BrokenStream([b"retry: 1000\n\n", frame(1), frame(2)])),
        httpx.ConnectError("restarting"),
        httpx.Response(503, json={"code": "unavailable", "detail": "away"}),
        httpx.Response(429, json={"code": "too_many_requests", "detail": "too many streams"}),
        httpx.Response(200, content=b": ping\n\n" + frame(3)),
        httpx.Response(200, content=frame(4)),
    )

    async with asking(script) as desk:
        seen = [event.id async for event in desk.follow(RUN_ID)]

    assert seen == [1, 2, 3, 4]
    assert script.resumed_after == [None, "2", "2", "2", "2", "3"]


async def test_an_error_is_followed_under_the_name_of_its_frame() -> None:
    renamed = frame(1).replace(b"event: progress", b"event: run.error")
    renamed = renamed.replace(b'"type":"progress"', b'"type":"error"')

    async with asking(Script(httpx.Response(200, content=renamed))) as desk:
        seen = [event.type async for event in desk.follow(RUN_ID)]

    assert seen == [EventType.ERROR]


async def test_a_desk_that_stays_away_is_given_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "PATIENCE_SECONDS", 0.02)
    script = Script(*[httpx.ConnectError("gone")] * 1000)

    async with asking(script) as desk:
        with pytest.raises(UnavailableError, match="no desk answers at http://desk"):
            [event async for event in desk.follow(RUN_ID)]


async def test_a_run_that_is_not_there_is_not_asked_for_twice() -> None:
    script = Script(httpx.Response(404, json={"code": "record_not_found", "detail": "no run"}))

    async with asking(script) as desk:
        with pytest.raises(AnsweredError, match=r"no run \(`credit-desk runs`"):
            [event async for event in desk.follow(RUN_ID)]

    assert script.resumed_after == [None]


async def test_an_answer_that_is_no_problem_document_is_still_a_failure() -> None:
    def proxy(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(502, text="<html>bad gateway</html>")

    async with DeskClient("http://desk", transport=httpx.MockTransport(proxy)) as desk:
        with pytest.raises(AnsweredError, match="status 502") as failed:
            await desk.get("/runs")

    assert failed.value.exit_code == 1


def test_a_running_desk_is_found_by_its_folder(tmp_path: Path) -> None:
    with DeskLock(tmp_path) as lock:
        lock.publish(api_url="http://127.0.0.1:8123", prefect_url="http://127.0.0.1:4200")

        assert find_desk(None, tmp_path).url == "http://127.0.0.1:8123"


def test_a_desk_that_was_killed_is_not_found(tmp_path: Path) -> None:
    with DeskLock(tmp_path) as lock:
        lock.publish(api_url="http://127.0.0.1:8123", prefect_url="http://127.0.0.1:4200")
        left = (tmp_path / "desk.json").read_bytes()
    (tmp_path / "desk.json").write_bytes(left)

    with pytest.raises(UnavailableError, match="no desk runs on"):
        find_desk(None, tmp_path)


async def test_an_event_may_hold_characters_at_which_texts_are_split_into_lines() -> None:
    told = frame(1).decode().replace("on its way", "on\u2028its\x85way").encode()

    async with asking(Script(httpx.Response(200, content=told))) as desk:
        (event,) = [event async for event in desk.follow(RUN_ID)]

    assert event.message == "on\u2028its\x85way"


async def test_the_bytes_of_an_answer_arrive_as_the_desk_sent_them() -> None:
    sent = '{"message": "a\u2028b\x85c"}\n{"message": "d\r"}\n'.encode()

    def desk_of(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=sent)

    async with DeskClient("http://desk", transport=httpx.MockTransport(desk_of)) as desk:
        assert b"".join([piece async for piece in desk.pieces("/batches/b/decisions")]) == sent
