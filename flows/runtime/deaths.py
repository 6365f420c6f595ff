"""Workers that died: their runs taken from them, counted, and put back into the queue.

Each function may be executed by several processes at once; what it does, it does once.
"""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

import sqlalchemy as sa
from prefect.client.orchestration import PrefectClient
from prefect.states import Crashed

from data.contracts.errors import ConflictError
from data.contracts.events import Event, EventType
from data.contracts.runs import Failure, RunStatus
from flows.runtime import checkpoints, events, in_prefect, runs
from flows.runtime.ledger import Ledger, now
from flows.runtime.runs import Run

ALONE_AFTER = 2
"""Deaths of a worker within one stage after which the run is executed by itself."""
GIVEN_UP_AFTER = 3
"""Further deaths, by itself and without a new checkpoint, after which it is set aside."""
MOST_FALSE_STARTS = 5
"""Executions that failed before the run was opened, after which it has failed."""

log = logging.getLogger(__name__)


async def requeue_abandoned(client: PrefectClient, ledger: Ledger, instance: str) -> None:
    """Put runs whose worker has fallen silent, or died on this host, back into the queue."""
    for run in await ledger.read(_left_behind):
        written, given_up = await ledger.write(_bury, run, instance)
        events.publish(written)
        if given_up is None:
            continue  # another sweep was first, or the worker came back in time
        if given_up:
            await in_prefect.close_children(client, run.run_id)
            await in_prefect.end(client, run.run_id, Crashed(message="Set aside"))
        else:
            await in_prefect.reschedule(client, run.run_id)
        log.warning("run %s was left behind by %s", run.run_id, run.lease_owner)


def _bury(connection: sa.Connection, seen: Run, instance: str) -> tuple[list[Event], bool | None]:
    """Take the dead worker's lease away, count its death, and decide how the run goes on.

    Whether it is given up; None when the lease has changed hands since it was looked at.
    """
    run = runs.find(connection, seen.run_id)
    if (run.lease_owner, run.lease_epoch) != (seen.lease_owner, seen.lease_epoch):
        return [], None
    if run.lease_until >= now() and not died_here(str(run.lease_owner)):
        return [], None
    if run.status is not RunStatus.RUNNING:
        runs.release(connection, run.run_id, run.lease_epoch)
        return [], False
    deaths = dict(run.deaths)
    if _desk_of(run.lease_owner) == instance:  # the desk lived on: the worker died alone
        deaths = _one_more(deaths, run.phase, checkpoints.count(connection, run.run_id))
    given_up = deaths.get("alone_count", 0) >= GIVEN_UP_AFTER
    drafts = []
    if run.last_event_id:  # a journal begins with its run's start
        drafts.append(
            events.note(
                run,
                f"lost/{run.lease_epoch}",
                EventType.ERROR,
                "The worker was lost; the run goes on from its last checkpoint",
                {"code": "worker_lost", "execution": run.lease_epoch, **deaths},
            )
        )
    changes: dict[str, Any] = {"deaths": deaths}
    if given_up:
        failure = Failure(
            code="worker_killer",
            message=f"workers die of this run: {GIVEN_UP_AFTER} times alone in one stage",
            stage=run.phase,
        ).model_dump(mode="json")
        drafts.append(
            events.note(
                run, f"run.failed/{run.lease_epoch}", EventType.RUN_FAILED, "Set aside", failure
            )
        )
        changes |= {"status": RunStatus.FAILED, "error": failure}
    written = events.append(connection, run.run_id, drafts, epoch=run.lease_epoch, **changes)
    runs.release(connection, run.run_id, run.lease_epoch)
    return written, given_up


def _one_more(deaths: dict[str, Any], phase: str, saved: int) -> dict[str, Any]:
    """Count a death: by stage until the run is executed alone, by checkpoint from then on."""
    if deaths.get("alone"):
        same = deaths.get("alone_at") == saved
        return {
            **deaths,
            "alone_at": saved,
            "alone_count": deaths["alone_count"] + 1 if same else 1,
        }
    place = f"{phase}/{saved}"
    count = deaths.get("count", 0) + 1 if deaths.get("place") == place else 1
    told = {"place": place, "count": count, "alone": count >= ALONE_AFTER}
    return told | {"alone_at": saved, "alone_count": 0} if told["alone"] else told


def put_back(connection: sa.Connection, run_id: str) -> list[Event]:
    """Put a run back into the queue whose worker lives, and had to leave it without a word."""
    run = runs.find(connection, run_id)
    written: list[Event] = []
    if run.status is RunStatus.RUNNING:
        draft = events.note(
            run,
            f"interrupted/{run.lease_epoch}",
            EventType.ERROR,
            "Interrupted: the desk was out of order; goes on from the last checkpoint",
            {"code": "interrupted", "execution": run.lease_epoch},
        )
        written = events.append(connection, run_id, [draft], epoch=run.lease_epoch)
    runs.release(connection, run_id, run.lease_epoch)
    return written


def count_false_start(connection: sa.Connection, run_id: str, epoch: int) -> list[Event]:
    """Note an execution that failed before the run was opened; too many are the run's end.

    Of a run that was opened the ledger knows how it ended: there is nothing to note then.
    """
    run = runs.find(connection, run_id)
    if run.status is not RunStatus.RUNNING or run.lease_epoch != epoch:
        return []
    times = run.deaths.get("false_starts", 0) + 1
    changes: dict[str, Any] = {"deaths": {**run.deaths, "false_starts": times}}
    drafts = []
    if times >= MOST_FALSE_STARTS:
        failure = Failure(
            code="not_opened",
            message=f"failed {times} times before it was opened; the worker's log says why",
        ).model_dump(mode="json")
        drafts.append(
            events.note(run, f"run.failed/{epoch}", EventType.RUN_FAILED, "Run failed", failure)
        )
        changes |= {"status": RunStatus.FAILED, "error": failure}
    return events.append(connection, run_id, drafts, epoch=epoch, **changes)


def requeue(connection: sa.Connection, run_id: str, by: str) -> list[Event]:
    """Let a run that failed go on: as if it had never been set aside.

    One that is queued goes on by itself. Raises ConflictError for any other.
    """
    run = runs.find(connection, run_id)
    if run.status is RunStatus.QUEUED:
        return []
    if run.status is not RunStatus.FAILED:
        raise ConflictError(f"run {run_id} is {run.status.value} and cannot be resumed")
    draft = events.note(
        run,
        f"requeued/{run.lease_epoch}",
        EventType.PROGRESS,
        "Resumed on request",
        {"by": by},
        here=True,
    )
    return events.append(
        connection, run_id, [draft], status=RunStatus.QUEUED, error=None, deaths={}
    )


def _left_behind(connection: sa.Connection) -> list[Run]:
    silent = {run.run_id: run for run in runs.abandoned(connection)}
    for run in runs.leased(connection):
        if run.lease_owner and died_here(run.lease_owner):
            silent[run.run_id] = run
    return list(silent.values())


def died_here(owner: str) -> bool:
    """Whether a lease belongs to a process of this host that is gone: no need to wait then."""
    host, pid, _, _ = owner.split(":")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _desk_of(owner: str | None) -> str:
    """Which start of which desk a lease's owner belonged to."""
    return owner.split(":")[3] if owner else ""
