"""Workers that died: their runs taken from them, counted, and put back into the queue.

Each function may be executed by several processes at once; what it does, it does once.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import sqlalchemy as sa
from prefect.client.orchestration import PrefectClient
from prefect.states import Crashed

from data.contracts.errors import ConflictError
from data.contracts.events import Event, EventType
from data.contracts.runs import Failure, RunStatus
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.execution.desk import this_host
from flows.runtime.ledger import journal, runs
from flows.runtime.ledger.database import Ledger, now
from flows.runtime.ledger.runs import Run
from flows.runtime.prefect_api import states

ALONE_AFTER = 2
"""Deaths of a worker within one stage after which the run is executed by itself."""
GIVEN_UP_AFTER = 3
"""Further deaths, by itself and without a new checkpoint, after which it is set aside."""

_TOLD = ("place", "count", "alone", "alone_count")
"""What the journal says of the deaths so far."""

log = logging.getLogger(__name__)


async def requeue_abandoned(client: PrefectClient, ledger: Ledger, instance: str) -> None:
    """Put runs whose worker has fallen silent, or died on this host, back into the queue."""
    for run in await ledger.read(_left_behind):
        with states.one_run(run.run_id):
            written, given_up = await ledger.write(_bury, run, instance)
            journal.publish(written)
            if given_up is None:
                continue  # another sweep was first, or the worker came back in time
            log.warning("run %s was left behind by %s", run.run_id, run.lease_owner)
            if given_up:
                await states.close_children(client, run.run_id)
                await states.end(client, run.run_id, Crashed(message="Set aside"))
            else:
                await states.reschedule(client, run.run_id)


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
            journal.note(
                run,
                f"lost/{run.lease_epoch}",
                EventType.ERROR,
                "The worker was lost; the run goes on from its last checkpoint",
                {
                    "code": "worker_lost",
                    "execution": run.lease_epoch,
                    **{name: deaths[name] for name in _TOLD if name in deaths},
                },
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
            journal.note(
                run, f"run.failed/{run.lease_epoch}", EventType.RUN_FAILED, "Set aside", failure
            )
        )
        changes |= {"status": RunStatus.FAILED, "error": failure}
    written = journal.append(connection, run.run_id, drafts, epoch=run.lease_epoch, **changes)
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
    counted = {**deaths, "place": place, "count": count, "alone": count >= ALONE_AFTER}
    return counted | {"alone_at": saved, "alone_count": 0} if counted["alone"] else counted


def requeue(connection: sa.Connection, run_id: str, by: str) -> list[Event]:
    """Let a run that failed go on: as if it had never been set aside.

    One that is queued goes on by itself. Raises ConflictError for any other.
    """
    run = runs.find(connection, run_id)
    if run.status is RunStatus.QUEUED:
        return []
    if run.status is not RunStatus.FAILED:
        raise ConflictError(f"run {run_id} is {run.status.value} and cannot be resumed")
    draft = journal.note(
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
        deaths={},
        cancel_requested=False,  # a wish that came too late for the last end is not for this one
    )


def _left_behind(connection: sa.Connection) -> list[Run]:
    moment = now()
    return [
        run
        for run in runs.leased(connection)
        if run.lease_until < moment or died_here(str(run.lease_owner))
    ]


def died_here(owner: str) -> bool:
    """Whether a lease belongs to a process of this host that is gone: no need to wait then."""
    host, pid, _, _ = owner.split(":")
    if host != this_host():
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
