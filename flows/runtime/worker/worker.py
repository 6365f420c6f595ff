"""The warm worker: one process that executes many runs, and is told when there is one.

Prefect only hands out work to those who ask, so the worker subscribes to the events that say
that asking is worth while (`watch.py`), and asks from time to time anyway.
It takes a run twice over: Prefect's Pending state (a second proposal is refused) and a lease
in the ledger, whose epoch every write names.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

import sqlalchemy as sa

from data.contracts.errors import (
    ConflictError,
    CreditDeskError,
    RecordNotFoundError,
    UnavailableError,
)
from data.contracts.events import Event
from data.contracts.runs import RunStatus
from data.settings import Settings
from flows.runtime.execution import engine
from flows.runtime.execution.desk import Desk, this_desk
from flows.runtime.execution.surroundings import Execution, execution
from flows.runtime.execution.task_engine import require_installed
from flows.runtime.host import parent_pipe, telemetry
from flows.runtime.host.garbage import leave_out_loaded
from flows.runtime.host.run_spans import spans_of
from flows.runtime.ledger import cancellations, leases, retries, run_requests, runs
from flows.runtime.ledger.runs import Run, RunRef
from flows.runtime.prefect_api import cancel, deployments, feed, scheduled, states
from flows.runtime.prefect_api.client import FlowRun, PrefectClient, State, shared_client
from flows.runtime.prefect_api.deployments import Deployment
from flows.runtime.prefect_api.launch import parameters_of
from flows.runtime.worker.jobs import Jobs, worker_name
from flows.runtime.worker.sweep import SWEEP_SECONDS, Duty, SweepCursor, sweep
from flows.runtime.worker.tolerance import tolerated
from flows.runtime.worker.watch import Watch

HEARTBEAT_SECONDS = deployments.SILENT_SECONDS / 3
_RECOVER_SECONDS = 15.0
_STOP_SECONDS = 3.5
_HELD_SECONDS = 5.0
"""How long a run is left alone whose last worker is not given up yet."""


log = logging.getLogger(__name__)


class Worker:
    """Executes the runs of one deployment's pool until `stop` is set."""

    def __init__(self, desk: Desk, deployments: Sequence[Deployment]) -> None:
        """The first deployment's runs are executed here, those of other pools are jobs."""
        self._desk = desk
        self._deployments = tuple(deployments)
        self._deployment = deployment = self._deployments[0]
        pools = {declared.pool for declared in self._deployments} - {deployment.pool}
        self._pools = (deployment.pool, *sorted(pools))
        self._jobs = Jobs(self._pools[1:], desk.owner, desk.settings.max_active_jobs)
        self._flow = engine.prepared(deployment.load())
        self._deployment_id: UUID | None = None
        self._active: dict[str, asyncio.Task[None]] = {}
        self._executions: dict[str, Execution] = {}
        self._watches = {pool: Watch() for pool in self._pools}
        self._watch = self._watches[deployment.pool]
        self._quarantined = ""
        """The run that is executed by itself, while it is."""
        self._has_left_some = False
        """Whether more runs may be due than were taken: look again when one has ended."""
        self._unattended: set[str] = set()
        """Runs whose lease we had and that we did not execute, when we last looked."""
        self._cursor = SweepCursor()

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        """Work until told to stop; then hand back what is under way and return."""
        async with shared_client() as client:
            self._deployment_id = await _until_answered(lambda: self._register(client), stop)
            await self._sweep(client)
            await self._jobs.recover(client)
            duties = [
                self._listen(),
                self._poll(self._watch, lambda: self._take_offers(client)),
                *(
                    self._poll(self._watches[pool], lambda: self._jobs.take_offers(client))
                    for pool in self._pools[1:]
                ),
                self._every(_RECOVER_SECONDS, lambda: self._jobs.recover(client)),
                self._every(HEARTBEAT_SECONDS, lambda: self._greet(client)),
                self._every(self._desk.settings.lease_seconds / 3, self._keep_leases),
                self._every(
                    self._desk.settings.lease_seconds / 3, lambda: self._ask_prefect(client)
                ),
                self._every(SWEEP_SECONDS, lambda: self._sweep(client)),
            ]
            tasks = [asyncio.create_task(duty) for duty in duties]
            await self._greet(client)
            on_ready()
            try:
                await stop.wait()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.gather(self._hand_back(client), self._jobs.close(client))

    async def _register(self, client: PrefectClient) -> UUID:
        """Register all deployments; returns the id of the one whose runs are executed here."""
        first, *jobs = self._deployments
        self._jobs.registered = {await deployments.register(client, job): job.name for job in jobs}
        return await deployments.register(client, first)

    # -- duties ----------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Be told of runs that are offered, and of runs that are cancelled in Prefect."""
        async for told in feed.listen(names=(*feed.RUN_OFFERED, *feed.RUN_CANCELLED)):
            if told.name in feed.RUN_CANCELLED:
                with tolerated("a cancellation in Prefect"):  # the next `_ask_prefect` finds it
                    self._jobs.cancel(told.subject_id)
                    await self._cancelled_in_prefect(told.subject_id)
            elif not told.name:
                # Events are lost, and perhaps Prefect has another database than before.
                self._cursor.compare_soon()
                for watch in self._watches.values():
                    watch.look()
            elif told.pool in self._watches:
                self._watches[told.pool].hurry()

    async def _poll(self, watch: Watch, take_offers: Callable[[], Awaitable[int]]) -> None:
        """Ask for the work of a pool when it is worth while."""
        while True:
            await watch.moment()
            has_looked = False
            with tolerated("no run was taken"):
                if await take_offers():
                    watch.found()
                has_looked = True
            if not has_looked:
                await asyncio.sleep(0.5)
                watch.look()

    async def _greet(self, client: PrefectClient) -> None:
        """Keep the pools green in the UI."""
        name = worker_name(self._desk.owner)
        with suppress(UnavailableError):
            if not await deployments.heartbeat(client, self._pools, name, HEARTBEAT_SECONDS):
                # Prefect's database is a new one. The next sweep makes the runs there again.
                self._deployment_id = await self._register(client)

    async def _keep_leases(self) -> None:
        """Renew our leases; stop executing the runs whose lease is lost, or that are to stop."""
        if not self._active and not self._unattended:
            return  # an idle desk does not take the ledger's lock
        ours = dict(self._executions)  # what is taken meanwhile cannot be lost
        held = await self._desk.ledger.write(
            leases.renew_leases, self._desk.owner, self._desk.settings.lease_seconds
        )
        for run_id, execution_of_run in ours.items():
            # One that has come to its end meanwhile has given its lease back itself.
            if run_id not in held and self._executions.get(run_id) is execution_of_run:
                log.warning("lost the lease of run %s", run_id)
                execution_of_run.has_lost_lease = True
                self._active[run_id].cancel()
        for run_id in await self._desk.ledger.read(cancellations.to_be_stopped):
            self._stop(run_id)
        # Held and not executed, also at the last look: the ledger was out of reach when the lease
        # was to be taken, or given back.
        unattended = held - self._active.keys()
        for run_id in unattended & self._unattended:
            requeue, owner = retries.requeue, self._desk.owner
            feed.publish(await self._desk.ledger.write(requeue, run_id, owner))
        self._unattended = unattended

    async def _ask_prefect(self, client: PrefectClient) -> None:
        """Look for cancellations whose event was lost. Prefect may be slow; leases never wait."""
        ours = [execution.flow_run_id for execution in self._executions.values()]
        with suppress(UnavailableError):
            for flow_run_id in await states.cancelled_among(client, ours):
                await self._cancelled_in_prefect(flow_run_id)

    async def _sweep(self, client: PrefectClient) -> None:
        async def look() -> None:
            self._watch.look()

        ledger, instance = self._desk.ledger, self._desk.instance
        own = [Duty(runs.is_one_queued, look)]
        await sweep(client, ledger, self._deployed, instance, self._cursor, own)

    async def _deployed(self) -> UUID:
        assert self._deployment_id is not None
        return self._deployment_id

    async def _every(self, seconds: float, duty: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            with tolerated("a duty of the worker"):
                await duty()

    # -- runs ------------------------------------------------------------------------------

    async def _take_offers(self, client: PrefectClient) -> int:
        """Take as many due runs as there is room for; how many were taken."""
        room = self._desk.settings.max_active_runs - len(self._active)
        self._has_left_some = room <= 0 or self._quarantined in self._active
        if self._has_left_some:
            return 0
        offered = await scheduled.due(client, self._pools[:1], room)
        self._has_left_some = len(offered) == room
        if not offered:
            return 0
        flow_run_ids = [str(flow_run.id) for flow_run in offered]
        known = await self._desk.ledger.read(runs.of_flow_runs, flow_run_ids)
        taken = 0
        for flow_run in offered:
            run = known.get(str(flow_run.id))
            is_quarantined = run is not None and run.is_quarantined
            if run is not None and run.run_id in self._active:
                continue
            if is_quarantined and self._active:
                self._has_left_some = True
                break  # workers were lost in it: let the others end first, and take no more
            taken += await self._take(client, flow_run, run)
            if run is not None and is_quarantined:
                self._quarantined, self._has_left_some = run.run_id, True
                break
        return taken

    async def _take(self, client: PrefectClient, flow_run: FlowRun, run: RunRef | None) -> bool:
        """Take a run that Prefect offers, twice over: by its state there, and by its lease here."""
        flow_run_id = str(flow_run.id)
        if run is not None and run.status.has_ended:
            await states.close_children(client, flow_run_id)
            await states.end(client, flow_run_id, run.status)
            return False
        accepted = await scheduled.claim(client, flow_run)
        if accepted is None:
            return False
        try:
            ours, epoch = await self._desk.ledger.write(self._acquire, flow_run)
        except (RecordNotFoundError, ConflictError) as error:
            log.warning("flow run %s is refused: %s", flow_run_id, error)
            is_conflict = isinstance(error, ConflictError)
            status = RunStatus.CANCELLED if is_conflict else RunStatus.FAILED
            await states.end(client, flow_run_id, status, error.message)
            return False
        except UnavailableError:
            if run is not None:  # the lease may be ours all the same
                self._unattended.add(run.run_id)
            raise
        if epoch is None:
            await self._leave_alone(client, ours)
            return False
        self._start(flow_run, accepted, ours, epoch)
        return True

    def _acquire(self, connection: sa.Connection, flow_run: FlowRun) -> tuple[Run, int | None]:
        """Take the lease of the run that a flow run carries out; None when it cannot be had."""
        given = str(flow_run.parameters.get("run_id", ""))
        run = run_requests.of_flow_run(connection, str(flow_run.id), given)
        owner, seconds = self._desk.owner, self._desk.settings.lease_seconds
        return run, leases.acquire_lease(connection, run.run_id, owner, seconds)

    def _start(self, flow_run: FlowRun, accepted: State[Any], run: Run, epoch: int) -> None:
        run_id = run.run_id
        self._executions[run_id] = ours = Execution(run_id, str(flow_run.id), epoch)
        context = copy_context()
        context.run(execution.set, ours)
        executing = self._execute(flow_run, accepted, parameters_of(run), ours)
        task = asyncio.create_task(executing, context=context, name=run_id)
        self._active[run_id] = task
        task.add_done_callback(lambda _: self._finished(run_id))

    async def _leave_alone(self, client: PrefectClient, run: Run) -> None:
        """Take no run that has ended or is to stop; one that another worker holds comes later."""
        run = await self._desk.ledger.read(runs.find, run.run_id)
        if run.status.has_ended or run.cancel_requested:
            await cancel.deliver_one(client, self._desk.ledger, run.run_id)
        else:
            later = datetime.now(UTC) + timedelta(seconds=_HELD_SECONDS)
            await states.reschedule(client, run.flow_run_id, not_before=later)

    async def _execute(
        self,
        flow_run: FlowRun,
        accepted: State[Any],
        parameters: dict[str, Any],
        ours: Execution,
    ) -> None:
        """Execute a run to its end, its next gate, or its cancellation."""
        left: State[Any] | None = None
        with spans_of(ours.run_id):  # Prefect's log lines about the run name it, too
            try:
                left = await engine.execute(self._flow, flow_run, accepted, parameters)
            finally:
                self._executions.pop(ours.run_id, None)  # from here on there is nothing to stop
                await asyncio.shield(self._give_back(ours, left))

    async def _give_back(self, ours: Execution, ended: State[Any] | None) -> None:
        """Give the lease back, with the end of a run that could not write its own."""

        def give_back(connection: sa.Connection) -> tuple[list[Event], Run]:
            written: list[Event] = []
            if ended is not None and ended.is_cancelling():  # stopped before the flow had begun
                with suppress(ConflictError):
                    written += cancellations.request(connection, ours.run_id, cancellations.PREFECT)
            if ended is not None and ended.is_failed():
                written += retries.record_failure(
                    connection, ours.run_id, ours.epoch, is_startup_failure=ours.is_startup_failure
                )
            written += cancellations.give_back(connection, ours.run_id, ours.epoch)
            return written, runs.find(connection, ours.run_id)

        try:
            written, run = await self._desk.ledger.write(give_back)
            feed.publish(written)
            await states.reconcile_state(run, ours.epoch, ended)
        except CreditDeskError as error:
            self._unattended.add(ours.run_id)
            log.warning("run %s cannot be given back yet: %s", ours.run_id, error)

    def _finished(self, run_id: str) -> None:
        self._active.pop(run_id, None)
        if self._has_left_some:
            self._watch.look()

    async def _cancelled_in_prefect(self, flow_run_id: str) -> None:
        """Note the request before anything is stopped: it outlives this process in the ledger."""
        known = await self._desk.ledger.read(runs.of_flow_runs, [flow_run_id])
        for run in known.values():
            with suppress(ConflictError):  # it has ended
                request, by = cancellations.request, cancellations.PREFECT
                feed.publish(await self._desk.ledger.write(request, run.run_id, by))
                self._stop(run.run_id)

    def _stop(self, run_id: str) -> None:
        ours = self._executions.get(run_id)
        if ours is not None and not ours.stop.is_set():
            ours.stop.set()
            self._active[run_id].cancel()

    async def _hand_back(self, client: PrefectClient) -> None:
        """Stop what is under way, without an end: another execution goes on from there."""
        executions = dict(self._executions)
        under_way = dict(self._active)
        for task in under_way.values():
            task.cancel()
        await asyncio.gather(*under_way.values(), return_exceptions=True)
        for handed_back in executions.values():
            with suppress(UnavailableError):
                await states.reschedule(client, handed_back.flow_run_id)


async def _until_answered(call: Callable[[], Awaitable[UUID]], stop: asyncio.Event) -> UUID:
    """Try until the Prefect server is there: the roles of a desk may start in any order."""
    while True:
        try:
            return await call()
        except UnavailableError as error:
            log.info("waiting: %s", error)
            if stop.is_set():
                raise
            await asyncio.sleep(0.5)


def _started() -> None:
    leave_out_loaded()
    parent_pipe.notify_ready()


def serve_worker(settings: Settings) -> NoReturn:
    """Run a worker in this process until SIGTERM or SIGINT; ends it within five seconds of that.

    Raises ContractViolationError when the engine for batches is not installed.

    The event loop has a thread of its own. Prefect's engine handles SIGTERM for the one run it
    believes a process to have, by raising in the main thread; ours has many, and only waits there.
    """
    require_installed(settings)
    parent_pipe.exit_with_parent()
    telemetry.setup("worker", settings)
    told = threading.Event()
    for number in parent_pipe.ending_signals():
        signal.signal(number, lambda *_: told.set())
    failures: list[BaseException] = []

    async def work() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        threading.Thread(
            target=lambda: (told.wait(), loop.call_soon_threadsafe(stop.set)), daemon=True
        ).start()
        desk = await asyncio.to_thread(this_desk)
        await Worker(desk, deployments.declared(settings.prefect_yaml)).run(stop, _started)

    def loop() -> None:
        try:
            asyncio.run(work())
        except CreditDeskError as error:
            log.error("the worker ended: %s", error)
            failures.append(error)
        except BaseException as error:
            log.exception("the worker ended in an error")
            failures.append(error)
        told.set()

    thread = threading.Thread(target=loop, name="worker", daemon=True)
    thread.start()
    while not told.wait(timeout=1.0):
        pass
    thread.join(timeout=_STOP_SECONDS)
    telemetry.flush()
    parent_pipe.exit_now(1 if failures else 0)
