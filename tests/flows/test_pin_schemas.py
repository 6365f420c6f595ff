"""Rulebooks of every schema that a run has ever pinned can be decided by.

`pin_schemas/v<n>.json` is the shipped rulebook as the desk of that time pinned it. A new schema
comes with a migration and with its own file here; the old files never change.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.contracts.base import canonical_json
from data.contracts.errors import ConflictError
from data.contracts.underwriting import Rulebook
from data.settings import settings
from flows.rulebook import current_rulebook
from flows.runtime.ledger import pinned, schemas
from tools.authority import load_authority

FOLDER = Path(__file__).parent / "pin_schemas"
VERSIONS = range(1, schemas.schema_of(Rulebook) + 1)


def written(version: int) -> bytes:
    return (FOLDER / f"v{version}.json").read_bytes()


def test_there_is_a_rulebook_of_every_schema_and_of_no_other() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"v{n}.json" for n in VERSIONS}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_rulebook_of_a_past_schema_is_read_whole(version: int) -> None:
    document = json.loads(written(version))
    assert document.get("schema_version", 1) == version

    book = pinned.migrate(Rulebook, written(version))

    assert book.schema_version == schemas.schema_of(Rulebook)
    assert json.loads(canonical_json(book.policy)) == document["policy"]
    assert json.loads(canonical_json(book.prices)) == document["prices"]


def test_before_authority_was_pinned_it_was_what_the_data_folder_said() -> None:
    book = pinned.migrate(Rulebook, written(1))

    assert book.authority == load_authority(settings().data_dir)


def test_what_is_pinned_today_is_read_as_it_was_pinned() -> None:
    book = current_rulebook(settings().data_dir)

    assert pinned.migrate(Rulebook, canonical_json(book)) == book


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schema_version": 99}, "this desk reads up to"),
        ({"prices": None}, "prices"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_cannot_be_read_is_refused_with_both_versions_and_the_way_out(
    change: dict[str, object], why: str
) -> None:
    document = json.loads(canonical_json(current_rulebook(settings().data_dir))) | change

    with pytest.raises(ConflictError) as caught:
        pinned.migrate(Rulebook, json.dumps(document).encode())

    said = caught.value.message
    assert f"run: schema {document['schema_version']}" in said
    assert f"desk: schema {schemas.schema_of(Rulebook)}" in said
    assert why in said
    assert "fork from 'start'" in said
