"""Result storage: each kind lists and loses what it is told to, and its errors are the desk's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.filesystems import WritableFileSystem
from prefect.utilities.asyncutils import sync_compatible

from data.contracts.errors import UnavailableError
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api.result_storage import LedgerStorage, ResultStorage
from tests.flows.runtime.storages import KINDS, block_of, bucket, s3_client

# botocore still asks for the time without a zone.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

KEY = "checkpoints/run-1/a/v1-1.json"


@pytest.fixture(params=KINDS)
def storage(
    request: pytest.FixtureRequest, tmp_path: Path, ledger: Ledger, s3: str
) -> ResultStorage:
    """A storage of each kind that can be listed and emptied."""
    return ResultStorage(block_of(request.param, tmp_path, s3))


async def test_what_is_written_is_read_back_and_found_under_its_key(
    storage: ResultStorage,
) -> None:
    written = await storage.write(KEY, {"n": 1})

    assert await storage.read(KEY) == written
    assert json.loads(json.loads(written)["result"]) == {"n": 1}


async def test_what_was_never_written_is_a_failed_lookup(storage: ResultStorage) -> None:
    with pytest.raises(LookupError):
        await storage.read("checkpoints/none.json")


async def test_keys_are_listed_by_prefix_with_the_time_since_when(storage: ResultStorage) -> None:
    for key in (KEY, "checkpoints/run-2/a/v1-1.json", "answers/x.json"):
        await storage.write(key, {"key": key})

    found = await storage.keys("checkpoints/")

    assert found is not None
    assert set(found) == {KEY, "checkpoints/run-2/a/v1-1.json"}
    for since in found.values():
        assert abs(datetime.now(UTC) - since) < timedelta(minutes=1)


async def test_what_was_removed_is_gone_and_removing_it_again_is_no_error(
    storage: ResultStorage,
) -> None:
    await storage.write("checkpoints/a.json", {"n": 1})
    await storage.write("checkpoints/b.json", {"n": 2})

    assert storage.can_delete
    assert await storage.delete("checkpoints/a.json")
    assert await storage.delete("checkpoints/a.json")

    assert set(await storage.keys("checkpoints/") or ()) == {"checkpoints/b.json"}


async def test_a_bucket_that_does_not_answer_is_out_of_reach(s3: str) -> None:
    gone = ResultStorage(bucket(s3, "desk-gone"))
    s3_client(s3).delete_bucket(Bucket="desk-gone")

    with pytest.raises(UnavailableError, match="could not be listed"):
        await gone.keys("checkpoints/")
    with pytest.raises(UnavailableError, match="did not give up"):
        await gone.delete(KEY)
    with pytest.raises(UnavailableError, match="did not take"):
        await gone.write(KEY, {"n": 1})


class Plain(WritableFileSystem):
    """A block that can read and write, and nothing else."""

    _block_type_slug = "plain"

    @sync_compatible
    async def read_path(self, path: str) -> bytes:
        raise ConnectionError(path)

    @sync_compatible
    async def write_path(self, path: str, content: bytes) -> None:
        raise ConnectionError(path)


async def test_a_kind_that_the_desk_does_not_know_is_neither_listed_nor_emptied() -> None:
    storage = ResultStorage(Plain())

    assert not storage.can_delete
    assert not await storage.delete(KEY)
    assert await storage.keys("checkpoints/") is None


async def test_an_error_of_a_block_says_what_could_not_be_done_and_not_with_which_content() -> None:
    storage = ResultStorage(Plain())

    with pytest.raises(UnavailableError, match=f"did not give {KEY}: ConnectionError"):
        await storage.read(KEY)
    with pytest.raises(UnavailableError, match=f"did not take {KEY}") as caught:
        await storage.write(KEY, {"ssn": "516-24-3907"})
    assert "516-24-3907" not in caught.value.message


async def test_without_a_name_the_storage_is_the_ledger_s(ledger: Ledger) -> None:
    await (await ResultStorage.open("")).write(KEY, {"n": 1})

    assert set(await ResultStorage.in_ledger().keys("") or ()) == {KEY}


async def test_a_block_that_cannot_be_asked_for_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="storage block s3-bucket/desk cannot be opened"):
        await ResultStorage.open("s3-bucket/desk")


def test_our_block_keeps_nothing_in_prefect() -> None:
    fields: dict[str, Any] = LedgerStorage.model_fields

    assert set(fields) == set(WritableFileSystem.model_fields)
