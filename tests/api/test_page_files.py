"""The files of the page: small, pinned, cached by their version, and behind a strict policy."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from api.page_files import FOLDER, ROOT, VIEWS, is_of_page
from tests.api.desks import FakeDesk, app_of, client_of

_KIB = 1024
_VENDORED = {
    "htm-preact-3.1.1.js": "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7",
}


@pytest.fixture
async def document(desk: FakeDesk) -> str:
    async with client_of(app_of(desk)) as client:
        return (await client.get("/")).text


async def test_every_view_is_the_same_document_and_is_never_cached(desk: FakeDesk) -> None:
    async with client_of(app_of(desk)) as client:
        answers = [await client.get(re.sub(r"\{\w+\}", "some-id", view)) for view in VIEWS]

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


async def test_the_policy_allows_own_files_alone(desk: FakeDesk) -> None:
    async with client_of(app_of(desk)) as client:
        headers = (await client.get("/")).headers

    policy = dict(
        directive.split(" ", 1) for directive in headers["content-security-policy"].split("; ")
    )
    assert "unsafe" not in headers["content-security-policy"]
    assert set(policy.values()) == {"'none'", "'self'"}
    assert {name: policy[name] for name in ("default-src", "base-uri", "frame-ancestors")} == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def test_a_browser_at_an_unknown_address_is_led_to_the_inbox(desk: FakeDesk) -> None:
    async with client_of(app_of(desk)) as client:
        answer = await client.get("/nowhere", headers=BROWSER)
        style = re.findall(rf'"({ROOT}/[^"]+)"', answer.text)
        loaded = [(await client.get(path)).status_code for path in style]
        inbox = await client.get("/", headers=BROWSER)

    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
    assert answer.headers["content-type"].startswith("text/html")
    assert 'href="/"' in answer.text
    policy = "content-security-policy"
    assert answer.headers[policy] == inbox.headers[policy]
    assert loaded
    assert set(loaded) == {200}


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/nowhere", {"Accept": "*/*"}),
        ("GET", "/nowhere", {"Accept": "application/json, text/html;q=0.5"}),
        ("POST", "/nowhere", BROWSER),
        ("GET", "/runs/unheard-of", BROWSER),
    ],
)
async def test_a_program_and_an_unknown_run_get_a_problem(
    desk: FakeDesk, method: str, path: str, headers: dict[str, str]
) -> None:
    async with client_of(app_of(desk)) as client:
        answer = await client.request(method, path, headers=headers)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_files_are_kept_for_ever_under_the_address_of_their_version(
    desk: FakeDesk, document: str
) -> None:
    named = re.findall(rf'"({ROOT}/[^"]+)"', document)
    async with client_of(app_of(desk)) as client:
        for path in named:
            answer = await client.get(path)

            assert answer.status_code == 200, path
            assert "immutable" in answer.headers["cache-control"]
        other = await client.get(re.sub(rf"{ROOT}/\w+", f"{ROOT}/other", named[0]))

    assert other.status_code == 404


def test_the_page_names_no_other_host() -> None:
    allowed = {"http://www.w3.org"}  # the name space of SVG and MathML
    found = {
        address
        for path in _own_files()
        for address in re.findall(r"https?://[\w.]+", path.read_text(encoding="utf-8"))
    }

    assert found - allowed == set()


def test_the_whole_page_is_smaller_than_150_kilobytes() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 150 * _KIB


@pytest.mark.parametrize(("name", "sha256"), _VENDORED.items())
def test_a_vendored_file_is_the_published_one_and_has_its_licence(name: str, sha256: str) -> None:
    vendored = FOLDER / "vendor"

    assert hashlib.sha256((vendored / name).read_bytes()).hexdigest() == sha256
    assert "Apache License" in (vendored / "LICENSE-htm").read_text()
    assert "MIT" in (vendored / "LICENSE-preact").read_text()


@pytest.mark.parametrize("path", ["/runs", "/runs/x/case", "/case/x/y", "/inbox", "/batches"])
def test_no_route_of_the_api_counts_as_the_page(path: str) -> None:
    assert not is_of_page(path)


def _own_files() -> list[Path]:
    return [path for path in FOLDER.rglob("*") if path.suffix in {".js", ".css", ".html"}]
