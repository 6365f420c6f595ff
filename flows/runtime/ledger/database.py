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
from datetime import UTC, datetime
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

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = sa.String(64)
_At = sa.String(32)  # ISO 8601 in UTC: sorts as text, reads the same in both databases
_Name = sa.String(64)

applications = sa.Table(
    "applications",
    metadata,
    sa.Column("application_id", _Id, primary_key=True),
    sa.Column("content_sha256", sa.String(64), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),  # the vault: compressed, never in Prefect
    sa.Column("order", sa.JSON, nullable=False),  # how the run was asked for
    sa.Column("received_at", _At, nullable=False),
)

papers = sa.Table(
    "papers",  # what was handed in after the application
    metadata,
    sa.Column("application_id", _Id, primary_key=True),
    sa.Column("paper_id", _Id, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("filed_by", sa.String(128), nullable=False),
    sa.Column("filed_at", _At, nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", _Id, primary_key=True),
    sa.Column("application_id", _Id, nullable=False, index=True),
    sa.Column("origin", sa.String(160), nullable=False, unique=True),  # one run per origin
    sa.Column("workflow_version", _Name, nullable=False, server_default=""),
    sa.Column("status", _Name, nullable=False, index=True),
    sa.Column("phase", _Name, nullable=False, server_default=""),
    sa.Column("progress", sa.Float, nullable=False, server_default="0"),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("versions", sa.JSON, nullable=False),
    sa.Column("state", sa.JSON, nullable=False),
    sa.Column("error", sa.JSON, nullable=True),
    sa.Column("traceparent", sa.String(64), nullable=False, server_default=""),
    sa.Column("lineage", sa.JSON, nullable=True),
    sa.Column("deaths", sa.JSON, nullable=False),  # of workers, while they executed this run
    sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("legal_hold", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("submitted_by", sa.String(128), nullable=False, server_default=""),
    sa.Column("created_at", _At, nullable=False),
    sa.Column("updated_at", _At, nullable=False),
    sa.Column("last_event_id", sa.Integer, nullable=False, server_default="0"),
    sa.Column("chain", sa.String(64), nullable=False, server_default=""),
    sa.Column("lease_owner", sa.String(128), nullable=True),
    sa.Column("lease_epoch", sa.Integer, nullable=False, server_default="0"),
    sa.Column("lease_until", _At, nullable=False, server_default=""),
    sa.Index("ix_runs_created", "created_at", "run_id"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("run_id", _Id, primary_key=True),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(160), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("chain", sa.String(64), nullable=False),
    sa.UniqueConstraint("run_id", "key"),
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("run_id", _Id, primary_key=True),
    sa.Column("label", _Name, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("ordinal", sa.Integer, nullable=False),  # the run's n-th checkpoint
    sa.Column("storage_key", sa.String(255), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("schema_version", sa.Integer, nullable=False),
    sa.Column("workflow_version", _Name, nullable=False),
    sa.Column("saved_at", _At, nullable=False),
    sa.Column("purged_at", _At, nullable=True),  # the body is gone, its digest is not
)

blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("path", sa.String(255), primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("written_at", _At, nullable=False),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("run_id", _Id, primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("stage", _Name, nullable=False),
    sa.Column("author", sa.String(128), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("run_id", _Id, primary_key=True),
    sa.Column("gate", _Name, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("visit", sa.Integer, nullable=False),  # which time the run came to this gate
    sa.Column("role", _Name, nullable=False),
    sa.Column("status", _Name, nullable=False, index=True),  # open, answered, rejected, expired
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("opened_at", _At, nullable=False),
    sa.Column("due_at", _At, nullable=False),
    sa.Column("answer", sa.JSON, nullable=True),
    sa.Column("answered_at", _At, nullable=True),
    sa.Column("idempotency_key", sa.String(128), nullable=True),
    sa.Column("delivered", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("claimed_by", sa.String(128), nullable=True),
    sa.Column("claimed_until", _At, nullable=False, server_default=""),
    sa.Column("remind_at", _At, nullable=True),
    sa.Column("reminded_at", _At, nullable=True),
    sa.Column("escalate_at", _At, nullable=True),
    sa.Column("escalated_at", _At, nullable=True),
)

UNDELIVERED = reviews.c.delivered.is_(sa.false()) & reviews.c.answered_at.is_not(None)
"""Answers whose run may still be asleep, in the words of their index."""


def _index_of_few(name: str, column: sa.Column[Any], few: sa.ColumnElement[bool]) -> None:
    """What sweeps look for every few seconds are a few rows of a table that only grows.

    A query uses such an index if it says the same in the same words.
    """
    sa.Index(name, column, sqlite_where=few, postgresql_where=few)


_index_of_few("ix_runs_leased", runs.c.lease_owner, runs.c.lease_owner.is_not(None))
_index_of_few("ix_runs_to_stop", runs.c.cancel_requested, runs.c.cancel_requested.is_(sa.true()))
_index_of_few("ix_reviews_undelivered", reviews.c.delivered, UNDELIVERED)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("run_id", _Id, primary_key=True),
    sa.Column("application_id", _Id, nullable=False, index=True),
    sa.Column("origin", sa.String(160), nullable=False, unique=True),  # an application's is one
    sa.Column("decision_id", _Id, nullable=False, unique=True),
    sa.Column("content_sha256", sa.String(64), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("decided_at", _At, nullable=False),
)


def now() -> str:
    """The wall clock as the ledger writes it. Never an input to a decision."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def insert_or_ignore(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> None:
    """Insert a row unless one of its keys is taken: who comes second changes nothing."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).values(**values).on_conflict_do_nothing())


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
