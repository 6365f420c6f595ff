"""The sweep: it finds unfinished work in the ledger and finishes it.

The worker and the API sweep at their start and every few seconds. One look at the ledger tells
which duties there are; Prefect is compared with the ledger less often, as this takes requests.
Several processes may call each function at once and any number of times; what it does, it does
once. Prefect's Crashed is not an end here: a run goes on as long as the ledger says that it is
alive.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from data.contracts.errors import ConflictError
from data.settings import settings
from flows.runtime.ledger import (
    batches,
    cancellations,
    figures,
    leases,
    outbox,
    reviews,
    runs,
)
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.runs import RunRef
from flows.runtime.prefect_api import cancel, feed, states
from flows.runtime.prefect_api.client import PrefectClient, State
from flows.runtime.prefect_api.launch import (
    launch_missing,
    relaunch_unknown,
    without_flow_run,
)
from flows.runtime.prefect_api.wake import deliver_answers
from flows.runtime.worker import lost_workers
from flows.runtime.worker.batches import find_drivers, look_after_reviews
from flows.runtime.worker.deadlines import enforce_deadlines
from flows.runtime.worker.notifications import send_notifications
from flows.runtime.worker.tolerance import tolerated

SWEEP_SECONDS = 5.0
COMPARE_SECONDS = 15.0
"""The time between two comparisons with Prefect while it has every run as expected."""
WAITING_COMPARED = 1_000
"""How many of the runs that wait for a person one comparison is about."""


@dataclass
class SweepCursor:
    """When the next comparison is due, and how far they have come among the waiting runs."""

    last: str = ""
    compare_at: float = 0.0

    def take(self, connection: sa.Connection) -> list[RunRef]:
        """The next waiting runs; after the last one, the first again."""
        taken = runs.waiting(connection, self.last, WAITING_COMPARED)
        self.last = taken[-1].run_id if len(taken) == WAITING_COMPARED else ""
        return taken

    def compare_soon(self) -> None:
        """Let the next sweep compare: something may have happened in Prefect unheard."""
        self.compare_at = 0.0

    def compare_later(self) -> None:
        self.compare_at = time.monotonic() + COMPARE_SECONDS


@dataclass(frozen=True)
class Duty:
    """Something that may be left to do: how the ledger tells, and how it is done."""

    is_due: Callable[[sa.Connection], object]
    """Whether there is something to do: true, or not empty."""
    do: Callable[[], Awaitable[object]]


async def sweep(
    client: PrefectClient,
    ledger: Ledger,
    find_deployment: Callable[[], Awaitable[UUID]],
    instance: str,
    cursor: SweepCursor,
    own: Sequence[Duty] = (),
) -> None:
    """Do every duty that is due, also those of the caller's own. One that fails now is not an
    error: the next sweep does it.

    What needs no Prefect comes first and is done while Prefect is away.
    """
    duties = [
        Duty(reviews.out_of_time, lambda: enforce_deadlines(ledger, settings())),
        Duty(outbox.is_one_due, lambda: send_notifications(ledger, settings())),
        Duty(leases.abandoned, lambda: lost_workers.requeue_abandoned(client, ledger, instance)),
        Duty(reviews.undelivered, lambda: deliver_answers(client, ledger)),
        Duty(cancellations.to_be_stopped, lambda: cancel.deliver(client, ledger)),
        Duty(figures.are_many, lambda: ledger.write(figures.compact)),
        Duty(batches.without_end, lambda: find_drivers(client, ledger, settings())),
        Duty(
            batches.with_reviews,
            lambda: look_after_reviews(client, ledger, settings(), find_deployment),
        ),
        Duty(without_flow_run, lambda: _launch_missing(client, ledger, find_deployment)),
        *own,
    ]
    due: list[Duty] = []
    with tolerated("sweep interrupted"):
        due = await ledger.read(lambda connection: [d for d in duties if d.is_due(connection)])
    for duty in due:
        with tolerated("sweep interrupted"):
            await duty.do()
    if time.monotonic() >= cursor.compare_at:
        with tolerated("sweep interrupted"):
            await _compare(client, ledger, await find_deployment(), cursor)


async def _launch_missing(
    client: PrefectClient, ledger: Ledger, find_deployment: Callable[[], Awaitable[UUID]]
) -> None:
    await launch_missing(client, ledger, await find_deployment())


async def _compare(
    client: PrefectClient, ledger: Ledger, deployment_id: UUID, cursor: SweepCursor
) -> None:
    is_as_expected = await reconcile_idle_runs(client, ledger, deployment_id, cursor)
    await close_ended(client, ledger, deployment_id)
    if is_as_expected:  # otherwise the next sweep sees to it that it is mended
        cursor.compare_later()


async def reconcile_idle_runs(
    client: PrefectClient, ledger: Ledger, deployment_id: UUID, cursor: SweepCursor
) -> bool:
    """Compare the runs that no worker executes with Prefect: all that are queued, some that wait.

    Runs that Prefect has lost get a flow run. What people did to the others in Prefect is taken
    over or undone: cancelled, left crashed, paused or completed by hand. Returns whether Prefect
    had all of them as expected, which takes one request for 200 runs.
    """
    is_as_expected = True
    for idle, expected in (
        (await ledger.read(runs.queued), states.OFFERED),
        (await ledger.read(cursor.take), states.ASLEEP),
    ):
        mapped = {run.flow_run_id: run for run in idle if run.flow_run_id}
        if await states.all_are(client, mapped, expected):
            continue
        is_as_expected = False
        await relaunch_unknown(client, ledger, deployment_id, mapped.values())
        for flow_run in await states.others_than(client, mapped, expected):
            run = mapped[str(flow_run.id)]
            with states.isolate_errors(run.run_id):
                if flow_run.state is not None:
                    await _reconcile(client, ledger, run, flow_run.state)
    return is_as_expected


async def _reconcile(
    client: PrefectClient, ledger: Ledger, run: RunRef, state: State[None]
) -> None:
    if state.is_cancelled() or state.is_cancelling():
        with suppress(ConflictError):  # the desk was told, too
            by = cancellations.PREFECT
            feed.publish(await ledger.write(cancellations.request, run.run_id, by))
    elif state.is_crashed() or state.is_failed() or states.is_settled(state):
        await states.reschedule(client, run.flow_run_id, seen=state, not_before=run.not_before)


async def close_ended(client: PrefectClient, ledger: Ledger, deployment_id: UUID) -> None:
    """End in Prefect what has ended in the ledger, when the worker died before it said so."""
    found = await states.unfinished(client, deployment_id)
    if not found:
        return
    known = await ledger.read(runs.of_flow_runs, [str(flow_run.id) for flow_run in found])
    for flow_run in found:
        run = known.get(str(flow_run.id))
        if run is None or not run.status.has_ended or run.lease_owner is not None:
            continue
        with states.isolate_errors(run.run_id):
            if flow_run.state is not None and states.is_settled(flow_run.state):
                await states.close_children(client, run.flow_run_id)
                await states.end(client, run.flow_run_id, run.status)
