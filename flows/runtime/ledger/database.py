"""The desk's own database: what must never be lost or doubled.

SQLite (WAL) on one machine, PostgreSQL by URL. The ledger is written first and read last:
Prefect's state and event stream only say that it is time to look here.

Transactions are plain functions of a connection, run on a thread so that no statement
blocks the event loop: `await ledger.write(take_in, case)` commits all of `take_in` or nothing.
SQLite transactions that write begin IMMEDIATE: a transaction that starts as a reader and
turns writer later fails at once with "database is locked", whatever the timeout says.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from data.contracts.errors import UnavailableError

P = ParamSpec("P")
T = TypeVar("T")


def now() -> str:
    """The wall clock as the ledger writes it. Never an input to a decision."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def insert_or_ignore(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> None:
    """Insert a row unless one of its keys is taken: who comes second changes nothing."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).values(**values).on_conflict_do_nothing())


@cache
def shared_ledger(url: str) -> Ledger:
    """This process's one ledger for a URL, migrated when first opened."""
    ledger = Ledger(url)
    ledger.migrate()
    return ledger


class Ledger:
    """One database, opened by URL. Close it, or use it as a context manager."""

    def __init__(self, url: str) -> None:
        self.url = _with_driver(url)
        self.is_sqlite = self.url.startswith("sqlite")
        if self.is_sqlite and (database := sa.make_url(self.url).database):
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        self.engine = sa.create_engine(
            self.url,
            pool_pre_ping=not self.is_sqlite,
            connect_args={"timeout": 30} if self.is_sqlite else {},
        )
        if self.is_sqlite:
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        # SQLite has one writer: queueing for it in this process is kinder than its own
        # back-off, which sleeps up to 100 ms between looks.
        self._turn = threading.Lock() if self.is_sqlite else nullcontext()
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="ledger")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        self.engine.dispose()

    def migrate(self) -> None:
        """Bring the schema to this version of the code. Safe to run by several processes."""
        config = Config()
        config.set_main_option("script_location", str(files("flows.runtime.ledger") / "migrations"))
        with _ledger_errors(), self._turn, self.engine.begin() as connection:
            if not self.is_sqlite:
                connection.execute(sa.text("select pg_advisory_xact_lock(7215042)"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that may write, on the calling thread."""
        with _ledger_errors(), self._turn, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A snapshot to read from, on the calling thread."""
        with _ledger_errors(), self.engine.connect() as connection:
            yield connection.execution_options(desk_reads_only=True)

    async def write(
        self, fn: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `fn(connection, …)` in one transaction on a thread.

        Raises UnavailableError when the database is out of reach or full; nothing is written.
        A caller that is cancelled waits for the outcome: a commit is never left in doubt.
        """

        def transaction() -> T:
            with self.writing() as connection:
                return fn(connection, *args, **kwargs)

        return await self._on_thread(transaction)

    async def read(
        self, fn: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `fn(connection, …)` as a read-only snapshot on a thread."""

        def snapshot() -> T:
            with self.reading() as connection:
                return fn(connection, *args, **kwargs)

        return await self._on_thread(snapshot)

    async def _on_thread(self, call: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        outcome = loop.run_in_executor(self._threads, copy_context().run, call)
        try:
            return await asyncio.shield(outcome)
        except asyncio.CancelledError:
            await asyncio.wait([outcome])
            raise


def _with_driver(url: str) -> str:
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    cursor.execute("pragma journal_mode = wal")
    cursor.execute("pragma synchronous = normal")  # survives a killed process; see ARCHITECTURE
    cursor.execute("pragma busy_timeout = 30000")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    reads_only = connection.get_execution_options().get("desk_reads_only", False)
    connection.exec_driver_sql("begin" if reads_only else "begin immediate")


@contextmanager
def _ledger_errors() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if isinstance(error, sa.exc.IntegrityError):
            raise
        # The statement and its parameters stay out of the text: they hold the vault.
        raise UnavailableError(f"the ledger did not answer: {_in_short(error.orig)}") from None


def _in_short(error: BaseException | None) -> str:
    """What the driver says, unless it may quote: PostgreSQL repeats values and statements."""
    if getattr(error, "sqlstate", None):
        return type(error).__name__
    return str(error).partition("\n")[0]


def moment(seconds: float) -> str:
    """The time so many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
