"""The border to Prefect: every call crosses it, and its errors arrive as the desk's."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import httpx
import pytest
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

import flows.runtime.prefect_api
from data.contracts.errors import (
    CreditDeskError,
    RefusedByPrefectError,
    UnavailableError,
    UnknownToPrefectError,
)
from flows.runtime.prefect_api import client as border
from flows.runtime.prefect_api.client import at_border, prefect_client, translated_errors

SECRET = "516-24-3907"


def calls() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public async function of the room that is given a client."""
    for found in pkgutil.iter_modules(flows.runtime.prefect_api.__path__):
        module = import_module(f"flows.runtime.prefect_api.{found.name}")
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction):
            is_own = function.__module__ == module.__name__ and not name.startswith("_")
            if is_own and "client" in inspect.signature(function).parameters:
                yield f"{found.name}.{name}", function


CALLS = dict(calls())


@pytest.mark.parametrize("name", CALLS)
def test_every_call_with_a_client_is_made_at_the_border(name: str) -> None:
    assert inspect.unwrap(CALLS[name]) is not CALLS[name]


def test_the_calls_of_every_file_are_looked_at() -> None:
    files = {name.partition(".")[0] for name in CALLS}

    assert files == {
        "artifacts",
        "cancel",
        "client",
        "deployments",
        "launch",
        "scheduled",
        "states",
        "subflows",
        "wake",
    }


def answered(status: int) -> PrefectHTTPStatusError:
    """What Prefect's client raises when the server answers with an error."""
    request = httpx.Request("POST", f"http://prefect/api/flow_runs/{SECRET}")
    response = httpx.Response(status, text=SECRET, request=request)
    return PrefectHTTPStatusError(SECRET, request=request, response=response)


@at_border
async def call(error: Exception) -> None:
    raise error


def of_httpx(kind: type[httpx.TransportError]) -> httpx.TransportError:
    return kind(SECRET)


@pytest.mark.parametrize(
    "kind",
    [httpx.ConnectError, httpx.ReadTimeout, httpx.PoolTimeout, httpx.RemoteProtocolError],
)
async def test_a_server_out_of_reach_is_unavailable(kind: type[httpx.TransportError]) -> None:
    with pytest.raises(UnavailableError, match=f"did not answer: {kind.__name__}"):
        await call(of_httpx(kind))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_server_out_of_order_or_too_busy_is_unavailable(status: int) -> None:
    with pytest.raises(UnavailableError, match=f"it answers {status}$"):
        await call(answered(status))


@pytest.mark.parametrize("status", [401, 403])
async def test_a_server_that_wants_a_password_is_unavailable_and_the_setting_is_named(
    status: int,
) -> None:
    with pytest.raises(UnavailableError, match=f"{status}: check PREFECT_API_AUTH_STRING"):
        await call(answered(status))


@pytest.mark.parametrize(
    "error", [answered(404), answered(409), ObjectNotFound(Exception("not found"))]
)
async def test_what_prefect_does_not_know_is_an_error_of_its_own(error: Exception) -> None:
    with pytest.raises(UnknownToPrefectError, match="does not know"):
        await call(error)


@pytest.mark.parametrize("status", [400, 405, 413, 422])
async def test_any_other_refusal_is_the_desk_s_own_mistake(status: int) -> None:
    with pytest.raises(RefusedByPrefectError, match=f"refused a call of the desk: {status}"):
        await call(answered(status))


@pytest.mark.parametrize(
    "error", [of_httpx(httpx.ConnectError), *(answered(status) for status in (401, 404, 422, 500))]
)
async def test_a_translated_error_repeats_nothing_of_what_prefect_said(error: Exception) -> None:
    with pytest.raises(CreditDeskError) as caught:
        await call(error)

    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("error", [UnavailableError("the ledger is away"), ValueError("a bug")])
async def test_other_errors_cross_the_border_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        await call(error)

    assert caught.value is error


async def test_what_a_call_returns_crosses_the_border_as_it_is() -> None:
    @at_border
    async def double(number: int, *, times: int = 2) -> int:
        """Say it again."""
        return number * times

    assert await double(3) == 6
    assert await double(3, times=4) == 12
    assert (double.__name__, double.__doc__) == ("double", "Say it again.")


def test_a_block_is_a_border_too() -> None:
    with pytest.raises(UnavailableError), translated_errors():
        raise answered(503)


async def test_calls_inside_a_client_s_block_raise_the_desk_s_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @asynccontextmanager
    async def no_server() -> AsyncIterator[object]:
        yield object()

    monkeypatch.setattr(border, "get_client", no_server)

    with pytest.raises(RefusedByPrefectError):
        async with prefect_client():
            raise answered(422)
