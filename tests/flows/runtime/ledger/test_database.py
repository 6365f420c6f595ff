"""The ledger: one schema on two databases, transactions that are whole, errors that tell little."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from data.contracts.errors import UnavailableError
from flows.runtime.ledger import cancellations, leases, reviews
from flows.runtime.ledger.database import Ledger, insert_or_ignore, now
from flows.runtime.ledger.tables import blobs, metadata

MOMENT = "2026-11-22T08:23:14.123000Z"


def put(connection: sa.Connection, path: str, body: bytes = b"1") -> None:
    connection.execute(blobs.insert().values(path=path, body=body, written_at=MOMENT))


def paths(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(blobs.c.path).order_by(blobs.c.path)).scalars())


def count_up(connection: sa.Connection) -> None:
    """Read a number, then write the next one: a lost update if transactions may overlap."""
    body = connection.execute(
        sa.select(blobs.c.body).where(blobs.c.path == "counter").with_for_update()
    ).scalar_one()
    time.sleep(0.001)
    connection.execute(
        blobs.update()
        .where(blobs.c.path == "counter")
        .values(body=str(int(bytes(body)) + 1).encode())
    )


async def test_the_migrations_make_exactly_the_tables_of_the_code(any_ledger: Ledger) -> None:
    with any_ledger.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, metadata) == []


async def test_migrating_again_changes_nothing(any_ledger: Ledger) -> None:
    await any_ledger.write(put, "kept")

    any_ledger.migrate()

    assert await any_ledger.read(paths) == ["kept"]


def test_processes_that_migrate_at_once_wait_for_each_other(tmp_path: Path) -> None:
    ledgers = [Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") for _ in range(4)]
    failures: list[BaseException] = []

    def migrate(ledger: Ledger) -> None:
        try:
            ledger.migrate()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=migrate, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with ledgers[0].reading() as connection:
        assert set(metadata.tables) < set(sa.inspect(connection).get_table_names())
    for ledger in ledgers:
        ledger.close()


def test_processes_that_open_a_new_file_at_once_wait_for_each_other(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def write(ledger: Ledger, ready: threading.Barrier) -> None:
        ready.wait()
        try:
            with ledger.writing() as connection:
                connection.execute(sa.text("create table if not exists files (name text)"))
        except BaseException as error:
            failures.append(error)

    for number in range(60):
        ledgers = [Ledger(f"sqlite:///{tmp_path / f'{number}.db'}") for _ in range(6)]
        ready = threading.Barrier(len(ledgers))
        threads = [threading.Thread(target=write, args=(ledger, ready)) for ledger in ledgers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for ledger in ledgers:
            ledger.close()

    assert failures == []


def test_what_sweeps_look_for_is_found_by_index_however_many_rows_there_are(
    tmp_path: Path,
) -> None:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.migrate()
        asked: list[tuple[str, Any]] = []
        event.listen(
            ledger.engine,
            "before_cursor_execute",
            lambda conn, cursor, statement, parameters, *_: asked.append((statement, parameters)),
        )
        with ledger.writing() as connection:
            leases.renew_leases(connection, "host:1:worker:now", 60)
            leases.abandoned(connection)
            cancellations.to_be_stopped(connection)
            reviews.undelivered(connection)
            done = [pair for pair in asked if not pair[0].startswith("begin")]
            plans = [
                str(connection.exec_driver_sql(f"explain query plan {text}", values).all())
                for text, values in done
            ]

    used = [
        "ix_runs_leased",
        "ix_runs_leased",
        "ix_runs_leased",
        "ix_runs_to_stop",
        "ix_reviews_undelivered",
    ]
    assert len(plans) == len(used)
    assert [name for name, plan in zip(used, plans, strict=True) if name not in plan] == []


async def test_a_transaction_that_fails_writes_nothing(any_ledger: Ledger) -> None:
    def half(connection: sa.Connection) -> None:
        put(connection, "first")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        await any_ledger.write(half)

    assert await any_ledger.read(paths) == []


async def test_many_writers_of_two_processes_lose_no_update(any_ledger: Ledger) -> None:
    await any_ledger.write(put, "counter", b"0")
    with Ledger(any_ledger.url) as other:
        await asyncio.gather(
            *(ledger.write(count_up) for ledger in (any_ledger, other) for _ in range(25))
        )

    with any_ledger.reading() as connection:
        assert connection.execute(sa.select(blobs.c.body)).scalar_one() == b"50"


async def test_on_sqlite_writers_take_their_lock_first_and_readers_take_none(
    tmp_path: Path,
) -> None:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.migrate()
        statements: list[str] = []
        event.listen(
            ledger.engine,
            "before_cursor_execute",
            lambda conn, cursor, statement, *_: statements.append(statement),
        )

        await ledger.write(put, "one")
        await ledger.read(paths)

    assert [text for text in statements if text.startswith("begin")] == ["begin immediate", "begin"]


async def test_a_reader_sees_a_snapshot_while_another_process_writes(any_ledger: Ledger) -> None:
    await any_ledger.write(put, "before")
    with any_ledger.writing() as connection:
        put(connection, "uncommitted")

        assert await any_ledger.read(paths) == ["before"]


async def test_a_cancelled_writer_knows_that_its_commit_has_happened(any_ledger: Ledger) -> None:
    begun = threading.Event()

    def slowly(connection: sa.Connection) -> None:
        begun.set()
        time.sleep(0.2)
        put(connection, "after the cancel")

    writer = asyncio.create_task(any_ledger.write(slowly))
    await asyncio.to_thread(begun.wait)
    writer.cancel()

    with pytest.raises(asyncio.CancelledError):
        await writer
    assert await any_ledger.read(paths) == ["after the cancel"]


async def test_a_slow_statement_does_not_hold_up_the_event_loop(any_ledger: Ledger) -> None:
    writer = asyncio.create_task(any_ledger.write(lambda _: time.sleep(0.2)))
    ticks = 0
    while not writer.done():
        await asyncio.sleep(0.01)
        ticks += 1

    assert ticks >= 5


async def test_an_error_of_the_database_names_neither_statement_nor_values(
    any_ledger: Ledger,
) -> None:
    def fail(connection: sa.Connection) -> None:
        query = sa.text("select path from nowhere where path = cast(:secret as varchar)")
        connection.execute(query, {"secret": "516-24-3907"})

    with pytest.raises(UnavailableError) as caught:
        await any_ledger.write(fail)

    assert caught.value.code == "unavailable"
    assert "select" not in str(caught.value).lower()
    assert "516-24-3907" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_a_value_that_the_database_refuses_is_not_repeated(postgresql: Ledger) -> None:
    def fail(connection: sa.Connection) -> None:
        connection.execute(sa.text("select cast(:secret as integer)"), {"secret": "516-24-3907"})

    with pytest.raises(UnavailableError, match="the ledger did not answer: Invalid") as caught:
        await postgresql.write(fail)

    assert "516-24-3907" not in str(caught.value)


async def test_a_taken_key_stays_an_integrity_error(any_ledger: Ledger) -> None:
    await any_ledger.write(put, "once")

    with pytest.raises(IntegrityError):
        await any_ledger.write(put, "once")


async def test_a_second_insert_of_a_key_changes_nothing(any_ledger: Ledger) -> None:
    for body in (b"first", b"second"):
        await any_ledger.write(
            insert_or_ignore, blobs, {"path": "key", "body": body, "written_at": MOMENT}
        )

    with any_ledger.reading() as connection:
        assert connection.execute(sa.select(blobs.c.body)).scalars().all() == [b"first"]


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with Ledger("postgresql://desk@127.0.0.1:1/desk?connect_timeout=2") as ledger:
        with pytest.raises(UnavailableError, match="the ledger did not answer"):
            await ledger.read(paths)
        with pytest.raises(UnavailableError):
            ledger.migrate()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_plain_postgresql_url_gets_the_driver_that_we_install(scheme: str) -> None:
    with Ledger(f"{scheme}://desk@db/ledger") as ledger:
        assert ledger.url == "postgresql+psycopg://desk@db/ledger"
        assert not ledger.is_sqlite


def test_the_clock_of_the_ledger_sorts_as_text() -> None:
    stamps = [now() for _ in range(50)]

    assert stamps == sorted(stamps)
    assert all(len(stamp) == len(MOMENT) and stamp.endswith("Z") for stamp in stamps)
