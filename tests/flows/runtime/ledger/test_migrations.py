"""Older ledgers: brought up to today's tables, and everything in them means what it meant."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from data.contracts.runs import RetryState, RunStatus
from data.settings import FanOutPolicy
from flows.runtime.ledger import (
    applications,
    cancellations,
    chunks,
    leases,
    run_requests,
    runs,
)
from flows.runtime.ledger.database import Ledger
from tests.flows.runtime import postgres

RECEIVED = "2026-11-22T08:23:14.123000Z"
OWNER = "host:1:worker:now"
OLD_RUN: dict[str, Any] = {
    "run_id": "run-1",
    "application_id": "app-1",
    "origin": "application:app-1",
    "status": "queued",
    "options": {},
    "versions": {"pinned": "b" * 64},
    "state": {},
    "deaths": {},
    "created_at": RECEIVED,
    "updated_at": RECEIVED,
}
COUNTED = {
    "place": "check/2",
    "count": 2,
    "alone": True,
    "alone_at": 3,
    "alone_count": 1,
    "put_off": 4,
    "put_off_at": 2,
    "false_starts": 3,
    "false_start_in": 9,
    "not_before": "2026-11-22T08:30:00.000000Z",
}
"""What a run's row counted, by the names of revision 0002."""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """A database without any table."""
    if request.param == "sqlite":
        with Ledger(f"sqlite:///{tmp_path / 'old.db'}") as ledger:
            yield ledger
        return
    server: Ledger = request.getfixturevalue("postgresql")
    with Ledger(postgres.new_database(server, "old")) as ledger:
        yield ledger


def at_revision(ledger: Ledger, revision: str, **rows: list[dict[str, Any]]) -> None:
    """Bring a database to an old revision, and put rows into its tables of that time."""
    with ledger.writing() as connection:
        config = Config()
        scripts = files("flows.runtime.ledger") / "migrations"
        config.set_main_option("script_location", str(scripts))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for name, values in rows.items():
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            for row in values:
                connection.execute(table.insert().values(**row))


def filed(application_id: str, **order: Any) -> dict[str, Any]:
    """A row of the vault, with the order that stood beside it until revision 0003."""
    return {
        "application_id": application_id,
        "content_sha256": "a" * 64,
        "body": zlib.compress(b"{}"),
        "received_at": RECEIVED,
        "order": order,
    }


def test_a_ledger_of_the_first_revision_keeps_its_leases_and_requests_to_stop(
    empty: Ledger,
) -> None:
    leased = {"lease_owner": OWNER, "lease_epoch": 3, "lease_until": RECEIVED}
    row = OLD_RUN | leased | {"status": "running", "cancel_requested": True}
    blob = {"path": "kept", "body": b"1", "written_at": RECEIVED}
    at_revision(empty, "0001", runs=[row], blobs=[blob])

    empty.migrate()

    with empty.reading() as connection:
        assert [run.run_id for run in leases.abandoned(connection)] == ["run-1"]
        assert cancellations.to_be_stopped(connection) == ["run-1"]
        assert connection.execute(sa.text("select path from blobs")).scalars().all() == ["kept"]
        names = {index["name"] for index in sa.inspect(connection).get_indexes("runs")}
        assert {"ix_runs_leased", "ix_runs_to_stop", "ix_runs_by_status"} < names


def test_what_a_run_counted_keeps_its_meaning_under_the_new_names(empty: Ledger) -> None:
    at_revision(empty, "0002", runs=[OLD_RUN | {"deaths": COUNTED}])

    empty.migrate()

    with empty.reading() as connection:
        run = runs.find(connection, "run-1")
    assert run.retry_state == RetryState(
        crash_place="check/2",
        crashes=2,
        is_quarantined=True,
        quarantine_at=3,
        quarantine_crashes=1,
        retries=4,
        retried_at=2,
        startup_failures=3,
        startup_failed_in=9,
        not_before=datetime(2026, 11, 22, 8, 30, tzinfo=UTC),
    )
    assert run.is_quarantined


def test_an_old_run_is_carried_out_by_the_flow_run_that_had_its_id(empty: Ledger) -> None:
    at_revision(empty, "0002", runs=[OLD_RUN])

    empty.migrate()

    with empty.writing() as connection:
        run = run_requests.of_flow_run(connection, "run-1", "")
    assert (run.run_id, run.flow_run_id) == ("run-1", "run-1")
    assert run.retry_state == RetryState()


def test_an_application_without_a_run_gets_the_run_that_was_ordered(empty: Ledger) -> None:
    order = {
        "name": "underwrite app-2",
        "options": {"fan_out_policy": "fail_fast", "as_of_date": None},
        "submitted_by": "Ina",
        "traceparent": "00-trace",
    }
    vault = [filed("app-1"), filed("app-2", **order), filed("app-3", name="underwrite app-3")]
    at_revision(empty, "0002", applications=vault, runs=[OLD_RUN])

    empty.migrate()

    with empty.reading() as connection:
        queued = {run.application_id: run for run in runs.queued(connection)}
        made = runs.find(connection, queued["app-2"].run_id)
    assert set(queued) == {"app-1", "app-2", "app-3"}
    assert queued["app-1"].run_id == "run-1"
    assert UUID(made.run_id) != UUID(queued["app-3"].run_id)
    assert (made.status, made.flow_run_id, made.last_event_id) == (RunStatus.QUEUED, "", 0)
    assert (made.submitted_by, made.traceparent) == ("Ina", "00-trace")
    assert made.options["fan_out_policy"] == FanOutPolicy.FAIL_FAST
    assert made.created_at == RECEIVED


def test_a_run_that_the_migration_made_is_the_one_that_a_repeated_request_finds(
    empty: Ledger,
) -> None:
    at_revision(empty, "0002", applications=[filed("app-2", name="underwrite app-2")])

    empty.migrate()

    with empty.writing() as connection:
        (made,) = runs.queued(connection)
        request = run_requests.RunRequest()
        run, is_new = run_requests.submit(connection, "app-2", "a" * 64, b"{}", request)
    assert (run.run_id, is_new) == (made.run_id, False)


def test_a_chunk_that_was_written_before_screenings_were_kept_has_none(empty: Ledger) -> None:
    chunk = {
        "batch_id": "batch-1",
        "number": 0,
        "rows": 1,
        "lines": zlib.compress(b"{}"),
        "rejects": zlib.compress(b""),
        "totals": {},
        "chain": "a" * 64,
        "written_at": RECEIVED,
    }
    at_revision(empty, "0008", batch_chunks=[chunk])

    empty.migrate()

    with empty.reading() as connection:
        assert chunks.restricted(connection, "batch-1", 0) == []
        assert chunks.lines(connection, "batch-1", 0) == [b"{}"]


def test_a_paper_becomes_a_document_of_the_same_application(empty: Ledger) -> None:
    paper = {
        "application_id": "app-1",
        "paper_id": "payslip",
        "body": zlib.compress(b'{"net": 2500}'),
        "filed_by": "intake-1",
        "filed_at": RECEIVED,
    }
    at_revision(empty, "0002", applications=[filed("app-1")], runs=[OLD_RUN], papers=[paper])

    empty.migrate()

    with empty.reading() as connection:
        assert applications.filed(connection, "app-1").documents == (b'{"net": 2500}',)
        assert applications.document_ids(connection, "run-1") == {"payslip"}
