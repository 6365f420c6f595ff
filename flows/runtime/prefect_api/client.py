"""The Prefect server being out of reach is an error of ours, whoever notices it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import PrefectHTTPStatusError

from data.contracts.errors import UnavailableError


@contextmanager
def prefect_within_reach() -> Iterator[None]:
    """Translate what Prefect's client raises for a server that is gone or out of order.

    Raises UnavailableError; what the server refuses for a reason (4xx) passes unchanged.
    """
    try:
        yield
    except httpx.TransportError as error:
        raise _unavailable(error) from None
    except PrefectHTTPStatusError as error:
        if error.response.is_server_error:
            raise _unavailable(error) from None
        raise


@asynccontextmanager
async def prefect_client() -> AsyncIterator[PrefectClient]:
    """A client for a few calls, whose failing to reach the server is UnavailableError."""
    with prefect_within_reach():
        async with get_client() as client:
            yield client


def _unavailable(error: Exception) -> UnavailableError:
    return UnavailableError(f"the Prefect server did not answer: {type(error).__name__}")
