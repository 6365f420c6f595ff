"""Executions that ended without a result: when the next one may begin, or that the run has failed.

Three things end an execution early although its worker lives. An outage of the desk's own parts
(ledger, checkpoint storage, Prefect) interrupts it. A startup failure ends it before the run is
opened. And a worker may have to stop it without being able to write a word. After each of them
the run goes on later, every time a little later than the time before, so that it outlives an
outage; after too many of them in one place it has failed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from data.contracts.errors import ConflictError
from data.contracts.events import Event, EventType
from data.contracts.runs import Failure, RetryState, RunStatus
from flows.runtime.ledger import cancellations, checkpoint_index, journal, runs
from flows.runtime.ledger.journal import Draft
from flows.runtime.ledger.runs import Run

MAX_RETRIES = 20
"""Interrupted executions in a row, without a new checkpoint: that takes a quarter of an hour."""
MAX_STARTUP_FAILURES = 5
"""Executions in a row that failed before the run was opened."""
_LONGEST_DELAY_SECONDS = 60.0


def schedule_retry(
    connection: sa.Connection, run_id: str, epoch: int, reason: Draft | None
) -> list[Event] | None:
    """Let another execution follow, and say why; None when the run was retried too often.

    Raises LeaseLostError when this execution does not hold the run any more.
    """
    run = runs.find(connection, run_id, lock=True)
    before, saved = run.retry_state, checkpoint_index.count(connection, run_id)
    times = before.retries + 1 if before.retries and before.retried_at == saved else 1
    if times > MAX_RETRIES:
        return None
    counted = {"retries": times, "retried_at": saved, "not_before": _next_try(times)}
    return journal.append(
        connection,
        run_id,
        [reason] if reason else [],
        epoch=epoch,
        status=RunStatus.QUEUED,
        retry_state=before.model_copy(update=counted),
    )


def record_failure(
    connection: sa.Connection, run_id: str, epoch: int, *, is_startup_failure: bool
) -> list[Event]:
    """Note how an execution failed that could not write an end itself.

    Either it failed before it had opened its run, or a part of the desk was out of reach.
    """
    run = runs.find(connection, run_id, lock=True)
    if run.status is not RunStatus.RUNNING or run.lease_epoch != epoch or run.lease_owner is None:
        return []
    if is_startup_failure:
        return _count_startup_failure(connection, run)
    has_begun = run.last_event_id > 0  # the first entry of a journal is the start of its run
    written = schedule_retry(connection, run_id, epoch, _interrupted(run) if has_begun else None)
    if written is not None:
        return written
    return _fail(connection, run, "unavailable", f"retried {MAX_RETRIES} times without progress")


def requeue(connection: sa.Connection, run_id: str, owner: str) -> list[Event]:
    """Queue a run again whose worker lives, holds the lease, and does not execute it any more.

    A run that was asked to stop ends here instead.
    """
    run = runs.find(connection, run_id, lock=True)
    if run.lease_owner != owner:
        return []
    written: list[Event] = []
    if run.status is RunStatus.RUNNING:
        written = journal.append(connection, run_id, [_interrupted(run)], epoch=run.lease_epoch)
    return written + cancellations.give_back(connection, run_id, run.lease_epoch)


def reopen(connection: sa.Connection, run_id: str, by: str) -> list[Event]:
    """Queue a failed run again, on request: its counts of failures start from zero.

    A run that is queued already needs nothing. Raises ConflictError for any other status.
    """
    run = runs.find(connection, run_id, lock=True)
    if run.status is RunStatus.QUEUED:
        return []
    if run.status is not RunStatus.FAILED:
        raise ConflictError(f"run {run_id} is {run.status.value} and cannot be resumed")
    draft = journal.draft_event(
        run,
        f"requeued/{run.lease_epoch}",
        EventType.PROGRESS,
        "Resumed on request",
        {"by": by},
        here=True,
    )
    return journal.append(
        connection,
        run_id,
        [draft],
        status=RunStatus.QUEUED,
        error=None,
        retry_state=RetryState(),
        cancel_requested=False,  # a request that came too late for the last end is not for this one
    )


def _count_startup_failure(connection: sa.Connection, run: Run) -> list[Event]:
    before = run.retry_state
    # An execution in between opened the run, or met an outage: then this is the first again.
    in_a_row = before.startup_failures and before.startup_failed_in == run.lease_epoch - 1
    times = before.startup_failures + 1 if in_a_row else 1
    if times >= MAX_STARTUP_FAILURES:
        reason = f"failed {times} times before it was opened; the worker's log has the cause"
        return _fail(connection, run, "not_opened", reason)
    counted = {
        "startup_failures": times,
        "startup_failed_in": run.lease_epoch,
        "not_before": _next_try(times),
    }
    return journal.append(
        connection,
        run.run_id,
        [],
        epoch=run.lease_epoch,
        retry_state=before.model_copy(update=counted),
    )


def _interrupted(run: Run) -> Draft:
    return journal.draft_event(
        run,
        f"interrupted/{run.lease_epoch}",
        EventType.ERROR,
        "Interrupted: a part of the desk was out of reach; goes on from the last checkpoint",
        {"code": "interrupted", "execution": run.lease_epoch},
    )


def _fail(connection: sa.Connection, run: Run, code: str, message: str) -> list[Event]:
    failure = Failure(code=code, message=message).model_dump(mode="json")
    key = f"run.failed/{run.lease_epoch}"
    draft = journal.draft_event(run, key, EventType.RUN_FAILED, "Run failed", failure)
    return journal.append(
        connection,
        run.run_id,
        [draft],
        epoch=run.lease_epoch,
        status=RunStatus.FAILED,
        error=failure,
    )


def _next_try(times: int) -> datetime:
    """When to try again after that many failures in a row: after 1, 2, 4 … 60 seconds."""
    seconds = min(2.0 ** (times - 1), _LONGEST_DELAY_SECONDS)
    return datetime.now(UTC) + timedelta(seconds=seconds)
