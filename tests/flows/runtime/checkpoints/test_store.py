"""The store: JSON in, the same JSON out, and nothing that was edited, cut off or disguised."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prefect.filesystems import LocalFileSystem

from data.contracts.errors import (
    CheckpointCorruptError,
    CheckpointNotFoundError,
    UnavailableError,
)
from data.settings import settings
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger.database import Ledger, shared_ledger
from flows.runtime.ledger.tables import blobs
from flows.runtime.prefect_api.result_storage import LedgerStorage, ResultStorage

KEY = "checkpoints/run-1/intake/v1-1.json"
DOCUMENT: dict[str, Any] = {"label": "intake", "ordinal": 1, "text": "é\n", "deep": {"a": [1, 2.5]}}


@pytest.fixture(params=["ledger", "postgresql", "folder"])
def store(
    request: pytest.FixtureRequest,
    ledger: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[CheckpointStore]:
    """The store on our own block, with both of its databases, and on one of Prefect's."""
    if request.param == "folder":
        yield CheckpointStore(ResultStorage(LocalFileSystem(basepath=str(tmp_path / "results"))))
        return
    if request.param == "postgresql":
        server: Ledger = request.getfixturevalue("postgresql")
        with server.writing() as connection:
            connection.execute(blobs.delete())
        monkeypatch.setenv("CREDIT_DESK_LEDGER_URL", server.url)
        settings.cache_clear()
    yield CheckpointStore()
    if request.param == "postgresql":
        shared_ledger(settings().ledger).close()


def stored(ledger: Ledger, key: str = KEY) -> bytes:
    with ledger.reading() as connection:
        body = connection.execute(sa.select(blobs.c.body).where(blobs.c.path == key)).scalar_one()
    return zlib.decompress(body)


def overwrite(ledger: Ledger, content: bytes, key: str = KEY) -> None:
    with ledger.writing() as connection:
        connection.execute(blobs.update().where(blobs.c.path == key).values(body=content))


async def test_a_document_comes_back_as_it_was(store: CheckpointStore) -> None:
    receipt = await store.put(KEY, DOCUMENT)

    assert await store.get(KEY) == DOCUMENT
    assert await store.get(KEY, receipt.sha256) == DOCUMENT
    assert receipt.bytes > len(json.dumps(DOCUMENT))


async def test_what_was_never_written_is_not_found(store: CheckpointStore) -> None:
    with pytest.raises(CheckpointNotFoundError, match="nothing is stored under answers/none"):
        await store.get("answers/none.json")


async def test_a_second_write_replaces_the_first(store: CheckpointStore) -> None:
    await store.put(KEY, {"n": 1})
    receipt = await store.put(KEY, {"n": 2})

    assert await store.get(KEY, receipt.sha256) == {"n": 2}


async def test_keys_are_listed_by_prefix_and_removed(store: CheckpointStore) -> None:
    for key in (KEY, "checkpoints/run-2/intake/v1-1.json", "answers/run-1/one.json"):
        await store.put(key, DOCUMENT)

    found = await store.keys("checkpoints/run-1/")
    removed = await store.delete(KEY)

    assert set(found or ()) == {KEY}
    assert removed
    assert set(await store.keys("checkpoints/") or ()) == {"checkpoints/run-2/intake/v1-1.json"}


async def test_the_ledger_holds_bodies_compressed_and_in_the_open(ledger: Ledger) -> None:
    document = {"text": "the same again " * 500}

    receipt = await CheckpointStore().put(KEY, document)

    with ledger.reading() as connection:
        body = connection.execute(sa.select(blobs.c.body)).scalar_one()
    assert len(body) < receipt.bytes / 10
    assert b"the same again" in zlib.decompress(body)


async def test_a_body_that_was_edited_is_refused(ledger: Ledger) -> None:
    store = CheckpointStore()
    receipt = await store.put(KEY, {"outcome": "decline"})

    overwrite(ledger, zlib.compress(stored(ledger).replace(b"decline", b"approve")))

    with pytest.raises(CheckpointCorruptError, match="its digest differs"):
        await store.get(KEY, receipt.sha256)


@pytest.mark.parametrize("left", [0, 1, 40])
async def test_a_body_that_was_cut_off_is_refused(ledger: Ledger, left: int) -> None:
    store = CheckpointStore()
    await store.put(KEY, DOCUMENT)

    overwrite(ledger, zlib.compress(stored(ledger)[:left]))

    with pytest.raises(CheckpointCorruptError, match="cannot be read"):
        await store.get(KEY)


async def test_bytes_that_are_no_compressed_body_are_refused(ledger: Ledger) -> None:
    store = CheckpointStore()
    await store.put(KEY, DOCUMENT)

    overwrite(ledger, b"not compressed at all")

    with pytest.raises(CheckpointCorruptError, match="cannot be decompressed"):
        await store.get(KEY)


class Trap:
    """Unpickling it would leave a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.mark,)


async def test_a_record_that_asks_to_be_unpickled_is_refused_unread(
    ledger: Ledger, tmp_path: Path
) -> None:
    mark = tmp_path / "unpickled"
    store = CheckpointStore()
    await store.put(KEY, DOCUMENT)
    record = json.loads(stored(ledger))
    record["metadata"]["serializer"] = {"type": "pickle", "picklelib": "pickle"}
    record["result"] = base64.b64encode(pickle.dumps(Trap(mark))).decode()

    overwrite(ledger, zlib.compress(json.dumps(record).encode()))

    with pytest.raises(CheckpointCorruptError, match="is not stored as JSON"):
        await store.get(KEY)
    assert not mark.exists()


@pytest.mark.parametrize("result", ["[1, 2]", '"text"', "null", "not json"])
async def test_a_record_without_a_document_is_refused(ledger: Ledger, result: str) -> None:
    store = CheckpointStore()
    await store.put(KEY, DOCUMENT)
    record = json.loads(stored(ledger)) | {"result": result}

    overwrite(ledger, zlib.compress(json.dumps(record).encode()))

    with pytest.raises(CheckpointCorruptError):
        await store.get(KEY)


async def test_a_storage_that_does_not_take_a_document_is_unavailable(
    ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    store = CheckpointStore(ResultStorage(LocalFileSystem(basepath=str(tmp_path / "taken"))))

    with pytest.raises(UnavailableError, match="did not take"):
        await store.put(KEY, DOCUMENT)


class Forgetful(LedgerStorage):
    """Loses a letter of what is written to it."""

    _block_type_slug = "forgetful"

    async def write_path(self, path: str, content: bytes) -> None:
        record = json.loads(content)
        record["result"] = record["result"].replace("intake", "intak")
        await super().write_path(path, json.dumps(record).encode())


async def test_a_storage_that_alters_what_it_takes_is_found_out_at_once(ledger: Ledger) -> None:
    with pytest.raises(CheckpointCorruptError, match="came back from the storage altered"):
        await CheckpointStore(ResultStorage(Forgetful())).put(KEY, DOCUMENT)


async def test_without_a_setting_the_store_is_in_the_ledger(ledger: Ledger) -> None:
    store = CheckpointStore()

    await store.put(KEY, DOCUMENT)

    assert b"intake" in stored(ledger)


# -- a saved block ---------------------------------------------------------------------------------


async def test_a_block_is_opened_by_the_first_call_that_needs_it_and_only_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    async def open_block(block: str) -> ResultStorage:
        opened.append(block)
        return ResultStorage.in_ledger()

    monkeypatch.setattr(ResultStorage, "open", open_block)
    store = CheckpointStore("local-file-system/desk")
    before = list(opened)

    receipt = await store.put(KEY, DOCUMENT)

    assert await store.get(KEY, receipt.sha256) == DOCUMENT
    assert (before, opened) == ([], ["local-file-system/desk"])


async def test_a_block_that_could_not_be_opened_is_asked_for_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CheckpointStore("local-file-system/desk")
    with pytest.raises(UnavailableError, match="local-file-system/desk cannot be opened"):
        await store.put(KEY, DOCUMENT)

    async def open_block(block: str) -> ResultStorage:
        return ResultStorage.in_ledger()

    monkeypatch.setattr(ResultStorage, "open", open_block)

    assert await store.put(KEY, DOCUMENT)
