"""Pages of other sites: only those whose origin the operator has named may call the API."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from api.security.keys import KeyFile
from data.settings import Settings
from tests.api.desks import FakeDesk, app_of, client_of

ORIGIN, OTHER = "https://app.example", "https://other.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,idempotency-key,if-match,content-type",
}


async def asked(
    desk: FakeDesk, home: Path, method: str, headers: dict[str, str], *origins: str
) -> httpx.Response:
    """The answer of `/runs` on a desk with keys that allows these origins."""
    async with client_of(app_of(desk, Settings(home=home, cors_origins=origins))) as client:
        return await client.request(method, "/runs", headers=headers)


@pytest.fixture
def key(tmp_path: Path) -> dict[str, str]:
    _, token = KeyFile(tmp_path / "keys.json").create("vera", ["viewer"])
    return {"Authorization": f"Bearer {token}"}


async def test_by_default_no_other_site_may_read_an_answer(
    desk: FakeDesk, tmp_path: Path, key: dict[str, str]
) -> None:
    answer = await asked(desk, tmp_path, "GET", key | {"Origin": ORIGIN})

    assert "access-control-allow-origin" not in answer.headers


async def test_a_named_origin_may_read_answers_and_their_headers(
    desk: FakeDesk, tmp_path: Path, key: dict[str, str]
) -> None:
    answer = await asked(desk, tmp_path, "GET", key | {"Origin": ORIGIN}, ORIGIN)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "Location" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["vary"] == "Origin"


async def test_a_named_origin_may_read_a_refusal(
    desk: FakeDesk, tmp_path: Path, key: dict[str, str]
) -> None:
    refused = await asked(desk, tmp_path, "GET", {"Origin": ORIGIN}, ORIGIN)

    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == ORIGIN


async def test_a_preflight_needs_no_key(
    desk: FakeDesk, tmp_path: Path, key: dict[str, str]
) -> None:
    answer = await asked(desk, tmp_path, "OPTIONS", PREFLIGHT | {"Origin": ORIGIN}, ORIGIN)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("origin", [OTHER, "null", f"{ORIGIN}.evil.example", f"{ORIGIN}:8443"])
async def test_another_origin_may_read_nothing(
    desk: FakeDesk, tmp_path: Path, key: dict[str, str], origin: str
) -> None:
    answer = await asked(desk, tmp_path, "GET", key | {"Origin": origin}, ORIGIN)
    preflight = await asked(desk, tmp_path, "OPTIONS", PREFLIGHT | {"Origin": origin}, ORIGIN)

    assert "access-control-allow-origin" not in answer.headers
    assert preflight.status_code == 400
    assert "access-control-allow-origin" not in preflight.headers


async def test_without_keys_a_named_origin_of_another_host_is_still_refused(
    desk: FakeDesk, tmp_path: Path
) -> None:
    answer = await asked(desk, tmp_path, "GET", {"Origin": ORIGIN}, ORIGIN)

    assert answer.status_code == 403


def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_DESK_CORS_ORIGINS", f" {ORIGIN},http://localhost:5173, ")

    assert Settings().cors_origins == (ORIGIN, "http://localhost:5173")


@pytest.mark.parametrize("origin", ["*", "https://*.example", f"{ORIGIN}/", "app.example", "null"])
def test_only_exact_origins_are_settings(origin: str) -> None:
    with pytest.raises(ValidationError):
        Settings(cors_origins=(origin,))
