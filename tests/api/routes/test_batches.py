"""Portfolios over HTTP: forms that can be read, names that they may have, events of batches."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from data.contracts.portfolio import PortfolioFormat
from data.contracts.review import Person
from data.settings import Settings
from flows.runtime.ledger import batch_ends
from flows.runtime.ledger import batches as register
from flows.runtime.ledger.database import Ledger
from flows.service.batches import BatchQueries
from tests.api.desks import RUN_ID, FakeDesk

FORM = {"content-type": "multipart/form-data; boundary=b"}
FILE = (
    b"--b\r\n"
    b'Content-Disposition: form-data; name="file"; filename="p.jsonl"\r\n\r\n'
    b'{"application": {}}\n'
)
NO_NAME = b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"


@pytest.fixture(autouse=True)
def home(desk: FakeDesk, tmp_path: Path) -> Path:
    """The folder of the desk, into which it copies uploads."""
    desk.batches = BatchQueries(Settings(home=tmp_path / "home"), desk.ledger)
    return desk.batches.settings.folder


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"no form at all", FORM),
        (NO_NAME, FORM),
        (FILE + b"\r\n--b--\r\n", {"content-type": "multipart/form-data"}),
        (FILE + b"\r\n" + FILE + b"\r\n--b--\r\n", FORM),
    ],
    ids=["no form", "a part without a name", "no boundary", "two files"],
)
async def test_a_form_that_cannot_be_read_is_malformed(
    client: httpx.AsyncClient, body: bytes, headers: dict[str, str]
) -> None:
    answer = await client.post("/batches", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert answer.json()["detail"] == "the form cannot be read"


# Starlette leaves the file of a part without an end to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("length", [0, 20, 50, len(FILE) - 5, len(FILE)])
async def test_a_form_that_is_cut_off_is_refused_and_nothing_of_it_is_kept(
    client: httpx.AsyncClient, home: Path, length: int
) -> None:
    answer = await client.post("/batches", content=FILE[:length], headers=FORM)

    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert problem["pointer"] == "/file"
    assert not await asyncio.to_thread(home.exists)


async def test_the_description_of_the_api_names_every_form_of_a_portfolio(
    client: httpx.AsyncClient,
) -> None:
    described = (await client.get("/openapi.json")).json()

    bodies = described["paths"]["/batches"]["post"]["requestBody"]["content"]
    file = bodies["multipart/form-data"]["schema"]["properties"]["file"]
    for form in PortfolioFormat:
        assert f".{form.value}" in file["description"]


async def test_the_events_of_a_batch_are_those_of_no_run_and_an_unknown_one_is_no_batch(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    batch, _ = await ledger.write(
        register.register,
        "a" * 64,
        {},
        path="/inbox/p.jsonl",
        file_name="p.jsonl",
        is_copy=False,
        submitted_by=Person(name="Ola"),
    )
    await ledger.write(batch_ends.request_cancel, batch.batch_id)

    own = await client.get(f"/batches/{batch.batch_id}/events")
    of_a_run = await client.get(f"/runs/{batch.batch_id}/events")
    unknown = await client.get(f"/batches/{RUN_ID}/events")
    too_far = await client.get(f"/batches/{batch.batch_id}/events?after=9")

    assert "event: run.cancelled" in own.text
    assert of_a_run.status_code == unknown.status_code == 404
    assert of_a_run.json()["detail"] == f"there is no run {batch.batch_id}"
    assert unknown.json()["detail"] == f"there is no batch {RUN_ID}"
    assert too_far.json()["detail"] == "the last event of this batch has the id 1"
