"""A client of the running desk's API, which commands find by folder or address."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from api.cli.answered import AnsweredError
from api.cli.options import given_key
from api.cli.references import run_id_of
from data.contracts.errors import ContractViolationError, UnavailableError
from data.contracts.events import Event
from data.settings import Settings
from flows.runtime.host.desk_lock import running_desk

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
STREAM_TIMEOUT = httpx.Timeout(30.0, connect=5.0, read=45.0)
"""A stream sends something at least every 15 seconds."""
PATIENCE_SECONDS = 60.0
"""How long the client tries to open a broken stream again."""
PAUSE_SECONDS = 0.5
"""The pause between two such tries."""

_TEMPORARY = frozenset({"unavailable", "too_many_requests"})
"""Codes of refusals after which the client tries to open a stream again."""


class DeskClient:
    """Calls the API of one desk. Use it as an async context manager.

    A path may name a run as people do: see `run_id_of`. Every call raises AnsweredError for
    an answer of 400 and above, and UnavailableError when no desk answers.
    """

    def __init__(
        self,
        url: str,
        transport: httpx.AsyncBaseTransport | None = None,
        key: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"} if key else headers,
            timeout=TIMEOUT,
            transport=transport,
            # Requests to this machine go there directly, also where a proxy is configured.
            trust_env=urlsplit(url).hostname not in {"127.0.0.1", "localhost", "::1"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def get(self, path: str, **query: str | int | None) -> Any:
        """The answer of a path, as JSON."""
        return (await self._ask("GET", path, query)).json()

    async def pages(self, path: str, **query: str | int | None) -> list[dict[str, Any]]:
        """The items of all pages of a listing. Raises as `get` does."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self.get(path, cursor=cursor, **query)
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items

    async def text(self, path: str, **query: str | int | None) -> str:
        """The answer of a path, as text."""
        return (await self._ask("GET", path, query)).text

    async def letter(self, path: str, form: str, **query: str | int | None) -> str:
        """The answer of a path in one media type, where the path can also answer in JSON."""
        return (await self._ask("GET", path, query, Accept=form)).text

    async def delete(self, path: str, **query: str | int | None) -> Any:
        """The answer of a path to DELETE, as JSON; None for an empty answer."""
        answer = await self._ask("DELETE", path, query)
        return answer.json() if answer.content else None

    async def post(
        self, path: str, body: bytes | dict[str, Any], *, idempotency_key: str | None = None
    ) -> Any:
        """The answer of a path to a JSON body."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        more = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return (await self._ask("POST", path, {}, content, **more)).json()

    def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[Event]:
        """A run's events to its end, over any number of broken connections.

        Raises UnavailableError when the desk does not answer for `PATIENCE_SECONDS`.
        """
        return self._follow(f"/runs/{run_id}", after)

    def follow_batch(self, batch_id: str) -> AsyncGenerator[Event]:
        """A batch's events to its end. Raises as `follow` does."""
        return self._follow(f"/batches/{batch_id}", 0)

    async def inbox_news(self) -> AsyncGenerator[int]:
        """How many requests are open: now, and whenever one comes, goes, or changes hands.

        Comes back over broken connections, for as long as the caller listens.
        """
        while True:
            with suppress(httpx.TransportError):
                async with self._http.stream(
                    "GET", "/inbox/events", timeout=STREAM_TIMEOUT
                ) as response:
                    if response.status_code >= httpx.codes.BAD_REQUEST:
                        await response.aread()
                        _raise_for(response)
                    async for line in _lines(response):
                        if line.startswith(b"data: "):
                            yield int(json.loads(line.removeprefix(b"data: "))["open"])
            await asyncio.sleep(PAUSE_SECONDS)

    async def upload(self, path: str, file: Path, options: dict[str, Any]) -> Any:
        """The answer of a path to a file, which is sent as it is read."""
        with file.open("rb") as content:
            sent = {"file": (file.name, content)}
            data = {"options": json.dumps(options)}
            try:
                response = await self._http.post(path, files=sent, data=data, timeout=None)
            except httpx.TransportError:
                raise _no_desk(self.url) from None
        _raise_for(response)
        return response.json()

    async def pieces(self, path: str) -> AsyncIterator[bytes]:
        """The answer of a path, byte by byte as the desk sent it, in pieces as they come."""
        path = await self._addressed(path)
        try:
            async with self._http.stream("GET", path, timeout=STREAM_TIMEOUT) as response:
                if response.status_code >= httpx.codes.BAD_REQUEST:
                    await response.aread()
                _raise_for(response)
                async for piece in response.aiter_bytes():
                    yield piece
        except httpx.TransportError:
            raise _no_desk(self.url) from None

    async def _follow(self, path: str, after: int) -> AsyncGenerator[Event]:
        last, broken_since = after, 0.0
        while True:
            try:
                path = await self._addressed(path)
                async with aclosing(self._stream(path, last)) as events:
                    async for event in events:
                        last, broken_since = event.id, 0.0
                        yield event
                run = await self.get(path)
                if run["status"] in {"completed", "failed", "cancelled"}:
                    return
                broken_since = 0.0
            except (httpx.TransportError, UnavailableError, AnsweredError) as error:
                if isinstance(error, AnsweredError) and error.code not in _TEMPORARY:
                    raise
                broken_since = broken_since or time.monotonic()
                if time.monotonic() - broken_since > PATIENCE_SECONDS:
                    raise _no_desk(self.url) from error
            await asyncio.sleep(PAUSE_SECONDS)

    async def _stream(self, path: str, after: int) -> AsyncGenerator[Event]:
        headers = {"Last-Event-ID": str(after)} if after else {}
        async with self._http.stream(
            "GET", f"{path}/events", headers=headers, timeout=STREAM_TIMEOUT
        ) as response:
            if response.status_code >= httpx.codes.BAD_REQUEST:
                await response.aread()
                _raise_for(response)
            async for line in _lines(response):
                if line.startswith(b"data: "):
                    yield Event.model_validate_json(line.removeprefix(b"data: "))

    async def _ask(
        self,
        method: str,
        path: str,
        query: dict[str, str | int | None],
        content: bytes | None = None,
        **headers: str,
    ) -> httpx.Response:
        if content is not None:
            headers["Content-Type"] = "application/json"
        path = await self._addressed(path)
        try:
            response = await self._http.request(
                method,
                path,
                params={name: value for name, value in query.items() if value is not None},
                content=content,
                headers=headers,
            )
        except httpx.TransportError:
            raise _no_desk(self.url) from None
        _raise_for(response)
        return response

    async def run_id(self, named: str) -> str:
        """The id of the run that is meant. Raises as `run_id_of` does."""
        return await run_id_of(named, self.get)

    async def _addressed(self, path: str) -> str:
        """The path with the id of the run that it names."""
        if not path.startswith("/runs/"):
            return path
        head, _, rest = path.removeprefix("/runs/").partition("/")
        return "/".join(filter(None, ("/runs", await self.run_id(head), rest)))


def chosen_settings(**given: Any) -> Settings:
    """The settings, with the values of the command line.

    Raises ContractViolationError naming the wrong values of the environment or of `.env`.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise ContractViolationError.of("settings", error) from None


def find_desk(api: str | None, home: Path | None) -> DeskClient:
    """A client of the desk at an address, or of the desk that runs on a folder.

    Raises ContractViolationError for an invalid address, UnavailableError when no desk runs on
    the folder.
    """
    if api is not None:
        parts = urlsplit(api)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ContractViolationError("--api takes an address such as http://127.0.0.1:8000")
        return DeskClient(api, key=key_for(chosen_settings(home=home)))
    settings = chosen_settings(home=home)
    folder = settings.folder
    desk = running_desk(folder)
    if desk is None:
        raise UnavailableError(
            f"no desk runs on {folder}: start one with `credit-desk up`,"
            " or name one with --home DIR or --api URL"
        )
    return DeskClient(desk.api_url, key=key_for(settings, local=True))


def local_key_file(folder: Path) -> Path:
    """The file with the key for users who may read this desk's folder."""
    return folder / "local.key"


def key_for(settings: Settings, *, local: bool = False) -> str:
    """The API key of the command line or the settings; `local` allows the one in the folder.

    The key in the folder is for the desk on this folder. The client sends it to no other address.
    """
    chosen = given_key.get() or settings.api_key.get_secret_value()
    if chosen or not local:
        return chosen
    try:
        return local_key_file(settings.folder).read_text().strip()
    except OSError:
        return ""


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """The lines of a stream. httpx would also end one at a U+2028, which JSON may hold."""
    rest = b""
    async for piece in response.aiter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line


def _raise_for(response: httpx.Response) -> None:
    if response.status_code < httpx.codes.BAD_REQUEST:
        return
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    raise AnsweredError(response.status_code, problem if isinstance(problem, dict) else {})


def _no_desk(url: str) -> UnavailableError:
    return UnavailableError(
        f"no desk answers at {url}: start one with `credit-desk up`, or name one with --api URL"
    )
