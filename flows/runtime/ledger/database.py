"""The desk's own database: what must never be lost or doubled.

SQLite (WAL) on one machine, PostgreSQL by URL. The ledger is written first and read last:
Prefect's state and event stream only say that it is time to look here.

Transactions are plain functions of a connection, run on a thread so that no statement
blocks the event loop: `await ledger.write(take_in, case)` commits all of `take_in` or nothing.
SQLite transactions that write begin IMMEDIATE: a transaction that starts as a reader and
turns writer later fails at once with "database is locked" and does not wait for the timeout.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from data.contracts.errors import UnavailableError

WAIT_SECONDS = 10.0
"""How long a transaction waits for a free thread, and its statements for another's lock."""
_SWITCH_PAUSE = 0.02
_READERS = 8
_WRITERS = 4
_POSTGRES_LIMITS = f"-c lock_timeout={WAIT_SECONDS * 1000:.0f} -c statement_timeout=30000"

P = ParamSpec("P")
T = TypeVar("T")


def now() -> str:
    """The wall clock as the ledger writes it. Never an input to a decision."""
    return stamp(datetime.now(UTC))


def stamp(at: datetime) -> str:
    """A moment as the ledger writes it: in UTC, as text that sorts."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def clock(connection: sa.Connection, seconds: float = 0.0) -> str:
    """The database's own time, so many seconds from now.

    Leases are compared by it: the clocks of two machines may differ by more than a lease lasts.
    SQLite has no other clock than that of its machine.
    """
    if connection.dialect.name != "postgresql":
        return moment(seconds)
    told: str = connection.execute(_POSTGRES_CLOCK, {"seconds": seconds}).scalar_one()
    return told


_POSTGRES_CLOCK = sa.text(
    "select to_char((clock_timestamp() + make_interval(secs => :seconds)) at time zone 'UTC',"
    """ 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
)


def insert_or_ignore(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Insert a row; False when one of its keys is taken: the second insertion changes nothing."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = dialect.insert(table).values(**values).on_conflict_do_nothing()
    return bool(connection.execute(row.execution_options(preserve_rowcount=True)).rowcount)


@cache
def shared_ledger(url: str) -> Ledger:
    """This process's one ledger for a URL, migrated when first opened."""
    ledger = Ledger(url)
    ledger.migrate()
    return ledger


class _Lane:
    """The threads for one kind of transaction, and a bounded wait for one of them.

    A caller waits for a free thread on the event loop, where a time limit can cut the wait. Once
    its transaction runs on a thread, the caller waits for the outcome.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._size = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"ledger-{name}")
        self._free: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )

    async def run(self, call: Callable[[], T]) -> T:
        """Run a transaction on a thread of this lane.

        Raises UnavailableError when no thread is free in time. A caller that is cancelled after
        its transaction began waits for the outcome: a commit is never left in doubt.
        """
        loop = asyncio.get_running_loop()
        free = self._free.setdefault(loop, asyncio.Semaphore(self._size))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await free.acquire()
        except TimeoutError:
            raise UnavailableError(
                f"the ledger is busy: no {self._name} ended within {WAIT_SECONDS:g} s"
            ) from None
        outcome = loop.run_in_executor(self._threads, copy_context().run, call)
        outcome.add_done_callback(lambda _: free.release())
        try:
            return await asyncio.shield(outcome)
        except asyncio.CancelledError:
            while not outcome.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([outcome])
            raise

    def close(self) -> None:
        self._threads.shutdown(wait=True)


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
            pool_size=_READERS + _WRITERS,
            connect_args={} if self.is_sqlite else {"options": _POSTGRES_LIMITS},
        )
        if self.is_sqlite:
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        # SQLite has one writer: queueing for it in this process is kinder than its own
        # back-off, which sleeps up to 100 ms between looks.
        self._turn = threading.Lock() if self.is_sqlite else nullcontext()
        # Lanes of their own: a write that waits for a lock holds up no read.
        self._reads = _Lane("read", _READERS)
        self._writes = _Lane("write", 1 if self.is_sqlite else _WRITERS)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._reads.close()
        self._writes.close()
        self.engine.dispose()

    def migrate(self) -> None:
        """Bring the schema to this version of the code. Safe to run by several processes."""
        config = Config()
        config.set_main_option("script_location", str(files("flows.runtime.ledger") / "migrations"))
        with _ledger_errors(), self._turn, self.engine.begin() as connection:
            if not self.is_sqlite:
                connection.execute(sa.text("set local lock_timeout = 0"))  # another may migrate
                connection.execute(sa.text("set local statement_timeout = 0"))
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
        """A snapshot to read from, on the calling thread.

        All statements see one state of the database. By default PostgreSQL would show each of them
        the commits up to its own start.
        """
        with _ledger_errors(), self.engine.connect() as connection:
            if self.is_sqlite:
                yield connection.execution_options(desk_reads_only=True)
            else:
                yield connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )

    async def write(
        self, fn: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `fn(connection, …)` in one transaction on a thread.

        Raises UnavailableError when the database is out of reach, busy or full; nothing is written
        then.
        """

        def transaction() -> T:
            with self.writing() as connection:
                return fn(connection, *args, **kwargs)

        return await self._writes.run(transaction)

    async def read(
        self, fn: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `fn(connection, …)` on a read-only snapshot, on a thread."""

        def snapshot() -> T:
            with self.reading() as connection:
                return fn(connection, *args, **kwargs)

        return await self._reads.run(snapshot)


def _with_driver(url: str) -> str:
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    cursor.execute(f"pragma busy_timeout = {WAIT_SECONDS * 1000:.0f}")
    _write_ahead(cursor)
    cursor.execute("pragma synchronous = normal")  # survives a killed process; see ARCHITECTURE
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Switch the file to WAL, once for all its connections.

    Two connections that switch a new file at once do not wait for each other: SQLite tells one of
    them at once that the file is locked.
    """
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            cursor.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_SWITCH_PAUSE)


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
