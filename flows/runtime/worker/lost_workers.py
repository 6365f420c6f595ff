"""Lost workers: their leases reclaimed, their crashes counted, their runs queued again.

Several processes may call each function at once; what it does, it does once.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from data.contracts.errors import CreditDeskError
from data.contracts.events import Event, EventType
from data.contracts.runs import Failure, RetryState, RunStatus
from data.metrics import LEASES_LOST
from flows.runtime.ledger import checkpoint_index, figures, journal, leases, runs
from flows.runtime.ledger.database import Ledger, clock
from flows.runtime.ledger.journal import Draft
from flows.runtime.ledger.runs import Run, RunRef
from flows.runtime.prefect_api import feed, states
from flows.runtime.prefect_api.client import PrefectClient
from flows.runtime.worker import lost_spans

QUARANTINE_AFTER = 2
"""Workers lost within one stage, after which the run is executed alone in its worker."""
MAX_QUARANTINE_CRASHES = 3
"""Further workers lost, alone and without a new checkpoint, after which the run has failed."""

log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What reclaiming a lease came to."""

    KEPT = "kept"
    """The lease has changed hands since it was looked at, or its worker has come back."""
    REQUEUED = "requeued"
    SET_ASIDE = "set_aside"
    """The run has failed: too many workers were lost while they executed it."""


async def requeue_abandoned(client: PrefectClient, ledger: Ledger, instance: str) -> None:
    """Queue the runs again whose worker is silent for too long, or has died on this host."""
    for run in await ledger.read(leases.abandoned):
        with states.isolate_errors(run.run_id):
            outcome, written = await ledger.write(_reclaim_lease, run, instance)
            feed.publish(written)
            if outcome is Outcome.KEPT:
                continue
            log.warning("run %s was left behind by %s", run.run_id, run.lease_owner)
            with suppress(CreditDeskError):
                await lost_spans.draw(ledger, run)
            if outcome is Outcome.SET_ASIDE:
                await states.close_children(client, run.flow_run_id)
                await states.end_as_crashed(client, run.flow_run_id, "Set aside")
            else:
                # Paused too: the worker may have died before it stored the form of a gate.
                await states.reschedule(client, run.flow_run_id, or_paused=True)


def _reclaim_lease(
    connection: sa.Connection, seen: RunRef, instance: str
) -> tuple[Outcome, list[Event]]:
    """Take the lease from a lost worker, count the crash, and decide how the run goes on."""
    run = runs.find(connection, seen.run_id, lock=True)
    # Between the look and this transaction another sweep may have reclaimed the lease, or the
    # worker may have renewed it.
    is_same = (run.lease_owner, run.lease_epoch) == (seen.lease_owner, seen.lease_epoch)
    if not is_same or not leases.is_abandoned(run, clock(connection)):
        return Outcome.KEPT, []
    figures.observe(connection, [figures.Observation(LEASES_LOST, trace_id=run.trace_id)])
    if run.status is not RunStatus.RUNNING:
        leases.release_lease(connection, run.run_id, run.lease_epoch)
        return Outcome.REQUEUED, []
    counted = run.retry_state
    if _desk_of(run.lease_owner) == instance:  # the desk lived on: this worker died alone
        counted = _with_crash(counted, run.phase, checkpoint_index.count(connection, run.run_id))
    changes: dict[str, Any] = {"retry_state": counted}
    # A journal begins with the start of its run: before that there is nothing to say.
    drafts = [_lost(run, counted)] if run.last_event_id else []
    outcome = Outcome.REQUEUED
    if counted.quarantine_crashes >= MAX_QUARANTINE_CRASHES:
        outcome = Outcome.SET_ASIDE
        failure = _worker_killer(run)
        drafts.append(_set_aside(run, failure))
        changes |= {"status": RunStatus.FAILED, "error": failure}
    written = journal.append(connection, run.run_id, drafts, epoch=run.lease_epoch, **changes)
    leases.release_lease(connection, run.run_id, run.lease_epoch)
    return outcome, written


def _with_crash(before: RetryState, phase: str, saved: int) -> RetryState:
    """Count a crash: by stage until the run is quarantined, by checkpoint from then on."""
    if before.is_quarantined:
        again = before.quarantine_at == saved
        crashes = before.quarantine_crashes + 1 if again else 1
        return before.model_copy(update={"quarantine_at": saved, "quarantine_crashes": crashes})
    place = f"{phase}/{saved}"
    crashes = before.crashes + 1 if before.crash_place == place else 1
    return before.model_copy(
        update={
            "crash_place": place,
            "crashes": crashes,
            "is_quarantined": crashes >= QUARANTINE_AFTER,
            "quarantine_at": saved,
        }
    )


def _lost(run: Run, counted: RetryState) -> Draft:
    return journal.draft_event(
        run,
        f"lost/{run.lease_epoch}",
        EventType.ERROR,
        "The worker was lost; the run goes on from its last checkpoint",
        {
            "code": "worker_lost",
            "execution": run.lease_epoch,
            "crashes": counted.crashes,
            "is_quarantined": counted.is_quarantined,
            "quarantine_crashes": counted.quarantine_crashes,
        },
    )


def _worker_killer(run: Run) -> dict[str, Any]:
    return Failure(
        code="worker_killer",
        message=f"{MAX_QUARANTINE_CRASHES} workers were lost in one stage of this run alone",
        stage=run.phase,
    ).model_dump(mode="json")


def _set_aside(run: Run, failure: dict[str, Any]) -> Draft:
    key = f"run.failed/{run.lease_epoch}"
    return journal.draft_event(run, key, EventType.RUN_FAILED, "Set aside", failure)


def _desk_of(owner: str | None) -> str:
    """Which start of which desk a lease's owner belonged to."""
    return owner.split(":")[3] if owner else ""
