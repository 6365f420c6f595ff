"""The vault: applications as they were handed in, and the documents that came later."""

from __future__ import annotations

import asyncio
import zlib

import pytest
import sqlalchemy as sa

from data.contracts.errors import ConflictError, RecordNotFoundError
from flows.runtime.ledger import applications, tables
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import documents
from tests.flows.runtime.entries import RUN, a_run


async def accept(ledger: Ledger, content: str, body: bytes = b"{}") -> None:
    await ledger.write(applications.accept, "app-1", content, body)


async def test_an_application_is_filed_as_it_was_handed_in(any_ledger: Ledger) -> None:
    await accept(any_ledger, "a" * 64, b'{"a": 1}')

    filed = await any_ledger.read(applications.filed, "app-1")

    assert filed == applications.Filed(b'{"a": 1}')


async def test_the_same_application_again_is_no_news(any_ledger: Ledger) -> None:
    await asyncio.gather(*(accept(any_ledger, "a" * 64) for _ in range(20)))

    with any_ledger.reading() as connection:
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(tables.applications)).scalar()
            == 1
        )


async def test_of_two_contents_under_one_id_the_first_stands(any_ledger: Ledger) -> None:
    outcomes = await asyncio.gather(
        *(accept(any_ledger, letter * 64, letter.encode()) for letter in "abcdef"),
        return_exceptions=True,
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, ConflictError)]
    assert len(refused) == 5
    winner = "abcdef"[outcomes.index(None)]
    assert (await any_ledger.read(applications.filed, "app-1")).body == winner.encode()


async def test_later_documents_come_in_the_order_of_their_filing(any_ledger: Ledger) -> None:
    await accept(any_ledger, "a" * 64)

    def put(connection: sa.Connection) -> None:
        for document_id, at in (("b", "2026-11-22T09"), ("a", "2026-11-22T10")):
            connection.execute(
                documents.insert().values(
                    application_id="app-1",
                    document_id=document_id,
                    body=zlib.compress(document_id.encode()),
                    filed_by="intake",
                    filed_at=at,
                )
            )

    await any_ledger.write(put)

    assert (await any_ledger.read(applications.filed, "app-1")).documents == (b"b", b"a")


async def test_what_is_not_filed_is_not_found(any_ledger: Ledger) -> None:
    with pytest.raises(RecordNotFoundError, match="no application"):
        await any_ledger.read(applications.filed, "app-9")


async def test_a_document_is_filed_once_and_another_under_its_id_is_refused(
    any_ledger: Ledger,
) -> None:
    await accept(any_ledger, "a" * 64)
    file = applications.file_document

    first = await any_ledger.write(file, "app-1", "payslip", b"2500", "intake")
    again = await any_ledger.write(file, "app-1", "payslip", b"2500", "intake")
    with pytest.raises(ConflictError, match="another document"):
        await any_ledger.write(file, "app-1", "payslip", b"9900", "intake")

    assert (first, again) == (True, False)
    assert (await any_ledger.read(applications.filed, "app-1")).documents == (b"2500",)


async def test_the_size_of_a_file_counts_what_came_later_before_it_was_compressed(
    any_ledger: Ledger,
) -> None:
    await accept(any_ledger, "a" * 64, b"x" * 50)
    for document_id in ("one", "two"):
        body = document_id.encode() * 100
        await any_ledger.write(applications.file_document, "app-1", document_id, body, "intake")

    assert await any_ledger.read(applications.size_of_file, "app-1") == (2, 600)
    assert await any_ledger.read(applications.size_of_file, "app-9") == (0, 0)


async def test_a_run_knows_which_documents_came_later_for_its_application(
    any_ledger: Ledger,
) -> None:
    await a_run(any_ledger, application_id="app-1")
    for application_id in ("app-1", "app-2"):
        document_id = f"of-{application_id}"
        await any_ledger.write(
            applications.file_document, application_id, document_id, b"{}", "intake"
        )

    assert await any_ledger.read(applications.document_ids, RUN) == {"of-app-1"}
