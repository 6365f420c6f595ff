"""The security headers of every answer."""

from __future__ import annotations

import httpx

from data.settings import Settings
from tests.api.desks import RUN_ID, FakeDesk, app_of, client_of
from tests.api.security.conftest import Guarded


async def test_every_answer_tells_a_browser_to_be_careful(client: httpx.AsyncClient) -> None:
    for path in ("/runs", f"/runs/{RUN_ID}", "/nowhere", "/health/live", "/docs"):
        headers = (await client.get(path)).headers

        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["cache-control"] == "no-store", path


async def test_only_a_desk_with_a_public_https_address_asks_for_https_alone(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    public = app_of(desk, Settings(public_api_url="https://desk.example"))
    async with client_of(public) as behind_proxy:
        age = (await behind_proxy.get("/runs")).headers["strict-transport-security"]

    assert int(age.removeprefix("max-age=")) > 366 * 24 * 3600
    assert "strict-transport-security" not in (await client.get("/runs")).headers


async def test_data_may_load_nothing_and_the_api_page_only_what_is_here(
    client: httpx.AsyncClient,
) -> None:
    data = (await client.get("/runs")).headers["content-security-policy"]
    page = (await client.get("/docs")).headers["content-security-policy"]

    assert data.startswith("default-src 'none'")
    allowed = dict(rule.strip().split(" ", 1) for rule in page.split(";"))
    assert allowed["default-src"] == "'none'"
    assert allowed["script-src"].startswith("'self' 'sha256-")
    assert not [rule for rule in allowed.values() if "http" in rule or "*" in rule]


async def test_refusals_and_failures_have_the_headers_too(guarded: Guarded) -> None:
    guarded.desk.error = RuntimeError("the value 529-73-7637 was not expected")
    key = guarded.key("viewer")

    refused, failed = await guarded.get("/runs"), await guarded.get("/runs", key)

    assert (refused.status_code, failed.status_code) == (401, 500)
    for answer in (refused, failed):
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "529-73-7637" not in failed.text
    assert "Traceback" not in failed.text
