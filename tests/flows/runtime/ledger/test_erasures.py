"""Erasing personal data: the bodies go, the digests stay, and a hold forbids it."""

from __future__ import annotations

import hashlib

import pytest
import sqlalchemy as sa

from data.contracts.errors import ConflictError, RecordErasedError, RecordNotFoundError
from data.contracts.runs import RunStatus
from flows.runtime.ledger import applications, erasures, restricted, runs, tables
from flows.runtime.ledger.database import Ledger, moment

APPLICATION = "app-1"


def digest(body: bytes) -> str:
    return f"document {hashlib.sha256(body).hexdigest()}"[:64]


async def filed(
    ledger: Ledger, status: RunStatus = RunStatus.COMPLETED, *, held: bool = False
) -> None:
    """An application with a document, and a run of it that ended two hours ago."""

    def enter(connection: sa.Connection) -> None:
        applications.accept(connection, APPLICATION, "a" * 64, b"{}")
        applications.file_document(connection, APPLICATION, "payslip", b"earned", "intake-1")
        runs.register(
            connection,
            "run-1",
            f"application:{APPLICATION}",
            application_id=APPLICATION,
            status=status,
            legal_hold=held,
            updated_at=moment(-7200),
        )
        table = tables.applications
        connection.execute(table.update().values(received_at=moment(-7200)))

    await ledger.write(enter)


async def test_an_erased_application_is_a_tombstone_with_its_digests(any_ledger: Ledger) -> None:
    await filed(any_ledger)

    erased_at = await any_ledger.write(erasures.erase, APPLICATION, digest)

    with pytest.raises(RecordErasedError, match=erased_at):
        await any_ledger.read(applications.filed, APPLICATION)
    with any_ledger.reading() as connection:
        document = connection.execute(sa.select(tables.documents)).one()
        application = connection.execute(sa.select(tables.applications)).one()
    assert (document.body, document.sha256) == (b"", digest(b"earned"))
    assert document.filed_sha256 == hashlib.sha256(b"earned").hexdigest()
    assert (application.body, application.content_sha256) == (b"", "a" * 64)


async def test_the_restricted_records_of_its_runs_are_erased_with_it(any_ledger: Ledger) -> None:
    await filed(any_ledger)
    for run_id in ("run-1", "run-of-another"):
        await any_ledger.write(restricted.keep, run_id, "watchlist", {"count": 1})

    await any_ledger.write(erasures.erase, APPLICATION, digest)

    assert await any_ledger.read(restricted.find, "run-1", "watchlist") is None
    assert await any_ledger.read(restricted.find, "run-of-another", "watchlist") == {"count": 1}


async def test_erasing_twice_is_erasing_once(any_ledger: Ledger) -> None:
    await filed(any_ledger)
    first = await any_ledger.write(erasures.erase, APPLICATION, digest)

    assert await any_ledger.write(erasures.erase, APPLICATION, digest) == first


@pytest.mark.parametrize(
    ("status", "held"),
    [
        (RunStatus.COMPLETED, True),
        (RunStatus.WAITING, False),
        (RunStatus.QUEUED, False),
        (RunStatus.RUNNING, False),
    ],
)
async def test_a_run_that_goes_on_or_is_held_forbids_it(
    any_ledger: Ledger, status: RunStatus, held: bool
) -> None:
    await filed(any_ledger, status, held=held)

    with pytest.raises(ConflictError, match="legal hold"):
        await any_ledger.write(erasures.erase, APPLICATION, digest)

    assert (await any_ledger.read(applications.filed, APPLICATION)).documents == (b"earned",)
    assert await any_ledger.read(erasures.due, moment(0), 10) == {}


async def test_an_application_is_due_when_its_last_run_has_ended_long_enough_ago(
    any_ledger: Ledger,
) -> None:
    await filed(any_ledger)
    ended = (await any_ledger.read(runs.find, "run-1")).updated_at

    assert await any_ledger.read(erasures.due, moment(-3600), 10) == {APPLICATION: ended}
    assert await any_ledger.read(erasures.due, moment(-10800), 10) == {}


async def test_an_erased_application_is_not_due_again(any_ledger: Ledger) -> None:
    await filed(any_ledger)
    await any_ledger.write(erasures.erase, APPLICATION, digest)

    assert await any_ledger.read(erasures.due, moment(0), 10) == {}


async def test_what_a_rule_keeps_is_not_due_before_its_day_unless_the_rules_change(
    any_ledger: Ledger,
) -> None:
    await filed(any_ledger)

    async def due(rules: str) -> list[str]:
        return list(await any_ledger.read(erasures.due, moment(0), 10, rules))

    await any_ledger.write(erasures.keep_until, APPLICATION, moment(60), "match", "rules/1")
    assert await due("rules/1") == []
    assert await any_ledger.read(erasures.kept_for, "rules/1") == {"match": 1}
    assert await due("rules/2") == [APPLICATION]
    assert await any_ledger.read(erasures.kept_for, "rules/2") == {}

    await any_ledger.write(erasures.keep_until, APPLICATION, moment(-60), "match", "rules/1")
    assert await due("rules/1") == [APPLICATION]


async def test_an_application_that_is_not_there_cannot_be_erased(any_ledger: Ledger) -> None:
    with pytest.raises(RecordNotFoundError):
        await any_ledger.write(erasures.erase, "unknown", digest)
