"""Without keys: which addresses may be listened on, and whose requests are answered."""

from __future__ import annotations

import httpx
import pytest

from api.security.loopback import require_loopback
from data.contracts.errors import ContractViolationError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
def test_this_machine_may_call_without_keys(host: str) -> None:
    require_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "desk.example", ""])  # noqa: S104
def test_without_keys_nobody_else_may_call(host: str) -> None:
    with pytest.raises(ContractViolationError, match="without API keys"):
        require_loopback(host)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "127.0.0.1:8000"},
        {"Host": "[::1]:8000"},
        {"Host": "localhost"},
        {"Host": "localhost:8000", "Origin": "http://localhost:8000"},
    ],
)
async def test_this_machine_s_requests_are_answered(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    assert (await client.get("/runs", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example"},
        {"Host": "localhost.rebound.example:8000"},
        {"Host": "localhost", "Origin": "https://elsewhere.example"},
        {"Host": "localhost", "Origin": "null"},
        {"Host": ""},
        {"Host": "[::1"},
    ],
)
@pytest.mark.parametrize("path", ["/runs", "/docs", "/health/live"])
async def test_a_page_of_another_site_gets_nothing(
    client: httpx.AsyncClient, headers: dict[str, str], path: str
) -> None:
    refused = await client.get(path, headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
