"""Stored documents of older schemas: led on step by step, or refused and never guessed."""

from __future__ import annotations

from typing import Any

import pytest

from data.contracts.base import Contract
from flows.runtime.ledger import schemas
from flows.runtime.ledger.schemas import NoMigrationError

pytestmark = pytest.mark.usefixtures("migrations")


class Note(Contract):
    schema_version: int = 3
    text: str
    author: str = ""


class Plain(Contract):
    text: str


def name_the_text(document: dict[str, Any]) -> dict[str, Any]:
    return {"text": document["words"]}


def name_the_author(document: dict[str, Any]) -> dict[str, Any]:
    return document | {"author": "unknown"}


def test_an_old_document_is_led_on_step_by_step() -> None:
    schemas.migrates_from(Note, 1)(name_the_text)
    schemas.migrates_from(Note, 2)(name_the_author)

    migrated = schemas.migrate(Note, {"words": "hello"})

    assert migrated == {"schema_version": 3, "text": "hello", "author": "unknown"}


def test_a_document_of_today_stays_as_it_is() -> None:
    document = Note(text="hello").model_dump()

    assert schemas.migrate(Note, document) == document


def test_a_missing_step_is_named() -> None:
    schemas.migrates_from(Note, 1)(name_the_text)

    with pytest.raises(NoMigrationError, match="no migration leads on from schema 2"):
        schemas.migrate(Note, {"words": "hello"})


@pytest.mark.parametrize("version", [4, "3", None])
def test_a_newer_or_unreadable_schema_is_refused(version: object) -> None:
    with pytest.raises(NoMigrationError, match="this desk reads up to 3"):
        schemas.migrate(Note, {"schema_version": version, "text": "hello"})


def test_a_contract_that_names_no_schema_has_version_one() -> None:
    assert schemas.schema_of(Plain) == 1
    assert schemas.migrate(Plain, {"text": "hello"}) == {"text": "hello"}
