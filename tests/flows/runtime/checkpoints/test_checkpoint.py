"""Checkpoints: found at once, whole or refused, of any schema that we know how to lift."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from data.contracts.errors import (
    CheckpointCorruptError,
    CheckpointNotFoundError,
    CheckpointSchemaError,
)
from data.contracts.runs import Message
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.checkpoints.store import CheckpointStore, Stored
from flows.runtime.ledger import checkpoint_index, schemas
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import blobs

RECEIPT = Stored("a" * 64, 100)


def saved(label: str = "intake", version: int = 1, ordinal: int = 1, **more: Any) -> Checkpoint:
    plain: dict[str, Any] = {
        "workflow": "leave",
        "workflow_version": "1",
        "run_id": "run-1",
        "label": label,
        "version": version,
        "ordinal": ordinal,
        "versions": {"pinned": "b" * 64},
        "state": {"days": 3},
        "memory": (Message(n=1, stage="check", author="balance", text="12 days left"),),
        "outputs": {"check#1": {"days": 12}},
        "walk": {"frontier": ["checked"], "taken": [["start", "check"]], "visits": {"check": 1}},
        "progress": {"credited": ["check"]},
        "fingerprints": {"check": "c" * 64},
    }
    return Checkpoint.model_validate(plain | more)


def enter(connection: sa.Connection, *all_of_them: Checkpoint) -> None:
    for entry in all_of_them:
        key = checkpoint_index.storage_key(entry.run_id, entry.label, entry.version, 1)
        checkpoints.index(connection, entry, key, RECEIPT)


async def test_a_checkpoint_comes_back_as_it_was_saved(ledger: Ledger) -> None:
    store, original = CheckpointStore(), saved(data={"note": "kept"})

    receipt = await store.put("key", original.model_dump(mode="json"))

    assert await checkpoints.load(store, "key", receipt.sha256) == original


async def test_the_last_one_is_found_or_the_last_of_a_label_or_one_version(
    any_ledger: Ledger,
) -> None:
    await any_ledger.write(
        enter,
        saved("intake", 1, 1),
        saved("policy", 1, 2),
        saved("intake", 2, 3),
        saved("offer", 1, 4),
        saved("intake", 9, 9, run_id="another"),
    )

    async def key(*which: Any) -> str | None:
        found = await any_ledger.read(checkpoint_index.locate, "run-1", *which)
        return found[0].removeprefix("checkpoints/run-1/") if found else None

    assert await key() == "offer/v1-1.json"
    assert await key("intake") == "intake/v2-1.json"
    assert await key("intake", 1) == "intake/v1-1.json"
    assert await key("intake", 3) is None
    assert await key("review") is None


async def test_they_are_listed_in_the_order_of_saving(any_ledger: Ledger) -> None:
    await any_ledger.write(
        enter, saved("offer", 1, 3), saved("intake", 1, 1), saved("policy", 1, 2)
    )

    listed = await any_ledger.read(checkpoint_index.entries, "run-1")

    assert [(entry.label, entry.ordinal) for entry in listed] == [
        ("intake", 1),
        ("policy", 2),
        ("offer", 3),
    ]
    assert {entry.sha256 for entry in listed} == {RECEIPT.sha256}


async def test_finding_one_reads_a_single_row_however_many_there_are(ledger: Ledger) -> None:
    await ledger.write(enter, *(saved("intake", n, n) for n in range(1, 501)))
    statements: list[str] = []
    event.listen(
        ledger.engine,
        "before_cursor_execute",
        lambda conn, cursor, statement, *_: statements.append(statement),
    )

    await ledger.read(checkpoint_index.locate, "run-1")

    looked = [text for text in statements if text.lower().startswith("select")]
    assert len(looked) == 1
    assert "LIMIT" in looked[0]
    assert "blobs" not in looked[0]


async def test_the_same_version_is_never_saved_twice(any_ledger: Ledger) -> None:
    await any_ledger.write(enter, saved())

    with pytest.raises(sa.exc.IntegrityError):
        await any_ledger.write(enter, saved())


def test_another_execution_never_writes_to_the_same_key() -> None:
    keys = {checkpoint_index.storage_key("run-1", "intake", 1, epoch) for epoch in (1, 2, 3)}

    assert len(keys) == 3


async def test_a_body_that_is_gone_is_not_found(ledger: Ledger) -> None:
    store = CheckpointStore()
    receipt = await store.put("key", saved().model_dump(mode="json"))
    with ledger.writing() as connection:
        connection.execute(blobs.delete())

    with pytest.raises(CheckpointNotFoundError):
        await checkpoints.load(store, "key", receipt.sha256)


def test_a_newer_schema_is_refused_and_both_are_named() -> None:
    body = saved().model_dump(mode="json") | {"schema_version": 7}

    with pytest.raises(CheckpointSchemaError, match="has schema 7, this desk reads up to 1"):
        checkpoints.migrate(body)


def test_an_old_schema_without_a_migration_is_refused() -> None:
    body = saved().model_dump(mode="json") | {"schema_version": 0}

    with pytest.raises(CheckpointSchemaError, match=r"no migration leads on from .* 0"):
        checkpoints.migrate(body)


@pytest.mark.usefixtures("migrations")
def test_an_old_schema_is_lifted_step_by_step() -> None:
    @schemas.migrates_from(Checkpoint, -1)
    def name_the_thread(body: dict[str, Any]) -> dict[str, Any]:
        return body | {"memory": body["thread"]}

    @schemas.migrates_from(Checkpoint, 0)
    def drop_the_thread(body: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in body.items() if name != "thread"}

    old = saved().model_dump(mode="json")
    old["thread"] = old.pop("memory")

    assert checkpoints.migrate(old | {"schema_version": -1}) == saved()


def test_a_body_that_does_not_say_its_schema_is_refused() -> None:
    body = saved().model_dump(mode="json")
    del body["schema_version"]

    with pytest.raises(CheckpointCorruptError, match="does not say which schema"):
        checkpoints.migrate(body)


@pytest.mark.parametrize("version", [None, "1", 1.5])
def test_a_schema_that_is_no_number_is_refused(version: object) -> None:
    body = saved().model_dump(mode="json") | {"schema_version": version}

    with pytest.raises(CheckpointSchemaError, match=f"has schema {version}, this desk reads up"):
        checkpoints.migrate(body)


def test_a_body_that_does_not_fit_is_refused_by_field_and_without_its_values() -> None:
    body = saved().model_dump(mode="json") | {"ordinal": "516-24-3907", "surprise": 1}

    with pytest.raises(CheckpointCorruptError) as caught:
        checkpoints.migrate(body)

    assert "ordinal" in caught.value.message
    assert "surprise" in caught.value.message
    assert "516-24-3907" not in caught.value.message
