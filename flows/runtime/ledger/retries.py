"""Executions that came to nothing although their worker lives: the run goes on later, or fails.

The desk's own trouble (ledger, result storage or Prefect out of reach) puts a run off, also
while it is being opened; an execution that failed before that for any other reason is a false
start. Each next try comes later than the one before, so that a run outlives an outage; too many
are the run's end.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from data.contracts.events import Event, EventType
from data.contracts.runs import Failure, RunStatus
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.ledger import journal, runs
from flows.runtime.ledger.journal import Draft
from flows.runtime.ledger.runs import Run
from flows.runtime.prefect_api import cancel

MOST_PUT_OFF = 20
"""How often a run is put off without having come any further: that takes a quarter of an hour."""
MOST_FALSE_STARTS = 5
"""Executions in a row that failed before the run was opened, after which it has failed."""
_LONGEST_PAUSE_SECONDS = 60.0


def put_off(
    connection: sa.Connection, run_id: str, epoch: int, why: Draft | None
) -> list[Event] | None:
    """Let another execution follow, and say why; None when that has been so too often.

    Raises LeaseLostError when this execution has nothing to say any more.
    """
    run = runs.find(connection, run_id)
    saved = checkpoints.count(connection, run_id)
    here = run.deaths.get("put_off_at") == saved
    times = run.deaths.get("put_off", 0) + 1 if here else 1
    if times > MOST_PUT_OFF:
        return None
    noted = {**run.deaths, "put_off": times, "put_off_at": saved, **_not_before(times)}
    drafts = [why] if why else []
    return journal.append(
        connection, run_id, drafts, epoch=epoch, status=RunStatus.QUEUED, deaths=noted
    )


def leave(
    connection: sa.Connection, run_id: str, epoch: int, *, is_false_start: bool
) -> list[Event]:
    """Note how an execution ended that failed and has not written an end.

    Either it failed before it had opened its run, or the desk was out of order.
    """
    run = runs.find(connection, run_id)
    if run.status is not RunStatus.RUNNING or run.lease_epoch != epoch or run.lease_owner is None:
        return []
    if is_false_start:
        return _count_false_start(connection, run)
    has_begun = run.last_event_id > 0  # a journal begins with its run's start
    written = put_off(connection, run_id, epoch, _interrupted(run) if has_begun else None)
    if written is not None:
        return written
    return _fail(connection, run, "unavailable", f"put off {MOST_PUT_OFF} times without a step")


def put_back(connection: sa.Connection, run_id: str, owner: str) -> list[Event]:
    """Put a run back into the queue that its living worker had to leave without a word.

    Unless it was asked to stop: then this is its end.
    """
    run = runs.find(connection, run_id)
    if run.lease_owner != owner:
        return []
    written: list[Event] = []
    if run.status is RunStatus.RUNNING:
        written = journal.append(connection, run_id, [_interrupted(run)], epoch=run.lease_epoch)
    return written + cancel.give_back(connection, run_id, run.lease_epoch)


def _count_false_start(connection: sa.Connection, run: Run) -> list[Event]:
    # An execution in between that was none has opened the run, or was put off: counted anew.
    in_a_row = run.deaths.get("false_start_in") == run.lease_epoch - 1
    times = run.deaths.get("false_starts", 0) + 1 if in_a_row else 1
    if times >= MOST_FALSE_STARTS:
        said = f"failed {times} times before it was opened; the worker's log says why"
        return _fail(connection, run, "not_opened", said)
    here = {"false_starts": times, "false_start_in": run.lease_epoch}
    noted = {**run.deaths, **here, **_not_before(times)}
    return journal.append(connection, run.run_id, [], epoch=run.lease_epoch, deaths=noted)


def _interrupted(run: Run) -> Draft:
    return journal.note(
        run,
        f"interrupted/{run.lease_epoch}",
        EventType.ERROR,
        "Interrupted: the desk was out of order; goes on from the last checkpoint",
        {"code": "interrupted", "execution": run.lease_epoch},
    )


def _fail(connection: sa.Connection, run: Run, code: str, message: str) -> list[Event]:
    failure = Failure(code=code, message=message).model_dump(mode="json")
    key = f"run.failed/{run.lease_epoch}"
    draft = journal.note(run, key, EventType.RUN_FAILED, "Run failed", failure)
    return journal.append(
        connection,
        run.run_id,
        [draft],
        epoch=run.lease_epoch,
        status=RunStatus.FAILED,
        error=failure,
    )


def _not_before(times: int) -> dict[str, Any]:
    """When to try again after that many setbacks: after 1, 2, 4 … 60 seconds."""
    return {"not_before": runs.moment(min(2.0 ** (times - 1), _LONGEST_PAUSE_SECONDS))}
