"""Bodies that are not plain JSON are refused before anything else looks at them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from api.json_route import MAX_BYTES, parse
from api.problems import MalformedJsonError
from tests.api.desks import FakeDesk

JSON = {"Content-Type": "application/json"}

MALFORMED = {
    "no JSON": b"{not json",
    "empty text": b" ",
    "trailing": b'{"application_id": "ada-prime"} x',
    "single quotes": b"{'application_id': 'ada-prime'}",
    "NaN": b'{"application_id": NaN}',
    "Infinity": b'{"application_id": Infinity}',
    "-Infinity": b'{"application_id": -Infinity}',
    "beyond any float": b'{"application_id": 1e999}',
    "beyond any integer": b'{"application_id": ' + b"9" * 5000 + b"}",
    "key twice": b'{"application_id": "ada-prime", "application_id": "dee-debtor"}',
    "key twice, deeper": b'{"options": {"as": "a", "as": "b"}}',
    "not UTF-8": b'{"application_id": "\xff"}',
    "UTF-16": '{"application_id": "ada-prime"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"application_id": "ada-prime"}',
    "half a character": b'{"application_id": "\\ud800"}',
    "too deep": b'{"application": ' + b"[" * 40 + b"]" * 40 + b"}",
    "far too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_body_is_400(
    client: httpx.AsyncClient, desk: FakeDesk, body: bytes
) -> None:
    answer = await client.post("/runs", content=body, headers=JSON)

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "malformed_json"
    assert desk.asked == []


def test_a_malformed_body_is_not_repeated() -> None:
    with pytest.raises(MalformedJsonError) as refused:
        parse(b'{"ssn": "516-24-3907", "ssn": 516243907 }')

    assert "516" not in str(refused.value)


def test_a_syntax_error_is_placed() -> None:
    with pytest.raises(MalformedJsonError, match="line 2, column 3"):
        parse(b"{\n  oops}")


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, 2.5, null, true, "\\u00e9"]}', {"a": [1, 2.5, None, True, "é"]}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        (b"[" * 32 + b"]" * 32, None),
    ],
)
def test_json_is_read_as_it_is(body: bytes, value: object) -> None:
    parsed = parse(body)

    assert value is None or parsed == value


async def test_a_body_over_the_limit_is_413(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    answer = await client.post("/runs", content=b" " * (MAX_BYTES + 1), headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert desk.asked == []


async def test_a_body_that_comes_in_chunks_is_given_up_at_the_limit(
    client: httpx.AsyncClient,
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100:
            sent += 1
            yield b" " * 100_000

    answer = await client.post("/runs", content=endless(), headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert sent == 21


async def test_a_body_just_at_the_limit_is_read(client: httpx.AsyncClient) -> None:
    order = b'{"application_id": "ada-prime"}'
    answer = await client.post("/runs", content=order.ljust(MAX_BYTES), headers=JSON)

    assert answer.status_code == 202


@pytest.mark.parametrize(
    "media_type", ["application/x-www-form-urlencoded", "text/plain", "application/x+jsonfoo"]
)
async def test_another_media_type_is_415(client: httpx.AsyncClient, media_type: str) -> None:
    answer = await client.post(
        "/runs", content=b'{"application_id": "ada-prime"}', headers={"Content-Type": media_type}
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_a_page_cannot_post_without_a_media_type(
    client: httpx.AsyncClient,
) -> None:
    order = b'{"application_id": "ada-prime"}'
    by_page = await client.post("/runs", content=order, headers={"Origin": "http://localhost"})
    by_curl = await client.post("/runs", content=order)

    assert (by_page.status_code, by_curl.status_code) == (415, 202)
