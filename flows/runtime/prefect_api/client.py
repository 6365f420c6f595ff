"""A client of the Prefect server, and the one border at which Prefect's errors become the desk's.

Every function of `prefect_api` that talks to the server is decorated with `at_border`. Outside of
this room, only `execution` imports Prefect, because it runs inside Prefect's engine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar

import httpx
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import AsyncClientContext
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from data.contracts.errors import (
    CreditDeskError,
    RefusedByPrefectError,
    UnavailableError,
    UnknownToPrefectError,
)

__all__ = [
    "FlowRun",
    "PrefectClient",
    "State",
    "at_border",
    "prefect_client",
    "shared_client",
    "translated_errors",
]

P = ParamSpec("P")
T = TypeVar("T")

_TEMPORARY = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_UNKNOWN = {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
"""A conflict too: Prefect answers so when a new row names a flow run that its database lost."""
_LOCKED_OUT = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate what Prefect's client raises.

    Raises UnavailableError when the server is out of reach, out of order, or wants a password;
    UnknownToPrefectError when its database lacks what the call is about; RefusedByPrefectError
    when it answers that the call itself is wrong.
    """
    try:
        yield
    except httpx.TransportError as error:
        raise _unavailable(type(error).__name__) from None
    except PrefectHTTPStatusError as error:
        raise _translated(error.response.status_code) from None
    except ObjectNotFound:
        raise _translated(HTTPStatus.NOT_FOUND) from None


def at_border(
    call: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let an async function raise the desk's errors instead of Prefect's."""

    @wraps(call)
    async def translated(*args: P.args, **kwargs: P.kwargs) -> T:
        with translated_errors():
            return await call(*args, **kwargs)

    return translated


@asynccontextmanager
async def prefect_client() -> AsyncIterator[PrefectClient]:
    """A client of this desk's Prefect server, which need not be up yet.

    Calls inside the block raise the desk's errors.
    """
    with translated_errors():
        async with get_client() as client:
            yield client


@asynccontextmanager
async def shared_client() -> AsyncIterator[PrefectClient]:
    """The same, for a process that calls often: all calls inside the block use this one client.

    Prefect's engine uses it too. By itself it would make a client for every run, with TLS
    certificates read from the disk, a connection and a token.
    """
    with translated_errors():
        async with AsyncClientContext() as context:
            yield context.client


@at_border
async def is_reachable(client: PrefectClient) -> bool:
    """Whether the server answers."""
    trouble: Any = await client.api_healthcheck()
    return trouble is None


def _translated(status: int) -> CreditDeskError:
    if status in _LOCKED_OUT:
        return _unavailable(f"it answers {status}: check PREFECT_API_AUTH_STRING")
    if status in _TEMPORARY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unavailable(f"it answers {status}")
    if status in _UNKNOWN:
        return UnknownToPrefectError("the Prefect server does not know the run or deployment")
    return RefusedByPrefectError(f"the Prefect server refused a call of the desk: {status}")


def _unavailable(why: str) -> UnavailableError:
    return UnavailableError(f"the Prefect server did not answer: {why}")
